"""What looks odd about a report's figures beside earlier ones, and between themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from dagster_project.city.agreed import Agreed
from dagster_project.city.memory import Past
from dagster_project.city.plausible import as_text, doubts, totals_of
from dagster_project.contracts.model import Column
from dagster_project.contracts.plausibility import Plausibility, plausibility_of
from dagster_project.contracts.report_words import SmallCells
from dagster_project.protocol.manifest import Header

COLUMNS = (
    Column("town_code", "乡镇", "string", key_position=1),
    Column("sex", "性别", "string", key_position=2),
    Column("person_cnt", "人数", "integer", unit="人"),
    Column("rate_pct", "比例", "decimal", unit="%"),
)
AGREED = Agreed(COLUMNS, COLUMNS, ("town_code", "sex"))
CUT_OFF = "2023-06-30T12:00:00Z"


def header(period: str = "202306", cut_off: str = CUT_OFF) -> Header:
    """A header as far as plausibility looks at it."""
    return Header.model_construct(
        sender="140321", report="population", period=period, cut_off_at=cut_off
    )


def table(counts: list[int | None], towns: list[str] | None = None, sex: str = "1") -> pa.Table:
    """A report of one count per town."""
    codes = towns or [f"14032110{n}000" for n in range(len(counts))]
    return pa.table(
        {
            "town_code": codes,
            "sex": [sex] * len(counts),
            "person_cnt": pa.array(counts, pa.int64()),
            "rate_pct": pa.array([Decimal("1.00")] * len(counts), pa.decimal128(7, 2)),
        }
    )


def past(*totals: int) -> dict[str, Past]:
    """Earlier months with these totals of persons, two rows each."""
    at = datetime(2023, 1, 1, tzinfo=UTC)
    return {
        f"20230{month}": Past(
            f"20230{month}", 1, {"rows": Decimal(2), "person_cnt": Decimal(total)}, at
        )
        for month, total in enumerate(totals, 1)
    }


def kinds(rows: pa.Table, before: dict[str, Past], agreed: Agreed = AGREED) -> list[str]:
    """The doubts about a report, by their words."""
    found = doubts(header(), rows, totals_of(rows, agreed), before, agreed)
    return [one.kind for one in found]


def test_what_can_be_added_up_is_added_up() -> None:
    """Keys and shares have no total; a column without a value has the total 0."""
    totals = totals_of(table([3, None]), AGREED)
    assert totals == {"rows": 2, "person_cnt": 3}
    assert totals_of(table([None]), AGREED)["person_cnt"] == 0
    assert as_text(totals) == '{"rows": "2", "person_cnt": "3"}'


@pytest.mark.parametrize(
    ("counts", "before", "expected"),
    [
        ([50, 50], past(100, 110, 90), []),
        ([80, 70], past(100, 110, 90), []),
        ([80, 71], past(100, 110, 90), ["total"]),
        ([80, 71], past(100, 110), []),
        ([0, 0], past(100, 110, 90), ["zero"]),
        ([100], past(100, 110, 90), []),
        ([100], past(1, 1, 100, 100, 100, 100, 100, 100), []),
        ([20, 20, 30, 30], past(100, 110, 90), ["rows"]),
    ],
)
def test_a_total_is_compared_with_its_history(
    counts: list[int | None], before: dict[str, Past], expected: list[str]
) -> None:
    """Odd is what differs from the median of the last periods by more than half of it."""
    assert kinds(table(counts), before) == expected


def test_few_records_and_columns_that_nobody_watches_are_never_odd() -> None:
    """Ordinary days vary: 5 beside 3 is no news, and what accumulates is not to be compared."""
    assert kinds(table([9]), past(4, 3, 3)) == []
    assert kinds(table([13]), past(3, 3, 3)) == ["total"]
    assert kinds(table([0]), past(9, 9, 9)) == []
    unwatched = replace(AGREED, plausibility=Plausibility(watched={"population": ()}))
    assert kinds(table([1300]), past(3, 3, 3), unwatched) == []


def test_what_only_grows_and_a_cut_off_never_go_back() -> None:
    """A cumulative total that shrank, and a cut-off before that of an earlier package."""
    policy = Plausibility(growing={"population": ("person_cnt",)})
    agreed = replace(AGREED, plausibility=policy)
    assert kinds(table([99]), past(100), agreed) == ["shrunk"]
    assert kinds(table([100]), past(100), agreed) == []
    rows, before = table([100]), past(100)
    late = header(cut_off="2022-12-31T00:00:00Z")
    found = doubts(late, rows, totals_of(rows, AGREED), before, AGREED)
    assert [one.kind for one in found] == ["cut_off"]


def test_a_published_total_is_the_sum_of_its_parts() -> None:
    """Where the contract says which sums are published; a part that is not stays unjudged."""
    cells = SmallCells(("person_cnt",), (("sex",),))
    agreed = replace(AGREED, small_cells=cells)
    towns = ["140321000000", "140321100000", "140321101000"]
    assert kinds(table([30, 10, 20], towns), {}, agreed) == []
    assert kinds(table([31, 10, 20], towns), {}, agreed) == ["control"]
    assert kinds(table([31, 10, None], towns), {}, agreed) == []
    assert kinds(table([None, 10, 20], towns), {}, agreed) == []


def test_the_policy_leaves_out_what_is_usual() -> None:
    """Only what is written differs; more periods than are looked at cannot be asked for."""
    assert plausibility_of({}) == Plausibility()
    assert plausibility_of({"share": 0.2, "reject": ["zero"]}).reject == ("zero",)
    with pytest.raises(ValueError, match="more than `periods`"):
        plausibility_of({"least": 7})
