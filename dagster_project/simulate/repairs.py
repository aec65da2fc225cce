"""Dirt that reading must undo: the truth comes back, and each repair is expected by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from dagster_project.contracts.model import CodeList, Column, Feed
from dagster_project.simulate.plants import Cells, Plant, Turn

Dress = Callable[[str], str | None]

_PER_REPAIR = 3
_SERIAL_BASE = date(1899, 12, 30)
_SERIALS = range(20_000, 60_001)
_LOGGED = frozenset(
    {"upper", "id_15_to_18", "date_serial", "code_synonym", "zero_pad", "phone_clean", "money_unit"}
)
_NULLS = {"null_none": ("无", "暂无"), "null_unknown": ("不详", "未知")}
_WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})
_BLANKS: tuple[Dress, ...] = (
    lambda text: text + "\t",
    lambda text: "\u3000" + text,
    lambda text: "'" + text,
    lambda text: f'="{text}"',
    lambda text: text + "\u00a0",
)


def repair_plants(feed: Feed, codes: Mapping[str, CodeList]) -> Iterator[Plant]:
    """Up to three columns for each kind of repair that the feed's columns allow."""
    seen: Counter[str] = Counter()
    for column in feed.columns:
        for kind, dress in _dresses(column, codes, seen["trim"]):
            if seen[kind] < _PER_REPAIR:
                seen[kind] += 1
                yield _plant(column, kind, dress)
    empty = [c for c in feed.columns if c.nulls and not (c.required or c.is_key or c.textual)]
    for number, column in enumerate(empty[:_PER_REPAIR]):
        yield _spelled_null(column, column.nulls[number * 3 % len(column.nulls)])


def _plant(column: Column, kind: str, dress: Dress) -> Plant:
    def change(row: Cells, _turn: Turn) -> Cells | None:
        value = row[column.name]
        dressed = dress(value) if value else None
        return None if dressed is None or dressed == value else {column.name: dressed}

    repair = "money_text" if kind == "money_unit" else kind
    return Plant(
        name=f"{column.name}~{kind}",
        verdict="accepted",
        change=change,
        in_place=True,
        repairs=((column.name, repair, "logged" if kind in _LOGGED else "counted"),),
        may_lack_rows=True,
    )


def _spelled_null(column: Column, spelling: str) -> Plant:
    def change(row: Cells, _turn: Turn) -> Cells | None:
        return {column.name: spelling} if row[column.name] is None else None

    kind = next((kind for kind, words in _NULLS.items() if spelling in words), "null_mark")
    return Plant(
        name=f"{column.name}~null",
        verdict="accepted",
        change=change,
        in_place=True,
        repairs=((column.name, kind, "counted"),),
        may_lack_rows=True,
    )


def _dresses(
    column: Column, codes: Mapping[str, CodeList], turn: int
) -> Iterator[tuple[str, Dress]]:
    """The repairs that this column allows, each with the dirt that calls for it."""
    if column.is_key or column.required:
        yield "trim", _BLANKS[turn % len(_BLANKS)]
    if not column.textual and (column.pattern or column.type in {"decimal", "date"}):
        yield "full_width", lambda text: text.translate(_WIDE)
    if column.format in {"resident_id", "uscc"}:
        yield "upper", lambda text: text.lower()
    if column.format == "resident_id":
        yield "id_15_to_18", _to_fifteen
    if column.format == "phone":
        yield "phone_clean", _dashed
    yield from _typed_dresses(column)
    if column.codes:
        yield "code_synonym", _synonyms(column, codes[column.codes])
    if column.pad and column.codes:
        yield "zero_pad", _unpadded(column, codes[column.codes])


def _typed_dresses(column: Column) -> Iterator[tuple[str, Dress]]:
    """The dirt of dates, times and money."""
    if column.type == "date":
        yield "date_format", _chinese_date
        yield "date_serial", _serial
    if column.type == "timestamp":
        yield "date_format", lambda text: text.replace("-", "/")
    if column.type == "decimal" and column.unit == "元":
        yield "money_text", lambda text: f"￥{Decimal(text):,.2f}"
        yield "money_unit", lambda text: f"{Decimal(text) / 10_000:f}万"


def _to_fifteen(text: str) -> str | None:
    fits = text[6:8] == "19" and text[14:17] < "996"
    return text[:6] + text[8:17] if fits else None


def _dashed(text: str) -> str | None:
    return f"{text[:3]}-{text[3:7]}-{text[7:]}" if len(text) == 11 else None


def _chinese_date(text: str) -> str:
    year, month, day = text.split("-")
    return f"{year}年{int(month)}月{int(day)}日"


def _serial(text: str) -> str | None:
    number = (date.fromisoformat(text) - _SERIAL_BASE).days
    return str(number) if number in _SERIALS else None


def _synonyms(column: Column, codes: CodeList) -> Dress:
    """Another spelling of a code, unless it is also a code, a null or another code's spelling."""
    spelled = Counter(word for entry in codes.entries for word in {entry.title, *entry.synonyms})
    words = {
        entry.code: [
            word
            for word in (*entry.synonyms, entry.title)
            if word
            and spelled[word] == 1
            and word not in codes.codes
            and word not in column.nulls
            and word.isalpha()
            and not word.isascii()
        ]
        for entry in codes.entries
    }
    return lambda text: next(iter(words.get(text, [])), None)


def _unpadded(column: Column, codes: CodeList) -> Dress:
    taken = {word for entry in codes.entries for word in (entry.code, *entry.synonyms)}

    def dress(text: str) -> str | None:
        short = text.lstrip("0")
        usable = short and short != text and short not in taken and short not in column.nulls
        return short if usable and len(text) == column.pad else None

    return dress
