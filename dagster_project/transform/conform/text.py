"""Clean text of a cell: blanks, spreadsheet wrappers, characters' forms, null spellings.

Each expression comes with a cheap test for cells that are clean already, because nearly all are:
DuckDB then evaluates the dear branch only on the rest. Typing is in ``values``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.transform.conform import compat
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    any_of,
    case,
    eq,
    fn,
    ge,
    gt,
    lt,
    matches,
    negate,
    one_of,
)

# Spaces and invisible characters seen around cells (domain D05): ASCII, NBSP, U+2000-200F, marks of
# writing direction, word joiner, U+3000, byte order mark.
_INVISIBLE = "".join(map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), 0x2060)))
BLANKS = f" \t\n\r\v\f\u00a0{_INVISIBLE}\u3000\ufeff"

# Spellings of "nothing" by what they say (domain D14); a repair of that name is counted per column.
# That there is none is not the same as that nobody knows, and a formula's error is neither.
NULL_NONE = ("无", "暂无")
NULL_UNKNOWN = ("不详", "未知")
NULL_MARKS = (
    *("——", "—", "-", "--", "/", "\\", "\\N", "NULL", "null", "Null", "None", "none"),
    *("N/A", "n/a", "NA", "nan", "NaN", "空", "（空）", "(空)"),
)
NULL_ERRORS = (
    *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"),
    *("###", "####", "#####", "######", "#######", "########"),
)
NULL_KINDS = {
    "null_none": NULL_NONE,
    "null_unknown": NULL_UNKNOWN,
    "null_error": NULL_ERRORS,
    "null_mark": NULL_MARKS,
}


def is_code_like(column: Column) -> bool:
    """Whether NFKC may touch the column: names, addresses and free text keep their characters."""
    return not column.textual and column.format != "person_name"


def null_kinds(column: Column, known: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Spellings of NULL in this column, by the repair that says what they mean.

    Args:
        column: The column; free text knows its own spellings and a spreadsheet's errors.
        known: Codes and synonyms of the column's list, which are values and never NULL.
    """
    values = set(known) - set(column.nulls)
    common = {"null_error": NULL_ERRORS} if column.textual and not _is_name(column) else NULL_KINDS
    made = {kind: [s for s in spelled if s not in values] for kind, spelled in common.items()}
    for spelling in column.nulls:
        kind = next((k for k, spelled in NULL_KINDS.items() if spelling in spelled), "null_mark")
        if spelling not in made.setdefault(kind, []):
            made[kind].append(spelling)
    return {kind: tuple(spelled) for kind, spelled in made.items() if spelled}


def _is_name(column: Column) -> bool:
    return column.format == "person_name"


def trimmed(raw: Node) -> Node:
    """Without blanks around, a leading apostrophe, or the wrappers ``="…"`` and ``'…'``."""
    wrapped = r"""(?s)^(?:="(.*)"|'(.*?)'?)$"""
    is_wrapped = fn("regexp_matches", raw, f"^[{BLANKS}]*[=']")
    inner = fn("regexp_replace", _bare(raw), wrapped, r"\1\2")
    return case([(is_wrapped, _bare(inner))], _bare(raw))


def _bare(value: Node) -> Node:
    """Without blanks around. TRIM builds its set anew for each cell and takes ten times as long."""
    begun = fn("regexp_replace", value, f"^[{BLANKS}]+", "")
    return fn("regexp_replace", begun, f"[{BLANKS}]+$", "")


def folded(raw: Node, column: Column) -> Node:
    """Trimmed, and on codes with full-width ASCII and the ideographic space as half-width."""
    value = trimmed(raw)
    if not is_code_like(column):
        return value
    is_wide = fn("regexp_matches", raw, f"[{compat.FULL_WIDTH_CLASS}]")
    # TRANSLATE builds its table anew for every cell, so that only cells that need it may meet it.
    # A second trim: a full-width space may have stood inside of an apostrophe or quotes.
    half = _bare(fn("translate", value, compat.FULL_WIDTH, compat.HALF_WIDTH))
    return case([(is_wide, half)], value)


def has_compatible(value: Node, column: Column) -> Node:
    """Whether the text holds another compatibility character (①, ﹣, ⼥)."""
    return fn("regexp_matches", value, f"[{compat.char_class(numeric=_is_numeric(column))}]")


def _is_numeric(column: Column) -> bool:
    return column.type in ("integer", "decimal", "date", "timestamp")


def cleaned(value: Node, column: Column, nulls: tuple[str, ...]) -> Node:
    """The ``folded`` cell's text, NULL where it says nothing."""
    if is_code_like(column):
        plain = _bare(compat.normalised(value, numeric=_is_numeric(column)))
        value = case([(has_compatible(value, column), plain)], value)
    if nulls:
        spelled = "^(?:" + "|".join(re.escape(s) for s in nulls) + ")$"
        value = fn("regexp_replace", value, spelled, "")
    return fn("nullif", value, "")


def is_plain(raw: Node, column: Column, nulls: tuple[str, ...]) -> Node:
    """Whether ``cleaned`` would give the cell back as it is; may say no too often, never yes."""
    # What begins with a sign is no plain cell anyway.
    begun = tuple(s for s in nulls if s[0] >= "0")
    if not is_code_like(column):
        return all_of([_is_chinese(raw), _not_null(raw, begun)])
    odd = f"[{compat.FULL_WIDTH_CLASS}{compat.char_class(numeric=False)}]"
    chinese = [_is_chinese(raw), negate(fn("regexp_matches", raw, odd))]
    return all_of([any_of([_is_ascii(raw), all_of(chinese)]), _not_null(raw, begun)])


def _is_ascii(raw: Node) -> Node:
    """ASCII that starts above the digit 0 (no blank, no quote) and does not end in a blank."""
    ends = [fn("suffix", raw, blank) for blank in ' \t\n\r\v\f"']
    begins = [ge(raw, "0"), negate(fn("prefix", raw, "="))]
    return all_of([*begins, eq(fn("strlen", raw), fn("length", raw)), negate(any_of(ends))])


def _is_chinese(raw: Node) -> Node:
    """Text that starts with a Chinese character, digit or letter and does not end in a blank."""
    begins = any_of(
        [
            all_of([ge(raw, "\u4e00"), lt(raw, "\ua000")]),
            all_of([ge(raw, "0"), lt(raw, ":")]),
            all_of([ge(raw, "A"), lt(raw, "{")]),
        ]
    )
    # RE2 looks for a pattern that is anchored at the end from the end.
    return all_of([begins, negate(fn("regexp_matches", raw, f'[{BLANKS}"]$'))])


def _not_null(raw: Node, nulls: tuple[str, ...]) -> Node:
    if not nulls:
        return exp.true()
    longest = max(len(s.encode()) for s in nulls)
    return any_of([gt(fn("strlen", raw), longest), negate(one_of(raw, nulls))])


def is_shape(raw: Node, pattern: str, nulls: tuple[str, ...]) -> Node:
    """The raw cell matches an ASCII pattern entirely and is no spelling of NULL."""
    clashing = [s for s in nulls if re.fullmatch(pattern, s)]
    shape = matches(raw, pattern)
    return all_of([shape, negate(one_of(raw, clashing))]) if clashing else shape


# Patterns that no cell can match which needs cleaning: anchored, and letters, digits, hyphens only.
_CLEAN_PATTERN = re.compile(
    r"\^(?:(?:\[[0-9A-Za-z-]+\]|\\d|[0-9A-Za-z-]|\((?:\?:)?|\)|\|)"
    r"(?:\{[0-9]+(?:,[0-9]*)?\}|[*+?])?)+\$"
)


def is_clean_pattern(pattern: str) -> bool:
    """Whether a cell that matches the pattern is clean for certain."""
    return bool(_CLEAN_PATTERN.fullmatch(pattern))
