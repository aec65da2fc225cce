"""Names of periods, the days they hold, and which period a cell names."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from dagster_project.components.steps.packaging.splitting import divided, rows_of
from dagster_project.contracts import load
from dagster_project.contracts.model import Table
from dagster_project.contracts.report_period import (
    period_at,
    period_called,
    period_of_value,
    periods_between,
)
from dagster_project.contracts.report_words import PeriodKind

DAY = date(2023, 5, 31)
LEAP = date(2024, 2, 29)


@pytest.mark.parametrize(
    ("kind", "name", "first", "last"),
    [
        ("daily", "20230531", DAY, DAY),
        ("monthly", "202305", date(2023, 5, 1), DAY),
        ("quarterly", "2023Q2", date(2023, 4, 1), date(2023, 6, 30)),
        ("yearly", "2023", date(2023, 1, 1), date(2023, 12, 31)),
    ],
)
def test_a_period_has_a_name_and_days(kind: PeriodKind, name: str, first: date, last: date) -> None:
    """Its name leads back to it, and so does every day of it."""
    found = period_at(kind, DAY)
    assert (found.name, found.first, found.last) == (name, first, last)
    assert period_called(kind, name) == found
    assert period_at(kind, first) == period_at(kind, last) == found
    due = found.due_at(Table("r", "report", "r", "1.0.0", due_time="20:30"))
    assert due == datetime(last.year, last.month, last.day, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("monthly", "2023-05", "202305"),
        ("monthly", "202305", "202305"),
        ("monthly", DAY, "202305"),
        ("monthly", "2023-13", None),
        ("monthly", "20235", None),
        ("monthly", "٢٠٢٣٠٥", None),
        ("monthly", None, None),
        ("monthly", 202305, None),
        ("daily", "2023-05-31", "20230531"),
        ("daily", "2023-0531", None),
        ("daily", "20230532", None),
        ("daily", LEAP, "20240229"),
        ("daily", datetime(2023, 5, 31, 16, 30, tzinfo=UTC), "20230601"),
        ("daily", datetime(2023, 5, 31, 16, 30), "20230531"),  # noqa: DTZ001 - a wall clock's
        ("quarterly", "2023-Q2", "2023Q2"),
        ("quarterly", "2023Q5", None),
        ("yearly", "2023", "2023"),
        ("yearly", "0000", None),
    ],
)
def test_a_cell_names_a_period_or_none(kind: PeriodKind, value: object, name: str | None) -> None:
    """Spelled exactly, or as a date; an instant belongs to the county's day."""
    found = period_of_value(kind, value)
    assert (found.name if found else None) == name


def test_periods_between_two_days_reach_into_the_range() -> None:
    """A month of which one day is asked for is one of them."""
    names = [one.name for one in periods_between("monthly", date(2022, 12, 31), date(2023, 2, 1))]
    assert names == ["202212", "202301", "202302"]


def test_rows_are_divided_in_their_order_and_none_is_lost() -> None:
    """Two spellings of a month are one; what names none is counted, what is to come is told."""
    contract = Table("r", "report", "r", "1.0.0", period="monthly", period_column="month")
    months = ["202304", "2023-04", "2023-05", "soon", None, "202306"]
    table = pa.table({"month": months, "n": list(range(6))})
    parts = divided(contract, table)
    assert {one.name: part.column("n").to_pylist() for one, part in parts.rows.items()} == {
        "202304": [0, 1],
        "202305": [2],
        "202306": [5],
    }
    nowhere, ahead = parts.refused(contract, period_at("monthly", DAY))
    assert nowhere.startswith("2 rows of report.r name no period")
    assert ahead.startswith("1 rows of report.r are of 202306, which has not begun by 2023-05-31")
    assert rows_of(contract, table, "202304").num_rows == 2
    assert rows_of(contract, table, "202303").num_rows == 0


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.report.affair
name: 事项
version: 1.0.0
status: active
customProperties:
{words}
schema:
  - name: affair
    businessName: 事项
    logicalType: object
    properties:
      - name: month
        businessName: 月份
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L1
      - name: affair_cnt
        businessName: 事项数
        logicalType: integer
        classification: L1
        customProperties:
          - {{property: unit, value: 件}}
      - name: town
        businessName: 乡镇
        logicalType: string
        classification: L1
"""
PERIOD = "  - {property: period, value: monthly}\n"


@pytest.mark.parametrize(
    ("words", "line", "sentence"),
    [
        ("  - {property: periodColumn, value: month}", 8, "is for a report with a period"),
        (
            PERIOD + "  - {property: periodColumn, value: day}",
            9,
            "names `day`, which this contract",
        ),
        (PERIOD + "  - {property: periodColumn, value: affair_cnt}", 9, "is no date and no text"),
        (PERIOD + "  - {property: periodColumn, value: town}", 9, "is not in the key"),
        (PERIOD + "  - {property: periodColumn, value: month}", 0, ""),
    ],
)
def test_a_period_column_must_fit_its_contract(
    tmp_path: Path, words: str, line: int, sentence: str
) -> None:
    """Else the contract is refused with the line of the word."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "affair.yaml").write_text(CONTRACT.format(words=words), "utf-8")
    contracts = load(tmp_path)
    if not sentence:
        assert contracts.tables["report", "affair"].period_column == "month"
        return
    (problem,) = [one for one in contracts.problems if "affair" in one.path]
    assert problem.line == line
    assert sentence in problem.sentence
