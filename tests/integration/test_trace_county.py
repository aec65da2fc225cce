"""``countylake trace`` over a small real county: rows, repairs, rejected rows, tampering."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from period_kit import BY_MONTH, STATE, Periods
from verify_kit import Copy

from dagster_project.components.steps.tracing import Story, figures
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import LakeError, UsageError
from tests.delivery_kit import rows

pytestmark = pytest.mark.xdist_group("trace")

FIRST = [
    *rows([1], "2023-03-01"),
    *rows(range(2, 40), "2023-04-01"),
    ("P91", "三厂", "45031"),
    ("", "四厂", "2023-04-02"),
    ("P93", "五厂", "2023-13-45"),
]
"""A list of which one date is a serial number, one key is lacking and one date does not exist."""
APRIL = {"month": "202304"}


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Periods:
    """A county that built its reports from one list, and took another list since."""
    assert keys.is_dir()
    county = Periods(tmp_path_factory.mktemp("trace"))
    county.take("许可_1.csv", FIRST)
    county.report(BY_MONTH)
    county.report(STATE)
    county.take("许可_2.csv", rows(range(2, 39), "2023-04-01", "二厂"))
    return county


@pytest.fixture
def copy(county: Periods, tmp_path: Path) -> Copy:
    """The county's home at another place."""
    return Copy.of(county.workshop.home, tmp_path / "moved")


def story(county: Periods, home: Copy | None = None, table: str = BY_MONTH, **asked: Any) -> Story:
    """A figure opened, of the county or of a copy of its home."""
    workshop = county.workshop
    if home is not None:
        workshop = Workshop(home.home, workshop.settings, "collect", workshop.schemas, workshop.sql)
    where = APRIL if table == BY_MONTH else {"kind": "all"}
    with figures(workshop, asked.pop("package_id", ""), table) as session:
        return session.story(where, asked.pop("column", ""), **asked)


def test_a_figure_is_opened_as_it_was_built(county: Periods) -> None:
    """What came since changes nothing: rows, numbers and files are those of the build."""
    found = story(county, limit=100)
    assert (found.trace.figure, found.trace.recomputed, found.equal) == (39, 39, True)
    assert {(row.path, row.row) for row in found.trace.rows} == {
        ("审批局/许可_1.csv", row) for row in range(3, 42)
    }
    assert (found.column_title, found.unit) == ("许可数", "件")
    assert {"permit_no": "P2"} in found.keys
    assert not found.faults


def test_a_total_over_two_levels_is_opened(county: Periods) -> None:
    """A report over gold over silver gives all rows of the list."""
    found = story(county, table=STATE)
    assert (found.trace.figure, found.trace.row_count, found.equal) == (40, 40, True)
    assert [step.table for step in found.trace.steps][-1] == "silver.permit"


def test_repairs_and_rejected_rows_are_told(county: Periods) -> None:
    """The serial date is a repair, the keyless row would have counted, the wrong date is apart."""
    found = story(county)
    (repair,) = found.repairs
    assert (repair.column, repair.repair, repair.cells) == ("issued_date", "date_serial", 1)
    assert repair.examples == (("45031", "2023-04-15"),)
    assert found.would_be is not None
    (rejected,) = found.would_be.rows
    assert (rejected.path, rejected.row) == ("审批局/许可_1.csv", 42)
    assert rejected.reasons == ("permit_no.required",)
    assert found.would_be.figure == 40
    assert found.would_be.untold == {"permit": 1}
    assert "issued_date" in found.would_be.deciding["permit"]


def test_the_figure_of_a_package_is_opened_by_its_receipt(county: Periods) -> None:
    """A sealed figure gives the same rows, though the list has changed since."""
    packages = county.ask("SELECT package_id FROM ops.package WHERE report = ?", BY_MONTH)
    package_id = next(one for (one,) in packages if "202304" in one)
    found = story(county, package_id=package_id, check_files=True, what_if=False)
    assert (found.trace.figure, found.equal, found.package_id) == (39, True, package_id)
    assert found.would_be is None


@pytest.mark.parametrize(
    ("where", "column", "words"),
    [
        ({"month": "202305"}, "permit_cnt", "202304"),
        ({"mont": "202304"}, "permit_cnt", "month"),
        ({}, "permit_cnt", "202303, 202304"),
        (APRIL, "permit_cn", "permit_cnt"),
        (APRIL, "month", "names the rows"),
    ],
)
def test_a_wrong_question_is_answered_by_what_is_lacking(
    county: Periods, where: dict[str, str], column: str, words: str
) -> None:
    """The sentence names the near values, the keys that are lacking, the columns there are."""
    with figures(county.workshop, table=BY_MONTH) as session, pytest.raises(UsageError) as refused:
        session.story(where, column)
    assert words in str(refused.value)


def test_a_table_that_is_not_there_is_told_apart_from_one_never_built(county: Periods) -> None:
    """The nearest name is said."""
    with (
        pytest.raises(UsageError, match=BY_MONTH),
        figures(county.workshop, table="permit_by_mont"),
    ):
        pass


def test_a_data_file_that_cannot_be_read_is_a_sentence(county: Periods, copy: Copy) -> None:
    """A broken Parquet file ends no programme: the one who asks hears what finds it."""
    assert county.workshop.home.root != copy.home.root
    for path in copy.files_of("silver.permit"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-9] + b"no end it")
    with pytest.raises(LakeError, match="cannot be read") as told:
        story(county, copy)
    assert "countylake verify --all" in str(told.value)


def silver_value(copy: Copy) -> str:
    """A value of silver where it lies: the data file of the build itself."""
    copy.rewrite(copy.files_of("silver.permit")[0], "issued_date", 3, date(2023, 4, 9))
    return "silver.permit holds other values than the row of bronze.permit that it names gives"


def silver_value_since(copy: Copy) -> str:
    """A value of silver, changed by a statement since the build."""
    copy.lies("UPDATE lake.silver.permit SET holder = '九厂' WHERE permit_no = 'P39'")
    return "silver.permit was changed by hand since the figure was made"


def bronze_value(copy: Copy) -> str:
    """A cell of bronze, changed by a statement."""
    copy.lies("UPDATE lake.bronze.permit SET issued_date = '2023-04-09' WHERE _source_row = 7")
    return "row 7 (issued_date)"


def bronze_number(copy: Copy) -> str:
    """The row number of one bronze row."""
    copy.lies("UPDATE lake.bronze.permit SET _source_row = 4000 WHERE _source_row = 7")
    return "bronze.permit does not hold the row once"


def bronze_numbers_swapped(copy: Copy) -> str:
    """The row numbers of two bronze rows, one for the other."""
    copy.lies(
        "UPDATE lake.bronze.permit SET _source_row = 15 - _source_row"
        " WHERE _source_row IN (7, 8) AND _batch_id = (SELECT min(_batch_id)"
        " FROM lake.bronze.permit)"
    )
    return "row 7 (permit_no)"


def bronze_row_gone(copy: Copy) -> str:
    """One bronze row."""
    copy.lies("DELETE FROM lake.bronze.permit WHERE _source_row = 7")
    return "row 7"


def batch_repointed(copy: Copy) -> str:
    """A batch that is said to have come as another file."""
    copy.lies("UPDATE lake.ops.batch SET path = '审批局/许可_9.csv' WHERE path LIKE '%许可_1.csv'")
    return "审批局/许可_9.csv"


TAMPERING = [
    silver_value,
    bronze_numbers_swapped,
    *(
        pytest.param(tamper, marks=pytest.mark.thorough)
        for tamper in (
            silver_value_since,
            bronze_value,
            bronze_number,
            bronze_row_gone,
            batch_repointed,
        )
    ),
]


@pytest.mark.parametrize("tamper", TAMPERING)
def test_what_was_changed_by_hand_is_named(
    county: Periods, copy: Copy, tamper: Callable[[Copy], str]
) -> None:
    """One value, number, row or path: the trace is not equal, and says where."""
    words = tamper(copy)
    found = story(county, copy)
    assert not found.equal
    assert any(words in fault for fault in found.faults), found.faults
    assert not [word for word in ("九厂", "2023-04-09") if word in str(found.faults)]


def test_cells_that_the_figure_does_not_read_are_looked_at_with_the_files(
    county: Periods, copy: Copy
) -> None:
    """A holder's name decides of no count: whole rows are proven where their files are read."""
    copy.rewrite(copy.files_of("silver.permit")[0], "holder", 3, "九厂")
    assert story(county, copy, what_if=False).equal
    found = story(county, copy, what_if=False, check_files=True)
    assert not found.equal
    assert any("(holder)" in fault for fault in found.faults), found.faults
    assert "九厂" not in str(found.faults)


@pytest.mark.thorough
def test_the_landed_file_is_read_again(county: Periods, copy: Copy) -> None:
    """Bronze and silver that were changed alike agree with each other, and not with the file."""
    for layer in ("bronze", "silver"):
        copy.rewrite(copy.files_of(f"{layer}.permit")[0], "holder", 5, "九厂")
    assert story(county, copy, check_files=False).equal
    found = story(county, copy, check_files=True)
    assert not found.equal
    assert any("the file has other cells (holder)" in fault for fault in found.faults)
    shutil.rmtree(copy.home.landing)
    found = story(county, copy, check_files=True)
    assert any("is gone" in fault for fault in found.faults)
