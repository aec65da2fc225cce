"""Every row rule of the contracts, tried on one good row and on one row that breaks only it."""

from __future__ import annotations

from functools import cache
from typing import Any

import duckdb
import pytest

from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.paths import PROJECT
from tests.three_assets_rows import THREE_ASSETS

DELIVERED_AT = "2023-05-31 20:00:00"
VILLAGE = "140321100011"
GRID = f"{VILLAGE}001"
Row = dict[str, Any]

PERSON: Row = {
    "id_no": "140321199003071235",
    "sex": "1",
    "birth_date": "1990-03-07",
    "pop_type": "01",
    "village_code": VILLAGE,
    "grid_code": GRID,
    "status": "1",
    "collect_time": "2023-05-30 09:00",
    "update_time": "2023-05-31 09:00",
}
HOUSE: Row = {
    "house_code": f"{VILLAGE}00001010203",
    "building_code": f"{VILLAGE}00001",
    "village_code": VILLAGE,
    "grid_code": GRID,
    "built_year": 1998,
    "rent_status": "1",
    "lease_filed": True,
    "safety_grade": "A",
    "residents_count": 3,
    "update_time": "2023-05-31 09:00",
}
COMPONENT: Row = {
    "component_code": "1403210103000123",
    "class2": "01",
    "subclass4": "0103",
    "village_code": VILLAGE,
    "grid_code": GRID,
    "unit_grid_code": GRID,
    "install_date": "2015-05-01",
    "change_date": "2020-05-01",
    "update_time": "2023-05-31 09:00",
}
ORDER: Row = {
    "order_no": "R1",
    "handle_mode": "2",
    "dept_code": "D1",
    "status": "80",
    "accept_time": "2023-05-01 08:00",
    "dispatch_time": "2023-05-01 09:00",
    "sign_time": "2023-05-01 10:00",
    "contact_time": "2023-05-01 11:00",
    "finish_time": "2023-05-03 10:00",
    "visit_time": "2023-05-04 10:00",
    "archive_time": "2023-05-05 10:00",
    "due_time": "2023-05-06 08:00",
    "is_ext": True,
    "ext_due": "2023-05-08 08:00",
    "satisfaction": "5",
    "is_solved": "1",
    "excluded": True,
    "excl_reason": "不可抗力",
    "excl_by": "审批人",
    "dup_of": "R0",
    "village_code": VILLAGE,
    "grid_code": GRID,
    "update_time": "2023-05-31 09:00",
}
ORG: Row = {
    "org_code": "N2140321MF1234ABX2",
    "org_level": "2",
    "village_code": VILLAGE,
    "town_code": "140321100000",
    "reg_date": "2019-01-01",
    "online_date": "2022-01-01",
}
PAYMENT: Row = {
    "status": "50",
    "apply_date": "2023-05-01",
    "pay_time": "2023-05-02 10:00",
    "pay_method": "1",
    "payee_account": "6228480000000000018",
    "payee_uscc": "x",
    "update_time": "2023-05-31 09:00",
}
VOUCHER: Row = {
    "period": "202305",
    "account_code": "541",
    "scheme": "2004",
    "debit": 10,
}
LEASE: Row = {
    "contract_type": "1",
    "object_no": "A1",
    "party_b_id_no": "140321199003071235",
    "sign_date": "2022-12-30",
    "start_date": "2023-01-01",
    "end_date": "2026-01-01",
}
VILLAGE_ROW: Row = {"code": VILLAGE, "level": "village", "parent_code": "140321100000"}
GRID_ROW: Row = {
    "grid_code": GRID,
    "village_code": VILLAGE,
    "status": "0",
    "merged_into": f"{VILLAGE}002",
    "valid_from": "2020-01-01",
    "valid_to": "2022-01-01",
}
NEXT_MONTH = {"update_time": "2023-06-01 09:00"}
OTHER_GRID = {"grid_code": "140321100012001"}

CASES: dict[str, tuple[Row, dict[str, Row]]] = {
    "division": (VILLAGE_ROW, {"parent_matches_code": {"parent_code": "140321101000"}}),
    "grid": (
        GRID_ROW,
        {
            "grid_in_village": {"village_code": "140321100012"},
            "valid_period": {"valid_to": "2019-12-31"},
            "merged_is_inactive": {"status": "1"},
            "not_merged_into_itself": {"merged_into": GRID},
        },
    ),
    "population": (
        PERSON,
        {
            "id_or_certificate": {"id_no": None},
            "sex_matches_id": {"sex": "2"},
            "birth_matches_id": {"birth_date": "1990-03-08"},
            "birth_not_in_future": {
                "birth_date": "2023-06-01",
                "id_no": None,
            },
            "born_since_1900": {"birth_date": "1890-01-01", "id_no": "14032118900101001X"},
            "age_within_120": {"birth_date": "1902-03-07", "id_no": "140321190203071232"},
            "gone_is_no_resident": {"status": "2", "is_resident": True},
            "death_not_before_birth": {"status": "3", "death_date": "1989-01-01"},
            "death_date_only_when_dead": {"death_date": "2023-01-01"},
            "inflow_only_floating": {"inflow_date": "2022-01-01"},
            "grid_in_village": OTHER_GRID,
            "collected_before_update": {"collect_time": "2023-05-31 10:00"},
            "update_not_in_future": NEXT_MONTH,
        },
    ),
    "house": (
        HOUSE,
        {
            "code_in_building": {"house_code": f"{VILLAGE}00002010203"},
            "building_in_village": {
                "building_code": "14032110001200001",
                "house_code": "14032110001200001010203",
            },
            "grid_in_village": OTHER_GRID,
            "built_not_in_future": {"built_year": 2024},
            "lease_only_when_rented": {"rent_status": "0"},
            "dangerous_is_empty": {"safety_grade": "D"},
            "update_not_in_future": NEXT_MONTH,
        },
    ),
    "component": (
        COMPONENT,
        {
            "code_matches_class": {"component_code": "1403210104000123"},
            "subclass_in_class": {"class2": "02"},
            "code_in_county": {"component_code": "1403110103000123"},
            "sequence_positive": {"component_code": "1403210103000000"},
            "unit_grid_in_village": {"unit_grid_code": "140321100012001"},
            "grid_in_village": OTHER_GRID,
            "install_not_in_future": {"install_date": "2023-06-01", "change_date": None},
            "change_not_before_install": {"change_date": "2015-04-30"},
            "update_not_in_future": NEXT_MONTH,
        },
    ),
    "hotline_order": (
        ORDER,
        {
            "accept_not_in_future": {
                **dict.fromkeys(("dispatch_time", "sign_time", "contact_time", "finish_time")),
                **dict.fromkeys(("visit_time", "archive_time", "ext_due", "is_ext")),
                "accept_time": "2023-06-01 08:00",
                "due_time": "2023-06-05 08:00",
                "status": "10",
                "satisfaction": "0",
                "is_solved": None,
            },
            "times_in_order": {"sign_time": "2023-05-01 08:30"},
            "due_after_accept": {"due_time": "2023-04-30 08:00"},
            "extension_after_due": {"ext_due": "2023-05-05 08:00"},
            "extension_all_or_none": {"is_ext": None},
            "dispatched_has_dept": {"dept_code": None},
            "finished_has_time": {"finish_time": None},
            "satisfaction_only_after_visit": {"visit_time": None, "is_solved": None},
            "solved_only_after_visit": {"visit_time": None, "satisfaction": None},
            "excluded_all_or_none": {"excl_by": None},
            "not_own_parent": {"dup_of": "R1"},
            "grid_in_village": OTHER_GRID,
            "update_not_in_future": NEXT_MONTH,
        },
    ),
    "collective_org": (
        ORG,
        {
            "level_matches_code": {"org_level": "1"},
            "village_unless_town": {"village_code": None},
            "village_in_town": {"town_code": "140321101000"},
            "registered_not_in_future": {"reg_date": "2023-06-01", "online_date": None},
            "online_not_before_registered": {"online_date": "2018-01-01"},
        },
    ),
    "bank_account": (
        {"open_date": "2019-01-01", "balance": 1},
        {
            "opened_not_in_future": {"open_date": "2023-06-01"},
            "balance_not_negative": {"balance": -1},
        },
    ),
    "payment": (
        PAYMENT,
        {
            "paid_has_time": {"pay_time": None},
            "paid_has_method": {"pay_method": None},
            "transfer_has_account": {"payee_account": None},
            "one_payee_identity": {"payee_id_no": "140321199003071235"},
            "apply_not_in_future": {
                "apply_date": "2023-06-01",
                "pay_time": None,
                "status": "10",
            },
            "pay_not_before_apply": {"pay_time": "2023-04-30 10:00"},
            "pay_not_in_future": {"pay_time": "2023-05-31 21:00"},
            "update_not_in_future": NEXT_MONTH,
        },
    ),
    "payment_approval": (
        {"approve_time": "2023-05-01 10:00"},
        {"approve_not_in_future": {"approve_time": "2023-06-01 10:00"}},
    ),
    "voucher_line": (
        VOUCHER,
        {
            "one_side": {"credit": 10},
            "account_in_scheme": {"account_code": "513"},
            "scheme_of_period": {"scheme": "2023", "account_code": "513"},
            "period_not_in_future": {
                "period": "202401",
                "scheme": "2023",
                "account_code": "513",
            },
        },
    ),
    "asset": (
        {"original_value": 100, "dep": 30, "net": 70, "acquire_date": "2015-01-01"},
        {
            "net_is_value_less_depreciation": {"net": 60},
            "acquired_not_in_future": {"acquire_date": "2023-06-01"},
        },
    ),
    "resource": (
        {"area_mu": 10, "confirmed_area": 10},
        {"area_within_confirmed": {"area_mu": 10.01}},
    ),
    "contract": (
        LEASE,
        {
            "end_after_start": {"end_date": "2023-01-01"},
            "signed_not_in_future": {"sign_date": "2023-06-01"},
            "lease_has_object": {"object_no": None},
            "one_party_b_identity": {"party_b_uscc": "91350100M000100Y43"},
        },
    ),
}
CASES |= THREE_ASSETS
BREAKS = [(feed, rule) for feed, (_, broken) in CASES.items() for rule in broken]


@cache
def contracts() -> Contracts:
    """Everything below ``schemas``, read once."""
    return load(PROJECT / "schemas")


def broken_rules(feed: Feed, row: Row) -> set[str]:
    """The rules that are false for a row; columns that are not given are NULL."""
    cells = ", ".join(
        f'CAST(? AS {column.duck_type}) AS "{column.name}"' for column in feed.columns
    )
    moment = f"CAST('{DELIVERED_AT}' AS TIMESTAMP)"
    rules = ", ".join(
        f"({rule.expression.replace(':delivered_at', moment)})" for rule in feed.rules
    )
    with duckdb.connect() as con:
        values = [row.get(column.name) for column in feed.columns]
        answers = con.execute(f"SELECT {rules} FROM (SELECT {cells})", values).fetchone()
    assert answers is not None
    return {rule.id for rule, answer in zip(feed.rules, answers, strict=True) if answer is False}


def test_every_rule_has_a_case() -> None:
    """A rule that no row can break would go unnoticed."""
    for name, (_, broken) in CASES.items():
        assert set(broken) == {rule.id for rule in contracts().feeds[name].rules}, name


@pytest.mark.parametrize("name", CASES)
def test_a_good_row_breaks_no_rule(name: str) -> None:
    """Rules accept what a department may write, and an empty row."""
    feed = contracts().feeds[name]
    good, _ = CASES[name]
    assert broken_rules(feed, good) == set()


@pytest.mark.parametrize(("name", "rule"), BREAKS)
def test_one_fault_breaks_exactly_one_rule(name: str, rule: str) -> None:
    """The row differs from the good one in one thing, and that rule alone says no."""
    feed = contracts().feeds[name]
    good, broken = CASES[name]
    assert broken_rules(feed, good | broken[rule]) == {rule}
