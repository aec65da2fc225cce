"""How the feeds of the three assets are made together: they speak of the same contracts.

What a single feed's rows look like is its own module's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from dagster_project.simulate.balances import balance_rows
from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.contracts import contract_rows, deals
from dagster_project.simulate.county import County
from dagster_project.simulate.dues import due_rows, dues
from dagster_project.simulate.ledgers import asset_rows, org_rows, resource_rows
from dagster_project.simulate.payments import approval_rows, ledger, payment_rows, voucher_rows
from dagster_project.simulate.roster import Roster, equity_rows, member_rows, officer_rows
from dagster_project.simulate.text import day_number
from dagster_project.simulate.trading import bidder_rows, txn_rows

Makers = Mapping[str, Callable[[], pl.DataFrame]]


def three_assets(county: County, roster: Roster) -> Makers:
    """The feeds in their order, parents first; ``roster`` is full once the population is made."""
    orgs = Collectives(county)
    book, made = ledger(orgs), deals(orgs)
    plan = dues(orgs, made)
    received = plan.receipts(orgs)
    let = made.let_assets(day_number(county.day))
    return {
        "collective_org": lambda: org_rows(orgs),
        "bank_account": orgs.accounts,
        "org_officer": lambda: officer_rows(orgs, roster),
        "member": lambda: member_rows(orgs, roster),
        "contract": lambda: contract_rows(orgs, made),
        "payment": lambda: payment_rows(orgs, book, made),
        "payment_approval": lambda: approval_rows(orgs, book),
        "voucher_line": lambda: voucher_rows(orgs, book, received),
        "asset": lambda: asset_rows(orgs, let),
        "resource": lambda: resource_rows(orgs),
        "contract_due": lambda: due_rows(orgs, plan),
        "ledger_balance": lambda: balance_rows(orgs, voucher_rows(orgs, book, received)),
        "property_txn": lambda: txn_rows(orgs, made),
        "txn_bidder": lambda: bidder_rows(orgs, made),
        "equity": lambda: equity_rows(orgs, roster),
    }
