"""The first sample county, read and conformed: the truth comes back, and nothing but the truth.

Two implementations meet here that share no code: the simulator knows what it meant, the lake what
it read. They must agree on every cell of silver and on every figure of gold; reasons, repairs and
counts are held against the samples' manifest in ``test_manifest``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl
import pytest

from dagster_project.contracts.model import Contracts
from dagster_project.paths import sql_dir
from dagster_project.quality.table_rules import evaluate, forget
from dagster_project.simulate import simulate
from dagster_project.simulate.samples import COUNTIES
from tests.conftest import SampleCounty

pytestmark = pytest.mark.xdist_group("demo")
SAMPLE = COUNTIES[0]


@dataclass
class Site:
    """The county's lake, and what its files were meant to say."""

    con: duckdb.DuckDBPyConnection
    contracts: Contracts
    manifest: Mapping[str, Any]
    truth: dict[str, pl.DataFrame]

    @property
    def feeds(self) -> Mapping[str, Any]:
        """The expected books of each file."""
        feeds: Mapping[str, Any] = self.manifest["feeds"]
        return feeds


@pytest.fixture(scope="module")
def site(sample_county: SampleCounty, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The sample county after its day; it is simulated again to learn its truth."""
    parts: dict[str, list[pl.DataFrame]] = {}
    manifest = simulate(
        SAMPLE.county,
        SAMPLE.scale,
        tmp_path_factory.mktemp("simulated") / "inbox",
        SAMPLE.seed,
        feeds=SAMPLE.feeds,
        observe=lambda feed, truth: parts.setdefault(feed, []).append(truth),
    )
    assert manifest == json.loads(sample_county.expected.read_text("utf-8"))
    truth = {feed: pl.concat(frames) for feed, frames in parts.items()}
    workshop = sample_county.workshop
    with workshop.lake.reader() as con:
        yield Site(con, workshop.contracts, manifest, truth)


def test_silver_is_the_truth(site: Site) -> None:
    """Every cell of every accepted row is what the simulator meant, once dirt is undone."""
    for name, feed in site.contracts.feeds.items():
        site.con.register("meant", site.truth[name].to_arrow())
        typed = ", ".join(f'CAST("{c.name}" AS {c.duck_type}) AS "{c.name}"' for c in feed.columns)
        names = ", ".join(f'"{c.name}"' for c in feed.columns)
        silver = f"SELECT {names} FROM lake.silver.{name} WHERE NOT _is_deleted"
        meant = f"SELECT {typed} FROM meant"
        for one, other in ((silver, meant), (meant, silver)):
            rest = site.con.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchone()
            assert rest == (0,), name


def test_totals_rows_agree_with_the_rows_above_them(site: Site) -> None:
    """What a sheet states of itself is kept, recomputed and found right."""
    stated = sum(len(feed["control_totals"]) for feed in site.feeds.values())
    found = site.con.execute(
        "SELECT count(*), count(*) FILTER (agrees) FROM lake.ops.control_total"
    ).fetchone()
    assert found == (stated, stated)


def test_table_rules_find_what_was_planted_and_nothing_else(site: Site) -> None:
    """What records and departments say against one another is accepted, and found to the record.

    All of it is suspicious a few days after the files' day; see the manifest's ``flags``.
    """
    on = date.fromisoformat(site.manifest["flags"]["on"])
    for name, feed in site.contracts.feeds.items():
        found = evaluate(site.con, feed, feed.table_rules, on)
        counts = {judged.rule.id: judged.failed for judged in found if judged.failed}
        assert counts == site.feeds[name]["findings"], name
    forget(site.con)


@pytest.mark.thorough
def test_every_planted_suspicion_is_named(site: Site) -> None:
    """Red flags name the records that the simulator made suspicious."""
    planted = site.manifest["flags"]
    for name, rules in planted["records"].items():
        feed = site.contracts.feeds[name]
        chosen = [rule for rule in feed.table_rules if rule.id in rules]
        assert len(chosen) == len(rules), name
        evaluate(site.con, feed, chosen, date.fromisoformat(planted["on"]))
    found = site.con.execute("SELECT feed, rule_id, record_key FROM temp.breaking").fetchall()
    forget(site.con)
    meant = {
        (name, rule, key)
        for name, rules in planted["records"].items()
        for rule, keys in rules.items()
        for key in keys
    }
    assert meant - set(found) == set()


def test_the_gold_figures_are_those_of_the_truth(site: Site) -> None:
    """SQL over silver and the simulator's own counting give the same figures."""
    for table, expected in site.manifest["truth"].items():
        text = (sql_dir() / "gold" / f"{table}.sql").read_text(encoding="utf-8")
        text = text.replace(":site_code", f"'{SAMPLE.county}'").replace(":day", "DATE '2023-05-31'")
        answer = site.con.execute(text)
        names = [column[0] for column in answer.description or ()]
        keys = [name for name in expected[0] if not name.endswith(("_cnt", "_cents"))]
        rows = {
            tuple(row[names.index(k)] for k in keys): dict(zip(names, row, strict=True))
            for row in answer.fetchall()
        }
        assert set(rows) == {tuple(row[k] for k in keys) for row in expected}, table
        for row in expected:
            found = rows[tuple(row[k] for k in keys)]
            for name in set(row) - set(keys):
                assert _figure(found, name) == int(float(row[name] or 0)), f"{table}.{name} {row}"


def _figure(row: Mapping[str, Any], name: str) -> int:
    """A count as it stands; cents from the yuan that the table has."""
    if name.endswith("_cents"):
        return int(row[name.removesuffix("_cents") + "_yuan"] * 100)
    return int(row[name])
