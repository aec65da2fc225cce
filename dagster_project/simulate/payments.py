"""Payments of the collectives, their approvals, and the vouchers that book them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.contracts import Deals, contract_numbers
from dagster_project.simulate.county import Profile
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    Mask,
    compact_dates,
    dates,
    day_number,
    decimals,
    flags,
    none,
    only,
    padded,
    pick,
    second_number,
    times,
)

_DAY = 86_400
_UNPAID_SHARE = 0.04
_INCOMES = 4_000
_PURPOSES = (
    "村级办公用品采购",
    "道路硬化工程款",
    "环境卫生整治费用",
    "水利设施维修",
    "误工补贴",
    "电费",
    "农机作业费",
)
# 2004 scheme: 541 管理费用 502 经营支出 551 其他支出 154 在建工程 202 应付款
_EXPENSES = ("541", "502", "551", "154", "202")
# 2004 scheme: 501 经营收入 511 发包及上交收入 522 补助收入 531 其他收入
_REVENUES = ("501", "511", "522", "531")
_METHODS = ("1", "2", "3", "4", "5")
_ROLES = {1: (1,), 2: (1, 2), 3: (1, 2, 4), 4: (1, 2, 3, 4, 5)}
_LIMITS = (200_000, 1_000_000, 5_000_000)  # 2,000, 10,000 and 50,000 yuan, in cents
_CASH, _CARD = 3, 2
_LARGE = 5_000_000  # from here on a village meeting decides


@dataclass(frozen=True)
class Receipts:
    """Rents that were received and booked; amounts in cents."""

    org: Ints
    day: Ints
    cents: Ints
    voucher: pl.Series


@dataclass(frozen=True)
class Ledger:
    """Every payment of the system's life; times in seconds, amounts in cents."""

    org: Ints
    payee: Ints
    cents: Ints
    apply_day: Ints
    pay_at: Ints
    method: Ints
    level: Ints
    account: Ints
    status: Ints
    is_paid: Mask
    voucher: pl.Series
    update_at: Ints

    def __len__(self) -> int:
        return len(self.org)


def ledger(orgs: Collectives) -> Ledger:
    """Draw the payments; exactly the county's number is paid, and its sum is exact."""
    county = orgs.county
    paid = county.sized(county.profile.payments, county.least("payment"))
    total = paid + max(8, round(paid * _UNPAID_SHARE))
    row = span(0, total)
    draw = county.random.of("payment")
    org = orgs.online[draw.of("org").below(row, len(orgs.online))]
    is_paid = row < paid
    end = second_number(county.day_end)
    since = orgs.online_days[org] + 1
    room = day_number(county.day) - 30 - since
    apply_day = since + (draw.of("day").unit(row) * room).astype(np.int64)
    pay_at = (apply_day + 6) * _DAY + 9 * 3600 + draw.of("second").below(row, 18 * _DAY)
    cents = _amounts(draw.of("amount").unit(row), paid, county.profile)
    method = draw.of("method").weighted(row, (30.0, 60.0, 4.0, 4.0, 2.0))
    # Cash above 1,000 yuan is not allowed; below it, cash is common.
    small = cents < 100_000
    method = np.where(small & draw.of("cash").chance(row, 0.4), _CASH, method)
    method = np.where((method == _CASH) & ~small, 1, method)
    account = draw.of("account").weighted(row, (40.0, 20.0, 14.0, 18.0, 8.0))
    status = np.where(is_paid, 4, draw.of("status").weighted(row, (2, 2, 2, 2, 0, 1, 1)))
    touched = np.where(
        is_paid, pay_at, (apply_day + 1) * _DAY + draw.of("touch").below(row, 5 * _DAY)
    )
    return Ledger(
        org=org,
        payee=orgs.payee_of(org),
        cents=cents,
        apply_day=apply_day,
        pay_at=pay_at,
        method=method,
        level=1 + np.searchsorted(np.array(_LIMITS), cents, side="left"),
        account=account,
        status=status,
        is_paid=is_paid,
        voucher=_paid_numbers(org, pay_at, is_paid),
        update_at=np.minimum(touched + draw.of("later").below(row, _DAY), end),
    )


def _amounts(lot: np.ndarray, paid: int, profile: Profile) -> Ints:
    """Skewed amounts; those of the paid rows sum to the county's total at this scale."""
    yuan = profile.paid_yuan * paid / profile.payments
    weight = np.exp(lot * 6.5)
    share = weight / weight[:paid].sum()
    cents = np.maximum((share * yuan * 100).astype(np.int64), 1_000)
    largest = int(np.argmax(cents[:paid]))
    cents[largest] += round(yuan * 100) - int(cents[:paid].sum())
    return np.asarray(cents, dtype=np.int64)


def voucher_numbers(word: str, org: Ints, at: Ints) -> pl.Series:
    """Running numbers per collective and month."""
    frame = pl.DataFrame({"org": org, "month": compact_dates(at // _DAY) // 100})
    running = frame.select(pl.int_range(1, pl.len() + 1).over("org", "month")).to_series()
    return word + running.cast(pl.String).str.zfill(4)


def _paid_numbers(org: Ints, at: Ints, is_paid: Mask) -> pl.Series:
    """Voucher numbers of what was paid; nothing else is booked."""
    numbers = none(len(org)).to_list()
    paid = np.flatnonzero(is_paid)
    for row, number in zip(paid, voucher_numbers("记", org[paid], at[paid]), strict=True):
        numbers[row] = number
    return pl.Series(numbers, dtype=pl.String)


def payment_rows(orgs: Collectives, book: Ledger, made: Deals) -> pl.DataFrame:
    """The rows of ``payment``."""
    row = span(0, len(book))
    code = orgs.county.code
    draw = orgs.county.random.of("payment")
    banked = book.method < _CARD
    invoiced = draw.of("invoiced").chance(row, 0.7)
    return pl.DataFrame(
        {
            "pay_no": pay_numbers(code, row),
            "org_code": orgs.codes.gather(book.org),
            "apply_date": dates(book.apply_day),
            "pay_time": only(book.is_paid, times(book.pay_at)),
            "amount": decimals(book.cents, 2),
            "pay_method": pick(_METHODS, book.method),
            "payee_name": orgs.payees.name.gather(book.payee),
            "payee_account": only(banked, orgs.payees.account.gather(book.payee)),
            "payee_id_no": orgs.payees.id_no.gather(book.payee),
            "payee_uscc": orgs.payees.uscc.gather(book.payee),
            "purpose": pick(_PURPOSES, draw.of("purpose").below(row, len(_PURPOSES))),
            "account_code": pick(_EXPENSES, book.account),
            "voucher_no": book.voucher,
            "contract_no": _contracts(orgs, book, made),
            "project_no": only(book.account == 3, f"X{code}" + padded(row % 400, 6)),
            "approval_level": pl.Series(book.level).cast(pl.String),
            "status": pick(["10", "20", "30", "40", "50", "70", "90"], book.status),
            "invoice_no": only(invoiced, padded(draw.of("invoice").below(row, 10**8), 8)),
            "invoice_code": only(invoiced, "0140" + padded(row % 10**8, 8)),
            "meeting_record": flags((book.cents >= _LARGE) | draw.of("meeting").chance(row, 0.3)),
            "update_time": times(book.update_at),
        }
    )


def _contracts(orgs: Collectives, book: Ledger, made: Deals) -> pl.Series:
    """A contract of the same collective for some payments."""
    owner = made.org
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=len(orgs.villages))[book.org]
    first = np.searchsorted(owner[order], book.org)
    row = span(0, len(book))
    draw = orgs.county.random.of("payment")
    one = first + draw.of("contract").below(row, np.maximum(count, 1))
    chosen = order[np.minimum(one, len(order) - 1)]
    linked = draw.of("contracted").chance(row, 0.15) & (count > 0)
    return only(linked, contract_numbers(orgs.county.code, chosen))


def pay_numbers(code: str, row: Ints) -> pl.Series:
    """Payment numbers."""
    return f"ZF{code}" + padded(row, 8)


def approval_rows(orgs: Collectives, book: Ledger) -> pl.DataFrame:
    """The rows of ``payment_approval``: every step of the paid ones, in order before payment."""
    paid = np.flatnonzero(book.is_paid)
    steps = np.array([len(_ROLES[level]) for level in range(1, 5)])[book.level[paid] - 1]
    at = np.repeat(paid, steps)
    step = np.arange(len(at)) - np.repeat(np.cumsum(steps) - steps, steps) + 1
    roles = np.zeros((5, 6), dtype=np.int64)
    for level, chain in _ROLES.items():
        roles[level, 1 : len(chain) + 1] = chain
    role = roles[book.level[at], step]
    start = book.apply_day[at] * _DAY + 8 * 3600
    span_s = (book.pay_at[at] - start) // (steps[np.searchsorted(paid, at)] + 1)
    draw = orgs.county.random.of("approval")
    jitter = draw.of("time").below(at * 8 + step, 3_000)
    office = np.where(role > 3, 1_000 + role, book.org[at] * 8 + role)
    return pl.DataFrame(
        {
            "pay_no": pay_numbers(orgs.county.code, at),
            "step": pl.Series(step).cast(pl.String),
            "role": pl.Series(role).cast(pl.String),
            "approver": names(draw.of("approver"), office),
            "result": pick(["1"], at * 0),
            "approve_time": times(start + span_s * step + jitter),
        }
    )


def voucher_rows(orgs: Collectives, book: Ledger, received: Receipts) -> pl.DataFrame:
    """The rows of ``voucher_line``: two lines per payment and per income, always balanced."""
    paid = np.flatnonzero(book.is_paid)
    spent = _lines(
        orgs,
        org=book.org[paid],
        at=book.pay_at[paid],
        number=book.voucher.gather(paid),
        cents=book.cents[paid],
        debit=pick(_EXPENSES, book.account[paid]),
        credit=pick(["102", "101"], (book.method[paid] == _CASH).astype(np.int64)),
        summary="支付款项",
    )
    rents = _lines(
        orgs,
        org=received.org,
        at=received.day * _DAY,
        number=received.voucher,
        cents=received.cents,
        debit=pick(["102"], received.org * 0),
        credit=pick(["511"], received.org * 0),
        summary="收到租金",
    )
    return pl.concat([spent, _incomes(orgs), rents])


def _incomes(orgs: Collectives) -> pl.DataFrame:
    county = orgs.county
    row = span(0, county.sized(_INCOMES, 60))
    draw = county.random.of("income")
    org = orgs.online[draw.of("org").below(row, len(orgs.online))]
    since = orgs.online_days[org] + 1
    room = day_number(county.day) - since
    day = since + (draw.of("day").unit(row) * room).astype(np.int64)
    return _lines(
        orgs,
        org=org,
        at=day * _DAY,
        number=voucher_numbers("收", org, day * _DAY),
        cents=50_000 + (draw.of("amount").unit(row) ** 3 * 9_000_000).astype(np.int64),
        debit=pick(["102"], row * 0),
        credit=pick(_REVENUES, draw.of("revenue").below(row, len(_REVENUES))),
        summary="收到款项",
    )


def _lines(
    orgs: Collectives,
    *,
    org: Ints,
    at: Ints,
    number: pl.Series,
    cents: Ints,
    debit: pl.Series,
    credit: pl.Series,
    summary: str,
) -> pl.DataFrame:
    twice = np.repeat(np.arange(len(org)), 2)
    first = np.arange(len(twice)) % 2 == 0
    amount = decimals(cents, 2).gather(twice)
    period = pl.Series(compact_dates(at // _DAY) // 100).cast(pl.String)
    sides = pl.DataFrame({"d": debit.gather(twice), "c": credit.gather(twice), "f": first})
    return pl.DataFrame(
        {
            "org_code": orgs.codes.gather(org).gather(twice),
            "period": period.gather(twice),
            "voucher_no": number.gather(twice),
            "line_no": pick(["2", "1"], first.astype(np.int64)),
            "account_code": sides.select(pl.when("f").then("d").otherwise("c")).to_series(),
            "scheme": pick(["2004"], twice * 0),
            "debit": only(first, amount),
            "credit": only(~first, amount),
            "summary": pick([summary], twice * 0),
            "attach_cnt": pl.Series(1 + twice % 4).cast(pl.String),
        }
    )
