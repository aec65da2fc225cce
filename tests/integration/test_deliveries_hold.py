"""``countylake hold``: what waits is shown, decided once, and told by ``status`` until then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dagster_project.components.steps import overview
from tests.delivery_kit import County, call, rows

pytestmark = pytest.mark.slow


@pytest.fixture
def county(tmp_path: Path) -> County:
    """A county whose second snapshot is held."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rows(range(50)))
    county.run()
    return county


def line(county: County) -> dict[str, Any]:
    """The feed's line of ``status``."""
    found: dict[str, Any] = overview.status(county.workshop)["feeds"][0]
    return found


@pytest.mark.thorough
def test_a_hold_is_listed_shown_and_released(county: County) -> None:
    """Nothing runs off a narrow screen; a decision needs a reason; it is made once."""
    listed = call(county, "hold", "list")
    assert listed.returncode == 0, listed.stderr
    assert "permit-1" in listed.stdout
    shown = call(county, "hold", "show", "permit-1")
    assert "vanished 50" in shown.stdout
    assert "live 100" in shown.stdout
    lines = [*listed.stdout.splitlines(), *shown.stdout.splitlines()]
    assert max(len(one) for one in lines) <= 80
    assert call(county, "hold", "release", "permit-1").returncode == 2
    done = call(county, "hold", "release", "permit-1", "--why", "the office closed", "--by", "li")
    assert done.returncode == 0, done.stderr
    assert "permit-1 is merged" in done.stdout
    assert "deleted 50" in " ".join(done.stdout.split())
    again = call(county, "hold", "release", "permit-1", "--why", "once more")
    assert again.returncode == 2
    assert "accepted already by li" in again.stderr
    (hold,) = json.loads(call(county, "hold", "list", "--all", "--json").stdout)["holds"]
    assert (hold["state"], hold["decided_by"], hold["why"]) == (
        "accepted",
        "li",
        "the office closed",
    )
    assert "nothing is held" in call(county, "hold", "list").stdout


def test_a_hold_is_sent_back(county: County) -> None:
    """Nothing of it is merged; status is quiet again; an unknown number is a sentence."""
    done = call(county, "hold", "refuse", "permit-1", "--why", "half an export", "--json")
    assert json.loads(done.stdout)["state"] == "refused"
    assert len(county.live()) == 100
    assert (line(county)["holds"], line(county)["error"]) == ([], "")
    unknown = call(county, "hold", "show", "permit-7")
    assert unknown.returncode == 2
    assert "there is no hold permit-7" in unknown.stderr


def test_status_says_what_is_held_since_when_and_what_to_do(county: County) -> None:
    """Once, and also when a later run had nothing new."""
    county.run()
    told = call(county, "status")
    assert told.returncode == 0
    assert told.stderr.count("are not in this full") == 1
    assert "permit: held since " in told.stderr
    assert "as permit-1" in told.stderr
    assert "hold release" in told.stderr
    (held,) = line(county)["holds"]
    assert (held["kind"], held["path"]) == ("vanished", "审批局/许可_2.csv")
    assert line(county)["is_paused"] is False


def test_status_keeps_telling_an_unusual_number_of_rows(tmp_path: Path) -> None:
    """Until a usual delivery comes."""
    county = County(tmp_path, delivery="incremental")
    for number, size in enumerate((20, 21, 19, 40)):
        county.put(f"许可_{number}.csv", rows(range(size), f"2023-05-{number + 1:02d}"))
        county.run()
    assert line(county)["alarm"] == (
        "the 40 rows of the last delivery differ by 20 from what is usual"
    )
    county.put("许可_9.csv", rows(range(22), "2023-05-09"))
    county.run()
    assert line(county)["alarm"] == ""
