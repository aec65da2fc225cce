"""What a delivery would become, judged on any connection, without a lake and without a merge.

References are not asked (their parents are in the lake) but by ``broken_rows``, which has one to
read; nothing is written. A repeated key only counts; which of its rows would win is ``merge``'s
matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import batch
from dagster_project.transform.conform.counts import count_rules
from dagster_project.transform.conform.plan import Plan


@dataclass(frozen=True)
class Preview:
    """Counts of a delivery: ``rules`` (rejecting or warning) and ``repairs``, those above zero.

    Keys are ``column.rule`` for a column's repair and the rule's id for a rule. ``repeated`` counts
    valid rows whose key stood in a row before.
    """

    accepted: int
    rejected: int
    repeated: int
    rules: dict[str, int]
    repairs: dict[str, int]


@dataclass(frozen=True)
class PreviewRow:
    """One row: typed values after repair, every reason, and its repairs as ``column.repair``."""

    sheet: str
    source_row: int
    values: dict[str, Any]
    ok: bool
    key: str | None
    reasons: tuple[str, ...]
    repairs: tuple[str, ...]


@dataclass(frozen=True)
class BrokenRow:
    """One row with every reason against it, and its cells as they were sent (JSON)."""

    sheet: str
    source_row: int
    reasons: tuple[str, ...]
    raw: str


def preview(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    rows: Path,
    *,
    delivered_at: datetime,
    units: Mapping[str, str] | None = None,
) -> Preview:
    """Count what would become of the rows of a delivery.

    Args:
        con: Any connection; its temp tables ``conform_*`` are replaced and dropped again.
        plan: The compiled contract.
        rows: The reader's Parquet.
        delivered_at: The instant against which rules about the future are asked.
        units: Units that the file states for columns.

    Raises:
        ContractError: A unit cannot be counted in the contract's.
    """
    plan = plan.with_units(units or {})
    try:
        unchecked = _conform(con, plan, rows, delivered_at)
        counts = count_rules(con, plan, unchecked)
        keys = ", ".join(quoted(name) for name in plan.feed.key)
        found = con.execute(
            f"""SELECT count(*) FILTER (_ok), count(*) FILTER (NOT _ok),
                count(*) FILTER (_ok) - count(DISTINCT CASE WHEN _ok THEN row({keys}) END)
            FROM conform_rows"""
        ).fetchone()
        assert found is not None  # noqa: S101 - an aggregate always has a row
    finally:
        batch.finish(con)
    failed = {c.rule_id: c.failed for c in counts if c.kind in ("rule", "warn") and c.failed}
    repairs: dict[str, int] = {}
    for count in counts:
        if count.kind in ("repair", "cosmetic"):
            name = f"{count.column}.{count.rule_id}"
            repairs[name] = repairs.get(name, 0) + count.failed
    return Preview(int(found[0]), int(found[1]), int(found[2]), failed, repairs)


def preview_rows(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    rows: Path,
    *,
    delivered_at: datetime,
    units: Mapping[str, str] | None = None,
) -> list[PreviewRow]:
    """The typed rows of a delivery in the order of the file; arguments as of ``preview``.

    Raises:
        ContractError: A unit cannot be counted in the contract's.
    """
    plan = plan.with_units(units or {})
    try:
        _conform(con, plan, rows, delivered_at)
        result = con.execute("SELECT * FROM conform_rows ORDER BY _sheet, _source_row")
        head = [column[0] for column in result.description or ()]
        found = [dict(zip(head, row, strict=True)) for row in result.fetchall()]
    finally:
        batch.finish(con)
    return [_row(plan, row) for row in found]


def broken_rows(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    rows: Path,
    *,
    delivered_at: datetime,
    units: Mapping[str, str] | None = None,
    hard: Collection[str] = (),
    limit: int | None = None,
) -> list[BrokenRow]:
    """The rows of a delivery that would be rejected, or that break a hard rule, in file order.

    Args:
        con: A connection to the lake, where references are looked up; nothing is written to it.
        plan: The compiled contract.
        rows: The reader's Parquet.
        delivered_at: The instant against which rules about the future are asked.
        units: Units that the file states for columns.
        hard: Rules of which a failure counts though they only warn.
        limit: The most rows; all of them without it.

    Raises:
        ContractError: A unit cannot be counted in the contract's.
    """
    plan = plan.with_units(units or {})
    told = {
        rule: slot
        for rule, slot in plan.slots.items()
        if plan.rule(rule).severity == "fail" or rule in hard
    }
    said = ", ".join(
        f"CASE WHEN c._w{slot.word} & {slot.mask} <> 0 THEN {literal(rule)} END"
        for rule, slot in told.items()
    )
    sent = ", ".join(f"{literal(n)}, s.{quoted(n)}" for n in (c.column.name for c in plan.cells))
    try:
        batch.with_source(con, f"SELECT * FROM read_parquet({literal(rows)})")
        batch.judge_rows(con, plan, delivered_at)
        found = con.execute(
            f"""SELECT * FROM (
                SELECT _sheet, _source_row,
                    list_filter([{said}], reason -> reason IS NOT NULL) AS reasons,
                    json_object({sent})::VARCHAR AS raw
                FROM conform_rows AS c JOIN conform_source AS s USING (_sheet, _source_row)
            ) WHERE len(reasons) > 0
            ORDER BY _sheet, _source_row{"" if limit is None else f" LIMIT {int(limit)}"}"""
        ).fetchall()
    finally:
        batch.finish(con)
    return [BrokenRow(sheet, int(row), tuple(reasons), raw) for sheet, row, reasons, raw in found]


def _conform(
    con: duckdb.DuckDBPyConnection, plan: Plan, rows: Path, delivered_at: datetime
) -> set[str]:
    batch.with_source(con, f"SELECT * FROM read_parquet({literal(rows)})")
    batch.conform_rows(con, plan, frozenset(), delivered_at)
    return {rule.id for rule in plan.rules if rule.kind == "reference" and rule.id in plan.slots}


def _row(plan: Plan, row: Mapping[str, Any]) -> PreviewRow:
    pairs = zip(plan.repairs, plan.repair_slots, strict=True)
    repairs = (f"{r.column}.{r.id}" for r, slot in pairs if row[f"_r{slot.word}"] & slot.mask)
    return PreviewRow(
        sheet=row["_sheet"],
        source_row=row["_source_row"],
        values={cell.column.name: row[cell.column.name] for cell in plan.cells},
        ok=row["_ok"],
        key=row["_key"],
        reasons=tuple(rule for rule, s in plan.slots.items() if row[f"_w{s.word}"] & s.mask),
        repairs=tuple(dict.fromkeys(repairs)),
    )
