"""Village collectives and their bank accounts, and the payees that they do business with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from dagster_project.simulate.county import County, Village
from dagster_project.simulate.house import short_name
from dagster_project.simulate.identifiers import (
    bank_card,
    credit_code,
    organ_body,
    resident_ids,
)
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    Mask,
    compact_dates,
    dates,
    day_number,
    decimals,
    flags,
    month_end,
    only,
    pick,
    same,
)

_BANKS = ("农村商业银行", "农业银行", "邮政储蓄银行", "建设银行")
_TRADES = ("建材", "农机", "苗木", "电器", "保洁", "水泥制品", "运输", "机械租赁", "办公用品")
_STYLES = ("宏昌", "瑞丰", "德润", "金穗", "汇泽", "永峰", "同盛", "恒远", "晋泰", "鸿基")
_PERSONS, _COMPANIES = 600, 90
_EXTRA_ACCOUNTS = 330


@dataclass(frozen=True)
class Payees:
    """Persons and companies that are paid or rent; a person is at ``index < persons``."""

    name: pl.Series
    account: pl.Series
    id_no: pl.Series
    uscc: pl.Series


class Collectives:
    """The county's collective economic organisations, one per village."""

    def __init__(self, county: County) -> None:
        self.county = county
        self.draw = county.random.of("collective")

    @cached_property
    def villages(self) -> tuple[Village, ...]:
        """The villages that have a collective, by code."""
        rural = [v for v in self.county.villages if not v.is_urban]
        # Villages that appear only in the newest register have none yet.
        settled = sorted(rural, key=lambda v: (v.vintage == "2023", v.code))
        chosen = settled[: self.county.profile.orgs]
        return tuple(sorted(chosen, key=lambda v: v.code))

    @cached_property
    def codes(self) -> pl.Series:
        """Unified social credit codes (category N2)."""
        draw = self.draw.of("code")
        first = draw.one(0, 10**7)
        prefix = f"N2{self.county.code}"
        every = range(len(self.villages))
        return pl.Series([credit_code(prefix, organ_body(first + 7919 * n, "MF")) for n in every])

    @cached_property
    def is_online(self) -> Mask:
        """Which collectives keep separate books in the system; the number is the county's own."""
        order = np.argsort(self.draw.of("online").unit(span(0, len(self.villages))), kind="stable")
        online = np.zeros(len(self.villages), dtype=np.bool_)
        online[order[: self.county.profile.orgs_online]] = True
        return online

    @cached_property
    def online(self) -> Ints:
        """Positions of the collectives that are online."""
        return np.flatnonzero(self.is_online)

    @cached_property
    def online_days(self) -> Ints:
        """When each went online, days since 1970-01-01: in the first half of 2021."""
        start = day_number(self.county.day) - 880
        return start + self.draw.of("since").below(span(0, len(self.villages)), 150)

    def orgs(self) -> pl.DataFrame:
        """The rows of ``collective_org``."""
        row = span(0, len(self.villages))
        members = 180 + self.draw.of("members").below(row, 1_500)
        registered = self.online_days - 60 - self.draw.of("registered").below(row, 900)
        town = [v.town_code for v in self.villages]
        titles = [
            f"{self.county.name}{v.town_name}{short_name(v.name).removesuffix('村')}村股份经济合作社"
            for v in self.villages
        ]
        return pl.DataFrame(
            {
                "org_code": self.codes,
                "name": titles,
                "org_level": pick(["2"], row * 0),
                "village_code": [v.code for v in self.villages],
                "town_code": town,
                "legal_rep": names(self.draw.of("rep"), row),
                "members_cnt": pl.Series(members).cast(pl.String),
                "households_cnt": pl.Series(members * 10 // 27).cast(pl.String),
                "books_separated": flags(self.is_online),
                "online_date": only(self.is_online, dates(self.online_days)),
                "status": pick(["1"], row * 0),
                "reg_date": dates(registered),
            }
        )

    @cached_property
    def basic_accounts(self) -> tuple[str, ...]:
        """Each collective's basic account."""
        return tuple(bank_card(self.draw.of("card"), n) for n in range(len(self.villages)))

    def accounts(self) -> pl.DataFrame:
        """The rows of ``bank_account``: one basic account each, and some others."""
        orgs = len(self.villages)
        extra = self.county.sized(_EXTRA_ACCOUNTS, 40)
        row = span(0, orgs + extra)
        cards = [
            *self.basic_accounts,
            *(bank_card(self.draw.of("card"), orgs + n) for n in range(extra)),
        ]
        other = self.online[self.draw.of("owner").below(row, len(self.online))]
        owner = np.where(row < orgs, row, other)
        kind = np.where(row < orgs, 0, 1 + self.draw.of("kind").weighted(row, (5, 4, 1)))
        cents = (self.draw.of("balance").unit(row) ** 3 * 180_000_000).astype(np.int64) + 3_511
        banks = [f"{self.county.name}{bank}" for bank in _BANKS]
        opened = self.online_days[owner] - self.draw.of("opened").below(row, 2_500)
        return pl.DataFrame(
            {
                "account_no": cards,
                "org_code": self.codes.gather(owner),
                "bank": pick(banks, self.draw.of("bank").below(row, len(banks))),
                "account_type": pick(["1", "2", "3", "4"], kind),
                "open_date": dates(opened),
                "balance": decimals(cents, 2),
                "balance_date": same(month_end(self.county.day).isoformat(), len(row)),
                "supervised": flags(self.is_online[owner]),
            }
        )

    @cached_property
    def payees(self) -> Payees:
        """Everybody who is paid or rents: persons first, then companies."""
        people, firms = span(0, _PERSONS), span(0, _COMPANIES)
        draw = self.draw.of("payee")
        birth = day_number(self.county.day) - 9_000 - draw.of("birth").below(people, 14_000)
        # 矿区's code: no person of the county is first registered there, so ids never meet.
        ids = resident_ids(people * 0 + 140303, compact_dates(birth), people % 480 * 2 + people % 2)
        firm_names = [
            f"{self.county.name}{_STYLES[n % len(_STYLES)]}{_TRADES[n // len(_STYLES)]}有限公司"
            for n in range(_COMPANIES)
        ]
        prefix = f"91{self.county.code}"
        firm_codes = [
            credit_code(prefix, organ_body(20_000_000 + 6_967 * n)) for n in range(_COMPANIES)
        ]
        none = pl.Series([None], dtype=pl.String)
        return Payees(
            name=pl.concat([names(draw.of("name"), people), pl.Series(firm_names)]),
            account=pl.Series(
                [bank_card(draw.of("card"), n) for n in range(_PERSONS + _COMPANIES)]
            ),
            id_no=pl.concat([ids, none.gather(firms * 0)]),
            uscc=pl.concat([none.gather(people * 0), pl.Series(firm_codes)]),
        )

    def payee_of(self, org: Ints) -> Ints:
        """A payee for each payment of a collective; none is paid twice by the same one."""
        row = span(0, len(org))
        firm = self.draw.of("is-firm").chance(row, 0.34)
        frame = pl.DataFrame({"org": org, "firm": firm})
        rank = frame.select(pl.int_range(pl.len()).over("org", "firm")).to_series().to_numpy()
        first = self.draw.of("first-payee").below(org, _PERSONS)
        company = _PERSONS + (first + rank) % _COMPANIES
        return np.asarray(np.where(firm, company, (first + rank) % _PERSONS), dtype=np.int64)

    def payee(self, index: Ints) -> Ints:
        """A payee for each index; companies get a third."""
        firm = self.draw.of("is-firm").chance(index, 0.34)
        person = self.draw.of("person").below(index, _PERSONS)
        return np.where(firm, _PERSONS + self.draw.of("firm").below(index, _COMPANIES), person)
