"""What a traced figure says of a delivery that was held, and of a contract that changed since."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from period_kit import BY_MONTH, Periods

from dagster_project.components.steps.tracing import Story, figures
from dagster_project.components.steps.workshop import Workshop
from tests.delivery_kit import rows

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("trace_since")]
STRICTER = "logicalType: string\n        logicalTypeOptions: {pattern: '^Q[0-9]+$'}\n"


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Periods:
    """A county that built its reports from one list while the next one was held."""
    assert keys.is_dir()
    county = Periods(tmp_path_factory.mktemp("since"))
    county.take("许可_1.csv", rows(range(1, 40), "2023-04-01"))
    county.take("许可_2.csv", rows(range(1, 4), "2023-04-01"))
    county.report(BY_MONTH)
    return county


def story(workshop: Workshop) -> Story:
    """The count of April."""
    with figures(workshop, table=BY_MONTH) as session:
        return session.story({"month": "202304"}, "permit_cnt")


def test_a_held_delivery_is_named_and_not_counted(county: Periods) -> None:
    """The list of three rows waits for a decision: the figure is that of the list before it."""
    found = story(county.workshop)
    assert (found.trace.figure, found.equal) == (39, True)
    (held,) = found.held
    (waits,) = county.holds()
    assert (held.feed, held.hold_id, held.path) == ("permit", waits.hold_id, "审批局/许可_2.csv")
    assert held.kind == waits.kind
    assert held.kind
    assert {file.path for file in found.trace.files} == {"审批局/许可_1.csv"}


def test_rows_are_judged_again_by_the_contract_that_had_judged_them(
    county: Periods, tmp_path: Path
) -> None:
    """Today's contract would reject every row; when it is forgotten, rows are looked up alone."""
    old = county.workshop
    shutil.copytree(old.schemas, tmp_path / "schemas")
    path = tmp_path / "schemas" / "feeds" / "permit.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("logicalType: string\n", STRICTER, 1), "utf-8")
    workshop = Workshop(old.home, old.settings, "collect", tmp_path / "schemas", old.sql)
    assert not workshop.contracts.problems
    assert workshop.contracts.feeds["permit"].hash != old.contracts.feeds["permit"].hash
    found = story(workshop)
    assert (found.trace.figure, found.equal, found.faults) == (39, True, ())
    assert any("the contract of permit that had judged it" in note for note in found.notes)
    with old.lake.writer("forget") as writer:
        writer.con.execute("UPDATE lake.ops.contract SET text = NULL WHERE layer = 'feeds'")
    found = story(workshop)
    assert (found.equal, found.faults) == (True, ())
    assert any("no longer known" in note for note in found.notes)
