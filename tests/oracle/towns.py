"""The reports by town, counted record by record; each figure keeps the records that make it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

from tests.oracle.book import Book, Record
from tests.oracle.forms import percent

ALL = "all"
CENTS = Decimal("0.01")
Table = dict[tuple[str, ...], dict[str, Any]]
"""Rows by their key; key columns are in the rows, too."""


@dataclass
class County:
    """The county's towns, and the day for which its reports are made."""

    book: Book
    code: str
    day: date
    names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        registered = {
            one.values["code"]: one.values["name"]
            for one in self.book.records("division")
            if one.values["code"][:6] == self.code
            and one.values["code"][6:9] != "000"
            and one.values["code"][9:] == "000"
        }
        mentioned = {
            self.town(one.values[column])
            for feed, column in (
                *((name, "village_code") for name in ("population", "house", "component")),
                ("hotline_order", "village_code"),
                ("collective_org", "town_code"),
            )
            for one in self.book.records(feed)
        }
        unknown = {code: code for code in mentioned - registered.keys()}
        if self.nowhere in unknown:
            unknown[self.nowhere] = "未明乡镇"
        self.names = {**registered, **unknown, self.whole: "全县"}

    @property
    def whole(self) -> str:
        """The code of the total."""
        return f"{self.code}000000"

    @property
    def nowhere(self) -> str:
        """The town of records without a village."""
        return f"{self.code}999000"

    def town(self, village: str | None) -> str:
        """The town of a village's or town's code."""
        return f"{village[:9]}000" if village else self.nowhere

    def counts_for(self, town: str) -> tuple[str, str]:
        """A record counts for its town and for the county."""
        return town, self.whole


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def _band(born: date, day: date) -> str:
    for years, band in ((15, "0-14"), (60, "15-59"), (65, "60-64")):
        if born > _years_before(day, years):
            return band
    return "65+"


def _counted(
    keys: Iterable[tuple[str, ...]],
    members: Iterable[tuple[Sequence[Sequence[str]], Record]],
    tests: Mapping[str, Callable[[Mapping[str, Any]], bool]],
) -> dict[tuple[str, ...], dict[str, list[Record]]]:
    """For each key and figure, the records that count; a member counts for a product of words."""
    found: dict[tuple[str, ...], dict[str, list[Record]]] = {
        key: {name: [] for name in tests} for key in keys
    }
    for places, record in members:
        chosen = [name for name, test in tests.items() if test(record.values)]
        for key in product(*places):
            row = found.setdefault(key, {name: [] for name in tests})
            for name in chosen:
                row[name].append(record)
    return found


Support = dict[tuple[str, ...], dict[str, list[Record]]]


def population(county: County) -> tuple[Table, Support]:
    """常住、户籍、流动人口 before anything is withheld."""
    people = [one for one in county.book.records("population") if one.values["status"] == "1"]
    sexes = sorted({one.values["sex"] for one in people})
    bands = sorted({_band(one.values["birth_date"], county.day) for one in people})
    members = [
        (
            (
                county.counts_for(county.town(one.values["village_code"])),
                (one.values["sex"], ALL),
                (_band(one.values["birth_date"], county.day), ALL),
            ),
            one,
        )
        for one in people
    ]
    support = _counted(
        product(county.names, (*sexes, ALL), (*bands, ALL)),
        members,
        {
            "resident_cnt": lambda v: v["is_resident"],
            "hukou_cnt": lambda v: v["pop_type"] == "01",
            "floating_cnt": lambda v: v["pop_type"] == "02",
        },
    )
    names = ("town_code", "sex", "age_band")
    return _table(county, names, support, {}), support


def houses(county: County) -> tuple[Table, Support]:
    """实有房屋 by use."""
    found = county.book.records("house")
    uses = sorted({one.values["usage"] for one in found})
    support = _counted(
        product(county.names, (*uses, ALL)),
        [
            (
                (
                    county.counts_for(county.town(one.values["village_code"])),
                    (one.values["usage"], ALL),
                ),
                one,
            )
            for one in found
        ],
        {
            "house_cnt": lambda _: True,
            "area_sqm": lambda v: v["area_m2"] is not None,
            "rented_cnt": lambda v: v["rent_status"] == "1",
            "vacant_cnt": lambda v: v["rent_status"] == "2",
        },
    )
    return _table(county, ("town_code", "usage"), support, {"area_sqm": "area_m2"}), support


def components(county: County) -> tuple[Table, Support]:
    """城市部件 and how many are sound."""
    found = county.book.records("component")
    classes = sorted({one.values["class2"] for one in found})
    support = _counted(
        product(county.names, (*classes, ALL)),
        [
            (
                (
                    county.counts_for(county.town(one.values["village_code"])),
                    (one.values["class2"], ALL),
                ),
                one,
            )
            for one in found
        ],
        {
            "component_cnt": lambda _: True,
            "in_use_cnt": lambda v: v["state"] is not None and v["state"] not in {"4", "5"},
            "good_cnt": lambda v: v["state"] == "1",
        },
    )
    table = _table(county, ("town_code", "component_class"), support, {})
    return _with_rates(table, {"good_pct": ("good_cnt", "in_use_cnt")}), support


def hotline(county: County) -> tuple[Table, Support]:
    """12345 by month of acceptance; months and towns without an order have no row."""
    orders = [one for one in county.book.records("hotline_order") if one.values["status"] != "90"]

    def is_visited(v: Mapping[str, Any]) -> bool:
        return bool(v["visit_valid"]) and not v["excluded"]

    def is_due(v: Mapping[str, Any]) -> bool:
        return v["handle_mode"] == "2" and not v["excluded"]

    support = _counted(
        (),
        [
            (
                (
                    (f"{one.values['accept_time']:%Y%m}",),
                    county.counts_for(county.town(one.values["village_code"])),
                ),
                one,
            )
            for one in orders
        ],
        {
            "order_cnt": lambda _: True,
            "direct_cnt": lambda v: v["handle_mode"] == "1",
            "excluded_cnt": lambda v: bool(v["excluded"]),
            "due_response_cnt": is_due,
            "responded_cnt": lambda v: is_due(v) and bool(v["is_responded"]),
            "visited_cnt": is_visited,
            "solved_cnt": lambda v: is_visited(v) and v["is_solved"] == "1",
            "satisfied_cnt": lambda v: is_visited(v) and v["satisfaction"] in {"3", "4", "5"},
        },
    )
    table = _table(county, ("month", "town_code"), support, {})
    rates = {
        "response_pct": ("responded_cnt", "due_response_cnt"),
        "solve_pct": ("solved_cnt", "visited_cnt"),
        "satisfaction_pct": ("satisfied_cnt", "visited_cnt"),
    }
    return _with_rates(table, rates), support


def three_assets(county: County) -> tuple[Table, Support]:
    """农村集体三资 of the towns that have organisations."""
    homes = {
        one.values["org_code"]: county.town(one.values["town_code"])
        for one in county.book.records("collective_org")
    }
    figures: dict[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
        "org_cnt": ("collective_org", lambda v: v["status"] == "1"),
        "online_cnt": ("collective_org", lambda v: v["status"] == "1" and v["books_separated"]),
        "payment_cnt": ("payment", lambda v: v["status"] == "50"),
        "payment_yuan": ("payment", lambda v: v["status"] == "50"),
        "cash_payment_cnt": ("payment", _is_cash),
        "cash_yuan": ("payment", _is_cash),
        "asset_cnt": ("asset", lambda _: True),
        "asset_original_yuan": ("asset", lambda v: v["original_value"] is not None),
        "parcel_cnt": ("resource", lambda _: True),
        "parcel_mu": ("resource", lambda _: True),
        "contract_in_force_cnt": ("contract", lambda v: v["status"] == "1"),
        "contract_overdue_cnt": (
            "contract",
            lambda v: (
                v["status"] == "1" and v["end_date"] is not None and v["end_date"] < county.day
            ),
        ),
    }
    support: Support = {
        (town,): {name: [] for name in figures} for town in (*homes.values(), county.whole)
    }
    for name, (feed, test) in figures.items():
        for record in county.book.records(feed):
            if record.values["org_code"] in homes and test(record.values):
                for town in county.counts_for(homes[record.values["org_code"]]):
                    support[town,][name].append(record)
    sums = {
        "payment_yuan": "amount", "cash_yuan": "amount", "asset_original_yuan": "original_value",
        "parcel_mu": "area_mu",
    }  # fmt: skip
    table = _table(county, ("town_code",), support, sums)
    rates = {"online_pct": ("online_cnt", "org_cnt"), "cash_pct": ("cash_yuan", "payment_yuan")}
    return _with_rates(table, rates), support


def _is_cash(v: Mapping[str, Any]) -> bool:
    return bool(v["status"] == "50" and v["pay_method"] == "4")


def _table(
    county: County, names: Sequence[str], support: Support, sums: Mapping[str, str]
) -> Table:
    table: Table = {}
    for key, figures in support.items():
        row: dict[str, Any] = dict(zip(names, key, strict=True))
        row["town_name"] = county.names[row["town_code"]]
        for name, records in figures.items():
            row[name] = (
                sum((r.values[sums[name]] for r in records), Decimal(0)).quantize(CENTS)
                if name in sums
                else len(records)
            )
        table[key] = row
    return table


def _with_rates(table: Table, rates: Mapping[str, tuple[str, str]]) -> Table:
    for row in table.values():
        for name, (part, whole) in rates.items():
            row[name] = percent(row[part], row[whole])
    return table
