"""``make run`` as a user runs it: two counties, one city, real processes; then once more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from dagster_project.paths import SAMPLES
from tests.conftest import Demo, countylake, sealed_files, told

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]
COUNTS = ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")
HOMES = {"140321": "county", "140322": "county-140322"}


@pytest.mark.parametrize("county", HOMES)
def test_status_equals_the_manifest(demo: Demo, county: str) -> None:
    """For each feed the books balance and are those of the samples' manifest.

    Feeds that the county's departments do not deliver have none.
    """
    manifest = json.loads((SAMPLES / "expected" / f"{county}.json").read_text("utf-8"))["feeds"]
    status = told("status", "--home", str(demo.root / HOMES[county]))
    taken = (feed for feed in status["feeds"] if feed["batches"])
    found = {feed["feed"]: tuple(feed[name] for name in COUNTS) for feed in taken}
    assert found == {
        name: tuple(part[count] for count in COUNTS) for name, part in manifest.items()
    }
    assert all(counts[0] == sum(counts[1:]) for counts in found.values())


def test_the_city_accepts_every_package_without_a_gap(demo: Demo) -> None:
    """Both counties' packages are verified, merged and answered."""
    counties = told("city", "status", "--home", str(demo.root / "city"))["counties"]
    sent = {
        code: len(list((demo.root / home / "outbox").glob("1*"))) for code, home in HOMES.items()
    }
    assert {c["county"]: (c["accepted"], c["rejected"], c["gaps"]) for c in counties} == {
        code: (number, 0, 0) for code, number in sent.items()
    }
    assert min(sent.values()) >= 2


def test_every_report_is_acknowledged_at_the_county(demo: Demo) -> None:
    """The city's signed answers came down and were stored."""
    for home in HOMES.values():
        reports = told("status", "--home", str(demo.root / home))["reports"]
        assert {report["outcome"] for report in reports} == {"accepted"}


def test_a_second_run_changes_nothing(demo: Demo) -> None:
    """No new package, no changed byte in any package; the run says that nothing is new.

    Every count and every package is as before: each file was taken once, by the first run.
    """
    assert demo.after == demo.before
    assert {county["status"] for county in demo.first["counties"]} == {"success"}
    assert demo.second["status"] == "unchanged"
    before = next(one for one in demo.first["counties"] if one["site"] == demo.second["site"])
    for name in (*COUNTS, "score", "batches"):
        found, stood = (
            {feed["feed"]: feed[name] for feed in run["feeds"]} for run in (demo.second, before)
        )
        assert found == stood, name
    assert all(feed["read"] > 0 for feed in before["feeds"])
    sealed, standing = (
        [report["package_hash"] for report in run["reports"]] for run in (demo.second, before)
    )
    assert sealed == standing
    runs = told(
        "sql",
        "SELECT count(DISTINCT run_id), count(*) FROM ops.task_run WHERE kind = 'feed'",
        "--home",
        str(demo.root / "county"),
    )["rows"]
    assert runs == [[2, 2 * len(before["feeds"])]]


@pytest.mark.thorough
def test_make_run_again_changes_nothing(demo: Demo) -> None:
    """The whole programme once more: both counties have nothing new, no package is touched."""
    again = countylake("demo", "--root", str(demo.root))
    assert {county["status"] for county in again["counties"]} == {"unchanged"}
    assert sealed_files(demo.root) == demo.after


def test_great_expectations_agrees_with_our_own_rules(demo: Demo) -> None:
    """On every rule that both know, both count the same failed rows of the same batch."""
    answer = told(
        "sql",
        "SELECT c.table_name, c.rule_id, c.failed AS theirs, b.failed AS ours"
        " FROM ops.check_result AS c JOIN ops.batch_rule AS b USING (batch_id, rule_id)"
        " WHERE c.suite = 'great_expectations'",
        "--limit",
        "10000",
        "--home",
        str(demo.root / "county"),
    )
    shared = answer["rows"]
    assert len(shared) > 200
    assert [row for row in shared if row[2] != row[3]] == []


def test_the_replica_opens_with_plain_duckdb(demo: Demo) -> None:
    """No extension, read-only, one database named county, Chinese comments, masked names."""
    replica = demo.root / "county" / "published" / "current" / "county.duckdb"
    with duckdb.connect(str(replica), read_only=True) as con:
        con.execute("SET autoinstall_known_extensions = false")
        assert con.execute("SELECT current_database()").fetchone() == ("county",)
        names = con.execute("SELECT DISTINCT name FROM silver.population LIMIT 50").fetchall()
        assert all("*" in name for (name,) in names)
        comment = con.execute(
            "SELECT comment FROM duckdb_views() WHERE view_name = 'population'"
        ).fetchone()
        assert comment is not None
        assert "人口" in comment[0]


def test_the_city_needs_no_county_home(demo: Demo, tmp_path: Path) -> None:
    """With every county home gone the city receives what lies in the exchange, and shows it."""
    root = tmp_path / "elsewhere"
    shutil.copytree(demo.root / "city", root / "city", symlinks=True)
    shutil.copytree(demo.root / "dagster", root / "dagster")
    for stale in ("lake", "received", "published"):
        shutil.rmtree(root / "city" / stale)
    site = (root / "city" / "site.yaml").read_text(encoding="utf-8")
    site = site.replace(str(demo.root), str(root))
    (root / "city" / "site.yaml").write_text(site, encoding="utf-8")
    countylake("city", "receive", "--home", str(root / "city"))
    before = told("city", "status", "--home", str(demo.root / "city"))["counties"]
    after = told("city", "status", "--home", str(root / "city"))["counties"]
    assert [(c["county"], c["accepted"], c["rejected"], c["gaps"]) for c in after] == [
        (c["county"], c["accepted"], c["rejected"], c["gaps"]) for c in before
    ]
