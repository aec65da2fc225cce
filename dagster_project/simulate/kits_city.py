"""Faults of city components and hotline orders: one change per rule of their contracts."""

from __future__ import annotations

from dagster_project.simulate.kits_places import far_north, merged_grid, neighbouring_grid
from dagster_project.simulate.plants import Cells, Kit, Turn, put, where
from dagster_project.simulate.shifts import (
    FUTURE_DAY,
    FUTURE_TIME,
    day_before,
    earlier,
    later,
    other_grid,
    other_village,
)


def _component_key(row: Cells, turn: Turn) -> Cells:
    return {"component_code": f"{str(row['component_code'])[:10]}9{turn.serial:05d}"}


def _other_class_code(row: Cells, _turn: Turn) -> Cells:
    code = str(row["component_code"])
    other = "0118" if row["subclass4"] != "0118" else "0102"
    return {"component_code": code[:6] + other + code[10:]}


def _in_use(row: Cells) -> bool:
    return row["state"] not in {"4", "5"}


COMPONENT = Kit(
    new_key=_component_key,
    older=earlier("update_time"),
    rules={
        "code_matches_class": _other_class_code,
        "subclass_in_class": lambda row, _: {"class2": "03" if row["class2"] != "03" else "02"},
        "code_in_county": lambda row, _: {
            "component_code": "140302" + str(row["component_code"])[6:]
        },
        "sequence_positive": lambda row, _: {
            "component_code": str(row["component_code"])[:10] + "000000"
        },
        "unit_grid_in_village": lambda row, turn: {
            "unit_grid_code": other_village(str(row["village_code"]), turn) + "001"
        },
        "grid_in_village": other_grid,
        "install_not_in_future": put(install_date=FUTURE_DAY, change_date=None),
        "change_not_before_install": lambda row, _: {
            "change_date": day_before(row["install_date"])
        },
        "update_not_in_future": put(update_time=FUTURE_TIME),
        "point_in_grid": where(_in_use, neighbouring_grid),
        "point_in_built_up_area": where(
            _in_use, lambda row, turn: far_north(row, turn) | {"grid_code": None}
        ),
        "grid_in_use": where(_in_use, merged_grid),
    },
)

_UNTOUCHED: Cells = {
    "status": "10",
    **dict.fromkeys(
        (
            *("dispatch_time", "sign_time", "contact_time", "finish_time", "visit_time"),
            *("archive_time", "is_solved", "satisfaction", "visit_result", "visit_valid"),
            *("is_responded", "ext_due", "excl_reason", "excl_by", "dup_of"),
        )
    ),
    "is_ext": "0",
    "excluded": "0",
}


def _order_key(row: Cells, turn: Turn) -> Cells:
    return {"order_no": f"{str(row['order_no'])[:9]}9{turn.serial:07d}"}


def _visited(row: Cells) -> bool:
    return row["visit_time"] is not None


HOTLINE_ORDER = Kit(
    new_key=_order_key,
    older=earlier("update_time"),
    rules={
        "accept_not_in_future": put(
            **_UNTOUCHED, accept_time=FUTURE_TIME, due_time="2099-01-09 08:00:00"
        ),
        "times_in_order": where(
            lambda row: bool(row["sign_time"] and row["dispatch_time"]),
            lambda row, _: {"sign_time": later(row["dispatch_time"], minutes=-5)},
        ),
        "due_after_accept": where(
            lambda row: row["is_ext"] == "0",
            lambda row, _: {"due_time": later(row["accept_time"], days=-1)},
        ),
        "extension_after_due": lambda row, _: {
            "is_ext": "1",
            "ext_due": later(row["due_time"], hours=-1),
        },
        "extension_all_or_none": put(is_ext="1", ext_due=None),
        "dispatched_has_dept": put(handle_mode="2", dept_code=None),
        "finished_has_time": where(
            lambda row: row["status"] in {"50", "60", "80"}, put(finish_time=None)
        ),
        "satisfaction_only_after_visit": where(
            _visited, put(visit_time=None, is_solved=None, satisfaction="4")
        ),
        "solved_only_after_visit": where(
            _visited, put(visit_time=None, is_solved="1", satisfaction=None)
        ),
        "excluded_all_or_none": put(excluded="1", excl_reason=None, excl_by=None),
        "not_own_parent": lambda row, _: {"dup_of": row["order_no"]},
        "grid_in_village": other_grid,
        "update_not_in_future": put(update_time=FUTURE_TIME),
    },
)
