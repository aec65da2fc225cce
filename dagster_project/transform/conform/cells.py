"""One column of a contract -> how its cells are cleaned, repaired, typed and checked.

Columns are seen one by one here; rows are put together in ``select``. A cell gives at most one
reason: the checks are asked in a fixed order and the first that fails speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from dagster_project.contracts import CellRule, cell_rules
from dagster_project.contracts.model import CodeList, Column
from dagster_project.errors import ContractError
from dagster_project.transform.conform import codes, identity, text, values
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    any_of,
    case,
    cast,
    col,
    fn,
    ge,
    gt,
    is_null,
    lt,
    ne,
    negate,
    one_of,
)
from dagster_project.transform.conform.ast import text as literal
from dagster_project.transform.conform.facts import RuleInfo
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.values import Value

# Words for yes and no of a boolean column without a code list.
FLAGS = {"true": "1", "TRUE": "1", "是": "1", "false": "0", "FALSE": "0", "否": "0"}
FORMATS = ("resident_id", "uscc", "phone", "person_name")
# Shapes of clean cells; repairs and the dearer checks see the rest.
SHAPES = {
    "resident_id": identity.RESIDENT_ID,
    "uscc": identity.USCC,
    "phone": identity.MOBILE,
    "person_name": identity.COMMON_NAME,
}
FORMAT_MESSAGES = {
    "resident_id": "不符合 GB 11643（位数、校验码或出生日期）",
    "uscc": "不符合 GB 32100（位数、字符或校验码）",
    "phone": "不是手机号码或带区号的固定电话",
    "person_name": "应为 2 至 50 个字且不含数字",
}


@dataclass(frozen=True)
class Check:
    """A rule of one column and the condition under which a typed value breaks it."""

    rule: RuleInfo
    broken: Node


@dataclass(frozen=True)
class Cell:
    """How one column is read; expressions refer to the stage columns that ``names`` spells.

    ``plain``: the raw cell needs no cleaning (TRUE for NULL). ``clean``: text of the others.
    ``aux``: a value that several checks share. ``sure``: kinds of checks that a plain cell passes.
    """

    column: Column
    plain: Node
    clean: Node
    quick: Node
    slow: Node
    aux: Node | None
    repairs: tuple[Repair, ...]
    checks: tuple[Check, ...]
    sure: frozenset[str]


def raw(column: Column) -> Node:
    """The stage column of the cell as sent."""
    return col(column.name)


def stage(column: Column, letter: str) -> Node:
    """A stage column: k plain, t text, v value, x aux, f failure, r repairs, p parent found."""
    return col(stage_name(column.name, letter))


def stage_name(name: str, letter: str) -> str:
    """Its name; ``$`` cannot stand in a contract's column name."""
    return f"{name}${letter}"


def compile_cell(column: Column, code_list: CodeList | None, where: str) -> Cell:
    """How to read one column.

    Raises:
        ContractError: The column asks for a format that does not exist.
    """
    if column.format and column.format not in FORMATS:
        raise ContractError(
            f"column {column.name} asks for the unknown format {column.format}",
            where=f"{where}:{column.line}",
            todo=f"Use one of {', '.join(FORMATS)}, or a pattern",
        )
    spelling = codes.Spelling.of(code_list) if code_list else None
    nulls = text.null_spellings(column, spelling.known if spelling else ())
    value = _value(column, spelling, nulls)
    t, v = stage(column, "t"), stage(column, "v")
    return Cell(
        column=column,
        # CASE, because only there DuckDB leaves AND and OR at the first answer.
        plain=case(
            [(any_of([is_null(raw(column)), value.plain(raw(column))]), exp.true())], exp.false()
        ),
        clean=text.cleaned(raw(column), column, nulls),
        quick=value.quick(raw(column)),
        slow=value.slow(t),
        aux=identity.resident_body(v, stage(column, "k"))
        if column.format == "resident_id"
        else None,
        repairs=(*_text_repairs(column, t), *value.repairs(t, v)),
        checks=_checks(column, spelling),
        sure=_sure(column, spelling),
    )


def _value(column: Column, spelling: codes.Spelling | None, nulls: tuple[str, ...]) -> Value:
    typed: dict[str, Callable[[], Value]] = {
        "integer": lambda: values.integer(nulls),
        "decimal": lambda: values.decimal(column, nulls),
        "boolean": lambda: values.boolean(spelling.synonyms if spelling else FLAGS, nulls),
        "date": lambda: values.date(nulls),
        "timestamp": lambda: values.timestamp(nulls),
    }
    if column.type in typed:
        return typed[column.type]()
    if spelling:
        known = [code for code in spelling.codes if code not in column.nulls]
        return Value(
            plain=lambda cell: one_of(cell, known),
            quick=lambda cell: cell,
            slow=lambda t: codes.repaired(t, column, spelling),
            repairs=lambda t, _: codes.repairs(t, column, spelling),
        )
    return _formatted(column, nulls)


def _sure(column: Column, spelling: codes.Spelling | None) -> frozenset[str]:
    """Checks that ``plain`` has answered already."""
    if column.type != "string":
        return frozenset()
    if spelling:
        return frozenset({"code"})
    if column.format:
        return frozenset({"format"}) if column.format in ("phone", "person_name") else frozenset()
    return frozenset({"pattern"}) if _is_shaped(column) else frozenset()


def _is_shaped(column: Column) -> bool:
    return not column.textual and text.is_clean_pattern(column.pattern)


def _formatted(column: Column, nulls: tuple[str, ...]) -> Value:
    """Strings without a code list: formats, patterns, padded codes, text."""

    def unchanged(cell: Node) -> Node:
        return cell

    def plain(cell: Node) -> Node:
        if column.format in SHAPES:
            return text.is_shape(cell, SHAPES[column.format], nulls)
        if _is_shaped(column):
            return text.is_shape(cell, column.pattern[1:-1], nulls)
        wide = ge(fn("strlen", cell), column.pad) if column.pad else exp.true()
        return all_of([wide, text.is_plain(cell, column, nulls)])

    def slow(t: Node) -> Node:
        repaired = {
            "resident_id": identity.resident_id_repaired,
            "uscc": identity.upper_repaired,
            "phone": identity.phone_repaired,
        }.get(column.format)
        return repaired(t) if repaired else codes.padded(t, column)

    def repairs(t: Node, v: Node) -> tuple[Repair, ...]:
        made = {
            "resident_id": identity.resident_id_repairs,
            "uscc": identity.upper_repairs,
            "phone": identity.phone_repairs,
        }.get(column.format)
        return made(t, v) if made else codes.repairs(t, column, None)

    return Value(plain=plain, quick=unchanged, slow=slow, repairs=repairs)


def _text_repairs(column: Column, t: Node) -> tuple[Repair, ...]:
    cell = raw(column)
    trimmed = text.trimmed(cell)
    made = [Repair("trim", logged=False, happened=ne(trimmed, cell))]
    if text.is_code_like(column):
        made.append(
            Repair("full_width", logged=False, happened=ne(text.half_width(trimmed), trimmed))
        )
    spelled = all_of([is_null(t), ne(trimmed, "")])
    made.append(Repair("null_spelling", logged=False, happened=spelled))
    return tuple(made)


def _checks(column: Column, spelling: codes.Spelling | None) -> tuple[Check, ...]:
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
            f"不符合格式 {column.pattern}",
            column.pattern,
        ),
        "format": lambda: (
            negate(_is_valid(column)),
            FORMAT_MESSAGES[column.format],
            column.format,
        ),
        "code": lambda: (
            negate(one_of(v, known)),
            f"不在代码表 {column.codes} 中",
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


_TYPE_WORDS = {
    "integer": "整数",
    "decimal": "数值",
    "date": "日期",
    "timestamp": "时间",
    "boolean": "是否值",
}


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
        bounds.append(lt(v, cast(literal(column.minimum), column.duck_type)))
    if column.maximum:
        bounds.append(gt(v, cast(literal(column.maximum), column.duck_type)))
    return any_of(bounds)


def _range_text(column: Column) -> str:
    return f"[{column.minimum},{column.maximum}]"


def _range_message(column: Column) -> str:
    if column.minimum and column.maximum:
        return f"应在 {column.minimum} 与 {column.maximum} 之间"
    return f"不得小于 {column.minimum}" if column.minimum else f"不得大于 {column.maximum}"
