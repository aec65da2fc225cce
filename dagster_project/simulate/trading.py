"""The trading platform of rural property: its transactions and who bid in them."""

from __future__ import annotations

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.contracts import (
    Deals,
    done_deals,
    object_numbers,
    txn_count,
    txn_numbers,
)
from dagster_project.simulate.identifiers import phones
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    dates,
    day_number,
    decimals,
    either,
    only,
    pick,
    second_number,
    times,
)

_STOPPED = 34 / 77  # share of the transactions that did not come about
_CATEGORIES = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10")
_OF_CONTRACT = (3, 9, 0, 1)  # asset -> 04, parcel -> 10, works -> 01, purchase -> 02
_OTHERS = (2, 4, 5, 6, 7, 8)
_DONE, _OPEN, _STOP = ("60", "70", "80"), ("10", "20", "30", "40", "50"), ("91", "92", "93")
_FIRST_OPEN = 6
_UNANNOUNCED, _UNBID = (6, 7), (6, 7, 8)  # 咨询, 审查; 公告
_LAND = (2, 4, 5, 6, 9)
_DAY = 86_400
_BUYING = 1  # categories up to here are bought: the reserve price is a ceiling
_THINGS = (
    "村级道路建设工程",
    "集体资产购置",
    "农户承包土地经营权流转",
    "集体厂房出租",
    "集体机动地发包",
    "集体林地经营权",
    "四荒地使用权",
    "农机设备转让",
    "机电井使用权",
    "集体资源发包",
)


def txn_rows(orgs: Collectives, made: Deals) -> pl.DataFrame:
    """The rows of ``property_txn``: first those that came about, then stopped and open ones."""
    county = orgs.county
    row, status = span(0, txn_count(orgs)), statuses(orgs)
    is_done, is_stopped = status < len(_DONE), (status >= len(_DONE)) & (status < _FIRST_OPEN)
    draw = county.random.of("txn")
    # The contracts that came about here are the first transactions, in their order.
    contract = np.flatnonzero(made.txn >= 0)
    linked = row < len(contract)
    at = contract[np.minimum(row, len(contract) - 1)] if len(contract) else row * 0
    category = np.where(
        linked,
        np.array(_OF_CONTRACT)[made.kind[at]],
        np.array(_OTHERS)[draw.of("category").below(row, len(_OTHERS))],
    )
    free = 800_000 + (draw.of("price").unit(row) ** 3 * 40_000_000).astype(np.int64)
    price = np.where(linked, made.total[at], free)
    today = day_number(county.day)
    deal = np.where(linked, made.signed[at] - 3, today - 15 - draw.of("day").below(row, 160))
    org = np.where(linked, made.org[at], orgs.online[draw.of("org").below(row, len(orgs.online))])
    buyer = buyers(orgs, made)
    object_no = object_numbers(orgs, made).gather(at)
    return pl.DataFrame(
        {
            "txn_no": txn_numbers(county.code, row),
            "category": pick(_CATEGORIES, category),
            "org_code": orgs.codes.gather(org),
            "object_name": pick(_THINGS, category),
            "object_no": only(linked, object_no),
            "area": only(
                np.isin(category, _LAND), decimals(500 + draw.of("area").below(row, 30_000), 2)
            ),
            "reserve_price": decimals(
                np.where(category <= _BUYING, price * 21 // 20, price * 19 // 20), 2
            ),
            "appraisal_amount": decimals(price, 2),
            "notice_date": only(~np.isin(status, _UNANNOUNCED), dates(deal - 20)),
            "bidders_cnt": only(
                ~np.isin(status, _UNANNOUNCED), pl.Series(bidder_counts(orgs)).cast(pl.String)
            ),
            "deal_price": only(is_done, decimals(price, 2)),
            "deal_date": only(is_done, dates(deal)),
            "buyer_name": only(is_done, orgs.payees.name.gather(buyer)),
            "buyer_id_no": only(is_done, orgs.payees.id_no.gather(buyer)),
            "buyer_uscc": only(is_done, orgs.payees.uscc.gather(buyer)),
            "status": pick((*_DONE, *_STOP, *_OPEN), status),
            "reason": only(is_stopped, pick(["报名不足", "资料不全", "程序不规范"], row % 3)),
        }
    )


def statuses(orgs: Collectives) -> Ints:
    """Each transaction's position in ``_DONE``, ``_STOP``, ``_OPEN``, in this order."""
    row, done = span(0, txn_count(orgs)), done_deals(orgs)
    stopped = round((len(row) - done) * _STOPPED)
    draw = orgs.county.random.of("txn")
    return np.select(
        [row < done, row < done + stopped],
        [draw.of("done").below(row, 3), len(_DONE) + draw.of("stop").below(row, 3)],
        _FIRST_OPEN + draw.of("open").below(row, len(_OPEN)),
    )


def bidder_counts(orgs: Collectives) -> Ints:
    """How many bid in each transaction; in those that came about at least two."""
    row = span(0, txn_count(orgs))
    some = 2 + orgs.county.random.of("txn").of("bidders").below(row, 4)
    return np.where(np.isin(statuses(orgs), _UNBID), 0, some)


def buyers(orgs: Collectives, made: Deals) -> Ints:
    """Who won each transaction: the contract's other party, where it led to one."""
    row = span(0, txn_count(orgs))
    contract = np.flatnonzero(made.txn >= 0)
    winner = orgs.payee(row + 900_000)
    winner[: len(contract)] = made.payee[contract]
    return winner


def bidder_rows(orgs: Collectives, made: Deals) -> pl.DataFrame:
    """The rows of ``txn_bidder``; the first of each transaction won it."""
    county = orgs.county
    count, first = bidder_counts(orgs), buyers(orgs, made)
    at = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    # 37 has no divisor in common with the number of payees: nobody bids twice.
    who = (first[at] + number * 37) % len(orgs.payees.name)
    draw, serial = county.random.of("bid"), at * 8 + number
    price = 500_000 + draw.of("price").below(serial, 20_000_000)
    moment = second_number(county.day_end) - _DAY * (1 + draw.of("day").below(at, 150))
    ip = [f"10.{n // 250 % 250}.{n % 250}.{m + 11}" for n, m in zip(at, number, strict=True)]
    is_firm = orgs.payees.id_no.gather(who).is_null().to_numpy()
    nobody = pl.Series([None], dtype=pl.String).gather(at * 0)
    return pl.DataFrame(
        {
            "txn_no": txn_numbers(county.code, at),
            "bidder_no": pl.Series(number + 1).cast(pl.String),
            "bidder_name": orgs.payees.name.gather(who),
            "bidder_id_no": orgs.payees.id_no.gather(who),
            "bidder_uscc": either(is_firm, orgs.payees.uscc.gather(who), nobody),
            "phone": phones(draw.of("phone"), serial),
            "ip": ip,
            "bid_price": decimals(price, 2),
            "bid_time": times(moment + number * 60),
        }
    )
