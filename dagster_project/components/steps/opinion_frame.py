"""The SELECT by which a second opinion sees a table: only what a suite asks, and where it stands.

A batch is conformed once more from bronze, with every row that arrived, by the statement that took
it. Whether a parent was there then, the quarantine says: it may have come since. Rows that the
reader marked are left out, since no rule is asked of their cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project.contracts.rules import DEFECTS, cell_rules
from dagster_project.lake.engine import literal, quoted
from dagster_project.quality.suite import Asked, Suite
from dagster_project.transform.conform import Plan
from dagster_project.transform.conform.batch import bound, is_delivered
from dagster_project.transform.conform.mojibake import MARK
from dagster_project.transform.conform.select import PARAMETERS, Rows, statement, with_texts

SAMPLE_ABOVE = 200_000
"""Of a larger batch about so many rows are asked."""


@dataclass(frozen=True)
class Arrived:
    """A batch in bronze; ``rows`` is how many it has there."""

    batch_id: str
    delivered_at: datetime
    rows: int

    @property
    def is_sampled(self) -> bool:
        """Whether only some rows are asked."""
        return self.rows > SAMPLE_ABOVE

    @property
    def sample(self) -> str:
        """The condition of the sampled rows: by the hash of a row's place, the same every time."""
        if not self.is_sampled:
            return ""
        edge = f"{int(0xFFFFFFFF * SAMPLE_ABOVE / self.rows):08x}"
        return f" AND substr(md5(concat(_sheet, ':', _source_row)), 1, 8) < '{edge}'"


def batch_frame(con: duckdb.DuckDBPyConnection, plan: Plan, suite: Suite, arrived: Arrived) -> str:
    """The SELECT of a batch after its repairs: ``_sheet, _source_row`` and what the suite asks.

    Args:
        con: A connection with the lake attached; it is asked whether the batch has mojibake.
        plan: The compiled contract, with the units that the file stated.
        suite: The expectations.
        arrived: The batch.
    """
    batch = literal(arrived.batch_id)
    source = f"SELECT * FROM lake.bronze.{quoted(plan.feed.name)} WHERE _batch_id = {batch}"
    source += arrived.sample
    marked = con.execute(
        f"SELECT 1 FROM ({source}) WHERE _defect = {literal(MARK)} LIMIT 1"
    ).fetchone()
    parts: tuple[Rows, ...] = ("others", "mojibake") if marked else ("all",)
    asked = (one.column for one in suite.asked if one.of in {"text", "read"})
    texts = sorted(set(asked))
    known = _references(con, plan)
    made = (with_texts(statement(plan, known, part)[0], texts) for part in parts)
    rows = _filled_in(" UNION ALL ".join(made), arrived.delivered_at)
    columns = ["_sheet", "_source_row", *(_column(plan, one) for one in suite.asked)]
    rejected = [c.name for c in plan.feed.columns if c.reference and c.reference.rejects]
    reasons = ""
    if rejected:
        reasons = (
            " LEFT JOIN (SELECT sheet AS _sheet, source_row AS _source_row, reasons"
            f" FROM lake.ops.quarantine WHERE batch_id = {batch}) USING (_sheet, _source_row)"
        )
    defects = [plan.slots[rule.id] for rule in DEFECTS if rule.id in plan.slots]
    unmarked = " AND ".join(f"_w{slot.word} & {slot.mask} = 0" for slot in defects) or "TRUE"
    return (
        f"WITH conform_source AS ({source}), conformed AS ({rows})"
        f" SELECT {', '.join(columns)} FROM conformed{reasons} WHERE {unmarked}"
    )


def table_frame(table: str, suite: Suite, columns: Iterable[str]) -> str:
    """The SELECT of a table that was built: its cells have been asked nothing before.

    Args:
        table: ``report.<name>`` of the lake.
        suite: The expectations.
        columns: The table's columns, in whose order a row's number is found.
    """
    names = ", ".join(quoted(name) for name in columns)
    asked = [f"{_of_value(one, quoted(one.column))} AS {quoted(one.name)}" for one in suite.asked]
    place = f"'' AS _sheet, row_number() OVER (ORDER BY {names}) AS _source_row"
    return f"SELECT {', '.join([place, *asked])} FROM lake.{table}"


def _references(con: duckdb.DuckDBPyConnection, plan: Plan) -> frozenset[str]:
    """The columns whose parents are looked up: as the batch did, if this process took it."""
    for references, _ in plan.statements:
        return references
    columns = (column for column in plan.feed.columns if column.reference)
    return frozenset(c.name for c in columns if c.reference and is_delivered(con, c.reference.feed))


def _filled_in(text: str, delivered_at: datetime) -> str:
    """The statement with its parameters as literals: it is run by another process."""
    values = bound(delivered_at)
    for name in sorted(PARAMETERS, key=len, reverse=True):
        value = values[name]
        spelled = f"TIMESTAMP {literal(str(value))}" if isinstance(value, datetime) else str(value)
        text = text.replace(f"${name}", spelled)
    return text


def _column(plan: Plan, asked: Asked) -> str:
    value, name = quoted(asked.column), quoted(asked.name)
    text = quoted(f"_t_{asked.column}")
    if asked.of == "text":
        return f"{text} AS {name}"
    if asked.of == "read":
        return f"CASE WHEN {text} IS NULL OR {value} IS NOT NULL THEN TRUE END AS {name}"
    if asked.of == "typed":
        return f"{_of_value(asked, value)} AS {name}"
    spoke = _spoke(plan, asked)
    if asked.of == "filled":
        return f"CASE WHEN {spoke} OR {value} IS NOT NULL THEN TRUE END AS {name}"
    return f"CASE WHEN NOT ({spoke}) THEN {_of_value(asked, value)} END AS {name}"


def _of_value(asked: Asked, value: str) -> str:
    if asked.digits < 0:
        return value
    return f"CAST(CAST({value} AS DECIMAL(38, {asked.digits})) * {10**asked.digits} AS BIGINT)"


def _spoke(plan: Plan, asked: Asked) -> str:
    """Whether a rule of the cell spoke, other than the one that asks."""
    column = plan.feed.column(asked.column)
    said = []
    for rule in cell_rules(column):
        slot = plan.slots.get(rule.id)
        if slot is None or rule.id == asked.rule_id:
            continue
        if rule.kind == "reference":
            said.append(f"coalesce(list_contains(reasons, {literal(rule.id)}), FALSE)")
        else:
            said.append(f"_w{slot.word} & {slot.mask} <> 0")
    return " OR ".join(said) or "FALSE"
