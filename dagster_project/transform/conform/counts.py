"""How often each rule and repair was evaluated and failed: from one aggregate pass over the rows.

The pass groups rows by their words; a batch has few different ones. Decoding words is SQL too.
"""

from __future__ import annotations

import duckdb

from dagster_project.contracts.rules import REPEATED
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.facts import Kind, RepairInfo, RuleCount
from dagster_project.transform.conform.plan import WORD_BITS, Plan, Slot


def count_rules(con: duckdb.DuckDBPyConnection, plan: Plan, unchecked: set[str]) -> list[RuleCount]:
    """Counts of every rule, and of every repair that happened.

    Args:
        con: A connection that holds ``conform_rows``.
        plan: The compiled contract.
        unchecked: Ids of references whose parent was not there; counted as warned with 0 checked.
    """
    _group(con, plan)
    rows, marked = _rows(con, plan)
    filled = _filled(con, plan)
    failed = _sums(con, "conform_groups", "_w", [plan.slots.get(r.id) for r in plan.rules])
    repaired = _sums(con, "conform_repairs", "_r", list(plan.repair_slots))
    made = []
    for rule, count in zip(plan.rules, failed, strict=True):
        if rule.id not in plan.slots:
            continue  # between departments: evaluated over silver
        if rule.kind in plan.defects:
            checked = rows
        else:
            checked = rows - marked if rule.kind in ("row", "required") else filled[rule.column]
        if rule.id in unchecked:
            made.append(RuleCount(rule.id, "warn", rule.dimension, rule.column, 0, 0))
            continue
        kind: Kind = "rule" if rule.severity == "fail" else "warn"
        made.append(RuleCount(rule.id, kind, rule.dimension, rule.column, checked, count))
    for repair, count in zip(plan.repairs, repaired, strict=True):
        if count:
            made.append(_repair_count(repair, rows - marked, count))
    return made


def count_repeated(con: duckdb.DuckDBPyConnection, plan: Plan, repeated: int) -> RuleCount:
    """How many rows of the batch say again what another row of its key says."""
    rows, marked = _rows(con, plan)
    return RuleCount(REPEATED, "warn", "accuracy", "", rows - marked, repeated)


def _repair_count(repair: RepairInfo, checked: int, count: int) -> RuleCount:
    kind: Kind = "repair" if repair.logged else "cosmetic"
    return RuleCount(repair.id, kind, "", repair.column, checked, count)


def reasons_list(plan: Plan) -> str:
    """The rule ids of a row's reason words, in the plan's order, as a VARCHAR[] expression."""
    parts = ", ".join(
        f"CASE WHEN _w{slot.word} & {slot.mask} <> 0 THEN {literal(rule)} END"
        for rule, slot in plan.slots.items()
        if plan.rule(rule).severity == "fail"
    )
    return f"list_filter([{parts}], reason -> reason IS NOT NULL)"


def _group(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    words = ", ".join(f"_w{w}" for w in range(plan.words))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE conform_groups AS"
        f" SELECT {words}, count(*) AS n FROM conform_rows GROUP BY ALL"
    )
    words = ", ".join(f"_r{w}" for w in range(plan.repair_words))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE conform_repairs AS"
        f" SELECT {words}, count(*) AS n FROM conform_rows GROUP BY ALL"
    )


def _rows(con: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[int, int]:
    """All rows, and those that the reader's mark set aside."""
    marks = " OR ".join(_is_set("_w", slot) for slot in plan.defects.values()) or "FALSE"
    row = con.execute(f"SELECT sum(n), sum(n) FILTER ({marks}) FROM conform_groups").fetchone()
    rows, marked = row or (0, 0)
    return int(rows or 0), int(marked or 0)


def _filled(con: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, int]:
    """Cells that said something: typed values and those that could not be typed."""
    untyped = [plan.slots.get(f"{c.column.name}.type") for c in plan.cells]
    broken = _sums(con, "conform_groups", "_w", untyped)
    counts = ", ".join(f"count({quoted(cell.column.name)})" for cell in plan.cells)
    row = con.execute(f"SELECT {counts} FROM conform_rows").fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return {
        cell.column.name: int(typed) + bad
        for cell, typed, bad in zip(plan.cells, row, broken, strict=True)
    }


def _sums(
    con: duckdb.DuckDBPyConnection, table: str, prefix: str, slots: list[Slot | None]
) -> list[int]:
    """How many rows have each bit set."""
    words = sorted({slot.word for slot in slots if slot})
    if not words:
        return [0] * len(slots)
    # Unfolding bits is one small plan; a filtered sum per bit took longer to bind than to run.
    sql = " UNION ALL ".join(
        f"SELECT {w}, 1::BIGINT << i, sum(n) FROM {table}, range({WORD_BITS}) bits(i)"
        f" WHERE ({prefix}{w} >> i) & 1 = 1 GROUP BY i"
        for w in words
    )
    found = {Slot(word, mask): int(count) for word, mask, count in con.execute(sql).fetchall()}
    return [found.get(slot, 0) if slot else 0 for slot in slots]


def _is_set(prefix: str, slot: Slot) -> str:
    return f"{prefix}{slot.word} & {slot.mask} <> 0"
