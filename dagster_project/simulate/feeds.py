"""Which feeds a simulated county writes, in what form, and where their rows come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from dagster_project.simulate import (
    kits_assets,
    kits_city,
    kits_people,
    kits_places,
    kits_three_assets,
)
from dagster_project.simulate.component import component_rows
from dagster_project.simulate.county import County
from dagster_project.simulate.deaths import death_rows, stranger_rows
from dagster_project.simulate.ground import Ground
from dagster_project.simulate.hotline import hotline_rows
from dagster_project.simulate.house import house_rows, stretch
from dagster_project.simulate.plants import Kit
from dagster_project.simulate.population import IdBook, persons
from dagster_project.simulate.premises import address_rows, building_rows
from dagster_project.simulate.registered import entity_rows, seated, unit_rows
from dagster_project.simulate.registers import built_up_rows, division_rows, grid_rows
from dagster_project.simulate.roster import Roster
from dagster_project.simulate.suspicions import Suspicions
from dagster_project.simulate.three_assets import three_assets

HOUSES_PER_CHUNK = 40_000
XLSX_LIMIT = 20_000  # rows; above it a department sends text, where its contract lets it


@dataclass(frozen=True)
class Form:
    """How a department sends a feed: ``encoding`` is a Python codec, empty for workbooks.

    ``title`` stands above the header of a workbook. ``by_town`` gives each town a sheet.
    ``headers`` are column titles that the department words in its own way. ``has_dates`` says
    that dates are date cells, not text.
    """

    kit: Kit
    encoding: str = ""
    title: str = ""
    by_town: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    has_dates: bool = False


FORMS: Mapping[str, Form] = {
    "division": Form(kits_people.DIVISION, "utf-8"),
    "grid": Form(kits_people.GRID, "utf-8"),
    "population": Form(kits_people.POPULATION, "gb18030", headers={"id_no": "身份证号码"}),
    "house": Form(kits_people.HOUSE, "utf-8-sig", headers={"area_m2": "建筑面积（㎡）"}),
    "component": Form(kits_city.COMPONENT, "utf-8"),
    "hotline_order": Form(kits_city.HOTLINE_ORDER, title="12345热线工单明细表"),
    "collective_org": Form(kits_assets.COLLECTIVE_ORG, title="农村集体经济组织登记表"),
    "bank_account": Form(kits_assets.BANK_ACCOUNT, title="农村集体经济组织银行账户明细表"),
    "payment": Form(
        kits_assets.PAYMENT, title="农村集体三资支付明细表", headers={"amount": "支付金额(元)"}
    ),
    "payment_approval": Form(kits_assets.PAYMENT_APPROVAL, title="三资支付审批明细表"),
    "voucher_line": Form(kits_assets.VOUCHER_LINE, "gb18030"),
    "asset": Form(kits_assets.ASSET, title="农村集体资产台账", by_town=True),
    "resource": Form(kits_assets.RESOURCE, title="农村集体资源台账", by_town=True),
    "contract": Form(kits_assets.CONTRACT, title="农村集体经济合同台账", has_dates=True),
    "org_officer": Form(kits_three_assets.ORG_OFFICER, title="农村集体经济组织任职人员备案表"),
    "contract_due": Form(kits_three_assets.CONTRACT_DUE, title="农村集体经济合同收款计划"),
    "ledger_balance": Form(kits_three_assets.LEDGER_BALANCE, title="农村集体经济组织科目余额表"),
    "property_txn": Form(kits_three_assets.PROPERTY_TXN, title="农村产权交易项目台账"),
    "txn_bidder": Form(kits_three_assets.TXN_BIDDER, title="农村产权交易报名明细表"),
    "member": Form(kits_three_assets.MEMBER, title="农村集体经济组织成员名册"),
    "equity": Form(kits_three_assets.EQUITY, title="农村集体资产股权台账"),
    "built_up_area": Form(kits_places.BUILT_UP_AREA, "utf-8"),
    "std_address": Form(kits_places.STD_ADDRESS, "utf-8"),
    "building": Form(kits_places.BUILDING, "utf-8"),
    "unit": Form(kits_places.UNIT, "gb18030"),
    "market_entity": Form(kits_places.MARKET_ENTITY, "utf-8"),
    "death": Form(kits_places.DEATH, "gb18030"),
}

Chunks = Iterator[Mapping[str, pl.DataFrame]]


@dataclass(frozen=True)
class Source:
    """Feeds whose rows are made together; ``rows`` is about how many the first one has."""

    feeds: tuple[str, ...]
    rows: Mapping[str, int]
    chunks: Callable[[], Chunks]


def sources(
    county: County,
    suspicions: Suspicions | None = None,
    feeds: Collection[str] = tuple(FORMS),
) -> Iterator[Source]:
    """Every feed's rows, in chunks; parents come before what refers to them.

    A county without villagers' committees has no collective organisations, and so no three assets.

    Args:
        county: The county.
        suspicions: What is planted into the three assets' truth for red flags to find; without
            them there is nothing to flag but books that are not separated.
        feeds: What is delivered; of the three assets all are made, or none where none is.
    """
    roster = Roster()
    yield _whole("division", lambda: division_rows(county), len(county.register))
    yield _whole("grid", lambda: grid_rows(county), county.profile.grids_before)
    yield _whole("built_up_area", lambda: built_up_rows(county), 0)
    houses = county.houses
    homes = {"house": houses, "population": int(county.residents * 1.08), "std_address": houses}
    homes |= {"building": houses // 2, "unit": houses // 16, "market_entity": houses // 16}
    homes |= {"death": houses // 40}
    yield Source(tuple(homes), homes, lambda: _homes(county, roster))
    yield _many(
        "component", lambda: component_rows(county), county.sized(county.profile.components)
    )
    yield _many("hotline_order", lambda: hotline_rows(county), county.sized(county.profile.orders))
    if any(not village.is_urban for village in county.villages):
        made = three_assets(county, roster)
        for name, make in made.items() if made.keys() & set(feeds) else ():
            yield _whole(name, _suspected(name, make, suspicions), 0)


def _suspected(
    feed: str, make: Callable[[], pl.DataFrame], suspicions: Suspicions | None
) -> Callable[[], pl.DataFrame]:
    return (lambda: suspicions.plant(feed, make())) if suspicions else make


def _whole(feed: str, make: Callable[[], pl.DataFrame], rows: int) -> Source:
    return Source((feed,), {feed: rows}, lambda: iter([{feed: make()}]))


def _many(feed: str, make: Callable[[], Iterator[pl.DataFrame]], rows: int) -> Source:
    return Source((feed,), {feed: rows}, lambda: ({feed: chunk} for chunk in make()))


def _homes(county: County, roster: Roster) -> Chunks:
    book, ground = IdBook(county), Ground(county)
    for start in range(0, county.houses, HOUSES_PER_CHUNK):
        line = stretch(county, start, min(start + HOUSES_PER_CHUNK, county.houses))
        people, heads = persons(county, line, book)
        roster.note(people)
        houses = house_rows(county, line, heads)
        seats = seated(county, line, houses, heads)
        deaths = death_rows(county, people)
        if start == 0:
            deaths = pl.concat([deaths, stranger_rows(county)])
        yield {
            "house": houses,
            "population": people,
            "std_address": address_rows(county, ground, line),
            "building": building_rows(county, ground, line),
            "unit": unit_rows(county, line, seats),
            "market_entity": entity_rows(county, line, seats),
            "death": deaths,
        }
