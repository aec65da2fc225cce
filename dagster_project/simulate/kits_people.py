"""Faults of the registers and of persons and houses: one change per rule of their contracts."""

from __future__ import annotations

from datetime import date, timedelta

from dagster_project.simulate.deaths import is_known_dead
from dagster_project.simulate.identifiers import resident_id
from dagster_project.simulate.kits_places import (
    first_address,
    merged_grid,
    moved,
    neighbouring_grid,
    unknown_address,
)
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
    return _born_in(1899, row, turn)


def _older_than_120(row: Cells, turn: Turn) -> Cells:
    """A person of the first years after 1900, with an id that fits."""
    return _born_in(1901, row, turn)


def _born_in(year: int, row: Cells, turn: Turn) -> Cells:
    born = date(year, 1, 1) + timedelta(days=turn.serial % 360)
    sequence = 700 + turn.serial // 360 % 130 * 2 + (row["sex"] == "1")
    area = int(turn.county.code)
    return {"birth_date": born.isoformat(), "id_no": resident_id(area, born, sequence)}


def _away(row: Cells) -> bool:
    """Registered here, living elsewhere: no house counts such a person."""
    return row["status"] == "1" and row["house_code"] is None


def _orphan_house(row: Cells, _turn: Turn) -> Cells:
    return {"house_code": str(row["addr_code"])[:17] + "989898"}


def _housed(row: Cells) -> bool:
    return row["house_code"] is not None


def _neighbours_address(row: Cells, turn: Turn) -> Cells | None:
    address = first_address(str(row["village_code"]), turn)
    return {"addr_code": address} if address != row["house_code"] else None


def _buried(row: Cells, turn: Turn) -> bool:
    return row["status"] == "3" and is_known_dead(turn.county, row)


def _alive_again(row: Cells, turn: Turn) -> Cells | None:
    return {"status": "1", "death_date": None} if _buried(row, turn) else None


def _died_earlier(row: Cells, turn: Turn) -> Cells | None:
    before = row["death_date"] and day_before(row["death_date"])
    if not (before and _buried(row, turn)) or before < str(row["birth_date"]):
        return None
    return {"death_date": before}


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
        "age_within_120": where(lambda row: _grown(row) and row["status"] == "1", _older_than_120),
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
        "house_code.reference": where(_away, _orphan_house),
        "addr_code.reference": where(_away, unknown_address),
        "gone_is_no_resident": where(lambda row: row["status"] != "1", put(is_resident="1")),
        "place_of_house": where(_housed, moved),
        "address_of_house": where(_housed, _neighbours_address),
        "one_head_per_household": where(lambda row: row["kinship"] == "02", put(kinship="01")),
        "not_in_death_register": _alive_again,
        "death_date_agrees": _died_earlier,
        "grid_in_use": where(_away, merged_grid),
    },
)


def _house_key(row: Cells, turn: Turn) -> Cells:
    return {"house_code": f"{row['building_code']}9{turn.serial:05d}"}


def _other_building(row: Cells, _turn: Turn) -> Cells:
    return {"building_code": str(row["building_code"])[:12] + "99999"}


def _moved_building(row: Cells, turn: Turn) -> Cells:
    building = other_village(str(row["village_code"]), turn) + "99998"
    return {"building_code": building, "house_code": building + str(row["house_code"])[17:]}


def _vacant(row: Cells) -> bool:
    return row["residents_count"] == "0"


def _unknown_building(row: Cells, turn: Turn) -> Cells:
    building = f"{row['village_code']}9{turn.serial:04d}"
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
        "building_code.reference": where(_vacant, _unknown_building),
        "addr_code.reference": where(_vacant, unknown_address),
        "place_of_building": where(_vacant, neighbouring_grid),
        "residents_are_registered": where(
            lambda row: row["residents_count"] != "0" and row["safety_grade"] != "D",
            lambda row, _: {"residents_count": str(int(str(row["residents_count"])) + 1)},
        ),
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
        "boundary_is_readable": where(
            lambda row: row["boundary_wkt"] is not None,
            lambda row, _: {"boundary_wkt": str(row["boundary_wkt"])[:-30]},
        ),
        "merged_into_living": where(
            lambda row: row["merged_into"] is not None,
            lambda row, _: {"merged_into": f"{row['village_code']}999"},
        ),
    },
)
