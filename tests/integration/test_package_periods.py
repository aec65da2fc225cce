"""Which periods of a report are sealed: those whose figures changed, and those that are owed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from period_kit import BY_MONTH, DAY, STATE, Periods, days_ago, today

from dagster_project.components.steps.packaging.drafting import Will
from dagster_project.components.steps.packaging.past import seal_past
from dagster_project.contracts.report_period import period_at
from dagster_project.errors import PackageError
from tests.delivery_kit import rows

MAY = date(2023, 5, 31)


@pytest.fixture
def county(tmp_path: Path) -> Periods:
    """A county that took permits of three months."""
    made = Periods(tmp_path)
    made.take("许可_1.csv", [*rows([1], "2023-03-01"), *rows([2, 3], "2023-04-01")])
    return made


def test_each_month_of_a_table_is_sealed_and_revised_alone(county: Periods) -> None:
    """The run's month also when it is empty; twice is once; late data revise what they changed."""
    sealing = county.report(BY_MONTH, MAY)
    assert [(one.period, one.rows) for one in sealing.new] == [
        ("202303", 1),
        ("202304", 1),
        ("202305", 0),
    ]
    folder = county.workshop.home.outbox / "140321-permit_by_month-202304-r1"
    table = pq.read_table(folder / "data" / f"{BY_MONTH}.parquet")
    assert table.to_pylist() == [{"month": "202304", "permit_cnt": 2}]
    reasons = [reason for _, _, reason in county.packages(BY_MONTH)]
    assert reasons[2] == ""
    assert all("back-filled" in one and "never sealed" in one for one in reasons[:2])
    assert county.report(BY_MONTH, MAY).new == []
    county.take("许可_2.csv", [*rows([1], "2023-05-02"), *rows([2, 3], "2023-04-01")])
    sealing = county.report(BY_MONTH, MAY)
    assert [(one.period, one.rows) for one in sealing.new] == [("202303", 0), ("202305", 1)]
    (_, _, march), (_, _, may) = county.packages(BY_MONTH)[3:]
    assert march == "late or corrected data changed figures after the period had ended"
    assert may == "figures changed since the revision before"


@pytest.mark.thorough
def test_rows_of_a_month_to_come_are_refused(county: Periods) -> None:
    """With a sentence, in the package and in the run; the other months are reported."""
    county.take("许可_2.csv", [*rows([1], "2023-04-01"), *rows([2], "2031-07-01")])
    sealing = county.report(BY_MONTH, MAY)
    assert [one.period for one in sealing.new] == ["202304", "202305"]
    (remark,) = sealing.remarks
    assert "1 rows of report.permit_by_month are of 203107, which has not begun" in remark
    assert county.status(sealing.current.package_id)["not_reported"] == [remark]


@pytest.mark.thorough
def test_changed_sql_is_told_as_the_cause(county: Periods) -> None:
    """Figures that changed because they are made otherwise are not called late data."""
    county.report(BY_MONTH, MAY)
    path = county.sql / "gold" / "permit_month.sql"
    path.write_text(path.read_text("utf-8").replace("COUNT(*)", "COUNT(*) + 1"), "utf-8")
    county.renew()
    assert [one.period for one in county.report(BY_MONTH, MAY).new] == ["202303", "202304"]
    assert county.packages(BY_MONTH)[-1][2] == (
        "figures changed since the revision before;"
        " the SQL or the contracts that make them changed, too"
    )


def test_a_quiet_day_is_reported_too(county: Periods) -> None:
    """What lies below the report is made for the new day and comes out equal: it is reported."""
    path = county.sql / "gold" / "permit_month.sql"
    asked = path.read_text("utf-8").replace("_is_deleted", "_is_deleted AND issued_date <= :day")
    path.write_text(asked, "utf-8")
    county.renew()
    for ago in (1, 0):
        made = county.report(STATE, days_ago(ago)).new
        assert [one.period for one in made] == [f"{days_ago(ago):%Y%m%d}"]


def test_days_that_were_missed_are_made_from_the_state_of_then(county: Periods) -> None:
    """A machine that was off for three days seals three days in order, once, with what it knew."""
    for name in (STATE, DAY):
        county.report(name, days_ago(3))
    county.age(3)
    county.take("许可_2.csv", rows([1, 2, 3, 4, 5]))
    for name, first in ((STATE, {"kind": "all", "permit_cnt": 3}), (DAY, None)):
        sealing = county.report(name)
        made = [one.period for one in sealing.new]
        assert made == [f"{days_ago(n):%Y%m%d}" for n in (2, 1, 0)]
        lines = [
            pq.read_table(
                county.workshop.home.outbox / one.package_id / "data" / f"{name}.parquet"
            ).to_pylist()[0]
            for one in sealing.new
        ]
        if first:
            assert lines == [first, first, {"kind": "all", "permit_cnt": 5}]
        else:
            assert [one["kind"] for one in lines] == [str(days_ago(n)) for n in (2, 1, 0)]
        told = county.status(sealing.new[0].package_id)["backfilled"]
        assert "never sealed" in told["why"]
        assert county.report(name).new == []


def test_late_data_do_not_change_a_closed_state(county: Periods) -> None:
    """Nor when it is made again on purpose; corrected SQL does, from the state of then."""
    yesterday = period_at("daily", days_ago(1))
    county.report(STATE, yesterday.first)
    county.take("许可_2.csv", rows([1, 2, 3, 4, 5]))
    county.report(STATE)
    will = Will("the audit asked", "李工")
    assert seal_past(county.workshop, STATE, yesterday, county.occasion(), will).new == []
    path = county.sql / "report" / f"{STATE}.sql"
    path.write_text(path.read_text("utf-8").replace("SUM(permit_cnt)", "10 * SUM(permit_cnt)"))
    county.renew()
    (one,) = seal_past(county.workshop, STATE, yesterday, county.occasion(), will).new
    data = county.workshop.home.outbox / one.package_id / "data" / f"{STATE}.parquet"
    assert pq.read_table(data).to_pylist() == [{"kind": "all", "permit_cnt": 30}]
    assert one.reason.startswith("the audit asked; made again from the state that it was sealed")
    assert "the SQL or the contracts" in one.reason
    assert county.packages(STATE)[-1][:2] == (yesterday.name, 2)


@pytest.mark.thorough
def test_a_time_before_the_lake_is_refused(county: Periods) -> None:
    """Nobody knows what it would have said."""
    county.report(STATE)
    with pytest.raises(PackageError, match="20230531 of report permit_state ended before the lake"):
        seal_past(county.workshop, STATE, period_at("daily", MAY), county.occasion())
    assert [one[0] for one in county.packages(STATE)] == [f"{today():%Y%m%d}"]
