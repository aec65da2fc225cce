"""What must happen to each row of the samples, row by row, and that every rule is needed for it.

The manifest was written by the simulator as it planted the faults; it shares no code with what is
tested here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from dagster_project.contracts import feed_order, load
from dagster_project.ingest.readers import read
from dagster_project.paths import schemas_dir
from dagster_project.transform.conform import compile_feed
from dagster_project.transform.conform.batch import bound
from dagster_project.transform.conform.select import statement
from tests.conftest import SampleCounty

pytestmark = pytest.mark.xdist_group("demo")

CONTRACTS = load(schemas_dir())
FEEDS = feed_order(CONTRACTS)
COUNTS = ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")


@pytest.fixture(scope="module")
def lake(sample_county: SampleCounty) -> Iterator[duckdb.DuckDBPyConnection]:
    """The county's lake, opened once for all questions."""
    with sample_county.workshop.lake.reader() as con:
        yield con


def expected_of(county: SampleCounty, feed: str) -> dict[str, Any]:
    """The manifest's part of one feed."""
    manifest = json.loads(county.expected.read_text(encoding="utf-8"))
    part: dict[str, Any] = manifest["feeds"][feed]
    return part


def rows_of(expected: dict[str, Any], verdict: str) -> dict[tuple[str, int], list[str]]:
    """Where the rows of a verdict stand, and their reasons."""
    return {
        (row.get("sheet", ""), row["row"]): sorted(row.get("reasons", []))
        for row in expected["rows"]
        if row["verdict"] == verdict
    }


@pytest.mark.parametrize("feed", FEEDS)
def test_counts_equal_the_manifest_and_obey_the_law(
    sample_county: SampleCounty, lake: duckdb.DuckDBPyConnection, feed: str
) -> None:
    """The law: read = accepted + rejected + duplicate + superseded + dropped, each as planted."""
    expected = expected_of(sample_county, feed)
    found = lake.execute(
        f"SELECT {', '.join(COUNTS)} FROM lake.ops.batch WHERE feed = ?", [feed]
    ).fetchall()
    assert found == [tuple(expected[name] for name in COUNTS)]
    assert found[0][0] == sum(found[0][1:])


@pytest.mark.parametrize("feed", FEEDS)
def test_rejected_rows_have_exactly_the_planted_reasons(
    sample_county: SampleCounty, lake: duckdb.DuckDBPyConnection, feed: str
) -> None:
    """Every planted fault is found at its place, for its reason, and no other row is rejected."""
    found = lake.execute(
        "SELECT sheet, source_row, list_sort(reasons) FROM lake.ops.quarantine WHERE feed = ?",
        [feed],
    ).fetchall()
    expected = rows_of(expected_of(sample_county, feed), "rejected")
    assert {(sheet, row): reasons for sheet, row, reasons in found} == expected


@pytest.mark.parametrize("feed", FEEDS)
def test_dropped_rows_are_kept_as_text_with_their_kind(
    sample_county: SampleCounty, lake: duckdb.DuckDBPyConnection, feed: str
) -> None:
    """Titles, blanks, totals and footnotes are counted by kind and none is lost."""
    found = lake.execute(
        "SELECT kind, count(*) FROM lake.ops.dropped_row WHERE feed = ? GROUP BY kind", [feed]
    ).fetchall()
    assert dict(found) == expected_of(sample_county, feed)["dropped_kinds"]


@pytest.mark.parametrize("feed", FEEDS)
def test_repairs_that_change_a_value_are_logged_by_cell(
    sample_county: SampleCounty, lake: duckdb.DuckDBPyConnection, feed: str
) -> None:
    """One line per repaired cell and rule; cosmetic repairs are counted, not listed."""
    expected = expected_of(sample_county, feed)
    logged = lake.execute(
        "SELECT column_name || '.' || rule_id, count(*) FROM lake.ops.repair"
        " WHERE feed = ? GROUP BY 1",
        [feed],
    ).fetchall()
    counted = lake.execute(
        "SELECT column_name || '.' || rule_id, failed FROM lake.ops.batch_rule"
        " WHERE feed = ? AND kind = 'cosmetic' AND failed > 0",
        [feed],
    ).fetchall()
    assert dict(logged) == expected["repairs_logged"]
    assert dict(counted) == expected["repairs_counted"]


@pytest.mark.parametrize("feed", FEEDS)
def test_control_totals_are_kept_and_reconciled(
    sample_county: SampleCounty, lake: duckdb.DuckDBPyConnection, feed: str
) -> None:
    """A total row is no data; what it states is compared with the rows that were loaded."""
    found = lake.execute(
        "SELECT sheet, source_row, column_name, stated FROM lake.ops.control_total WHERE feed = ?",
        [feed],
    ).fetchall()
    stated = {
        (total["sheet"], total["row"], total["column"]): float(total["stated"])
        for total in expected_of(sample_county, feed)["control_totals"]
    }
    assert {row[:3]: float(row[3]) for row in found} == stated


@pytest.mark.thorough
@pytest.mark.parametrize("feed", FEEDS)
def test_switching_off_any_rule_lets_its_planted_row_pass(
    sample_county: SampleCounty, feed: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each rejecting rule is the only thing that stops the row planted for it."""
    workshop = sample_county.workshop
    contract = CONTRACTS.feeds[feed]
    plan = compile_feed(contract, CONTRACTS)
    expected = expected_of(sample_county, feed)
    planted = Counter(
        reason for reasons in rows_of(expected, "rejected").values() for reason in reasons
    )
    rules = [rule.id for rule in plan.rules if rule.severity == "fail" and rule.id in plan.slots]
    # Workbooks have no ragged rows; what was lost before the file was made is planted elsewhere.
    unplanted = {"row.ragged", "row.garbled", "row.formula", *expected["unplanted"]}
    assert set(rules) - set(planted) <= unplanted, "a rule without a planted fault"
    rows = tmp_path_factory.mktemp("rows") / "rows.parquet"
    inbox = workshop.site.folder(workshop.home, "inbox")
    read(inbox / expected["file"], contract, "mutation", rows)
    with workshop.lake.reader() as con:
        con.execute(
            f"CREATE TEMP TABLE conform_source AS FROM read_parquet('{rows}') WHERE (_sheet,"
            " _source_row) IN (SELECT (sheet, source_row) FROM lake.ops.quarantine WHERE feed = ?)",
            [feed],
        )
        delivered = con.execute(
            "SELECT delivered_at FROM lake.ops.batch WHERE feed = ?", [feed]
        ).fetchone()
        assert delivered is not None
        values = bound(delivered[0])
        parents = frozenset(c.name for c in contract.columns if c.reference and c.reference.rejects)
        passing: set[str] = set()
        for rule in rules:
            sql, names = statement(plan.without(rule), parents)
            passed = con.execute(
                f"SELECT q.reasons[1] FROM ({sql}) AS s JOIN lake.ops.quarantine AS q ON"
                " q.sheet = s._sheet AND q.source_row = s._source_row"
                " WHERE s._ok AND q.feed = $feed",
                {"feed": feed, **{name: values[name] for name in names}},
            ).fetchall()
            assert {row[0] for row in passed} <= {rule}
            passing |= {rule} if passed else set()
    # A cell that is no longer stopped by its own rule may be stopped by a row rule that names it.
    named = {column for rule in contract.rules for column in rule.columns}
    shadowed = {rule for rule in rules if rule.partition(".")[0] in named}
    # What is masked or rounded is no valid value either: its column's format would stop it.
    shadowed |= {rule for rule in rules if rule.endswith((".masked", ".rounded"))}
    assert set(rules) & set(planted) - passing <= shadowed
