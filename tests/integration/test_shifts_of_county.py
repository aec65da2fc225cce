"""Clean days of a simulated county: nothing is told, and what is planted is, feed by feed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from dagster_project.components.steps.arriving.shifts import judge_shifts
from dagster_project.contracts import feed_order, load
from dagster_project.contracts.model import Contracts
from dagster_project.ingest.readers import read
from dagster_project.lake import Lake, Writer
from dagster_project.paths import Home, schemas_dir
from dagster_project.settings import Settings
from dagster_project.simulate import simulate
from dagster_project.transform.conform import BatchInput, compile_feed, conform, evolve

pytestmark = pytest.mark.thorough
COUNTY = "140322"
FIRST = date(2023, 5, 27)
DAYS = 4
SCALE = 0.006


class Days:
    """One lake that takes a county's feeds day by day."""

    def __init__(self, root: Path, writer: Writer, contracts: Contracts) -> None:
        self.root, self.writer, self.contracts = root, writer, contracts

    def take(self, name: str, rows: Path, day: int) -> str:
        """Take one file of one feed, and say what is told of it."""
        at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day)
        plan = compile_feed(self.contracts.feeds[name], self.contracts)
        batch = BatchInput(
            batch_id=f"{name}-{day}",
            sha256=str(day),
            path=f"{name}-{day}",
            format="csv",
            encoding="utf-8",
            delivered_at=at,
            run_id=str(day),
            committed_at=at,
            rows=rows,
        )
        with self.writer.transaction(batch.batch_id) as tx:
            evolve(tx.con, plan.feed)
            conform(tx.con, plan, batch)
            told = (batch.batch_id, batch.path)
            return judge_shifts(tx.con, plan.feed, batch.run_id, told, self.contracts)

    def read(self, day: int) -> Iterator[tuple[str, Path]]:
        """Simulate a clean day; each day is another draw of the same county."""
        inbox = self.root / f"inbox-{day}"
        made = simulate(
            COUNTY, SCALE, inbox, 3 + day, day=FIRST + timedelta(days=day), faults=False
        )
        for name in feed_order(self.contracts):
            if name in made["feeds"]:
                rows = self.root / f"{name}-{day}.parquet"
                file = inbox / made["feeds"][name]["file"]
                read(file, self.contracts.feeds[name], f"{name}-{day}", rows)
                yield name, rows


def _emptied(rows: Path, column: str, share: float) -> Path:
    table = pl.read_parquet(rows)
    keep = pl.int_range(pl.len()) % 100 >= share * 100
    changed = rows.with_name(f"emptied-{rows.name}")
    table.with_columns(pl.when(keep).then(pl.col(column)).alias(column)).write_parquet(changed)
    return changed


def _recoded(rows: Path, column: str, code: str, share: float) -> Path:
    table = pl.read_parquet(rows)
    keep = pl.int_range(pl.len()) % 100 >= share * 100
    changed = rows.with_name(f"recoded-{rows.name}")
    other = pl.when(keep).then(pl.col(column)).otherwise(pl.lit(code)).alias(column)
    table.with_columns(other).write_parquet(changed)
    return changed


def test_clean_days_are_usual_and_planted_shifts_are_found(tmp_path: Path) -> None:
    """No flag in the clean days; then one of each kind is planted, and a near miss of each."""
    contracts = load(schemas_dir())
    home = Home(tmp_path / "home")
    home.root.mkdir()
    with Lake(home, Settings()).writer("take in clean days") as writer:
        days = Days(tmp_path, writer, contracts)
        last: dict[str, Path] = {}
        for day in range(DAYS):
            for name, rows in days.read(day):
                last[name] = rows
                assert days.take(name, rows, day) == "", (name, day)
        people = last["population"]
        assert days.take("population", _emptied(people, "phone", 0.05), DAYS) == ""
        assert "(phone) are empty" in days.take("population", _emptied(people, "phone", 0.6), 10)
        assert days.take("population", _recoded(people, "sex", "2", 0.1), 11) == ""
        told = days.take("population", _recoded(people, "sex", "2", 0.9), 12)
        assert "(sex) are of other codes than usual, most of all 2 女" in told
        half = people.with_name("half.parquet")
        pl.read_parquet(people).gather_every(2).write_parquet(half)
        assert "fewer than usual" in days.take("population", half, 13)
        assert _checked(writer.con) > 0


def _checked(con: duckdb.DuckDBPyConnection) -> int:
    row = con.execute(
        "SELECT count(*) FROM lake.ops.check_result WHERE rule_id LIKE '%.shares' AND success"
    ).fetchone()
    return int(row[0]) if row else 0
