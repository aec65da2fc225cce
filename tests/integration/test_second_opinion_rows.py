"""Both opinions on the same rows: every rule that they share fails for the same rows, exactly.

The basis of the comparison: of each cell the first rule that it fails counts, rows that the reader
marked are asked nothing, and a row rule is asked where every cell that it names is valid. What our
side says is what the merge wrote: the quarantine's reasons and the batch's counts.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from dagster_project.components.steps.opinion_frame import Arrived, batch_frame
from dagster_project.contracts import feed_order, load
from dagster_project.contracts.model import Contracts
from dagster_project.ingest.readers import read
from dagster_project.lake import Lake
from dagster_project.paths import SAMPLES, Home, schemas_dir
from dagster_project.quality.__main__ import frame
from dagster_project.quality.expectations import for_feed
from dagster_project.quality.gx import Examiner, Outcome
from dagster_project.settings import Settings
from dagster_project.simulate import simulate
from dagster_project.transform.conform import (
    BatchCounts,
    BatchInput,
    Plan,
    compile_feed,
    conform,
    evolve,
)
from dagster_project.transform.conform.batch import bound, conform_rows, finish, with_source

pytestmark = pytest.mark.xdist_group("gx")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
COUNTY = "140322"
BROKEN = 0.05
SMALL = ("contract", "payment")
JUNK = (
    *("", "*******", "140321********1234", "-1", "0", "0.001", "1e5", "99999999999"),
    *("12345678901234567", "2099-01-01", "1899-01-01", "2023-02-30", "2023-05-01 10:00:00"),
    *("x" * 300, "男 ", "１２", "٣٤", "未知", "true", "#N/A", "'", "甲\n乙", "锟斤拷", "20", "03"),
)
Place = tuple[str, int]


@dataclass
class Both:
    """One batch: what the merge said of its rows and what Great Expectations says."""

    counts: BatchCounts
    reasons: dict[str, set[Place]]
    outcomes: list[Outcome]
    places: list[Place]


def _broken(rows: Path, names: list[str], dice: random.Random) -> None:
    """Put something else into one cell of every twentieth row."""
    table = pl.read_parquet(rows)
    cells = {name: table[name].to_list() for name in names}
    for row in range(table.height):
        if dice.random() < BROKEN:
            name = dice.choice(names)
            cells[name][row] = dice.choice([*JUNK, cells[dice.choice(names)][row]])
    table.with_columns(pl.Series(n, c, dtype=pl.String) for n, c in cells.items()).write_parquet(
        rows
    )


def _taken(con: duckdb.DuckDBPyConnection, contracts: Contracts, feed: str, rows: Path) -> Both:
    """Conform and merge the rows of a feed, then ask Great Expectations about the same batch."""
    plan = compile_feed(contracts.feeds[feed], contracts)
    batch = BatchInput(
        batch_id=f"{feed}-1",
        sha256="",
        path=rows.name,
        format="csv",
        encoding="utf-8",
        delivered_at=NOW,
        run_id="run",
        committed_at=NOW,
        rows=rows,
    )
    evolve(con, plan.feed)
    counts = conform(con, plan, batch)
    reasons = _warned(con, plan)
    for sheet, row, names in con.execute(
        "SELECT sheet, source_row, reasons FROM lake.ops.quarantine WHERE batch_id = ?",
        [batch.batch_id],
    ).fetchall():
        for name in names:
            reasons[name].add((sheet, row))
    at = bound(NOW)["delivered_at"]
    assert isinstance(at, datetime)
    suite = for_feed(plan.feed, contracts, at)
    asked = frame(con, batch_frame(con, plan, suite, Arrived(batch.batch_id, NOW, counts.read)))
    places = list(zip(asked["_sheet"], asked["_source_row"], strict=True))
    return Both(counts, reasons, EXAMINER[0].validate(suite, asked, places=True), places)


def _warned(con: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, set[Place]]:
    """Where the rules that only warn failed: no ledger lists those rows, so they are read again."""
    with_source(con, f"SELECT * FROM lake.bronze.{plan.feed.name}")
    conform_rows(con, plan, frozenset(), NOW)
    found: dict[str, set[Place]] = defaultdict(set)
    for rule in plan.rules:
        if rule.severity == "warn" and (slot := plan.slots.get(rule.id)):
            is_set = f"_w{slot.word} & {slot.mask} <> 0"
            asked = f"SELECT _sheet, _source_row FROM conform_rows WHERE {is_set}"
            found[rule.id].update(con.execute(asked).fetchall())
    finish(con)
    return found


EXAMINER: list[Examiner] = []


def _county(
    root: Path, inbox: Path, files: Mapping[str, str], wanted: tuple[str, ...] = ()
) -> Iterator[tuple[str, Both]]:
    """Break one row in twenty of a county's files, and take in some of its feeds."""
    EXAMINER[:] = EXAMINER or [Examiner()]
    contracts, dice = load(schemas_dir()), random.Random(7)  # noqa: S311 - no secret
    home = Home(root / "home")
    home.root.mkdir()
    with Lake(home, Settings()).writer("take in a county") as writer:
        for name in feed_order(contracts):
            if name not in files or (wanted and name not in wanted):
                continue
            feed, rows = contracts.feeds[name], root / f"{name}.parquet"
            read(inbox / files[name], feed, f"{name}-1", rows)
            _broken(rows, [column.name for column in feed.columns], dice)
            with writer.transaction(f"take in {name}") as tx:
                yield name, _taken(tx.con, contracts, name, rows)


def _files(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {name: said["file"] for name, said in manifest["feeds"].items()}


def _agree(feed: str, both: Both) -> None:
    counted = {rule.rule_id: rule for rule in both.counts.rules if rule.kind in {"rule", "warn"}}
    for outcome in both.outcomes:
        rule = outcome.expectation
        if rule.is_own:
            continue
        found = {both.places[place] for place in outcome.places}
        assert outcome.failed == len(found) == counted[rule.rule_id].failed, (feed, rule.rule_id)
        assert found == both.reasons[rule.rule_id], (feed, rule.rule_id)


def test_both_opinions_fail_the_same_rows(tmp_path: Path) -> None:
    """Three feeds with one broken row in twenty: rule by rule, sheet and row are the same."""
    failing = 0
    manifest = json.loads((SAMPLES / "expected" / f"{COUNTY}.json").read_text(encoding="utf-8"))
    inbox = SAMPLES / "inbox" / COUNTY
    for feed, both in _county(tmp_path, inbox, _files(manifest), SMALL):
        _agree(feed, both)
        failing += sum(outcome.failed > 0 for outcome in both.outcomes)
    assert failing > len(SMALL) * 10


@pytest.mark.thorough
def test_both_opinions_agree_over_the_whole_county(tmp_path: Path) -> None:
    """Every feed of a larger county with 5 % of its rows broken."""
    shared = failing = 0
    manifest = simulate(COUNTY, 0.05, tmp_path / "inbox", 3)
    for feed, both in _county(tmp_path, tmp_path / "inbox", _files(manifest)):
        _agree(feed, both)
        shared += len(both.outcomes)
        failing += sum(outcome.failed > 0 for outcome in both.outcomes)
    assert failing > 0.9 * shared
