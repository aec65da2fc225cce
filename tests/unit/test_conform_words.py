"""What a contract's words change in a column: months, open ends, centuries, shares (domain §9)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from dagster_project.contracts import load
from dagster_project.contracts.model import Column
from dagster_project.paths import schemas_dir
from tests.conform_kit import cells, feed_of, judge, one_cell, plan_of

DAY = Column("c", "日期", "date")
at = datetime.fromisoformat


def test_a_date_may_be_a_month_or_an_open_end_where_the_contract_says_so() -> None:
    """The first day and 9999-12-31 are the contract's choice, and each one is logged."""
    month = Column("c", "年月", "date", partial="month")
    spelled = ("2023年5月", "2023-05", "202305", "二〇二三年五月", "民国112年5月", "2023.5")
    for text in spelled:
        found = one_cell(month, text)
        assert (found.values["c"], ("c", "date_month") in found.logged) == (date(2023, 5, 1), True)
    whole = one_cell(month, "2023年5月31日")
    assert (whole.values["c"], whole.logged) == (date(2023, 5, 31), ())
    assert [one_cell(month, text).reasons for text in ("2023-13", "2023", "20235")] == [
        ("c.type",),
        ("c.type",),
        (),  # a spreadsheet's serial
    ]
    until = Column("c", "至", "date", open_end=True)
    for text in ("长期", "永久", "9999-12-31", "9999年12月31日"):
        found = one_cell(until, text)
        assert (found.values["c"], found.logged) == (date(9999, 12, 31), (("c", "open_end"),))
    assert one_cell(until, "9998-12-31").reasons == ("c.type",)


def test_a_year_of_two_digits_is_of_the_century_that_it_can_mean() -> None:
    """Of this one up to the delivery's day, else of the last; unread where both could be meant."""
    found = {text: one_cell(DAY, text).values["c"] for text in ("23-6-1", "23-6-2", "00-2-29")}
    assert found == {
        "23-6-1": date(2023, 6, 1),
        "23-6-2": date(1923, 6, 2),
        "00-2-29": date(2000, 2, 29),
    }
    born = Column("c", "出生日期", "date", minimum="1850-01-01")
    assert one_cell(born, "23-5-31").reasons == ("c.type",)
    assert one_cell(born, "58-3-2").values["c"] == date(1958, 3, 2)
    assert one_cell(born, "00-2-29").values["c"] == date(2000, 2, 29)
    since = Column("c", "设立日期", "date", minimum="1949-10-01")
    assert one_cell(since, "23-5-31").values["c"] == date(2023, 5, 31)
    assert one_cell(since, "35-5-31").reasons == ("c.range",)
    until = Column("c", "至", "date", open_end=True)
    assert one_cell(until, "35-12-31").values["c"] == date(2035, 12, 31)
    recent = Column("c", "至", "date", open_end=True, minimum="1949-10-01")
    assert one_cell(recent, "35-12-31").values["c"] == date(2035, 12, 31)
    assert one_cell(recent, "60-12-31").reasons == ("c.type",)


def test_a_grid_may_be_valid_without_an_end() -> None:
    """The register of grids writes an open end as a date, or in words."""
    column = next(c for c in load(schemas_dir()).feeds["grid"].columns if c.name == "valid_to")
    for text in ("9999-12-31", "长期"):
        assert one_cell(column, text).values["valid_to"] == date(9999, 12, 31)
    assert one_cell(column, None).ok


def test_shares_are_stored_in_one_form() -> None:
    """A % sign is converted; a bare number that could be the other form is no value (D16)."""
    percent = Column(
        "c", "率", "decimal", share="percent", precision=9, scale=4, minimum="0", maximum="100"
    )
    ratio = Column(
        "c", "率", "decimal", share="ratio", precision=9, scale=4, minimum="0", maximum="1"
    )
    found = cells(percent, ["95.66%", "95.66", "0.5%", "95.66％", "0", "0.9566", "1", "9566", "１"])
    assert [(row.values["c"], row.reasons) for row in found] == [
        (Decimal("95.6600"), ()),
        (Decimal("95.6600"), ()),
        (Decimal("0.5000"), ()),
        (Decimal("95.6600"), ()),
        (Decimal("0.0000"), ()),
        (Decimal("0.9566"), ("c.share",)),
        (Decimal("1.0000"), ("c.share",)),
        (Decimal("9566.0000"), ("c.range",)),
        (Decimal("1.0000"), ("c.share",)),
    ]
    assert [row.counted for row in found[:3]] == [(("c", "percent"),), (), (("c", "percent"),)]
    found = cells(ratio, ["95.66%", "0.9566", "95.66", "95.666%"])
    assert [(row.values["c"], row.reasons) for row in found] == [
        (Decimal("0.9566"), ()),
        (Decimal("0.9566"), ()),
        (Decimal("95.6600"), ("c.range",)),
        (None, ("c.type",)),  # never rounded
    ]
    assert found[0].logged == (("c", "percent"),)
    # More than any number can be is no value either, and never stops a batch.
    assert cells(ratio, ["999999999999999999999%"])[0].reasons == ("c.type",)


def test_a_header_that_says_percent_makes_bare_numbers_clear() -> None:
    """完成率（%）: 0.5 is half a percent, whether percentages or ratios are stored."""
    key = Column("key", "主键", "string", key_position=1, required=True)
    forms = (
        (Column("c", "率", "decimal", minimum="0", maximum="100", share="percent"), "0.50"),
        (Column("c", "率", "decimal", minimum="0", maximum="1", share="ratio", scale=4), "0.0050"),
    )
    for column, stored in forms:
        plan = plan_of(feed_of(key, column)).with_units({"c": "%"})
        bare, signed = judge(plan, {"key": "1", "c": "0.5"}, {"key": "1", "c": "0.5%"})
        assert bare.values["c"] == signed.values["c"] == Decimal(stored)
        assert (bare.reasons, signed.reasons) == ((), ())
