"""What leases bring in: when each rent is due, and that it was paid and booked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.contracts import Deals, contract_numbers, pay_cycles
from dagster_project.simulate.payments import Receipts, voucher_numbers
from dagster_project.simulate.rng import Ints
from dagster_project.simulate.text import Mask, dates, day_number, decimals, only

_DAY = 86_400
_FIRST_DUE = 30  # days after the start
_PER_YEAR = (1, 1, 2)
_AHEAD = 365  # days that the plan looks ahead


@dataclass(frozen=True)
class Dues:
    """Every rent of the plan: days since 1970-01-01, amounts in cents."""

    contract: Ints
    org: Ints
    due: Ints
    cents: Ints
    paid: Ints
    is_paid: Mask
    voucher: pl.Series

    def receipts(self, orgs: Collectives) -> Receipts:
        """What was paid to collectives whose books are in the system."""
        booked = self.is_paid & orgs.is_online[self.org]
        at = np.flatnonzero(booked)
        return Receipts(self.org[at], self.paid[at], self.cents[at], self.voucher.gather(at))


def dues(orgs: Collectives, made: Deals) -> Dues:
    """Draw the plan; everything that is due was paid, a few days before it had to be."""
    today = day_number(orgs.county.day)
    let = np.flatnonzero(made.is_let)
    cycle = pay_cycles(orgs, made)[let]
    per_year = np.array(_PER_YEAR)[cycle]
    count = np.where(cycle == 0, 1, made.years[let] * per_year)
    at = np.repeat(np.arange(len(let)), count)
    number = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    contract = let[at]
    due = made.start[contract] + _FIRST_DUE + number * (365 // per_year[at])
    org = made.org[contract]
    since = orgs.online_days[org]
    kept = (cycle[at] == 0) | ((due > since) & (due <= today + _AHEAD))
    cents = np.where(cycle[at] == 0, made.total[contract], made.rent[contract] // per_year[at])
    contract, due, cents, org = contract[kept], due[kept], cents[kept], org[kept]
    early = orgs.county.random.of("due").of("early").below(contract * 64 + number[kept], 10)
    paid = due - early
    return Dues(
        contract=contract,
        org=org,
        due=due,
        cents=cents,
        paid=paid,
        is_paid=np.asarray(due <= today),
        voucher=_numbers(orgs, org, paid, np.asarray(due <= today)),
    )


def _numbers(orgs: Collectives, org: Ints, paid: Ints, is_paid: Mask) -> pl.Series:
    """Vouchers run on within a collective's month, over what is booked."""
    numbers: list[str | None] = [None] * len(org)
    at = np.flatnonzero(is_paid & orgs.is_online[org])
    for row, text in zip(at, voucher_numbers("租", org[at], paid[at] * _DAY), strict=True):
        numbers[row] = text
    return pl.Series(numbers, dtype=pl.String)


def due_rows(orgs: Collectives, plan: Dues) -> pl.DataFrame:
    """The rows of ``contract_due``."""
    amount = decimals(plan.cents, 2)
    return pl.DataFrame(
        {
            "contract_no": contract_numbers(orgs.county.code, plan.contract),
            "due_date": dates(plan.due),
            "due_amount": amount,
            "paid_amount": only(plan.is_paid, amount),
            "paid_date": only(plan.is_paid, dates(plan.paid)),
            "voucher_no": plan.voucher,
        }
    )
