"""What a figure would be if rejected rows counted, and which of them would have.

The rows that wait for a correction are conformed as far as their cells can be read and put beside
silver, each in the place of the record that it would have renewed; then the figure is opened once
more. What would count is therefore decided by the models' own SQL and by nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb

from dagster_project.components.steps.tracing.again import PLACE, Again
from dagster_project.components.steps.tracing.laid import once_more, raw
from dagster_project.components.steps.tracing.made import Made
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.errors import CountyLakeError
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.engine import literal, quoted
from dagster_project.lineage.columns import DECIDING, ModelLineage
from dagster_project.lineage.opening.figure import Asked, Figure, Grounds, Openings
from dagster_project.privacy.suppress import suppress
from dagster_project.transform.models import at, stage


@dataclass(frozen=True)
class RejectedRow:
    """One row of a delivered file that a rule rejected; ``row`` counts records from 1."""

    table: str
    path: str
    sheet: str
    row: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WouldBe:
    """A figure with the rejected rows that would have counted.

    ``figure`` is None where the figure itself is not shown. ``untold`` counts, feed by feed, the
    rejected rows of which nobody can say whether they belong here: a cell that decides is wrong
    itself, or the row cannot be read. ``deciding`` are the columns whose cells decide.
    """

    figure: object
    rows: tuple[RejectedRow, ...]
    row_count: int
    untold: Mapping[str, int]
    deciding: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


@dataclass
class Rejections:
    """The rejected rows behind one table; ``base`` is the database in which it is laid out."""

    con: duckdb.DuckDBPyConnection
    workshop: Workshop
    made: Made
    base: str
    grounds: Grounds
    lineages: Mapping[str, ModelLineage]

    def __post_init__(self) -> None:
        self._places: dict[str, str] = {}

    def places(self, feed: Feed) -> str:
        """The temp table of a feed's rows that waited for a correction; empty where none did."""
        if feed.name not in self._places:
            table = f"tracing_wait_{feed.name}"
            self.con.execute(
                f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT r.batch_id AS _batch_id,"
                f" r.sheet AS _sheet, r.source_row AS _source_row, r.reasons AS _reasons,"
                f" r.failed_at AS _delivered_at FROM ops.rectification AS r"
                f" WHERE r.feed = {literal(feed.name)} AND r.state = 'open'"
            )
            row = self.con.execute(f"SELECT count(*) FROM {table}").fetchone()
            self._places[feed.name] = table if row and row[0] else ""
        return self._places[feed.name]

    def would_be(
        self, asked: Asked, figure: Figure, again: Mapping[str, Again], limit: int
    ) -> WouldBe:
        """Open a figure again, with the rejected rows of the feeds behind it.

        Args:
            asked: The figure.
            figure: It, as it was opened; its temp tables are replaced.
            again: Per feed its rows, those that waited among them, conformed once more.
            limit: How many rows to list; all are counted.
        """
        known = [one.feed for one in again.values() if self.places(one.feed)]
        waiting = {feed.name: self._readable(again[feed.name]) for feed in known}
        notes = [
            f"{batch_id} was judged by another contract of {feed.name} than today's:"
            " what its rejected rows would change is not told"
            for feed in known
            for batch_id in again[feed.name].older
        ]
        deciding = self.deciding(asked)
        if not waiting:
            return WouldBe(figure.shown, (), 0, {}, {})
        counted: dict[str, str] = {}
        value = figure.shown
        with stage(self.con, suppress):
            feeds, selects = self.workshop.contracts.feeds, self._selects(waiting, again)
            raw(self.con, feeds, self.made, asked.table, selects, base=self.base)
            once_more(self.con, self.made, self.base, asked.table, selects)
            try:
                found = Openings(self.con, self.grounds).open(asked)  # reads each table once
                value = None if figure.suppressed else found.shown
                counted = self._counted(found, waiting)
            except CountyLakeError as error:
                notes.append(f"what it would be with the rejected rows cannot be told: {error}")
        rows, count = self._listed(counted, limit)
        told = {feed.name: tuple(sorted(deciding.get(f"silver.{feed.name}", ()))) for feed in known}
        untold = {
            feed.name: number
            for feed in known
            if (number := self._untold(feed, waiting[feed.name], counted, told[feed.name]))
        }
        return WouldBe(value, rows, count, untold, told, tuple(notes))

    def giving(self, asked: Asked) -> frozenset[str]:
        """The feeds whose values flow into a figure, or whose rows it counts."""
        found = _sources(self.lineages, asked.table, (asked.column,), values_only=True)
        return frozenset(name.partition(".")[2] for name in found if name.startswith("silver.")) & {
            *self.workshop.contracts.feeds
        }

    def deciding(self, asked: Asked) -> dict[str, set[str]]:
        """Per table that no model makes: the columns that give the figure, or decide of it."""
        key = self.made.graph.model(asked.table).contract.key
        return _sources(self.lineages, asked.table, (*key, asked.column))

    def _readable(self, again: Again) -> str:
        """The temp table of a feed's waiting rows as far as their cells can be read."""
        feed = again.feed
        table = f"tracing_waiting_{feed.name}"
        defects = ", ".join(literal(one) for one in self.workshop.plan(feed.name).defects) or "''"
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT a.*, p._reasons, p._delivered_at,"
            f" coalesce(a._defect IN ({defects}), FALSE) AS _is_unreadable"
            f" FROM {again.table} AS a JOIN {self.places(feed)} AS p USING ({PLACE})"
        )
        return table

    def _selects(self, waiting: Mapping[str, str], again: Mapping[str, Again]) -> dict[str, str]:
        """Silver as it would be, feed by feed, and the entities that are made of it."""
        selects = {}
        for name, table in waiting.items():
            feed = self.workshop.contracts.feeds[name]
            columns = ", ".join(map(quoted, again[name].columns))
            keys = ", ".join(quoted(one) for one in feed.key)
            readable = f"FROM {table} WHERE NOT _is_unreadable"
            newest = (
                f"SELECT {columns}, {PLACE}, _delivered_at {readable}"
                f" QUALIFY row_number() OVER (PARTITION BY {keys},"
                f" CASE WHEN ({_any_null(feed.key)}) THEN _batch_id || _sheet || _source_row END"
                f" ORDER BY _delivered_at DESC, _sheet DESC, _source_row DESC) = 1"
            )
            selects[f"silver.{name}"] = (
                f"SELECT * FROM ({at(f'silver.{name}', self.made.snapshot)})"
                f" WHERE ({keys}) NOT IN (SELECT ({keys}) {readable}"
                f" AND NOT ({_any_null(feed.key)}))"
                f" UNION ALL BY NAME SELECT *, FALSE AS _is_deleted FROM ({newest})"
            )
        changed = set(selects)
        for table, model in self.made.graph.models.items():
            if table.startswith("silver.") and changed & {*model.inputs}:
                selects[table] = model.sql(self.made.parameters)
                changed.add(table)
        return selects

    def _counted(self, found: Figure, waiting: Mapping[str, str]) -> dict[str, str]:
        """Per feed, a temp table of the waiting rows that take part in the opened figure."""
        counted = {}
        for feed, table in waiting.items():
            ends = [
                one.temp for one in found.ends if one.table == f"silver.{feed}" and not one.deciding
            ]
            if not ends:
                continue
            places = " UNION ".join(f"SELECT {PLACE} FROM {temp}" for temp in ends)
            into = f"tracing_counted_{feed}"
            self.con.execute(
                f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT {PLACE}, _reasons FROM {table}"
                f" SEMI JOIN ({places}) USING ({PLACE})"
            )
            counted[feed] = into
        return counted

    def _listed(
        self, counted: Mapping[str, str], limit: int
    ) -> tuple[tuple[RejectedRow, ...], int]:
        rows: list[RejectedRow] = []
        total = 0
        file = real_file("c._sheet")
        for feed, table in counted.items():
            row = self.con.execute(f"SELECT count(*) FROM {table}").fetchone()
            total += int(row[0]) if row else 0
            for path, sheet, number, reasons in self.con.execute(
                f"SELECT {file.path}, {file.sheet}, c._source_row, c._reasons FROM {table} AS c"
                f" JOIN ops.batch AS b ON b.batch_id = c._batch_id {file.join}"
                f" ORDER BY ALL LIMIT {max(limit - len(rows), 0)}"
            ).fetchall():
                rows.append(RejectedRow(f"silver.{feed}", path, sheet, number, tuple(reasons)))
        return tuple(rows), total

    def _untold(
        self, feed: Feed, waiting: str, counted: Mapping[str, str], deciding: Collection[str]
    ) -> int:
        """How many waiting rows could belong here or not: what decides is wrong, or unreadable."""
        ids = [
            rule
            for rule in (rule.id for rule in self.workshop.plan(feed.name).rules)
            if rule.partition(".")[0] in deciding
        ]
        ids += [rule.id for rule in feed.rules if {*rule.columns} & {*deciding}]
        known = "[" + ", ".join(literal(one) for one in ids) + "]::VARCHAR[]"
        inside = (
            f" AND ({PLACE}) NOT IN (SELECT ({PLACE}) FROM {counted[feed.name]})"
            if feed.name in counted
            else ""
        )
        row = self.con.execute(
            f"SELECT count(*) FROM {waiting} WHERE (_is_unreadable OR"
            f" list_has_any(_reasons, {known})){inside}"
        ).fetchone()
        return int(row[0]) if row else 0


def _any_null(columns: Iterable[str]) -> str:
    return " OR ".join(f"{quoted(name)} IS NULL" for name in columns)


def _sources(
    lineages: Mapping[str, ModelLineage],
    table: str,
    columns: Iterable[str],
    *,
    values_only: bool = False,
) -> dict[str, set[str]]:
    """Per table that no model makes: the columns from which some columns of a table come."""
    found: dict[str, set[str]] = {}
    left = {(table, column) for column in columns}
    seen: set[tuple[str, str]] = set()
    while left:
        spot = left.pop()
        if spot in seen:
            continue
        seen.add(spot)
        name, column = spot
        if name not in lineages:
            found.setdefault(name, set()).add(column)
            continue
        left |= {
            (edge.source_table, edge.source_column)
            for edge in lineages[name].edges
            if edge.column in (column, "*") and not (values_only and edge.kind in DECIDING)
        }
    return found
