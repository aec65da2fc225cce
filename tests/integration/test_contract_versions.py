"""The lake keeps every wording of a contract once, and says when a version does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dagster_project.components.steps import contract_versions
from dagster_project.components.steps.contract_versions import known_wording, standings
from dagster_project.components.steps.summary import summary
from dagster_project.errors import UsageError
from tests.delivery_kit import County, rows

LEDGER = "SELECT version, grade, version_ok, previous_version FROM lake.ops.contract ORDER BY ALL"
HOLDER = "      - name: holder\n        businessName: 持有单位\n        logicalType: string\n"


@pytest.fixture
def county(tmp_path: Path) -> County:
    """A county that has taken one file."""
    site = County(tmp_path)
    site.put("许可_1.csv", rows([1]))
    site.run()
    return site


def ledger(site: County) -> list[tuple[Any, ...]]:
    """The contracts on record."""
    with site.workshop.lake.reader() as con:
        return con.execute(LEDGER).fetchall()


def amended(site: County, old: str, new: str) -> None:
    """Change the contract's text, and open the workshop anew."""
    path = site.workshop.schemas / "feeds" / "permit.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    site.workshop = site.workshop.renewed()


def test_a_wording_is_kept_once(county: County) -> None:
    """However many files come by it."""
    county.put("许可_2.csv", rows([1, 2]))
    county.run()
    assert ledger(county) == [("1.0.0", "none", True, "")]
    kept = known_wording(county.workshop, "feeds", "permit")
    assert kept == county.workshop.wordings["feeds", "permit"]


def test_a_change_without_its_version_is_remarked_until_it_is_raised(county: County) -> None:
    """The run goes on; raising the version afterwards is measured by the last right wording."""
    amended(county, HOLDER, f"{HOLDER}        required: true\n")
    county.put("许可_2.csv", rows([1, 2]))
    done = county.run()
    assert done.status == "success"
    assert ("1.0.0", "breaking", False, "1.0.0") in ledger(county)
    fault = standings(county.workshop)["feeds", "permit"].fault
    assert "these changes need 2.0.0 (major)" in fault
    amended(county, "version: 1.0.0", "version: 1.1.0")
    assert "went from 1.0.0 to 1.1.0 only" in standings(county.workshop)["feeds", "permit"].fault
    amended(county, "version: 1.1.0", "version: 2.0.0")
    assert not standings(county.workshop)["feeds", "permit"].fault
    county.put("许可_3.csv", rows([1, 2, 3]))
    county.run()
    assert ("2.0.0", "breaking", True, "1.0.0") in ledger(county)


def test_what_changed_is_kept_with_the_wording(county: County) -> None:
    """Place, sentence and grade, as JSON."""
    amended(county, "name: 许可\n", "name: 行政许可\n")
    amended(county, "version: 1.0.0", "version: 1.0.1")
    county.put("许可_2.csv", rows([1, 2]))
    county.run()
    with county.workshop.lake.reader() as con:
        query = "SELECT changes FROM lake.ops.contract WHERE version = '1.0.1'"
        row = con.execute(query).fetchone()
    assert row
    (change,) = json.loads(row[0])
    assert change["place"] == "name"
    assert change["sentence"] == "the contract: `name` was 许可 and is 行政许可"
    assert known_wording(county.workshop, "feeds", "permit", "1.0.0").title == "许可"
    with pytest.raises(UsageError, match=r"of version 7\.0\.0"):
        known_wording(county.workshop, "feeds", "permit", "7.0.0")


def test_the_run_tells_of_it_once(county: County) -> None:
    """Among the run's remarks, with the file's own."""
    amended(county, "shenpi, name", "shenpi2, name")
    county.put("许可_2.csv", rows([1, 2]))
    county.run()
    with county.workshop.lake.reader() as con:
        row = con.execute("SELECT arg_max(run_id, first_seen_at) FROM lake.ops.contract").fetchone()
    assert row
    told = summary(county.workshop, row[0], {})
    assert told["remarks"][0].startswith("feeds/permit: the version is still 1.0.0")
    assert told["status"] == "success"
    assert contract_versions.last_sound(county.workshop)["feeds", "permit"].version == "1.0.0"
