"""Changes that several feeds' faults share: other places, earlier and later moments."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from dagster_project.simulate.plants import Cells, Change, Turn

FUTURE_DAY = "2099-01-01"
FUTURE_TIME = "2099-01-01 08:00:00"


def day_before(text: str | None) -> str:
    """The day before an ISO date."""
    return (date.fromisoformat(str(text)) - timedelta(days=1)).isoformat()


def later(text: str | None, **span: float) -> str:
    """A moment moved by a span; negative spans move it back."""
    return str(datetime.fromisoformat(str(text)) + timedelta(**span))


def earlier(*columns: str) -> Change:
    """Every named moment one day earlier; rows that lack one do not suit."""

    def change(row: Cells, _turn: Turn) -> Cells | None:
        if any(row[name] is None for name in columns):
            return None
        return {name: later(row[name], days=-1) for name in columns}

    return change


def other_village(code: str, turn: Turn) -> str:
    """Another village of the county."""
    villages = [v.code for v in turn.county.villages]
    at = turn.serial % len(villages)
    return villages[at] if villages[at] != code else villages[at - 1]


def other_town(code: str, turn: Turn) -> str:
    """Another town of the county."""
    towns = [town for town in turn.county.towns if town != code]
    return towns[turn.serial % len(towns)]


def other_grid(row: Cells, turn: Turn) -> Cells | None:
    """A grid of another village; rows without a village do not suit."""
    if row["village_code"] is None:
        return None
    return {"grid_code": other_village(row["village_code"], turn) + "001"}
