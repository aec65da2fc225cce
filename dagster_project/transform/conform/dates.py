"""Days and times as people and spreadsheets write them (domain D12, D13).

A date is read only where it says one day: a lunar day and a day that no calendar has stay unread;
years of two digits are the matter of ``centuries``. What else a date may say (a month, an open end)
is the contract's choice. Serials of the 1904 system are the reader's matter, which knows the
workbook.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.transform.conform import centuries
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    any_of,
    array,
    case,
    cast,
    eq,
    fn,
    ge,
    le,
    like,
    lt,
    matches,
    mul,
    negate,
    not_null,
    number,
    one_of,
    plus,
    text,
    try_cast,
)
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.values import Value

SERIAL_FROM, SERIAL_TO = 20000, 60000
DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
TIMES = (
    *("%H:%M:%S", "%H:%M", "%H时%M分%S秒", "%H时%M分", "%p %I:%M:%S", "%p %I:%M"),
    *("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f"),
)
OPEN_END = "9999-12-31"
OPEN_WORDS = (
    *("长期", "永久", "长期有效", "永久有效", "无固定期限", "无期限"),
    *(OPEN_END, "9999/12/31", "9999.12.31", "99991231", "9999年12月31日", f"{OPEN_END} 00:00:00"),
)
_NUMERALS, _DIGITS = "〇○零一二三四五六七八九", "000123456789"
_CHINESE = "[〇○零一二三四五六七八九十廿卅元]"
_YEAR = "[〇○零一二三四五六七八九]{4}"
_REPUBLIC = r"(?:中[华華])?民[国國] *"
_PART = f"(?:[0-9]+|{_CHINESE}+)"
_SPELLED_DAY = f"({_YEAR})年({_CHINESE}+)月({_CHINESE}+)[日号]"
_SPELLED_MONTH = f"({_YEAR})年({_CHINESE}+)月"
_REPUBLIC_DAY = rf"{_REPUBLIC}({_PART})[年./-] *({_PART})[月./-] *({_PART})[日号]?"
_REPUBLIC_MONTH = rf"{_REPUBLIC}({_PART})[年./-] *({_PART})月?"
_DAY_ALONE = "[12][0-9]{3}(?:[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}[日号]?|[0-9]{4})"
_MONTH = "([12][0-9]{3})[-/.年](0?[1-9]|1[0-2])月?"
_COMPACT_MONTH = "([12][0-9]{3})(0[1-9]|1[0-2])"
_UNITS = ("一", "二", "三", "四", "五", "六", "七", "八", "九")
# 1 to 31 in words, in their order; the short forms of the twenties and thirties beside them.
_WORDS = (
    *_UNITS,
    *("十", *(f"十{u}" for u in _UNITS)),
    *("二十", *(f"二十{u}" for u in _UNITS)),
    *("三十", "三十一"),
)
_SHORT = tuple(w.replace("二十", "廿").replace("三十", "卅") for w in _WORDS)


def date(column: Column, nulls: tuple[str, ...]) -> Value:
    """Days: ISO, the usual Chinese forms, and spreadsheet serials (base 1899-12-30)."""
    standard = "____-__-__"

    def slow(value: Node) -> Node:
        branches = [
            (_is_spelled(value, column), _spelled(value, column)),
            (centuries.is_short(value), centuries.day(value, column)),
            *([(one_of(value, OPEN_WORDS), cast(text(OPEN_END), "DATE"))] * column.open_end),
        ]
        read = fn("coalesce", cast(_parsed(value), "DATE"), cast(_serial(value), "DATE"))
        return case(branches, read)

    def repairs(t: Node, v: Node) -> tuple[Repair, ...]:
        serial = _is_serial(t)
        # Something but zeros behind the day: reading a date drops a time.
        has_time = fn("regexp_matches", t, "[ T日].*[1-9]")
        is_republic = fn("regexp_matches", t, f"^{_REPUBLIC}")
        is_month = all_of([not_null(v), _is_month(t)]) if column.partial else exp.false()
        is_open = one_of(t, OPEN_WORDS) if column.open_end else exp.false()
        is_short = centuries.is_short(t)
        special = any_of([serial, is_republic, is_month, is_open, is_short])
        read = all_of([not_null(v), negate(special), negate(like(t, standard))])
        made = [
            Repair("date_serial", logged=True, happened=serial),
            Repair("date_roc", logged=True, happened=all_of([not_null(v), is_republic])),
            Repair("date_century", logged=True, happened=all_of([not_null(v), is_short])),
            Repair("date_format", logged=False, happened=all_of([read, negate(has_time)])),
            Repair("date_format", logged=True, happened=all_of([read, has_time])),
        ]
        if column.partial:
            made.append(Repair("date_month", logged=True, happened=is_month))
        if column.open_end:
            made.append(Repair("open_end", logged=True, happened=is_open))
        return tuple(made)

    return Value(
        plain=lambda raw: _standard(raw, standard, "DATE", nulls),
        quick=lambda raw: try_cast(raw, "DATE"),
        slow=slow,
        repairs=repairs,
    )


def timestamp(nulls: tuple[str, ...]) -> Value:
    """Wall-clock times of Asia/Shanghai; a day alone is read as its midnight."""
    standard = "____-__-__ __:__:__"

    def repairs(t: Node, v: Node) -> tuple[Repair, ...]:
        serial = _is_serial(t)
        read = all_of([not_null(v), negate(serial), negate(like(t, standard))])
        return (
            Repair("date_serial", logged=True, happened=serial),
            Repair("date_format", logged=False, happened=read),
        )

    return Value(
        plain=lambda raw: _standard(raw, standard, "TIMESTAMP", nulls),
        quick=lambda raw: try_cast(raw, "TIMESTAMP"),
        slow=lambda value: fn("coalesce", _parsed(value), _serial(value)),
        repairs=repairs,
    )


def _standard(raw: Node, shape: str, kind: str, nulls: tuple[str, ...]) -> Node:
    """ISO, of a year that people mean: 0023 is a two-digit year, 9999 an open end."""
    dated = [s for s in nulls if len(s) == len(shape)]
    within = [ge(raw, "1000"), lt(raw, "3000")]
    conditions = [*within, like(raw, shape), not_null(try_cast(raw, kind))]
    if dated:
        conditions.append(negate(one_of(raw, dated)))
    return all_of(conditions)


def _formats() -> Node:
    forms = [
        *DAYS,
        *(f"{day} {time}" for time in TIMES for day in DAYS),
        *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y%m%d%H%M%S"),
        *(f"%Y年%m月%d日{time}" for time in TIMES),
    ]
    return array(forms)


def _parsed(value: Node) -> Node:
    """The text by the first format that fits; the year always has four digits.

    A day alone asks the formats of days only: one that no calendar has would ask all of them.
    """
    half_days = fn("regexp_replace", value, r"\s*上午\s*", " AM ")
    half_days = fn("regexp_replace", half_days, r"\s*下午\s*", " PM ")
    # The county's own clock, said aloud by systems that know of others.
    local = fn("regexp_replace", half_days, r"([0-9])\+08(?::?00)?$", r"\1")
    local = fn("replace", local, "号", "日")
    begins = fn("regexp_matches", value, r"^[12][0-9]{3}(?:[-/.年]|[0-9]{4})")
    day = fn("try_strptime", fn("replace", value, "号", "日"), array(DAYS))
    return case(
        [(matches(value, _DAY_ALONE), day), (begins, fn("try_strptime", local, _formats()))]
    )


def _is_spelled(value: Node, column: Column) -> Node:
    """Whether it begins like a date in Chinese numerals or of the Republic, or is a month alone."""
    spelled = fn("regexp_matches", value, f"^(?:{_REPUBLIC}|{_YEAR}年)")
    return any_of([spelled, _is_month(value)]) if column.partial else spelled


def _is_month(value: Node) -> Node:
    return matches(value, f"{_MONTH}|{_COMPACT_MONTH}|{_SPELLED_MONTH}|{_REPUBLIC_MONTH}")


def _spelled(value: Node, column: Column) -> Node:
    branches = [
        (matches(value, _SPELLED_DAY), _day(value, _SPELLED_DAY)),
        (matches(value, _REPUBLIC_DAY), _day(value, _REPUBLIC_DAY, republic=True)),
    ]
    if column.partial:
        branches += [
            (matches(value, form), _day(value, form, republic=republic, whole=False))
            for form, republic in (
                (_MONTH, False),
                (_COMPACT_MONTH, False),
                (_SPELLED_MONTH, False),
                (_REPUBLIC_MONTH, True),
            )
        ]
    return case(branches)


def _day(value: Node, form: str, *, republic: bool = False, whole: bool = True) -> Node:
    """The day of a form's groups: year, month and, if it is ``whole``, day."""
    said = _number(fn("regexp_extract", value, form, 1))
    year = case([(ge(said, 1), plus([said, number(1911)]))]) if republic else said
    month = _number(fn("regexp_extract", value, form, 2))
    day = _number(fn("regexp_extract", value, form, 3)) if whole else text("1")
    return try_cast(fn("concat", year, "-", month, "-", day), "DATE")


def _number(part: Node) -> Node:
    """A number in digits (二〇二三, 2023) or in words (三十一, 元); NULL for neither."""
    digits = try_cast(fn("translate", part, _NUMERALS, _DIGITS), "BIGINT")
    place = fn("coalesce", *(fn("list_position", array(words), part) for words in (_WORDS, _SHORT)))
    return case([(eq(part, "元"), exp.Literal.number(1)), (not_null(digits), digits)], place)


def _is_serial(value: Node) -> Node:
    days = try_cast(value, "DOUBLE")
    shape = matches(value, r"[0-9]{5}(\.[0-9]+)?")
    return all_of([shape, ge(days, SERIAL_FROM), le(days, SERIAL_TO)])


def _serial(value: Node) -> Node:
    """A spreadsheet's day number (1900 system) as a timestamp, to the second."""
    seconds = cast(fn("round", mul(try_cast(value, "DOUBLE"), 86400)), "BIGINT")
    base = cast(text("1899-12-30 00:00:00"), "TIMESTAMP")
    return case([(_is_serial(value), plus([base, fn("to_seconds", seconds)]))])
