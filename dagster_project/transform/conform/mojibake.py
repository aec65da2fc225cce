"""Cells whose UTF-8 was once read as Western text: å¹³å®š is 平定 (domain D02).

Only rows that the reader marked are looked at. A cell is repaired where the way back is proven: its
characters are exactly the bytes of UTF-8 text, and that text is Chinese. Any other cell stays as it
was sent. Characters that were replaced on the way (锟斤拷) are lost: the reader marks those rows
otherwise, and they are rejected.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_project.transform.conform.ast import (
    Node,
    alias,
    all_of,
    case,
    cast,
    col,
    eq,
    fn,
    lt,
    matches,
    not_null,
    plus,
)
from dagster_project.transform.conform.cells import Cell
from dagster_project.transform.conform.stages import raw, stage, stage_name

MARK = "mojibake"
# Bytes 80 to 9F in Windows-1252; the five that it leaves open are themselves.
_OPEN = b"\x81\x8d\x8f\x90\x9d"
_SPECIALS = "".join(
    chr(b) if b in _OPEN else bytes([b]).decode("cp1252") for b in range(0x80, 0xA0)
)
_WESTERN = rf"(?s)[\x00-\xff{_SPECIALS}]*"


def repaired(cells: tuple[Cell, ...], source: exp.Select) -> exp.Select:
    """The source's marked rows with repaired cells; ``<column>$o`` says which ones were."""
    marked = source.where(eq(col("_defect"), MARK), copy=False)
    read = [alias(_decoded(raw(c.column)), stage_name(c.column.name, "d")) for c in cells]
    inner = exp.select(exp.Star(), *read, copy=False).from_(marked.subquery("s"), copy=False)
    columns: list[Node] = [col(name) for name in ("_defect", "_sheet", "_source_row")]
    for cell in cells:
        decoded = stage(cell.column, "d")
        text = fn("coalesce", decoded, raw(cell.column))
        columns.append(alias(text, cell.column.name))
        columns.append(alias(not_null(decoded), stage_name(cell.column.name, "o")))
    return exp.select(*columns, copy=False).from_(inner.subquery("s"), copy=False)


def _decoded(value: Node) -> Node:
    """The Chinese text that these Western characters are the bytes of; NULL if they are not."""
    char = col("c")
    special = plus([fn("strpos", _SPECIALS, char), exp.Literal.number(127)])
    byte = case([(lt(fn("ord", char), 256), cast(fn("ord", char), "BIGINT"))], special)
    pair = exp.Lambda(
        this=fn("lpad", fn("to_hex", byte), 2, "0"),
        expressions=[exp.to_identifier("c", quoted=True)],
    )
    digits = fn("array_to_string", fn("list_transform", fn("string_split", value, ""), pair), "")
    text = fn("try", fn("decode", fn("unhex", digits)))
    chinese = all_of([matches(value, _WESTERN), fn("regexp_matches", text, r"\p{Han}")])
    return case([(chinese, text)])
