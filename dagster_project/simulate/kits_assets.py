"""Faults of the three-assets ledgers: one change per rule of their contracts."""

from __future__ import annotations

from dagster_project.simulate.identifiers import bank_card, credit_code, organ_body
from dagster_project.simulate.plants import Cells, Kit, Turn, put, where
from dagster_project.simulate.shifts import (
    FUTURE_DAY,
    FUTURE_TIME,
    day_before,
    earlier,
    other_town,
)


def _org_key(row: Cells, turn: Turn) -> Cells:
    code = credit_code(str(row["org_code"])[:8], organ_body(turn.serial * 97 + 5, "MG"))
    return {"org_code": code}


COLLECTIVE_ORG = Kit(
    new_key=_org_key,
    rules={
        "level_matches_code": put(org_level="3"),
        "village_unless_town": put(village_code=None),
        "village_in_town": lambda row, turn: {"town_code": other_town(str(row["town_code"]), turn)},
        "registered_not_in_future": put(reg_date=FUTURE_DAY, online_date=None),
        "online_not_before_registered": lambda row, _: {"online_date": day_before(row["reg_date"])},
    },
)

BANK_ACCOUNT = Kit(
    new_key=lambda _row, turn: {
        "account_no": bank_card(turn.county.random.of("planted-card"), turn.serial)
    },
    rules={
        "opened_not_in_future": put(open_date=FUTURE_DAY),
        # The ledgers of the others are compared with their banks.
        "balance_not_negative": where(lambda row: row["supervised"] == "0", put(balance="-100.00")),
    },
)


def _paid(row: Cells) -> bool:
    return row["status"] == "50"


PAYMENT = Kit(
    new_key=lambda row, turn: {"pay_no": f"{str(row['pay_no'])[:8]}9{turn.serial:07d}"},
    older=earlier("update_time"),
    rules={
        "paid_has_time": where(_paid, put(pay_time=None)),
        "paid_has_method": where(_paid, put(pay_method=None)),
        "transfer_has_account": put(pay_method="1", payee_account=None),
        "one_payee_identity": put(
            payee_id_no="140321199003071235", payee_uscc="91140321MA0H0A1B6J"
        ),
        "apply_not_in_future": put(status="10", apply_date=FUTURE_DAY, pay_time=None),
        "pay_not_before_apply": where(
            _paid, lambda row, _: {"pay_time": f"{day_before(row['apply_date'])} 09:00:00"}
        ),
        "pay_not_in_future": where(_paid, put(pay_time=FUTURE_TIME)),
        "update_not_in_future": put(update_time=FUTURE_TIME),
    },
)

PAYMENT_APPROVAL = Kit(
    new_key=lambda _row, turn: {"step": str(6 + turn.serial % 4)},
    older=earlier("approve_time"),
    rules={"approve_not_in_future": put(approve_time=FUTURE_TIME)},
)

VOUCHER_LINE = Kit(
    new_key=lambda _row, turn: {"voucher_no": f"补{turn.serial:05d}"},
    rules={
        "one_side": put(debit="100.00", credit="100.00"),
        "account_in_scheme": put(account_code="513"),
        "scheme_of_period": put(scheme="2023", account_code="102"),
        "period_not_in_future": put(period="209901", scheme="2023", account_code="102"),
    },
)

ASSET = Kit(
    new_key=lambda row, turn: {"asset_no": f"{str(row['asset_no'])[:8]}9{turn.serial:06d}"},
    rules={
        "net_is_value_less_depreciation": put(net="0.01"),
        "acquired_not_in_future": put(acquire_date=FUTURE_DAY),
    },
)

RESOURCE = Kit(
    new_key=lambda row, turn: {"parcel_no": f"{str(row['parcel_no'])[:8]}9{turn.serial:06d}"},
    rules={"area_within_confirmed": put(confirmed_area="0.01")},
)


CONTRACT = Kit(
    new_key=lambda row, turn: {"contract_no": f"{str(row['contract_no'])[:8]}9{turn.serial:06d}"},
    rules={
        "end_after_start": lambda row, _: {"end_date": row["start_date"]},
        "signed_not_in_future": put(sign_date=FUTURE_DAY),
        "lease_has_object": where(lambda row: row["contract_type"] == "1", put(object_no=None)),
        "one_party_b_identity": put(
            party_b_id_no="140321199003071235", party_b_uscc="91140321MA0H0A1B6J"
        ),
    },
)
