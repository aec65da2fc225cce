"""Rules of one column: when a typed value breaks them, and the sentence that says so.

Which rules a column has, and their order, is the contract room's knowledge (``cell_rules``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dagster_project.contracts import CellRule, cell_rules
from dagster_project.contracts.model import Column
from dagster_project.transform.conform import codes, identity, money
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    any_of,
    cast,
    fn,
    gt,
    is_null,
    lt,
    negate,
    one_of,
    text,
)
from dagster_project.transform.conform.facts import RuleInfo
from dagster_project.transform.conform.stages import stage

FORMATS = ("resident_id", "uscc", "phone", "person_name")
FORMAT_MESSAGES = {
    "resident_id": "不符合 GB 11643（位数、校验码或出生日期）",
    "uscc": "不符合 GB 32100（位数、字符或校验码）",
    "phone": "不是手机号码或带区号的固定电话",
    "person_name": "应为 2 至 50 个字，不含数字和无法识别的字符",
}
_TYPE_WORDS = {
    "integer": "整数",
    "decimal": "数值",
    "date": "日期",
    "timestamp": "时间",
    "boolean": "是否值",
}


@dataclass(frozen=True)
class Check:
    """A rule of one column and the condition under which a typed value breaks it."""

    rule: RuleInfo
    broken: Node


def checks(column: Column, spelling: codes.Spelling | None) -> tuple[Check, ...]:
    """The column's checks in their order; references are asked in ``select``."""
    asked = (rule for rule in cell_rules(column) if rule.kind != "reference")
    return tuple(_check(column, spelling, rule) for rule in asked)


def _check(column: Column, spelling: codes.Spelling | None, rule: CellRule) -> Check:
    v = stage(column, "v")
    known = spelling.codes if spelling else ()
    limit = column.max_length
    made: dict[str, Callable[[], tuple[Node, str, str]]] = {
        "required": lambda: (is_null(stage(column, "t")), "必填", ""),
        "type": lambda: (is_null(v), f"不能读作{_TYPE_WORDS[column.type]}", column.type),
        "length": lambda: (_longer(v, limit), f"超过 {limit} 个字", str(limit)),
        "pattern": lambda: (
            negate(fn("regexp_matches", cast(v, "VARCHAR"), column.pattern)),
            _pattern_message(column.pattern),
            column.pattern,
        ),
        "masked": lambda: (identity.is_masked(v, column.format), "已脱敏，无法使用", ""),
        "rounded": lambda: (
            identity.is_rounded(v, _is_valid(column))
            if column.format == "resident_id"
            else identity.is_scientific(v),
            "被电子表格当作数字，末几位已丢失：请设为文本格式后重新导出",
            "",
        ),
        "share": lambda: (
            money.is_unclear_share(stage(column, "t"), v),
            "小于等于 1 且没有百分号，不能确定是百分数还是比例",
            "",
        ),
        "format": lambda: (
            negate(_is_valid(column)),
            FORMAT_MESSAGES[column.format],
            column.format,
        ),
        "code": lambda: (
            negate(one_of(v, known)),
            (spelling and spelling.asked) or f"不在代码表 {column.codes} 中",
            column.codes,
        ),
        "range": lambda: (_outside(column), _range_message(column), _range_text(column)),
    }
    broken, message, value = made[rule.kind]()
    return Check(rule_info(rule, f"{column.title}{message}", value), broken)


def rule_info(rule: CellRule, message: str, value: str) -> RuleInfo:
    """A generated rule with its sentence."""
    return RuleInfo(
        id=rule.id,
        kind=rule.kind,
        dimension=rule.dimension,
        column=rule.column,
        severity=rule.severity,
        message=message,
        value=value,
    )


def _longer(value: Node, limit: int) -> Node:
    # Bytes first: counting characters is dearer and seldom needed.
    return all_of([gt(fn("strlen", value), limit), gt(fn("length", value), limit)])


def _is_valid(column: Column) -> Node:
    v = stage(column, "v")
    if column.format == "resident_id":
        return identity.is_resident_id(v, stage(column, "x"))
    if column.format == "uscc":
        return identity.is_uscc(v)
    return identity.is_phone(v) if column.format == "phone" else identity.is_person_name(v)


def _outside(column: Column) -> Node:
    v = stage(column, "v")
    bounds = []
    if column.minimum:
        bounds.append(lt(v, cast(text(column.minimum), column.duck_type)))
    if column.maximum:
        bounds.append(gt(v, cast(text(column.maximum), column.duck_type)))
    return any_of(bounds)


def _range_text(column: Column) -> str:
    return f"[{column.minimum},{column.maximum}]"


def _range_message(column: Column) -> str:
    if column.minimum and column.maximum:
        return f"应在 {column.minimum} 与 {column.maximum} 之间"
    return f"不得小于 {column.minimum}" if column.minimum else f"不得大于 {column.maximum}"


_DIGITS = re.compile(r"\^(\[1-9\])?\\d\{(\d+)(?:,(\d+))?\}\$")


def _pattern_message(pattern: str) -> str:
    """A pattern in words, as far as it asks for digits alone."""
    found = _DIGITS.fullmatch(pattern)
    if found is None:
        return f"不符合格式 {pattern}"
    first, least, most = found.groups()
    lengths = dict.fromkeys(int(n) + bool(first) for n in (least, most) if n)
    return f"应为 {' 至 '.join(map(str, lengths))} 位数字{'，首位不为 0' if first else ''}"
