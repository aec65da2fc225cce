"""Good rows of members, shares, officers, rents, balances and deals, and what breaks one rule."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

THREE_ASSETS: dict[str, tuple[Row, dict[str, Row]]] = {
    "org_officer": (
        {"start_date": "2021-01-01", "end_date": "2021-01-01"},
        {
            "end_after_start": {"end_date": "2020-12-31"},
            "started_not_in_future": {"start_date": "2023-06-01", "end_date": None},
        },
    ),
    "member": (
        {"status": "2", "identity_date": "2019-06-30", "exit_date": "2019-06-30"},
        {
            "exit_has_date": {"exit_date": None},
            "exit_not_before_identity": {"exit_date": "2019-06-29"},
            "identity_not_in_future": {
                "status": "1",
                "identity_date": "2023-06-01",
                "exit_date": None,
            },
        },
    ),
    "equity": (
        {"dividend_amount": 10, "dividend_date": "2022-12-20"},
        {
            "dividend_complete": {"dividend_date": None},
            "dividend_not_in_future": {"dividend_date": "2023-06-01"},
        },
    ),
    "contract_due": (
        {"paid_amount": 10, "paid_date": "2023-05-31"},
        {
            "paid_has_date": {"paid_date": None},
            "paid_not_in_future": {"paid_date": "2023-06-01"},
        },
    ),
    "ledger_balance": (
        {
            "period": "202312",
            "scheme": "2004",
            "opening": 1,
            "debit": 2,
            "credit": 3,
            "closing": 0,
        },
        {
            "closing_adds_up": {"closing": 0.01},
            "scheme_of_period": {"period": "202401"},
        },
    ),
    "property_txn": (
        {
            "status": "60",
            "notice_date": "2023-05-01",
            "deal_date": "2023-05-01",
            "deal_price": 10,
        },
        {
            "deal_complete": {"deal_price": None},
            "stopped_has_reason": {"status": "91"},
            "deal_after_notice": {"deal_date": "2023-04-30"},
            "deal_not_in_future": {"deal_date": "2023-06-01"},
        },
    ),
    "txn_bidder": (
        {"bidder_id_no": "140321199003071235", "bid_time": "2023-05-31 20:00"},
        {
            "one_bidder_identity": {"bidder_uscc": "91350100M000100Y43"},
            "bid_not_in_future": {"bid_time": "2023-05-31 20:00:01"},
        },
    ),
}
