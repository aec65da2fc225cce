"""Deliveries held for their quality: one by one, several, superseded, shown, and given back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import pytest

from dagster_project import clock
from dagster_project.components.steps.arriving.history import course_of
from dagster_project.components.steps.arriving.holds import Hold
from dagster_project.components.steps.arriving.release import replay, send_back
from dagster_project.components.steps.correcting.held import held_rows, return_hold
from dagster_project.components.steps.occasion import Occasion
from dagster_project.errors import UsageError
from tests.delivery_kit import County, Row, call, rows

pytestmark = pytest.mark.slow
NOTE = "drift, value: {narrowed: note}"
BAD = "2023-02-31"
NUMBERS = ["校核编号", *[""] * 18, "permit-1", "permit-1"]
"""The last column of a returned copy: of the rows at fault, what they are known by."""


def rotten(good: Iterable[int], bad: Iterable[int], holder: str = "一厂") -> list[Row]:
    """Rows with a date that is none at their end."""
    return [*rows(good, holder=holder), *rows(bad, BAD, holder)]


def release(county: County, hold_id: str) -> None:
    """Merge a held delivery after all."""
    occasion = Occasion(f"release-{uuid4()}", clock.now().date())
    done = replay(county.workshop, hold_id, occasion, by="li", why="asked")
    assert not done.error, done.error


def refuse(county: County, hold_id: str) -> Hold:
    """Send a held delivery back."""
    occasion = Occasion(f"refuse-{uuid4()}", clock.now().date())
    return send_back(county.workshop, hold_id, occasion, by="li", why="asked")


def test_a_later_good_snapshot_answers_a_broken_one(tmp_path: Path) -> None:
    """A, then B with too many broken rows, then A again: A stays, and B is superseded."""
    county = County(tmp_path, [NOTE])
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rotten(range(70), range(70, 100)))
    assert county.run().status == "failed"
    county.put("许可_3.csv", rotten(range(70), range(70, 100)))
    county.run()
    assert county.outcomes_of() == ["merged", "held", "held"]
    county.put("许可_4.csv", rows(range(100)))
    assert county.run().status == "success"
    assert county.outcomes_of() == ["merged", "held", "unchanged", "merged"]
    (hold,) = county.holds("")
    assert (hold.state, hold.read, hold.rejected) == ("superseded", 100, 30)
    assert len(county.live()) == 100
    county.put("许可_5.csv", rotten(range(70), range(70, 100)))
    assert county.run().status == "failed"
    release(county, "permit-2")
    assert county.ask("SELECT count(*), sum(rejected) FROM ops.batch") == [(3, 30)]
    assert county.ask("SELECT count(*) FROM ops.quarantine") == [(30,)]
    assert len(county.live()) == 100


def test_several_increments_are_held_and_decided_one_by_one(tmp_path: Path) -> None:
    """What comes between them is merged; a released one keeps its place in the order of rows."""
    county = County(tmp_path, [NOTE, "gate, value: {rows: 4, share: 1.0}"], delivery="incremental")
    county.put("许可_1.csv", rotten(range(10), range(100, 104)))
    assert county.run().status == "success"
    for number in (2, 3):
        county.put(f"许可_{number}.csv", rotten(range(10), range(100, 105), f"{number}厂"))
        assert county.run().status == "failed"
    county.put("许可_4.csv", rows(range(5), holder="四厂"))
    assert county.run().status == "success"
    assert [hold.hold_id for hold in county.holds()] == ["permit-1", "permit-2"]
    release(county, "permit-2")
    assert refuse(county, "permit-1").state == "refused"
    assert county.outcomes_of() == ["merged", "refused", "merged", "merged"]
    held = county.ask("SELECT holder, count(*) FROM silver.permit GROUP BY 1 ORDER BY 1")
    assert held == [("3厂", 5), ("四厂", 5)]
    with pytest.raises(UsageError, match="is accepted already"):
        release(county, "permit-2")


def test_the_rows_of_a_held_delivery_are_shown_and_given_back(tmp_path: Path) -> None:
    """Several files of one delivery: each place as it is in its file; nothing is merged by it."""
    county = County(tmp_path, [NOTE, "gate, value: {hard: [issued_date.type]}"])
    county.put("许可_0.csv", rows(range(40)))
    county.run()
    files = [
        county.put("许可_1.csv", rotten(range(20), [])),
        county.put("许可_2.csv", rotten(range(20, 38), [38, 39])),
    ]
    county.state("五月", *files)
    county.run()
    before = county.ask("SELECT count(*) FROM ops.batch")
    shown = held_rows(county.workshop, "permit-1")
    assert [(one.file, one.sheet, one.row) for one in shown] == [
        ("审批局/许可_2.csv", "", 20),
        ("审批局/许可_2.csv", "", 21),
    ]
    assert shown[0].sentences == ("发证日期不能读作日期",)
    assert shown[0].cells["持有单位"].startswith("＊")
    assert len(held_rows(county.workshop, "permit-1", 1)) == 1
    (made,) = return_hold(county.workshop, "permit-1", tmp_path / "copies")
    text = Path(made.path).read_text("utf-8-sig").splitlines()
    assert (made.file, made.rows, made.cells) == ("审批局/许可_2.csv", 2, 2)
    assert [line.rpartition(",")[2] for line in text] == NUMBERS
    assert county.ask("SELECT count(*) FROM ops.batch") == before
    assert county.ask("SELECT count(*) FROM ops.quarantine") == [(0,)]
    refuse(county, "permit-1")
    assert return_hold(county.workshop, "permit-1", tmp_path / "copies")
    with county.workshop.lake.reader() as con:
        events = [one.event for one in course_of(con, "permit-1").events]
    assert sorted(events) == ["held", "refused", "returned"]


@pytest.mark.thorough
def test_the_commands_tell_why_which_rows_and_what_became_of_it(tmp_path: Path) -> None:
    """Rule by rule with places on a narrow screen; the copy; the history as JSON."""
    county = County(tmp_path, [NOTE])
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rotten(range(80), range(80, 100)))
    county.run()
    shown = call(county, "hold", "show", "permit-1", "--rows", "--limit", "3")
    assert shown.returncode == 0, shown.stderr
    assert "20.0%" in shown.stdout
    assert "only the first 3 rows" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert BAD not in shown.stdout
    back = call(county, "hold", "return", "permit-1", "--json")
    (made,) = json.loads(back.stdout)["returned"]
    assert (made["rows"], Path(made["path"]).stat().st_mode & 0o777) == (20, 0o600)
    told = call(county, "status")
    assert "permit: what is published is of " in told.stderr
    done = call(county, "hold", "release", "permit-1", "--why", "the old dates are kept")
    assert done.returncode == 0, done.stderr
    course = json.loads(call(county, "hold", "show", "permit-1", "--json").stdout)
    assert [one["event"] for one in course["events"]] == ["held", "returned", "released", "merged"]
    assert (course["batch"]["rejected"], course["rejected"], course["rows_held"]) == (20, 20, 0)
    again = call(county, "hold", "return", "permit-1")
    assert again.returncode == 2
    assert "its rejected rows are cases" in again.stderr
