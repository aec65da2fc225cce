"""What the cells of a delivered file say of its shape, counted; nothing is concluded here.

Counts come from the reader's Parquet, judged by the same rules as every row, and from silver. What
they mean is ``contracts.drift``'s knowledge. Only codes of a code list ever leave as values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.contracts.drift import Failures, Fit, Quartiles
from dagster_project.contracts.model import Column, Feed
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import Plan, RuleCount, compile_feed
from dagster_project.transform.conform.batch import conform_rows, finish, is_delivered, with_source
from dagster_project.transform.conform.column import count_values

SAMPLE = 2_000
"""As many rows tell what an unknown column holds."""
SPREAD = 20_000
"""As many rows, evenly taken, tell the quartiles of a column."""
PAIRS = 60
VARIED = 50
"""A column of silver with fewer different values is too poor to recognise another one by them."""
NARROWING = frozenset({"type", "length", "pattern", "format"})


@dataclass(frozen=True)
class Measures:
    """Counting in one delivery; ``rows`` is the reader's Parquet with ``count`` rows."""

    con: duckdb.DuckDBPyConnection
    plan: Plan
    rows: Path
    count: int
    delivered_at: datetime

    @property
    def feed(self) -> Feed:
        """The contract."""
        return self.plan.feed

    def fits(self, missing: Sequence[str], unknown: Sequence[str]) -> dict[tuple[str, str], Fit]:
        """For every missing column and unknown title: would the title's cells do for the column."""
        wanted = [(name, title) for name in missing for title in unknown][:PAIRS]
        return {(name, title): self._fit(self.feed.column(name), title) for name, title in wanted}

    def _fit(self, column: Column, title: str) -> Fit:
        pointer = literal("/" + title.replace("~", "~0").replace("/", "~1"))
        cells = f"json_extract_string(_extra, {pointer})"
        first = (
            f"SELECT * FROM read_parquet({literal(self.rows)})"
            f" WHERE _extra IS NOT NULL AND _defect IS NULL LIMIT {SAMPLE}"
        )
        source = (
            f"SELECT {cells} AS {quoted(column.name)}, _sheet, _source_row, _defect"
            f" FROM ({first}) WHERE trim({cells}) <> ''"
        )
        with self._judged(column, source):
            filled, valid = self._numbers(
                "SELECT count(*), count(*) FILTER (_ok) FROM conform_rows"
            )
            held = self._held(column) if valid else 0
        telling = column.type != "string" or bool(column.codes or column.format or column.pattern)
        return Fit(filled, valid, held, telling)

    def _held(self, column: Column) -> int:
        """How many of the judged cells are values that silver has in the column."""
        if not is_delivered(self.con, self.feed.name):
            return 0
        name, table = quoted(column.name), self._silver
        (varied,) = self._numbers(f"SELECT approx_count_distinct({name}) FROM {table}")
        if varied < VARIED:
            return 0
        known = f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL"
        (held,) = self._numbers(f"SELECT count(*) FROM conform_rows WHERE {name} IN ({known})")
        return held

    def quartiles(self) -> Iterator[tuple[Column, Quartiles, Quartiles]]:
        """The spread of each numeric column in this file and in silver; zeros are left out."""
        columns = [c for c in self.feed.columns if _is_measured(c)]
        if not columns or not is_delivered(self.con, self.feed.name):
            return
        (held,) = self._numbers(f"SELECT count(*) FROM {self._silver}")
        before = self._spread(columns, f"{self._silver} WHERE NOT _is_deleted", held)
        source = (
            f"SELECT {', '.join(quoted(c.name) for c in columns)}, _sheet, _source_row, _defect"
            f" FROM read_parquet({literal(self.rows)}) WHERE {_every(self.count)}"
        )
        with self._judged(columns, source):
            here = self._spread(columns, "conform_rows", 0)
        for column in columns:
            if column.name in here and column.name in before:
                yield column, here[column.name], before[column.name]

    def _spread(self, columns: Sequence[Column], source: str, rows: int) -> dict[str, Quartiles]:
        taken = f"{source} AND {_every(rows)}" if rows else source
        asked = ", ".join(
            f"count(*) FILTER ({value} <> 0), quantile_cont({value}::DOUBLE, [0.25, 0.5, 0.75])"
            f" FILTER ({value} <> 0)"
            for value in (quoted(column.name) for column in columns)
        )
        row = self.con.execute(f"SELECT {asked} FROM {taken}").fetchone() or ()
        return {
            column.name: Quartiles(int(count), *spread)
            for column, count, spread in zip(columns, row[::2], row[1::2], strict=True)
            if spread
        }

    def failures(self, rules: Sequence[RuleCount], batch_id: str) -> list[Failures]:
        """Rules about a column's form that cells failed, with how they did in earlier batches."""
        failed = [
            rule
            for rule in rules
            if rule.kind == "rule" and rule.failed and rule.rule_id.rpartition(".")[2] in NARROWING
        ]
        if not failed:
            return []
        before = self._before(batch_id)
        return [
            Failures(rule.rule_id, rule.checked, rule.failed, *before.get(rule.rule_id, (0, 0)))
            for rule in failed
        ]

    def _before(self, batch_id: str) -> Mapping[str, tuple[int, int]]:
        rows = self.con.execute(
            "SELECT rule_id, sum(checked), sum(failed) FROM lake.ops.batch_rule"
            " WHERE feed = ? AND batch_id <> ? AND kind = 'rule' GROUP BY rule_id",
            [self.feed.name, batch_id],
        ).fetchall()
        return {str(rule): (int(checked), int(failed)) for rule, checked, failed in rows}

    def strangers(self, column: Column) -> dict[str, int]:
        """Cells of a coded column that are no spelling of its list, cleaned, with their number."""
        cells = count_values(
            self.con, self.plan, column.name, self.rows, delivered_at=self.delivered_at
        )
        known = self.plan.contracts.codes[column.codes].codes
        return {value: count for value, count in cells.items() if value not in known}

    def longest(self, column: Column) -> int:
        """The number of characters of a column's longest cell."""
        source = (
            f"SELECT {quoted(column.name)}, _sheet, _source_row, _defect"
            f" FROM read_parquet({literal(self.rows)}) WHERE _defect IS NULL"
        )
        with self._judged(column, source):
            (longest,) = self._numbers(
                f"SELECT coalesce(max(length({quoted(column.name)}::VARCHAR)), 0) FROM conform_rows"
            )
        return longest

    @contextmanager
    def _judged(self, columns: Column | Sequence[Column], source: str) -> Iterator[None]:
        """Cells of some columns as the contract reads them, in ``conform_rows``."""
        chosen = [columns] if isinstance(columns, Column) else columns
        alone = tuple(
            replace(column, required=False, reference=None, key_position=position)
            for position, column in enumerate(chosen, start=1)
        )
        feed = replace(self.feed, columns=alone, rules=(), order_by="")
        units = {name: unit for name, unit in self.plan.units.items() if name in feed.key}
        try:
            with_source(self.con, source)
            plan = compile_feed(feed, self.plan.contracts, units=units)
            conform_rows(self.con, plan, frozenset(), self.delivered_at)
            yield
        finally:
            finish(self.con)

    def _numbers(self, query: str) -> tuple[int, ...]:
        return tuple(int(number or 0) for number in self.con.execute(query).fetchone() or ())

    @property
    def _silver(self) -> str:
        return f"lake.silver.{quoted(self.feed.name)}"


def _is_measured(column: Column) -> bool:
    """Numbers that are measured or counted; codes and references only look like numbers."""
    return column.type in {"integer", "decimal"} and not (
        column.is_key or column.codes or column.reference
    )


def _every(rows: int) -> str:
    """A condition that takes ``SPREAD`` rows evenly."""
    return f"_source_row % {max(1, rows // SPREAD)} = 0"
