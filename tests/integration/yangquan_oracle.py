"""What a city must know of its counties, told once more in plain Python: no SQL, none of its code.

It knows what each county sealed (read from the sealed files), what was carried to the city's door
and in what state, and when the city looked. From that follows every decision and every figure.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from dagster_project.clock import SHANGHAI

Row = dict[str, Any]
State = Literal["sound", "damaged", "forged"]
DAILY = ("aggregation_status", "rectification", "task_execution")
MONTHLY = ("population_by_town",)
DUE, GRACE = time(20, 30), timedelta(hours=12)
RATES = {
    "mounted": 20,
    "collected": 10,
    "updated": 20,
    "valid": 20,
    "succeeded": 10,
    "on_time": 5,
    "rectified": 5,
    "reported": 10,
}
SAMPLE = 5
TIERS = ((90, "green"), (80, "blue"), (70, "yellow"), (60, "orange"), (0, "red"))
Counted = dict[str, tuple[int, int | None]]


@dataclass(frozen=True)
class Package:
    """What a county sealed."""

    package_id: str
    number: int
    report: str
    period: str
    revision: int
    package_hash: str
    previous_hash: str
    rows: tuple[Row, ...]
    has_shape: bool = True


def sealed_in(outbox: Path, known: Mapping[str, Package]) -> Iterator[Package]:
    """The packages of an outbox that are new, read as anybody could."""
    for folder in sorted(outbox.glob("*-r*")):
        if folder.name in known:
            continue
        payload = base64.b64decode(json.loads((folder / "signature.json").read_bytes())["payload"])
        header = json.loads(payload)["header"]
        rows = pq.read_table(folder / "data" / f"{header['report']}.parquet").to_pylist()
        yield Package(
            folder.name,
            header["package_no"],
            header["report"],
            header["period"],
            header["revision"],
            hashlib.sha256(payload).hexdigest(),
            header["previous_hash"],
            tuple(rows),
        )


@dataclass(frozen=True)
class Refusal:
    """The city's word on a package that it did not take: when, and which."""

    at: datetime
    revision: int
    outcome: str


@dataclass
class County:
    """A county as the city must see it.

    Attributes:
        sealed: Every package by id.
        door: What lies before the city, by id.
        head: The last number that was decided on.
        accepted: When each package was taken.
        refused: The newest refusal of each report and period.
        told: Refusals that the city has uttered: it does not repeat itself.
    """

    code: str
    registered: date
    sealed: dict[str, Package] = field(default_factory=dict)
    door: dict[str, State] = field(default_factory=dict)
    head: int = 0
    accepted: dict[str, datetime] = field(default_factory=dict)
    refused: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)

    def note(self, outbox: Path, *, has_shape: Mapping[str, bool] | None = None) -> list[Package]:
        """Take note of what was sealed since."""
        shapes = has_shape or {}
        new = []
        for one in sealed_in(outbox, self.sealed):
            new.append(replace(one, has_shape=shapes.get(one.report, True)))
            self.sealed[one.package_id] = new[-1]
        return new

    def carry(self, ids: Iterable[str] | None = None) -> None:
        """Sound packages reach the city: those named, or all."""
        for one in self.sealed if ids is None else ids:
            if one not in self.accepted:
                self.door[one] = "sound"

    def look(self, at: datetime) -> set[tuple[str, str]]:
        """The city looks: new decisions, as pairs of package and outcome."""
        said = set[tuple[str, str]]()
        for name, state in self.door.items():
            if state != "sound" and (name, state) not in self.told:
                self.told.add((name, state))
                said.add((name, "rejected"))
        sound = [self.sealed[name] for name, state in self.door.items() if state == "sound"]
        for one in sorted(sound, key=lambda one: one.number):
            if one.number <= self.head:
                continue
            if one.number > self.head + 1:
                outcome = "held"
            else:
                self.head, outcome = one.number, "accepted" if one.has_shape else "rejected"
            if outcome == "accepted":
                self.accepted[one.package_id] = at
            elif outcome == "held" and (one.package_id, "held") in self.told:
                continue
            else:
                self.told.add((one.package_id, outcome))
                self._refuse(one, Refusal(at, one.revision, outcome))
            said.add((one.package_id, outcome))
        return said

    def _refuse(self, one: Package, refusal: Refusal) -> None:
        key = one.report, one.period
        before = self.refused.get(key)
        order = (refusal.at, refusal.revision, refusal.outcome)
        if before is None or (before.at, before.revision, before.outcome) < order:
            self.refused[key] = refusal

    # -- what follows from it ---------------------------------------------------------------

    def standing(self, report: str) -> dict[str, Package]:
        """The newest taken revision of each period."""
        found = dict[str, Package]()
        for one in (self.sealed[name] for name in self.accepted):
            before = found.get(one.period)
            if one.report == report and (before is None or one.revision > before.revision):
                found[one.period] = one
        return found

    def newest(self, report: str) -> Package | None:
        """The newest period that was reported."""
        found = self.standing(report)
        return found[max(found)] if found else None

    def newest_day(self) -> date | None:
        """The newest day of which any report was taken."""
        days = [period for report in DAILY for period in self.standing(report)]
        return day_of(max(days)) if days else None

    def periods(self, now: datetime) -> list[Row]:
        """What is owed and what came, as ``city.report_by_site`` must tell it."""
        today, rows = now.astimezone(SHANGHAI).date(), list[Row]()
        for report in (*DAILY, *MONTHLY):
            came = self.standing(report)
            for first, last, name in spans(report, self.registered, today):
                due = datetime.combine(last, DUE, SHANGHAI) + GRACE
                one, refusal = came.get(name), self.refused.get((report, name))
                times = [
                    self.accepted[each.package_id]
                    for each in self.sealed.values()
                    if each.package_id in self.accepted
                    and (each.report, each.period) == (report, name)
                ]
                pending = refusal and (not times or refusal.at > max(times)) and refusal.outcome
                if one:
                    state = "on_time" if min(times) <= due else "late"
                elif pending:
                    state = {"held": "waiting"}.get(pending, pending)
                else:
                    state = "missing" if due < now else "open"
                rows.append(
                    {
                        "report": report,
                        "period": name,
                        "first_day": first,
                        "state": state,
                        "is_due": bool(one) or due < now,
                        "is_missing": not one and due < now,
                        "revision": one.revision if one else None,
                        "row_cnt": len(one.rows) if one else None,
                        "pending": pending or None,
                    }
                )
        return rows

    def counted(self, now: datetime) -> Counted:
        """Numerator and denominator of every indicator of which anything is known."""
        told = self.newest("aggregation_status")
        rows, found = told.rows if told else (), Counted()
        if told:
            promised = [one for one in rows if one["is_update_promised"]]
            required = [one for one in rows if one["is_required"]]
            mounted = [one for one in rows if one["is_mounted"]]
            found |= {
                "mounted": (len(mounted), len(rows)),
                "collected": (sum(bool(one["is_collected"]) for one in required), len(required)),
                "updated": (sum(bool(one["is_on_time"]) for one in promised), len(promised)),
                "valid": (_sum(rows, "valid_cnt"), _sum(rows, "checked_cnt")),
                "items": (len(rows), None),
                "rows": (_sum(rows, "row_cnt"), None),
                "period_rows": (_sum(rows, "period_row_cnt"), None),
                "empty": (sum(one["row_cnt"] == 0 for one in mounted), None),
                "zombie": (sum(bool(one["is_zombie"]) for one in rows), None),
            }
        tasks = self.standing("task_execution").values()
        every = [row for one in tasks for row in one.rows if row["task"] == "all"]
        if every:
            done = _sum(every, "execution_cnt")
            found["succeeded"] = (_sum(every, "success_cnt"), done)
            found["on_time"] = (_sum(every, "on_time_cnt"), done)
        if issues := self.newest("rectification"):
            every = [one for one in issues.rows if one["department_code"] == one["kind"] == "all"]
            found["rectified"] = (_sum(every, "rectified_cnt"), _sum(every, "issued_cnt"))
        owed = self.periods(now)
        on_time = sum(one["state"] == "on_time" for one in owed)
        found["reported"] = (on_time, sum(one["is_due"] for one in owed))
        return found

    def score(self, now: datetime) -> Decimal | None:
        """The weighed rates; what was never reported counts as nothing."""
        counted, points, weight, known = self.counted(now), 0, 0, 0
        for name, share in RATES.items():
            value, state = rated(counted.get(name))
            if state == "small_sample":
                continue
            weight += share
            if state == "counted" and value is not None:
                points += share * int(100 * value)
                known += 1
        return Decimal((2 * points + weight) // (2 * weight)) / 100 if known else None


def rated(counted: tuple[int, int | None] | None) -> tuple[Decimal | None, str]:
    """A rate in per cent, and whether it counts."""
    if counted is None:
        return None, "unreported"
    up, base = counted[0], counted[1] or 0
    value = Decimal((20000 * up + base) // (2 * base)) / 100 if base else None
    return value, "counted" if base >= SAMPLE else "small_sample"


def tier(score: Decimal | None) -> str | None:
    """The colour of a score."""
    return None if score is None else next(name for least, name in TIERS if score >= least)


def ranks(values: Mapping[str, Decimal | None]) -> dict[str, int | None]:
    """Everybody's place; those of one value share it."""
    known = [one for one in values.values() if one is not None]
    return {
        code: None if mine is None else 1 + sum(other > mine for other in known)
        for code, mine in values.items()
    }


def day_of(period: str) -> date:
    """The day that a daily period names."""
    return datetime.strptime(period, "%Y%m%d").replace(tzinfo=UTC).date()


def spans(report: str, since: date, until: date) -> Iterator[tuple[date, date, str]]:
    """The periods that are owed: first and last day, and name."""
    one = since
    while one <= until:
        if report in DAILY:
            yield one, one, f"{one:%Y%m%d}"
            one += timedelta(1)
        else:
            after = (one.replace(day=1) + timedelta(32)).replace(day=1)
            yield one.replace(day=1), after - timedelta(1), f"{one:%Y%m}"
            one = after


def _sum(rows: Sequence[Row], column: str) -> int:
    return sum(one[column] or 0 for one in rows)
