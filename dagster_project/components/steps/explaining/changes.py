"""What differs between two packages, in an order in which one thing at a time is changed.

First the reporting period, then SQL and contracts in the order of building, then day and cut-off,
then the catalogue, then feed by feed: what was judged anew, came, was corrected, was removed, what
was held or released, what else the ledgers say of the feed; last the ledgers of no feed. The order
decides how a joint effect is shared out, and every explanation says it. Nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import duckdb

from dagster_project.components.steps.explaining.records import Changed, Kind, compare
from dagster_project.components.steps.explaining.sealed import Sealed
from dagster_project.contracts.model import Feed
from dagster_project.lake.engine import literal
from dagster_project.lake.ops import TABLES
from dagster_project.transform.models import Graph, Inputs, Model, Scene, Stage, at

Cause = Literal[
    "period",
    "sql",
    "contract",
    "parameters",
    "catalogue",
    "records",
    "table",
    "holds",
    "ledgers",
    "rest",
]
ORDER = (
    "reporting period; SQL and contracts in the order of building; day and cut-off; catalogue and"
    " calendar; feed by feed: records judged anew, new, corrected, removed, then holds, then what"
    " the ledgers of deliveries, executions, checks and cases say of the feed; ledgers of no feed"
)
_CATALOGUE = ("feed", "quality_dimension", "deadline", "case_deadline", "workday")
_HOLD = "ops.hold"
_OF_FEED: Mapping[str, str] = {
    "ops.task_run": "task",
    "ops.check_result": "regexp_replace(table_name, '^silver[.]', '')",
}
"""How a ledger without a column ``feed`` names one."""
_WORDS: Mapping[Kind, str] = {
    "rejudged": "records judged anew",
    "new": "new records",
    "corrected": "corrected records",
    "removed": "removed records",
}


@dataclass(frozen=True)
class Change:
    """One thing that is changed, and the scene once it and all before it are.

    ``subject`` is the table or feed that it is about. ``records`` counts changed rows of silver.
    """

    cause: Cause
    subject: str
    sentence: str
    scene: Scene
    period: str
    kind: Kind | Literal[""] = ""
    records: int = 0
    batch_id: str = ""


@dataclass(frozen=True)
class Plan:
    """The changes from one package to another, and the feeds whose records differ."""

    first: Scene
    changes: tuple[Change, ...]
    changed: tuple[Changed, ...]


def plan(stage: Stage, feeds: Mapping[str, Feed], a: Sealed, b: Sealed) -> Plan:
    """Everything that differs between what two packages were made of.

    Args:
        stage: Where records are compared.
        feeds: The contracts of the feeds.
        a: The package before.
        b: The package after.
    """
    return _Planner(stage, feeds, a, b).plan()


class _Planner:
    """Walks from one package to the other."""

    def __init__(self, stage: Stage, feeds: Mapping[str, Feed], a: Sealed, b: Sealed) -> None:
        self._stage, self._feeds, self._a, self._b = stage, feeds, a, b
        # What only the later package has is harmless before anything reads it.
        self._models: dict[str, Model] = {**b.models, **a.models}
        self._parameters = a.parameters
        self._inputs = Inputs(a.snapshot)
        self._changed: list[Changed] = []

    def plan(self) -> Plan:
        first = self._scene()
        changes = (*self._forms(), *self._feed_by_feed(), *self._ledgers(), self._rest())
        return Plan(first, changes, tuple(self._changed))

    def _forms(self) -> Iterator[Change]:
        yield from self._period()
        yield from self._sql()
        yield from self._day()
        wanted = [t for t in self._leaves("ops.") if t.removeprefix("ops.") in _CATALOGUE]
        yield from self._whole("catalogue", wanted, "the catalogue and the calendar of deadlines")

    def _feed_by_feed(self) -> Iterator[Change]:
        silver = {name.partition(".")[2] for name in self._leaves("silver.")}
        said = {table: self._said_of(table) for table in self._leaves("ops.") if self._reads(table)}
        names = silver.union(*said.values()) if said else silver
        done: list[str] = []
        for name in sorted(names):
            done.append(name)
            if name in silver:
                yield from self._records(name)
            holds = [table for table in said if table == _HOLD and name in said[table]]
            others = [table for table in said if table != _HOLD and name in said[table]]
            yield from self._of_feed("holds", holds, done, "holds opened, released or refused")
            yield from self._of_feed("ledgers", others, done, "what the ledgers say")

    def _of_feed(
        self, cause: Cause, tables: list[str], done: list[str], what: str
    ) -> Iterator[Change]:
        """Read some ledgers' lines of the feeds that are done as the later package did."""
        names = ", ".join(literal(name) for name in done)
        for table in tables:
            of_feed = f"coalesce({_OF_FEED.get(table, 'feed')}, '') "
            old, new = (at(table, snapshot) for snapshot in self._snapshots)
            self._inputs = self._inputs.having(
                table,
                f"SELECT * FROM ({old}) WHERE {of_feed} NOT IN ({names})"
                f" UNION ALL BY NAME SELECT * FROM ({new}) WHERE {of_feed} IN ({names})",
            )
        if tables:
            title = self._feeds[done[-1]].title if done[-1] in self._feeds else ""
            sentence = f"{what} of {title or done[-1]} ({done[-1]})"
            yield self._change(cause, done[-1], sentence)

    def _said_of(self, table: str) -> set[str]:
        """The feeds of which a ledger says something else at the later snapshot."""
        old, new = (at(table, snapshot) for snapshot in self._snapshots)
        query = (
            f"SELECT DISTINCT {_OF_FEED.get(table, 'feed')} AS feed FROM"
            f" ((({old}) EXCEPT ALL ({new})) UNION ALL (({new}) EXCEPT ALL ({old})))"
        )
        try:
            found = self._stage.con.execute(query).fetchall()
        except duckdb.Error:  # the ledger was not there yet, or had another form: taken as a whole
            return set()
        return {name for (name,) in found if name in self._feeds}

    def _reads(self, table: str) -> bool:
        """Whether a ledger tells of feeds and is no part of the catalogue."""
        name = table.removeprefix("ops.")
        columns = [column for column, _, _ in TABLES[name].columns] if name in TABLES else []
        return name not in _CATALOGUE and (table in _OF_FEED or "feed" in columns)

    def _scene(self) -> Scene:
        return Scene(Graph(dict(self._models)), self._parameters, self._inputs)

    def _change(self, cause: Cause, subject: str, sentence: str) -> Change:
        return Change(cause, subject, sentence, self._scene(), self._b.period)

    def _period(self) -> Iterator[Change]:
        if self._a.period != self._b.period:
            sentence = f"period {self._b.period} in the place of {self._a.period}"
            yield self._change("period", self._b.period, sentence)

    def _sql(self) -> Iterator[Change]:
        for table, after in self._b.models.items():
            before = self._a.models.get(table)
            if before is None or (before.hash, before.contract.hash) == (
                after.hash,
                after.contract.hash,
            ):
                continue
            self._models[table] = after
            versions = f"{before.contract.version} → {after.contract.version}"
            if before.hash == after.hash:
                yield self._change("contract", table, f"contract of {table} ({versions})")
            else:
                yield self._change("sql", table, f"SQL of {table} (contract {versions})")

    def _day(self) -> Iterator[Change]:
        old, new = self._parameters.texts(), self._b.parameters.texts()
        used = {name for model in self._models.values() for name in model.parameters}
        self._parameters = self._b.parameters
        differ = [f"{n} {old[n]} → {new[n]}" for n in sorted(used) if old[n] != new[n]]
        if differ:
            yield self._change("parameters", ", ".join(sorted(used)), "; ".join(differ))

    def _records(self, name: str) -> Iterator[Change]:
        table, changed = f"silver.{name}", self._compared(name)
        if changed is None:
            if self._differs(table):
                self._take(table)
                yield self._change("table", table, f"{table} as a whole")
            return
        if changed.batches:
            self._changed.append(changed)
        parts = changed.parts
        for number, part in enumerate(parts, 1):
            if number == len(parts):
                self._take(table)
            else:
                select = changed.mixed(*self._snapshots, parts[:number])
                self._inputs = self._inputs.having(table, select)
            batch = f" in {part.batch_id}" if part.batch_id else ""
            sentence = f"{part.records:,} {_WORDS[part.kind]} of {changed.feed.title}{batch}"
            yield replace(
                self._change("records", name, sentence),
                kind=part.kind,
                records=part.records,
                batch_id=part.batch_id,
            )

    def _compared(self, name: str) -> Changed | None:
        """The changed records; None where the table is no feed's, or cannot be compared."""
        if name not in self._feeds:
            return None
        try:
            return compare(self._stage, self._feeds[name], *self._snapshots)
        except duckdb.Error:  # another key, or no such table at one of the snapshots
            return None

    def _ledgers(self) -> Iterator[Change]:
        left = [table for table in self._leaves("ops.") if table not in self._inputs.tables]
        yield from self._whole("ledgers", left, "what the ledgers say of no feed")

    def _whole(self, cause: Cause, tables: list[str], sentence: str) -> Iterator[Change]:
        """Read whole tables as the later package did, where they differ."""
        wanted = [table for table in tables if self._differs(table)]
        mixed = self._inputs.selects.keys()
        for table in (*wanted, *(table for table in tables if table in mixed)):
            self._take(table)
        if wanted:
            yield self._change(cause, ", ".join(wanted), sentence)

    def _rest(self) -> Change:
        self._inputs = Inputs(self._b.snapshot)
        self._models = dict(self._b.models)
        return self._change("rest", "", "batch numbers and the like of records that say the same")

    @property
    def _snapshots(self) -> tuple[int, int]:
        return self._a.snapshot, self._b.snapshot

    def _leaves(self, prefix: str) -> list[str]:
        """The tables of the lake that any of the models reads."""
        models = (*self._a.models.values(), *self._b.models.values())
        names = {name for model in models for name in model.inputs}
        return sorted(name for name in names if name.startswith(prefix))

    def _take(self, table: str) -> None:
        """Read a table as the later package did."""
        selects = {name: text for name, text in self._inputs.selects.items() if name != table}
        tables = {**self._inputs.tables, table: self._b.snapshot}
        self._inputs = replace(self._inputs, tables=tables, selects=selects)

    def _differs(self, table: str) -> bool:
        """Whether a table holds other rows at the later snapshot."""
        old, new = (at(table, snapshot) for snapshot in self._snapshots)
        query = f"SELECT EXISTS (({old}) EXCEPT ALL ({new})) OR EXISTS (({new}) EXCEPT ALL ({old}))"
        try:
            row = self._stage.con.execute(query).fetchone()
        except duckdb.Error:  # another form: a column came, or the table was not there
            return True
        return bool(row and row[0])
