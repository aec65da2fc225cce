"""Faults of members, shares, officers, rents, balances and the trading platform."""

from __future__ import annotations

from datetime import date, timedelta

from dagster_project.simulate.identifiers import resident_id
from dagster_project.simulate.plants import Cells, Kit, Turn, put, where
from dagster_project.simulate.shifts import FUTURE_DAY, FUTURE_TIME, day_before

_AREA = 140303  # nobody of the county is first registered there
_LATER = 540  # running numbers above those of the payees


def _other_person(_row: Cells, turn: Turn) -> Cells:
    born = date(1955, 1, 1) + timedelta(days=turn.serial % 10_000)
    return {"id_no": resident_id(_AREA, born, _LATER + turn.serial // 10_000)}


ORG_OFFICER = Kit(
    new_key=_other_person,
    rules={
        "end_after_start": lambda row, _: {"end_date": day_before(row["start_date"])},
        "started_not_in_future": put(start_date=FUTURE_DAY, end_date=None),
    },
)

MEMBER = Kit(
    new_key=_other_person,
    rules={
        "exit_has_date": put(status="2", exit_date=None),
        "exit_not_before_identity": lambda row, _: {
            "status": "2",
            "exit_date": day_before(row["identity_date"]),
        },
        "identity_not_in_future": put(status="1", identity_date=FUTURE_DAY, exit_date=None),
    },
)

EQUITY = Kit(
    new_key=_other_person,
    rules={
        "dividend_complete": put(dividend_amount="120.00", dividend_date=None),
        "dividend_not_in_future": put(dividend_amount="120.00", dividend_date=FUTURE_DAY),
    },
)

CONTRACT_DUE = Kit(
    new_key=lambda row, turn: {
        "due_date": str(date.fromisoformat(str(row["due_date"])) - timedelta(2 + turn.serial % 97))
    },
    rules={
        "paid_has_date": put(paid_amount="10.00", paid_date=None),
        "paid_not_in_future": put(paid_amount="10.00", paid_date=FUTURE_DAY),
    },
)

LEDGER_BALANCE = Kit(
    new_key=lambda _row, turn: {"account_code": ("111", "112", "113", "121")[turn.serial % 4]},
    rules={
        "closing_adds_up": put(closing="-0.01", opening="10.00", debit="0.00", credit="0.00"),
        "scheme_of_period": put(scheme="2023"),
    },
)


def _done(row: Cells) -> bool:
    return row["status"] in {"60", "70", "80"}


PROPERTY_TXN = Kit(
    new_key=lambda row, turn: {"txn_no": f"{str(row['txn_no'])[:8]}9{turn.serial:05d}"},
    rules={
        "deal_complete": where(_done, put(deal_price=None)),
        "stopped_has_reason": put(status="92", reason=None),
        "deal_after_notice": where(
            _done, lambda row, _: {"deal_date": day_before(row["notice_date"])}
        ),
        "deal_not_in_future": where(_done, put(deal_date=FUTURE_DAY)),
    },
)

TXN_BIDDER = Kit(
    new_key=lambda _row, turn: {"bidder_no": str(5_000 + turn.serial)},
    rules={
        "one_bidder_identity": put(
            bidder_id_no="140321199003071235", bidder_uscc="91140321MA0H0A1B6J"
        ),
        "bid_not_in_future": put(bid_time=FUTURE_TIME),
    },
)
