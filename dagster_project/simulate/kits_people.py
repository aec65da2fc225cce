"""Faults of the registers and of persons and houses: one change per rule of their contracts."""

from __future__ import annotations

from datetime import date, timedelta

from dagster_project.simulate.identifiers import resident_id
from dagster_project.simulate.plants import Cells, Change, Kit, Turn, put, where
from dagster_project.simulate.shifts import (
    FUTURE_DAY,
    FUTURE_TIME,
    day_before,
    earlier,
    other_grid,
    other_town,
    other_village,
)

_NEWBORN_DAYS = 90
_FIRST_FREE = 961


def _with_id(row: Cells) -> bool:
    return bool(row["id_no"])


def _grown(row: Cells) -> bool:
    born = date.fromisoformat(str(row["birth_date"]))
    seen = date.fromisoformat(str(row["update_time"])[:10])
    return _with_id(row) and row["pop_type"] != "03" and (seen - born).days > _NEWBORN_DAYS + 1


def _born_before_1900(row: Cells, turn: Turn) -> Cells:
    """A person of the last years before 1900, with an id that fits."""
    born = date(1899, 1, 1) + timedelta(days=turn.serial % 360)
    sequence = 700 + turn.serial // 360 % 130 * 2 + (row["sex"] == "1")
    area = int(turn.county.code)
    return {"birth_date": born.isoformat(), "id_no": resident_id(area, born, sequence)}


def _orphan_house(row: Cells, _turn: Turn) -> Cells:
    return {"house_code": str(row["house_code"])[:17] + "989898"}


POPULATION = Kit(
    new_key=lambda row, turn: {"person_no": f"{str(row['person_no'])[:7]}9{turn.serial:011d}"},
    older=where(_grown, earlier("update_time", "collect_time")),
    rules={
        "id_or_certificate": where(_grown, put(id_no=None)),
        "sex_matches_id": where(
            _with_id, lambda row, _: {"sex": "2" if row["sex"] == "1" else "1"}
        ),
        "birth_matches_id": where(
            _with_id, lambda row, _: {"birth_date": day_before(row["birth_date"])}
        ),
        "birth_not_in_future": where(
            lambda row: row["death_date"] is None, put(id_no=None, birth_date=FUTURE_DAY)
        ),
        "born_since_1900": where(
            lambda row: _grown(row) and row["death_date"] is None, _born_before_1900
        ),
        "death_not_before_birth": lambda row, _: {
            "status": "3",
            "death_date": day_before(row["birth_date"]),
        },
        "death_date_only_when_dead": lambda row, _: {
            "status": "1",
            "death_date": row["birth_date"],
        },
        "inflow_only_floating": where(lambda row: row["pop_type"] == "01", put(inflow_reason="10")),
        "grid_in_village": other_grid,
        "collected_before_update": lambda row, _: {
            "collect_time": f"{str(row['update_time'])[:4]}-12-31 23:59:59"
        },
        "update_not_in_future": where(_grown, put(update_time=FUTURE_TIME)),
        "house_code.reference": where(lambda row: bool(row["house_code"]), _orphan_house),
    },
)


def _house_key(row: Cells, turn: Turn) -> Cells:
    return {"house_code": f"{row['building_code']}9{turn.serial:05d}"}


def _other_building(row: Cells, _turn: Turn) -> Cells:
    return {"building_code": str(row["building_code"])[:12] + "99999"}


def _moved_building(row: Cells, turn: Turn) -> Cells:
    building = other_village(str(row["village_code"]), turn) + "99998"
    return {"building_code": building, "house_code": building + str(row["house_code"])[17:]}


HOUSE = Kit(
    new_key=_house_key,
    older=earlier("update_time"),
    rules={
        "code_in_building": _other_building,
        "building_in_village": _moved_building,
        "grid_in_village": other_grid,
        "built_not_in_future": put(built_year="2099"),
        "lease_only_when_rented": put(lease_filed="1", rent_status="0"),
        "dangerous_is_empty": where(
            lambda row: row["residents_count"] != "0", put(safety_grade="D")
        ),
        "update_not_in_future": put(update_time=FUTURE_TIME),
    },
)


def _division_key(row: Cells, turn: Turn) -> Cells | None:
    if row["level"] != "village":
        return None
    return {"code": f"{str(row['code'])[:9]}{900 + turn.serial % 98:03d}"}


def _wrong_parent(row: Cells, turn: Turn) -> Cells:
    return {"parent_code": other_town(str(row["parent_code"]), turn)}


DIVISION = Kit(new_key=_division_key, rules={"parent_matches_code": _wrong_parent})


def _grid_key(row: Cells, turn: Turn) -> Cells:
    return {"grid_code": f"{row['village_code']}{900 + turn.serial % 98:03d}", "merged_into": None}


def _in_other_village(row: Cells, turn: Turn) -> Cells:
    return {"village_code": other_village(str(row["village_code"]), turn)}


_into_itself: Change = lambda row, _: {"status": "0", "merged_into": row["grid_code"]}  # noqa: E731

GRID = Kit(
    new_key=_grid_key,
    rules={
        "grid_in_village": _in_other_village,
        "valid_period": lambda row, _: {"valid_to": day_before(row["valid_from"])},
        "merged_is_inactive": lambda row, _: {
            "status": "1",
            "merged_into": f"{row['village_code']}001",
        },
        "not_merged_into_itself": _into_itself,
    },
)
