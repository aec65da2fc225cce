"""What is written about a batch beside its rows: quarantine, repairs, totals, counts.

Everything is read from ``conform_rows``, ``conform_groups`` and the raw ``conform_source``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.ast import sql
from dagster_project.transform.conform.counts import reasons_list
from dagster_project.transform.conform.facts import BatchCounts, Dropped, RuleCount, Stated
from dagster_project.transform.conform.plan import Plan
from dagster_project.transform.conform.stages import stage_name


@dataclass(frozen=True)
class Head:
    """What ``ops.batch`` says of a batch beside its counts."""

    batch_id: str
    source_batch_id: str | None
    sha256: str
    path: str
    format: str
    encoding: str
    delivered_at: datetime
    run_id: str
    committed_at: datetime
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def landed_id(self) -> str:
        """The batch that brought the rows; bronze and silver name this one."""
        return self.source_batch_id or self.batch_id


def write_quarantine(con: duckdb.DuckDBPyConnection, plan: Plan, head: Head) -> None:
    """Every rejected row: its key, all its reasons, and its cells as they were sent."""
    words = ", ".join(f"_w{w}" for w in range(plan.words))
    raw = ", ".join(
        f"{literal(name)}, s.{quoted(name)}"
        for name in [*(c.column.name for c in plan.cells), "_extra"]
    )
    con.execute(
        f"""INSERT INTO lake.ops.quarantine
            (batch_id, feed, sheet, source_row, record_key, reasons, raw)
        WITH spelled AS (SELECT {words}, {reasons_list(plan)} AS reasons FROM conform_groups)
        SELECT {literal(head.batch_id)}, {literal(plan.feed.name)}, _sheet, _source_row, c._key,
            spelled.reasons, json_object({raw})
        FROM conform_rows c JOIN spelled USING ({words})
        JOIN conform_source s USING (_sheet, _source_row)
        WHERE NOT c._ok"""
    )


def write_repairs(
    con: duckdb.DuckDBPyConnection, plan: Plan, head: Head, counts: Sequence[RuleCount]
) -> None:
    """One row per cell whose value was changed: raw value, fixed value, rule."""
    happened = {(count.column, count.rule_id) for count in counts if count.kind == "repair"}
    logged = [
        (repair, slot)
        for repair, slot in zip(plan.repairs, plan.repair_slots, strict=True)
        if repair.listed and repair.logged and (repair.column, repair.id) in happened
    ]
    if not logged:
        return
    names = list(dict.fromkeys(repair.column for repair, _ in logged))
    masks = [sum(s.mask for _, s in logged if s.word == w) for w in range(plan.repair_words)]
    touched = " OR ".join(f"_r{w} & {mask} <> 0" for w, mask in enumerate(masks) if mask)
    words = ", ".join(f"c._r{w}" for w in range(plan.repair_words))
    cells = ", ".join(
        f"s.{quoted(n)} AS {quoted(n)}, CAST(c.{quoted(n)} AS VARCHAR) AS {quoted(n + '$')}"
        for n in names
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE conform_repaired AS
        SELECT _sheet, _source_row, {words}, {cells}
        FROM conform_rows c JOIN conform_source s USING (_sheet, _source_row) WHERE {touched}"""
    )
    branches = " UNION ALL ".join(
        f"SELECT {literal(head.batch_id)}, {literal(plan.feed.name)}, _sheet, _source_row,"
        f" {literal(repair.column)}, {literal(repair.id)}, {quoted(repair.column)},"
        f" {quoted(repair.column + '$')}"
        f" FROM conform_repaired WHERE _r{slot.word} & {slot.mask} <> 0"
        for repair, slot in logged
    )
    con.execute(
        "INSERT INTO lake.ops.repair (batch_id, feed, sheet, source_row, column_name, rule_id,"
        f" raw_value, fixed_value) {branches}"
    )
    con.execute("DROP TABLE conform_repaired")


def write_dropped(
    con: duckdb.DuckDBPyConnection, plan: Plan, head: Head, rows: Sequence[Dropped]
) -> None:
    """The rows that the reader set aside, with their text."""
    if rows:
        con.execute(
            "INSERT INTO lake.ops.dropped_row (batch_id, feed, sheet, source_row, kind, content)"
            " SELECT ?, ?, unnest(?), unnest(?), unnest(?), unnest(?)",
            [
                head.batch_id,
                plan.feed.name,
                [row.sheet for row in rows],
                [row.row for row in rows],
                [row.kind for row in rows],
                [row.text for row in rows],
            ],
        )


def write_control_totals(
    con: duckdb.DuckDBPyConnection, plan: Plan, head: Head, totals: Sequence[Stated]
) -> None:
    """What the file says of itself against what was read above that row of the same sheet.

    A subtotal covers the rows since the total before it: whichever of the two sums agrees counts.
    """
    above: dict[tuple[str, str], int] = {}
    for total in sorted(totals, key=lambda t: (t.sheet, t.row)):
        cell = next(c for c in plan.cells if c.column.name == total.column)
        name, previous = quoted(total.column), above.get((total.sheet, total.column), 0)
        above[total.sheet, total.column] = total.row
        text, folded = (quoted(stage_name(total.column, letter)) for letter in "tw")
        clean = f"SELECT {sql(cell.folded)} AS {folded} FROM (SELECT $stated AS {name})"
        clean = f"SELECT {sql(cell.clean)} AS {text} FROM ({clean})"
        con.execute(
            f"""INSERT INTO lake.ops.control_total
                (batch_id, feed, sheet, source_row, column_name, stated, computed, agrees)
            WITH sums AS (
                SELECT coalesce(sum({name}), 0) AS whole,
                    coalesce(sum({name}) FILTER (_source_row > $previous), 0) AS part
                FROM conform_rows WHERE _sheet = $sheet AND _source_row < $row
            ), said AS (SELECT {sql(cell.slow)} AS v FROM ({clean}))
            SELECT $batch, $feed, $sheet, $row, $column, $stated,
                CAST(CASE WHEN part = v THEN part ELSE whole END AS VARCHAR),
                coalesce(v IN (part, whole), FALSE)
            FROM sums, said""",
            {
                "batch": head.batch_id,
                "feed": plan.feed.name,
                "sheet": total.sheet,
                "row": total.row,
                "column": total.column,
                "stated": total.stated,
                "previous": previous,
            },
        )


def write_counts(
    con: duckdb.DuckDBPyConnection, plan: Plan, head: Head, counts: BatchCounts
) -> None:
    """``ops.batch_rule`` and, last of all, ``ops.batch``."""
    rules = counts.rules
    con.execute(
        "INSERT INTO lake.ops.batch_rule (batch_id, feed, rule_id, kind, dimension, column_name,"
        " checked, failed, replaced) SELECT ?, ?, unnest(?), unnest(?), unnest(?), unnest(?),"
        " unnest(?), unnest(?), unnest(?)",
        [
            head.batch_id,
            plan.feed.name,
            [count.rule_id for count in rules],
            [count.kind for count in rules],
            [count.dimension for count in rules],
            [count.column for count in rules],
            [count.checked for count in rules],
            [count.failed for count in rules],
            [count.replaced for count in rules],
        ],
    )
    row = {
        "batch_id": head.batch_id,
        "source_batch_id": head.source_batch_id,
        "feed": plan.feed.name,
        "contract_version": plan.feed.version,
        "contract_hash": plan.feed.hash,
        "sha256": head.sha256,
        "path": head.path,
        "format": head.format,
        "encoding": head.encoding,
        "delivery": plan.feed.delivery,
        "delivered_at": head.delivered_at,
        "run_id": head.run_id,
        "committed_at": head.committed_at,
        "read": counts.read,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "duplicate": counts.duplicate,
        "superseded": counts.superseded,
        "dropped": counts.dropped,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "live": counts.live,
        "replaced": counts.replaced,
        "units": json.dumps(dict(head.units), ensure_ascii=False) if head.units else None,
    }
    con.execute(
        f"INSERT INTO lake.ops.batch ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        list(row.values()),
    )
