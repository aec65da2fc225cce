"""The simulated county's truth: its size, its links, and that it breaks no contract rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import duckdb
import polars as pl
import pytest

from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.errors import UsageError
from dagster_project.paths import schemas_dir
from dagster_project.simulate.cells import Checker
from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.contracts import deals
from dagster_project.simulate.county import County, counties
from dagster_project.simulate.feeds import FORMS, sources
from dagster_project.simulate.payments import ledger, payment_rows
from dagster_project.simulate.registers import grid_rows

DAY = date(2023, 5, 31)
DELIVERED = "TIMESTAMP '2023-06-01 08:00:00'"
PARENTS = ("division.code", "grid.grid_code", "collective_org.org_code", "payment.pay_no")
PARENTS = (*PARENTS, "contract.contract_no", "property_txn.txn_no")


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    """The house's contracts."""
    return load(schemas_dir())


@pytest.fixture(scope="module", params=[("140321", 0.02), ("140322", 0.005)], ids=str)
def truth(request: pytest.FixtureRequest) -> dict[str, pl.DataFrame]:
    """Every feed's true rows of a small county."""
    code, scale = request.param
    parts: dict[str, list[pl.DataFrame]] = {}
    for source in sources(County(code, scale, 11, DAY)):
        for chunk in source.chunks():
            for name, frame in chunk.items():
                parts.setdefault(name, []).append(frame)
    return {name: pl.concat(frames) for name, frames in parts.items()}


def typed(con: duckdb.DuckDBPyConnection, feed: Feed, rows: pl.DataFrame) -> str:
    """A view of the rows with the contract's types; every cell must read as its type."""
    con.register("raw_rows", rows.to_arrow())
    columns = ", ".join(f'CAST("{c.name}" AS {c.duck_type}) AS "{c.name}"' for c in feed.columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT {columns} FROM raw_rows")
    return "typed"


def test_the_truth_breaks_no_rule_of_the_contracts(
    contracts: Contracts, truth: Mapping[str, pl.DataFrame]
) -> None:
    """Every row rule, warnings included, holds for every true row of every feed."""
    con = duckdb.connect()
    for name, rows in truth.items():
        feed = contracts.feeds[name]
        view = typed(con, feed, rows)
        for rule in feed.rules:
            condition = re.sub(r":delivered_at\b", DELIVERED, rule.expression)
            broken = con.execute(f"SELECT count(*) FROM {view} WHERE ({condition}) IS FALSE")
            assert broken.fetchone() == (0,), f"{name}.{rule.id}"


def test_the_truth_breaks_no_rule_of_a_column(
    contracts: Contracts, truth: Mapping[str, pl.DataFrame]
) -> None:
    """Every different cell of every column is required, typed, coded and formed as it must be."""
    keys = {p: frozenset(truth[p.split(".")[0]][p.split(".")[1]]) for p in PARENTS}
    checker = Checker(contracts.codes, keys)
    for name, rows in truth.items():
        for column in contracts.feeds[name].columns:
            for cell in rows[column.name].unique():
                assert checker.broken(column, cell) is None, f"{name}.{column.name}: {cell!r}"


def test_keys_are_unique(contracts: Contracts, truth: Mapping[str, pl.DataFrame]) -> None:
    """No two true rows of a feed share their business key."""
    for name, rows in truth.items():
        key = list(contracts.feeds[name].key)
        assert rows.select(key).n_unique() == rows.height, name


def test_every_feed_has_a_form(contracts: Contracts) -> None:
    """A contract without simulated rows would go untested."""
    assert set(FORMS) == set(contracts.feeds)


def test_departments_speak_of_the_same_things(truth: Mapping[str, pl.DataFrame]) -> None:
    """Residents live in known houses, and houses and grids count exactly those."""
    people, houses = truth["population"], truth["house"]
    here = people.filter(pl.col("is_resident") == "1")
    assert set(here["house_code"]) <= set(houses["house_code"])
    counted = here.group_by("house_code").agg(n=pl.len().cast(pl.String))
    joined = houses.filter(pl.col("residents_count") != "0").join(counted, on="house_code")
    assert joined["n"].equals(joined["residents_count"], check_names=False)
    by_grid = here.group_by("grid_code").agg(n=pl.len().cast(pl.String))
    grids = truth["grid"].filter(pl.col("persons") != "0").join(by_grid, on="grid_code")
    assert grids["n"].equals(grids["persons"], check_names=False)
    assert set(truth["hotline_order"]["caller_name"].drop_nulls()) <= set(people["name"])


def test_resident_ids_are_unique(truth: Mapping[str, pl.DataFrame]) -> None:
    """No two persons share a resident id."""
    ids = truth["population"]["id_no"].drop_nulls()
    assert ids.n_unique() == len(ids)


def test_each_household_has_one_head(truth: Mapping[str, pl.DataFrame]) -> None:
    """Exactly one member of a household is its head."""
    heads = truth["population"].group_by("household_no").agg((pl.col("kinship") == "02").sum())
    assert heads["kinship"].unique().to_list() == [1]


def test_vouchers_balance(truth: Mapping[str, pl.DataFrame]) -> None:
    """Debit equals credit in every voucher."""
    amount = pl.col("debit", "credit").cast(pl.Decimal(18, 2)).sum()
    vouchers = truth["voucher_line"].group_by("org_code", "period", "voucher_no").agg(amount)
    assert vouchers.filter(pl.col("debit") != pl.col("credit")).is_empty()


def test_approvals_precede_payment_in_order(truth: Mapping[str, pl.DataFrame]) -> None:
    """Steps follow one another and the last comes before the money leaves."""
    steps = truth["payment_approval"].sort("pay_no", "step").group_by("pay_no", maintain_order=True)
    times = steps.agg("approve_time")
    assert all(list(t) == sorted(t) for t in times["approve_time"].to_list())
    last = times.select("pay_no", last=pl.col("approve_time").list.last())
    paid = last.join(truth["payment"], on="pay_no")
    assert paid.filter(pl.col("last") > pl.col("pay_time")).is_empty()


def test_nothing_is_later_than_the_simulated_day(
    contracts: Contracts, truth: Mapping[str, pl.DataFrame]
) -> None:
    """Update times end with the day whose files are written."""
    for name, rows in truth.items():
        order = contracts.feeds[name].order_by
        if order:
            assert rows[order].max() <= "2023-05-31 23:59:59", name


def test_at_scale_one_the_county_has_its_real_size() -> None:
    """The programme documents' figures are hit by construction."""
    county = County("140321", 1, 1, DAY)
    orgs = Collectives(county)
    book = ledger(orgs)
    paid = payment_rows(orgs, book, deals(orgs)).filter(pl.col("status") == "50")
    grids = grid_rows(county)
    assert (county.residents, county.houses) == (303_600, 150_000)
    assert int(county.first_resident(pl.Series([county.households]).to_numpy())[0]) == 303_600
    assert grids.height == 574
    assert grids.filter(pl.col("status") == "1").height == 452
    assert grids["persons"].cast(pl.Int64).sum() == 303_600
    assert len(orgs.villages) == 317
    assert int(orgs.is_online.sum()) == 302
    assert paid.height == 5_285
    assert paid["amount"].cast(pl.Decimal(18, 2)).sum() == 171_000_000
    assert len(county.register) == 356


def test_every_county_of_the_registers_can_be_simulated() -> None:
    """A size follows from the register alone; a district without villages has no three assets."""
    assert counties() == {
        "140302": "城区",
        "140303": "矿区",
        "140311": "郊区",
        "140321": "平定县",
        "140322": "盂县",
    }
    district, suburb = County("140303", 1, 1, DAY), County("140311", 1, 1, DAY)
    assert all(village.is_urban for village in district.villages)
    assert len(district.centres) == len(set(district.centres.values())) == len(district.towns)
    assert not {"collective_org", "payment"} & {
        feed for source in sources(district) for feed in source.feeds
    }
    rural = sum(not village.is_urban for village in suburb.villages)
    assert suburb.profile.orgs == rural > 0
    with pytest.raises(UsageError, match="no simulated county 140399"):
        County("140399", 1, 1, DAY)
