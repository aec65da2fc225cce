"""One column of a contract -> how its cells are cleaned, repaired, typed and checked.

Columns are seen one by one here; rows are put together in ``select``. A cell gives at most one
reason: the checks are asked in a fixed order and the first that fails speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from dagster_project.contracts.model import CodeList, Column
from dagster_project.errors import ContractError
from dagster_project.transform.conform import codes, dates, identity, text, values
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    any_of,
    case,
    fn,
    ge,
    is_null,
    ne,
    one_of,
)
from dagster_project.transform.conform.checks import FORMATS, Check, checks
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.stages import raw, stage
from dagster_project.transform.conform.values import Value

# Words for yes and no of a boolean column without a code list.
FLAGS = {"true": "1", "TRUE": "1", "是": "1", "false": "0", "FALSE": "0", "否": "0"}
# Shapes of clean cells; repairs and the dearer checks see the rest.
SHAPES = {
    "resident_id": identity.RESIDENT_ID,
    "uscc": identity.USCC,
    "phone": identity.MOBILE,
}


@dataclass(frozen=True)
class Cell:
    """How one column is read; expressions refer to columns of ``stages``.

    ``plain``: the raw cell needs no cleaning (TRUE for NULL). ``folded`` and then ``clean``: text
    of the others.
    ``aux``: a value that several checks share. ``sure``: kinds of checks that a plain cell passes.
    """

    column: Column
    plain: Node
    folded: Node
    clean: Node
    quick: Node
    slow: Node
    aux: Node | None
    repairs: tuple[Repair, ...]
    checks: tuple[Check, ...]
    sure: frozenset[str]


def compile_cell(
    column: Column,
    code_list: CodeList | None,
    where: str,
    glyphs: CodeList | None = None,
    power: int | None = None,
) -> Cell:
    """How to read one column.

    Args:
        column: The contract's column.
        code_list: Its code list, if it names one.
        where: The contract's file.
        glyphs: Characters of names and the parts that stand for them.
        power: The power of ten of the unit in the file's header, if it is not the contract's.

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
    kinds = text.null_kinds(column, spelling.known if spelling else ())
    nulls = tuple(spelled for kind in kinds.values() for spelled in kind)
    if column.format == "person_name":
        value = _name(
            nulls, {entry.title: entry.code for entry in glyphs.entries} if glyphs else {}
        )
    else:
        value = _value(column, spelling, nulls, power)
    t, v = stage(column, "t"), stage(column, "v")
    return Cell(
        column=column,
        # CASE, because only there DuckDB leaves AND and OR at the first answer.
        plain=case(
            [(any_of([is_null(raw(column)), value.plain(raw(column))]), exp.true())], exp.false()
        ),
        folded=text.folded(raw(column), column),
        clean=text.cleaned(stage(column, "w"), column, nulls),
        quick=value.quick(raw(column)),
        slow=value.slow(t),
        aux=identity.resident_body(v, stage(column, "k"))
        if column.format == "resident_id"
        else None,
        repairs=(*_text_repairs(column, t, kinds), *value.repairs(t, v)),
        checks=checks(column, spelling),
        sure=_sure(column, spelling),
    )


def _value(
    column: Column, spelling: codes.Spelling | None, nulls: tuple[str, ...], power: int | None
) -> Value:
    typed: dict[str, Callable[[], Value]] = {
        "integer": lambda: values.integer(column, nulls, power),
        "decimal": lambda: values.decimal(column, nulls, power),
        "boolean": lambda: values.boolean(spelling.synonyms if spelling else FLAGS, nulls),
        "date": lambda: dates.date(column, nulls),
        "timestamp": lambda: dates.timestamp(nulls),
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
        checked = {"format"} if column.format in ("phone", "person_name") else set()
        return frozenset({"masked", *checked})
    return frozenset({"pattern"}) if _is_shaped(column) else frozenset()


def _name(nulls: tuple[str, ...], glyphs: Mapping[str, str]) -> Value:
    return Value(
        plain=lambda cell: text.is_shape(cell, identity.COMMON_NAME, nulls),
        quick=lambda cell: cell,
        slow=lambda t: identity.name_repaired(t, glyphs),
        repairs=lambda t, _: identity.name_repairs(t, glyphs),
    )


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


def _text_repairs(
    column: Column, t: Node, kinds: Mapping[str, tuple[str, ...]]
) -> tuple[Repair, ...]:
    cell, folded = raw(column), stage(column, "w")
    trimmed = text.trimmed(cell)
    made = [
        # Only rows that the reader marked have the column that says so.
        Repair("mojibake", logged=True, happened=stage(column, "o")),
        Repair("trim", logged=False, happened=ne(trimmed, cell)),
    ]
    if text.is_code_like(column):
        made.append(Repair("full_width", logged=False, happened=ne(folded, trimmed)))
        odd = text.has_compatible(folded, column)
        made.append(Repair("compatibility", logged=True, happened=odd))
    for kind, spellings in kinds.items():
        spelled = case([(is_null(t), one_of(folded, spellings))])
        # A formula's error lost a value: whoever asks for it must find the cell.
        made.append(Repair(kind, logged=kind == "null_error", happened=spelled))
    return tuple(made)
