"""Faults of addresses, buildings, units, market entities, deaths and built-up areas."""

from __future__ import annotations

from dagster_project.simulate.identifiers import credit_code, organ_body
from dagster_project.simulate.plants import Cells, Change, Kit, Turn, put, where
from dagster_project.simulate.shifts import (
    FUTURE_DAY,
    FUTURE_TIME,
    day_before,
    earlier,
    other_grid,
    other_village,
)

_FIRST = "00001"  # a village's first building


def unknown_address(row: Cells, _turn: Turn) -> Cells | None:
    """The code of an address that nobody registered; rows without one do not suit."""
    return {"addr_code": f"{row['addr_code'][:17]}979797"} if row["addr_code"] else None


def moved(row: Cells, turn: Turn) -> Cells:
    """Another village, and a grid of it."""
    village = other_village(str(row["village_code"]), turn)
    return {"village_code": village, "grid_code": f"{village}001"}


def first_address(code: str, turn: Turn) -> str:
    """The address of a village's first house."""
    urban = any(v.code == code and v.is_urban for v in turn.county.villages)
    return code + _FIRST + ("010101" if urban else "000101")


def neighbouring_grid(row: Cells, turn: Turn) -> Cells | None:
    """Another grid in use of the row's village; villages of one grid do not suit."""
    grid = row["grid_code"]
    count = _grids(row, turn)[0]
    if grid is None or count < 2:
        return None
    return {"grid_code": f"{grid[:12]}{int(grid[12:]) % count + 1:03d}"}


def merged_grid(row: Cells, turn: Turn) -> Cells | None:
    """A grid of the row's village that is no more; villages without one do not suit."""
    in_use, merged = _grids(row, turn)
    return {"grid_code": f"{row['village_code']}{in_use + 1:03d}"} if merged else None


def _grids(row: Cells, turn: Turn) -> tuple[int, int]:
    county = turn.county
    at = next((n for n, v in enumerate(county.villages) if v.code == row["village_code"]), None)
    return (0, 0) if at is None else (int(county.active_grids[at]), int(county.merged_grids[at]))


def far_north(row: Cells, _turn: Turn) -> Cells:
    """A place thirty kilometres away."""
    return {"lat": f"{float(str(row['lat'])) + 0.3:.6f}"}


BUILT_UP_AREA = Kit(new_key=lambda _row, turn: {"area_code": f"B9{turn.serial:06d}"})


def _same_address(row: Cells, _turn: Turn) -> Cells | None:
    """The neighbour's address on top of the own one."""
    text = str(row["full_addr"])
    return {"full_addr": text[:-4] + "102室"} if text.endswith("元101室") else None


STD_ADDRESS = Kit(
    new_key=lambda row, turn: {"addr_code": f"{str(row['addr_code'])[:17]}9{turn.serial:05d}"},
    older=earlier("update_time"),
    rules={
        "address_in_village": lambda row, turn: {
            "village_code": other_village(str(row["village_code"]), turn)
        },
        "valid_period": lambda row, _: {"valid_to": day_before(row["valid_from"])},
        "update_not_in_future": put(update_time=FUTURE_TIME),
        "one_code_per_address": _same_address,
    },
)


def _elsewhere(row: Cells, turn: Turn) -> Cells:
    village = other_village(str(row["village_code"]), turn)
    return {"addr_code": first_address(village, turn)}


BUILDING = Kit(
    new_key=lambda row, turn: {"building_code": f"{row['village_code']}9{turn.serial:04d}"},
    older=earlier("update_time"),
    rules={
        "building_in_village": moved,
        "grid_in_village": other_grid,
        "built_not_in_future": put(built_year="2099"),
        "update_not_in_future": put(update_time=FUTURE_TIME),
        "point_in_grid": far_north,
        "village_of_address": _elsewhere,
        "addr_code.reference": unknown_address,
    },
)


def _with_code(row: Cells) -> bool:
    return row["uscc"] is not None


def _in_trade(row: Cells) -> bool:
    return _with_code(row) and row["unit_type"] in {"1", "2", "7"} and row["status"] == "1"


def _unregistered(row: Cells, turn: Turn) -> Cells:
    return {"uscc": credit_code(str(row["uscc"])[:8], organ_body(turn.serial, "MC"))}


def _other_type(column: str) -> Change:
    return lambda row, _: {column: "2" if row[column] != "2" else "1"}


def _cancelled_too_early(row: Cells, _turn: Turn) -> Cells:
    return {"cancel_date": day_before(row["found_date"])}


def _unknown_building(row: Cells, _turn: Turn) -> Cells:
    return {"building_code": str(row["building_code"])[:12] + "99999"}


UNIT = Kit(
    new_key=lambda row, turn: {"unit_no": f"{str(row['unit_no'])[:7]}9{turn.serial:08d}"},
    older=earlier("update_time"),
    rules={
        "some_number": put(uscc=None, reg_no=None),
        "type_of_code": where(_with_code, _other_type("unit_type")),
        "grid_in_village": other_grid,
        "cancelled_after_founding": _cancelled_too_early,
        "update_not_in_future": put(update_time=FUTURE_TIME),
        "place_of_building": moved,
        "status_of_entity": where(
            _in_trade,
            lambda row, _: {"status": "3", "cancel_date": str(row["update_time"])[:10]},
        ),
        "entity_is_registered": where(_in_trade, _unregistered),
        "addr_code.reference": unknown_address,
        "building_code.reference": _unknown_building,
    },
)


def _entity_key(row: Cells, turn: Turn) -> Cells:
    return {"uscc": credit_code(str(row["uscc"])[:8], organ_body(turn.serial, "MD"))}


MARKET_ENTITY = Kit(
    new_key=_entity_key,
    older=earlier("update_time"),
    rules={
        "type_of_code": _other_type("entity_type"),
        "approved_after_founding": lambda row, _: {"approve_date": day_before(row["found_date"])},
        "cancelled_after_founding": _cancelled_too_early,
        "cancel_date_when_cancelled": put(status="3", cancel_date=None),
        "grid_in_village": other_grid,
        "update_not_in_future": put(update_time=FUTURE_TIME),
        "addr_code.reference": unknown_address,
    },
)

DEATH = Kit(
    new_key=lambda row, turn: {"death_no": f"{str(row['death_no'])[:7]}9{turn.serial:011d}"},
    older=earlier("update_time"),
    rules={
        "death_not_in_future": put(death_date=FUTURE_DAY, funeral_date=None),
        "funeral_not_before_death": lambda row, _: {"funeral_date": day_before(row["death_date"])},
        "update_not_in_future": put(update_time=FUTURE_TIME),
    },
)
