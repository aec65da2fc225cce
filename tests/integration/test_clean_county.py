"""A county without a single planted fault goes through the whole product without a single remark.

What a rule finds here is a false positive: of the product, or of the simulator. The one exception
is real: of the county's 317 collective organisations 15 do not keep their books apart yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_project.components.steps.workshop import Workshop
from dagster_project.simulate import simulate
from tests.conftest import founded_county

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("clean")]

COUNTY, SCALE, SEED = "140321", 0.01, 7
TOLERATED = {("collective_org", "books_not_separated"): 15}
"""Findings that a faultless county has, by feed and rule."""


@dataclass(frozen=True)
class Taken:
    """The county after one run of the real command, and what the command said."""

    workshop: Workshop
    code: int
    told: dict[str, Any]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """A question to the lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Taken:
    """Simulate without faults, and run."""
    assert keys.exists()
    root = tmp_path_factory.mktemp("clean")
    simulate(COUNTY, SCALE, root / "inbox", SEED, faults=False)
    for path in (root / "inbox").rglob("*.*"):
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))
    workshop = founded_county(root / "county", root / "inbox")
    words = ["run", "--home", str(workshop.home.root), "--day", "2023-05-31", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.stdout, done.stderr
    return Taken(workshop, done.returncode, json.loads(done.stdout))


def test_every_file_is_taken_in_without_a_word(county: Taken) -> None:
    """All deliveries are merged; none has a remark, a hold, or an unusual number of rows."""
    assert (county.code, county.told["status"]) == (0, "success")
    outcomes = county.ask("SELECT feed, outcome, message FROM ops.delivery ORDER BY ALL")
    assert outcomes == [(name, "merged", None) for name in sorted(county.workshop.contracts.feeds)]
    assert county.ask("SELECT hold_id, kind FROM ops.hold") == []


def test_no_row_is_rejected_repeated_or_warned_of(county: Taken) -> None:
    """Every record of every feed becomes a record of silver, and breaks no rule of its own."""
    lost = "rejected > 0 OR duplicate > 0 OR superseded > 0"
    assert county.ask(f"SELECT feed, rejected FROM ops.batch WHERE {lost}") == []
    failed = "failed > 0 AND kind IN ('rule', 'warn')"
    assert county.ask(f"SELECT feed, rule_id, failed FROM ops.batch_rule WHERE {failed}") == []
    assert county.ask("SELECT feed, source_row FROM ops.control_total WHERE NOT agrees") == []


def test_no_rule_between_records_or_departments_finds_anything(county: Taken) -> None:
    """No finding, no disagreement, no failed check, but the organisations named above."""
    findings = "SELECT feed, rule_id, count(*) FROM ops.finding GROUP BY ALL ORDER BY ALL"
    assert {(feed, rule): count for feed, rule, count in county.ask(findings)} == TOLERATED
    assert county.ask("SELECT feed, item FROM ops.disagreement") == []
    checks = county.ask(
        "SELECT DISTINCT table_name, rule_id FROM ops.check_result WHERE NOT success ORDER BY ALL"
    )
    assert checks == [(f"silver.{feed}", rule) for feed, rule in TOLERATED]
