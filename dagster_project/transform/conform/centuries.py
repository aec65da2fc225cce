"""Days whose year has two digits: which century they mean, or that nobody can tell (domain D12).

The year leads, as everywhere in Chinese; 5/31/23 stays unread. The forms with four digits are in
``dates``.
"""

from __future__ import annotations

from dagster_project.contracts.model import Column
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    case,
    cast,
    fn,
    ge,
    gt,
    matches,
    negate,
    not_null,
    param,
    text,
    try_cast,
)

_MONTHS = (r"-([0-9]{1,2})-", r"/([0-9]{1,2})/", r"\.([0-9]{1,2})\.", r"年([0-9]{1,2})月")
_SHORT = rf"([0-9]{{2}})(?:{'|'.join(_MONTHS)})([0-9]{{1,2}})[日号]?"


def is_short(value: Node) -> Node:
    """Whether the text is a day with a year of two digits."""
    return matches(value, _SHORT)


def day(value: Node, column: Column) -> Node:
    """The day of this century, or of the last where it would lie after the delivery.

    A day that may lie ahead (``openEnd``) is of this century. Where both centuries could be meant,
    because the column's ``minimum`` allows the last as well, the day stays unread.
    """
    this, last = (_in(value, century) for century in ("20", "19"))
    if column.open_end:
        chosen = this
    else:
        delivered = cast(fn("strptime", cast(param("delivered_day"), "VARCHAR"), "%Y%m%d"), "DATE")
        chosen = case([(gt(this, delivered), last)], this)
    if not column.minimum:
        return chosen
    # 29 February 2000 has no namesake in 1900.
    both = all_of([not_null(last), ge(last, cast(text(column.minimum), "DATE"))])
    unclear = both if column.open_end else all_of([both, negate(gt(this, delivered))])
    return case([(negate(unclear), chosen)])


def _in(value: Node, century: str) -> Node:
    """The text's day in that century; NULL where it has none."""
    parts = fn("regexp_replace", value, f"^{_SHORT}$", rf"{century}\1-\2\3\4\5-\6")
    return try_cast(parts, "DATE")
