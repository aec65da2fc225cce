"""Cells as conform would read them: every column tried as several kinds and formats at once.

Nothing is written twice: a trial is a column of an ad-hoc contract, and conform's own rules say
which cells obey it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.contracts.inference import titles
from dagster_project.contracts.inference.profiles import ColumnProfile
from dagster_project.contracts.model import Column, Contracts, Feed, Sla
from dagster_project.contracts.units import SPELLINGS, power
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import Plan, compile_feed
from dagster_project.transform.conform.batch import conform_rows, finish, with_source

TRIED = 600
"""So many different texts of a column are conformed, each counted as often as it stands there."""
SCALE = 8
"""Decimals are tried with so many digits behind the point."""
LIKELY = 0.3
"""A kind is only tried where so many cells look as if they might be of it."""


@dataclass(frozen=True)
class Trial:
    """A column tried as one kind."""

    kind: str
    column: Column


def tried(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[ColumnProfile],
    contracts: Contracts,
    delivered_at: datetime,
) -> Iterator[ColumnProfile]:
    """The profiles with what conform says of them.

    Args:
        con: A connection with the table ``look`` (``x0…``, ``n``).
        columns: The profiles so far.
        contracts: For the spellings of yes and no.
        delivered_at: The instant against which days are read.
    """
    for n, column in enumerate(columns):
        trials = list(_trials(column))
        outcomes = list(_judged(con, n, trials, contracts, delivered_at)) if trials else []
        yield _with(column, outcomes)


@dataclass(frozen=True)
class _Outcome:
    trial: Trial
    checked: int
    failed: int
    repairs: dict[str, int]
    spread: tuple[Any, ...] = ()


def _trials(profile: ColumnProfile) -> Iterator[Trial]:
    """The kinds that a column might be of; whether it is one is conform's answer."""
    shape = profile.shape
    if not profile.filled:
        return
    unit, title = profile.unit, profile.title
    base = next((one for one in SPELLINGS if unit and power(unit, one) is not None), unit)
    money = "元" if titles.MONEY.search(titles.without_unit(title)[0]) else ""
    kinds: list[tuple[str, dict[str, Any]]] = []
    if shape.figures >= LIKELY and shape.longest <= 40:  # noqa: PLR2004 - no number is longer
        kinds.append(("integer", {"type": "integer"}))
        numbers = {"type": "decimal", "precision": 26, "scale": SCALE, "unit": base or money}
        kinds.append(("decimal", numbers))
    if shape.dates >= LIKELY and shape.longest <= 40:  # noqa: PLR2004 - no time is longer
        kinds.append(("date", {"type": "date", "open_end": True, "partial": "month"}))
        kinds.append(("timestamp", {"type": "timestamp"}))
    if 15 <= shape.longest <= 60 and shape.figures >= LIKELY:  # noqa: PLR2004
        kinds.append(("resident_id", {"format": "resident_id"}))
    if 18 <= shape.longest <= 60 and shape.wide == 18:  # noqa: PLR2004
        kinds.append(("uscc", {"format": "uscc"}))
    if 7 <= shape.wide <= 40 and shape.figures >= LIKELY and shape.han < LIKELY:  # noqa: PLR2004
        kinds.append(("phone", {"format": "phone"}))
    if shape.surnames >= LIKELY:
        kinds.append(("person_name", {"format": "person_name", "textual": True}))
    for kind, words in kinds:
        yield Trial(kind, Column(kind, title, **{"type": "string", **words}))


def _judged(
    con: duckdb.DuckDBPyConnection,
    n: int,
    trials: Sequence[Trial],
    contracts: Contracts,
    delivered_at: datetime,
) -> Iterator[_Outcome]:
    plan = compile_feed(_feed(trials), contracts, units=_units(trials))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE tried AS SELECT *, row_number() OVER () AS n FROM"
        f" (SELECT x{n} AS x, count(*) AS w FROM look WHERE x{n} IS NOT NULL GROUP BY 1"
        f" ORDER BY hash(x{n}), 1 LIMIT {TRIED})"
    )
    cells = ", ".join(f"x AS {quoted(trial.kind)}" for trial in trials)
    try:
        with_source(
            con,
            f"SELECT {cells}, '' AS _sheet, n AS _source_row, NULL::VARCHAR AS _defect FROM tried",
        )
        conform_rows(con, plan, frozenset(), delivered_at)
        for trial in trials:
            yield _outcome(con, plan, trial)
    finally:
        finish(con)


def _feed(trials: Iterable[Trial]) -> Feed:
    columns = [trial.column for trial in trials]
    columns[0] = replace(columns[0], key_position=1)
    return Feed(
        name="trial",
        title="trial",
        version="1.0.0",
        department_code="trial",
        department_name="trial",
        columns=tuple(columns),
        rules=(),
        delivery="incremental",
        servers=(),
        sla=Sla(),
    )


def _units(trials: Iterable[Trial]) -> dict[str, str]:
    """Units that titles state and that are not the trial's own, for numbers to be multiplied."""
    said = {}
    for trial in trials:
        unit = titles.without_unit(trial.column.title)[1]
        if trial.kind == "decimal" and power(unit, trial.column.unit):
            said[trial.column.name] = unit
    return said


def _outcome(con: duckdb.DuckDBPyConnection, plan: Plan, trial: Trial) -> _Outcome:
    """How often the texts of a trial were valid, and repaired."""
    own = [slot for rule, slot in plan.slots.items() if rule.partition(".")[0] == trial.kind]
    failed = " OR ".join(f"_w{slot.word} & {slot.mask} <> 0" for slot in own) or "false"
    pairs = zip(plan.repairs, plan.repair_slots, strict=True)
    repaired = [(repair.id, slot) for repair, slot in pairs if repair.column == trial.kind]
    sums = ", ".join(
        f"coalesce(sum(w) FILTER (_r{slot.word} & {slot.mask} <> 0), 0)" for _, slot in repaired
    )
    row = con.execute(
        f"SELECT sum(w), coalesce(sum(w) FILTER ({failed}), 0){', ' * bool(sums)}{sums}"
        " FROM conform_rows JOIN tried ON n = _source_row"
    ).fetchone() or (0, 0)
    repairs: dict[str, int] = {}
    for (repair, _), count in zip(repaired, row[2:], strict=True):
        repairs[repair] = repairs.get(repair, 0) + int(count)
    spread = _spread(con, trial) if trial.kind == "decimal" else ()
    return _Outcome(trial, int(row[0] or 0), int(row[1]), repairs, spread)


def _spread(con: duckdb.DuckDBPyConnection, trial: Trial) -> tuple[Any, ...]:
    """The least and the greatest number, and the most digits behind and before the point."""
    text = f"{quoted(trial.kind)}::VARCHAR"
    row = con.execute(
        f"SELECT min({quoted(trial.kind)})::VARCHAR, max({quoted(trial.kind)})::VARCHAR,"
        f" max(length(rtrim(split_part({text}, '.', 2), '0'))),"
        f" max(length(ltrim(split_part({text}, '.', 1), '-0'))) FROM conform_rows"
    ).fetchone()
    return row or ()


def _with(profile: ColumnProfile, outcomes: Sequence[_Outcome]) -> ColumnProfile:
    fits = {one.trial.kind: one.checked - one.failed for one in outcomes}
    repairs = {
        f"{one.trial.kind}.{repair}": count
        for one in outcomes
        for repair, count in one.repairs.items()
    }
    made = replace(
        profile, tried=max((one.checked for one in outcomes), default=0), fits=fits, repairs=repairs
    )
    for one in outcomes:
        if one.spread and one.spread[0] is not None:
            least, most, scale, whole = one.spread
            made = replace(
                made, least=_plain(least), most=_plain(most), scale=int(scale), whole=int(whole)
            )
    return made


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number
