"""Why figures moved from one package to another: one thing is changed at a time, and replayed.

The deltas of all changes add up to the whole movement, because each is taken between two states
that follow one another. What was sealed is the truth: where the lake does not give it again, that
is said, and the part of a movement that rests on it has a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

import duckdb

from dagster_project.components.steps.explaining.changes import ORDER, Change, Plan, plan
from dagster_project.components.steps.explaining.figures import (
    Moved,
    Rows,
    Shape,
    cell,
    delta,
    moved,
    rows_of,
)
from dagster_project.components.steps.explaining.records import Changed, by_batch, rows
from dagster_project.components.steps.explaining.sealed import Sealed, find
from dagster_project.components.steps.packaging import splitting
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column
from dagster_project.errors import ModelError, UsageError
from dagster_project.privacy.suppress import suppress
from dagster_project.protocol import table as values
from dagster_project.transform.models import Scene, Stage, stage

BEFORE, AFTER = "sealed-before", "sealed-after"
"""Causes that are none: what was sealed differs from what the lake gives now."""


@dataclass(frozen=True)
class _State:
    """The report once a change is made; ``change`` is None for what was sealed."""

    cause: str
    rows: Rows
    content_hash: str = ""
    change: Change | None = None


_Numbered = tuple[int, Change]


@dataclass
class _Told:
    """An explanation as it grows."""

    a: Sealed
    b: Sealed
    shape: Shape
    notes: list[str] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)


def explain(workshop: Workshop, a: str, b: str, *, with_rows: bool = False) -> dict[str, Any]:
    """Say which figures moved between two packages of one report, why, and by which records.

    Args:
        workshop: The site that sealed both.
        a: The package before.
        b: The package after.
        with_rows: Name every changed record.

    Returns:
        ``packages``, ``checks`` (whether each is what the lake gives again), ``figures`` (each with
        its share of every cause), ``rows`` (came, went), ``causes`` in their order, ``feeds`` (the
        changed records by batch, every record with ``with_rows``), ``notes``.

    Raises:
        UsageError: No such package, or they cannot be compared.
        PackageError: What a package was made by is not known any more.
    """
    with workshop.lake.reader() as con:
        before, after = find(workshop, con, a), find(workshop, con, b)
        told = _Told(before, after, _shape(workshop, before, after))
        told.notes += [f"{one.package_id}: {note}" for one in (before, after) for note in one.notes]
        with stage(con, suppress) as on:
            return _explained(workshop, on, told, with_rows=with_rows)


def _shape(workshop: Workshop, a: Sealed, b: Sealed) -> Shape:
    if a.report != b.report:
        raise UsageError(
            f"{a.package_id} and {b.package_id} are of different reports",
            todo="Name two packages of one report: two revisions, or two periods",
        )
    if a.package_id == b.package_id:
        raise UsageError(
            f"{a.package_id} was named twice", todo="Name another revision, or another period"
        )
    key, other = b.model.contract.key, a.model.contract.key
    if key != other:
        raise UsageError(
            f"rows of the two packages are told apart by other columns ({', '.join(other)} and "
            f"{', '.join(key)})",
            todo="Compare packages since the contract changed its key",
        )
    present = workshop.graph.models.get(b.model.table)
    columns = workshop.described(b.model.table) if present else b.model.contract.columns
    within = b.model.contract.period_column
    if a.period != b.period and within and a.model.contract.period_column == within:
        key = tuple(name for name in key if name != within)
        columns = tuple(column for column in columns if column.name != within)
    return Shape(key, tuple(columns))


def _explained(workshop: Workshop, on: Stage, told: _Told, *, with_rows: bool) -> dict[str, Any]:
    a, b, shape = told.a, told.b, told.shape
    found: Plan | None = None
    states: list[_State] = []
    try:
        found = plan(on, workshop.contracts.feeds, a, b)
        states = [*_states(on, told, found)]
    except (ModelError, duckdb.Error) as error:
        what = error.what if isinstance(error, ModelError) else "the lake's past cannot be read"
        told.notes.append(f"why figures moved cannot be said: {what}")
    old, new = (_sealed_rows(one, shape, states, end) for one, end in ((a, 0), (b, -1)))
    states = _with_sealed(told, states, old, new)
    figures = [*moved(shape, old, new)]
    causes = [*_causes(states, shape)]
    changed = found.changed if found else ()
    snapshot = b.snapshot
    return {
        "report": a.report,
        "title": b.model.contract.title,
        "packages": [a.told(), b.told()],
        "checks": told.checks,
        "order": ORDER,
        "causes": causes,
        "figures": [_figure(one, shape, states, old, new) for one in figures],
        "rows": {
            "came": [shape.label(new[key]) for key in new if key not in old],
            "went": [shape.label(old[key]) for key in old if key not in new],
        },
        "feeds": [_feed(on, one, snapshot, causes, with_rows=with_rows) for one in changed],
        "notes": told.notes,
    }


def _states(on: Stage, told: _Told, found: Plan) -> Iterator[_State]:
    """The report at first, and after each change; changes that only work together are one."""
    last = _State("", *_play(on, told, found.first, told.a.period))
    yield last
    for ledgers, group in groupby(enumerate(found.changes, 1), lambda one: _is_ledger(one[1])):
        changes = [*group]
        states = [*(_halves(on, told, last, changes) if ledgers else _each(on, told, changes))]
        yield from states
        last = states[-1] if states else last


def _is_ledger(change: Change) -> bool:
    return change.cause in {"holds", "ledgers"}


def _each(on: Stage, told: _Told, changes: Sequence[_Numbered]) -> Iterator[_State]:
    waiting: list[Change] = []
    for number, change in changes:
        waiting.append(change)
        try:
            played = _play(on, told, change.scene, change.period)
        except ModelError:
            if change is changes[-1][1]:
                raise
            continue
        yield _State(f"c{number}", *played, _together(waiting))
        waiting = []


def _halves(
    on: Stage, told: _Told, before: _State, changes: Sequence[_Numbered]
) -> Iterator[_State]:
    """The states after those changes that move figures: where both ends are alike, none does.

    Every run writes into the ledgers of every feed, and few of these lines concern a report.
    """
    number, change = changes[-1]
    state = _State(f"c{number}", *_play(on, told, change.scene, change.period), change)
    if state.rows == before.rows:
        return
    if len(changes) == 1:
        yield state
        return
    middle = before
    for middle in _halves(on, told, before, changes[: len(changes) // 2]):
        yield middle
    yield from _halves(on, told, middle, changes[len(changes) // 2 :])


def _together(changes: Sequence[Change]) -> Change:
    last = changes[-1]
    if len(changes) == 1:
        return last
    sentence = "; ".join(one.sentence for one in changes) + " (none works without the other)"
    return Change(
        changes[0].cause,
        ", ".join(one.subject for one in changes if one.subject),
        sentence,
        last.scene,
        last.period,
        records=sum(one.records for one in changes),
    )


def _play(on: Stage, told: _Told, scene: Scene, period: str) -> tuple[Rows, str]:
    """The rows that a package of the period would hold, and their content hash."""
    model = scene.graph.model(told.b.model.table)
    table = splitting.rows_of(model.contract, on.yields(scene, model.table), period)
    return rows_of(table, told.shape.key), values.content_hash(table)


def _sealed_rows(one: Sealed, shape: Shape, states: Sequence[_State], end: int) -> Rows:
    if one.table is not None:
        return rows_of(one.table, shape.key)
    if not states:
        raise UsageError(
            f"{one.package_id} is neither in the outbox nor given again by the lake",
            todo="Restore the home's outbox from its copy",
        )
    return states[end].rows


def _with_sealed(told: _Told, states: list[_State], old: Rows, new: Rows) -> list[_State]:
    """The states between what was sealed before and after; says whether the lake gives both."""
    ends = (states[0], states[-1]) if states else (None, None)
    for one, sealed, again in ((told.a, old, ends[0]), (told.b, new, ends[1])):
        told.checks.append(_check(one, sealed, again))
    if not states:
        return []
    whole = list(states)
    if whole[0].rows != old:
        whole = [_State("", old), _State(BEFORE, whole[0].rows), *whole[1:]]
    if whole[-1].rows != new:
        whole.append(_State(AFTER, new))
    return whole


def _check(one: Sealed, sealed: Rows, again: _State | None) -> dict[str, Any]:
    equal = again is not None and again.content_hash == one.content_hash
    if again is None:
        sentence = "could not be evaluated again; what was sealed is shown"
    elif equal:
        sentence = "is what its SQL makes of silver and ops at its snapshot"
    else:
        differ = sum(1 for k in {*sealed, *again.rows} if sealed.get(k) != again.rows.get(k))
        sentence = (
            f"differs in {differ:,} rows from what its SQL makes of its snapshot now; what was"
            " sealed is shown"
        )
    return {
        "package_id": one.package_id,
        "equal": equal,
        "content_hash": one.content_hash,
        "recomputed_hash": again.content_hash if again else "",
        "sentence": sentence,
    }


def _causes(states: Sequence[_State], shape: Shape) -> Iterator[dict[str, Any]]:
    """Every change in its order; what the ledgers say, and the rest, only if it moved a figure."""
    for before, after in pairwise(states):
        count = sum(1 for _ in moved(shape, before.rows, after.rows))
        change = after.change
        if change is None:
            side = "before" if after.cause == BEFORE else "after"
            yield {
                "id": after.cause,
                "cause": "remainder",
                "subject": "",
                "sentence": f"the package {side} is not what the lake gives again",
                "figures": count,
            }
        elif count or change.cause not in {"rest", "ledgers"}:
            yield {
                "id": after.cause,
                "cause": change.cause,
                "subject": change.subject,
                "sentence": change.sentence,
                "figures": count,
                **({"kind": change.kind} if change.kind else {}),
                **({"records": change.records} if change.records else {}),
                **({"batch_id": change.batch_id} if change.batch_id else {}),
            }


def _figure(
    one: Moved, shape: Shape, states: Sequence[_State], old: Rows, new: Rows
) -> dict[str, Any]:
    shares = [*_shares(one, states)]
    known = sum(share["delta"] for share in shares if share["delta"] is not None)
    row = new.get(one.key) or old[one.key]
    return {
        "row": shape.label(row),
        "key": dict(zip(shape.key, one.key, strict=True)),
        "column": one.column.name,
        "title": one.column.title,
        "unit": one.column.unit,
        "old": one.old,
        "new": one.new,
        "delta": one.delta,
        "causes": shares,
        "remainder": None if one.delta is None else one.delta - known,
    }


def _shares(one: Moved, states: Sequence[_State]) -> Iterator[Mapping[str, Any]]:
    column: Column = one.column
    for before, after in pairwise(states):
        was, now = (cell(state.rows, one.key, column.name) for state in (before, after))
        if was != now:
            change = delta(column, before.rows, after.rows, one.key)
            yield {"cause": after.cause, "old": was, "new": now, "delta": change}


def _feed(
    on: Stage,
    changed: Changed,
    snapshot: int,
    causes: Sequence[Mapping[str, Any]],
    *,
    with_rows: bool,
) -> dict[str, Any]:
    """The changed records of a feed; of each batch, how many figures it moved where that is known.

    Between two states many records change, and not all of them are of the report's period.
    """
    moves = {
        (one.get("kind"), one.get("batch_id", "")): one["figures"]
        for one in causes
        if one["subject"] == changed.feed.name
    }
    batches = by_batch(on, changed, snapshot)
    for one in batches:
        for whose in ((one["kind"], one.get("batch_id", "")), (one["kind"], "")):
            if whose in moves:
                one.setdefault("figures", moves[whose])
    told = {
        "feed": changed.feed.name,
        "title": changed.feed.title,
        "records": sum(changed.counts.values()),
        "kinds": dict(changed.counts),
        "columns": list(changed.columns),
        "batches": batches,
    }
    return told | ({"rows": rows(on, changed, snapshot)} if with_rows else {})
