"""Do a report's figures look like those that the same site reported before?

A doubt is a remark beside the acceptance, or a reason to refuse where the policy says so. Figures
are compared as totals of columns; no sentence names a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.city.agreed import Agreed
from dagster_project.city.memory import Past
from dagster_project.contracts.plausibility import Plausibility
from dagster_project.protocol.manifest import Header

ROWS = "rows"
_SHARES = ("%", "‰")
_ALL = "all"
_WHOLE_SITE = "000000"
_CODE_DIGITS = 12


@dataclass(frozen=True)
class Doubt:
    """One thing that looks odd; ``kind`` is its word in the policy."""

    kind: str
    sentence: str


def totals_of(table: pa.Table, agreed: Agreed | None) -> dict[str, Decimal]:
    """The number of rows, and the sum of each column whose values can be added up.

    Keys and shares cannot; without a contract every whole or decimal number is taken.
    """
    known = {column.name: column for column in agreed.columns} if agreed else {}
    key = set(agreed.key) if agreed else set()
    totals = {ROWS: Decimal(table.num_rows)}
    for name, cells in zip(table.column_names, table.columns, strict=True):
        column = known.get(name)
        is_share = column is not None and (column.share or column.unit in _SHARES)
        numeric = pa.types.is_integer(cells.type) or pa.types.is_decimal(cells.type)
        if numeric and not is_share and name not in key:
            scale = cells.type.scale if pa.types.is_decimal(cells.type) else 0
            total = pc.sum(cells.cast(pa.decimal128(38, scale))).as_py()
            totals[name] = Decimal(total or 0)
    return totals


def as_text(totals: Mapping[str, Decimal]) -> str:
    """Totals as the ledger keeps them."""
    return json.dumps({name: str(value) for name, value in totals.items()})


def doubts(
    header: Header,
    table: pa.Table,
    totals: Mapping[str, Decimal],
    before: Mapping[str, Past],
    agreed: Agreed,
) -> list[Doubt]:
    """What looks odd about a report.

    Args:
        header: The signed header.
        table: The rows.
        totals: Those of the rows, from ``totals_of``.
        before: What was accepted of the same site and report, by period.
        agreed: The receiver's contract of the report, with its policy.
    """
    earlier = [before[one] for one in sorted(before) if one < header.period]
    found = [*_cut_off_doubts(header, before, earlier)]
    policy = agreed.plausibility
    watched = {ROWS, *policy.watched.get(header.report, totals)}
    compared = {name: total for name, total in totals.items() if name in watched}
    found += _history_doubts(compared, earlier, policy)
    growing = policy.growing.get(header.report, ())
    found += _shrinking(totals, earlier, growing)
    found += _control_doubts(table, agreed)
    return found


def _history_doubts(
    totals: Mapping[str, Decimal], earlier: Sequence[Past], policy: Plausibility
) -> Iterator[Doubt]:
    recent = [one.totals for one in earlier[-policy.periods :]]
    for name, total in totals.items():
        values = [one[name] for one in recent if name in one]
        if len(values) < policy.least:
            continue
        usual = median(values)
        what = "the number of rows" if name == ROWS else f"column {name}: the total"
        beside = f"the median of the last {len(values)} periods is {usual:,}"
        if name != ROWS and abs(total - usual) < policy.change:
            continue
        if total == 0 and usual > 0:
            yield Doubt("zero", f"{what} is 0, {beside}.")
        elif abs(total - usual) > Decimal(str(policy.share)) * abs(usual):
            kind = "rows" if name == ROWS else "total"
            yield Doubt(kind, f"{what} is {total:,}, {beside}.")


def _shrinking(
    totals: Mapping[str, Decimal], earlier: Sequence[Past], growing: Sequence[str]
) -> Iterator[Doubt]:
    if not earlier:
        return
    last = earlier[-1]
    for name in growing:
        if name in totals and name in last.totals and totals[name] < last.totals[name]:
            yield Doubt(
                "shrunk",
                f"column {name}: the total is {totals[name]:,}, in period {last.period} it was "
                f"{last.totals[name]:,}, and it should only grow.",
            )


def _cut_off_doubts(
    header: Header, before: Mapping[str, Past], earlier: Sequence[Past]
) -> Iterator[Doubt]:
    cut_off = datetime.fromisoformat(header.cut_off_at)
    same = before.get(header.period)
    if same and same.cut_off_at and cut_off < same.cut_off_at:
        yield Doubt(
            "cut_off",
            f"header cut_off_at: {header.cut_off_at} lies before that of revision {same.revision}.",
        )
    last = earlier[-1] if earlier else None
    if last and last.cut_off_at and cut_off < last.cut_off_at:
        yield Doubt(
            "cut_off",
            f"header cut_off_at: {header.cut_off_at} lies before that of period {last.period}.",
        )


def _control_doubts(table: pa.Table, agreed: Agreed) -> Iterator[Doubt]:
    """Where the contract says which sums are published, they are the sums of their parts.

    A total's row has ``all`` in the column that is added up over, or the code of the whole site.
    A sum with a part that is not published cannot be judged.
    """
    cells, key = agreed.small_cells, agreed.key
    if cells is None or not {*key, *cells.columns} <= set(table.column_names):
        return
    rows = table.select([*key, *cells.columns]).to_pylist()
    for group in cells.totals:
        over = [name for name in key if name not in group]
        if len(over) != 1:
            continue
        wrong = _wrong_sums(rows, list(group), over[0], cells.columns)
        for name, count in wrong.items():
            if count:
                yield Doubt(
                    "control",
                    f"column {name}: {count} published totals over {over[0]} are not the sum of "
                    "their parts.",
                )


def _wrong_sums(
    rows: Sequence[Mapping[str, object]], group: Sequence[str], over: str, columns: Sequence[str]
) -> dict[str, int]:
    parts: dict[tuple[object, ...], list[Mapping[str, object]]] = {}
    sums: dict[tuple[object, ...], Mapping[str, object]] = {}
    for row in rows:
        place = tuple(row[name] for name in group)
        if _is_total(row[over]):
            sums[place] = row
        else:
            parts.setdefault(place, []).append(row)
    wrong = dict.fromkeys(columns, 0)
    for place, total in sums.items():
        for name in columns:
            values = [one[name] for one in parts.get(place, ())]
            if values and total[name] is not None and None not in values:
                wrong[name] += sum(values) != total[name]  # type: ignore[arg-type]
    return wrong


def _is_total(value: object) -> bool:
    text = str(value)
    return text == _ALL or (len(text) == _CODE_DIGITS and text.endswith(_WHOLE_SITE))
