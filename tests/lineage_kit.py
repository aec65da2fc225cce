"""Lineage by experiment: change a column, ask again, and see which outputs moved.

Tables are small and of few values, so that joins meet, groups hold several rows and conditions cut
both ways. What moved must have an edge; an edge along which nothing ever moved is only suspicious.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb

from dagster_project.lineage.columns import ROWS, ModelLineage

Rows = list[tuple[object, ...]]
Schema = Mapping[str, Mapping[str, str]]
DAY = date(2026, 1, 1)


@dataclass
class Lab:
    """Random tables in a database in memory, and the query that is asked of them."""

    schema: Schema
    chance: random.Random
    rows: int = 7
    words: Sequence[str] = "abcde"
    special: Mapping[str, Sequence[str]] = field(default_factory=dict)
    con: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def __post_init__(self) -> None:
        """Make the tables, empty."""
        self.con.execute("SET threads = 1")
        for table, columns in self.schema.items():
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
            body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
            self.con.execute(f"CREATE TABLE {table} ({body})")

    def value(self, column: str, kind: str) -> object:
        """One value of a column, NULL now and then."""
        if self.chance.random() < 0.1 or kind.endswith("[]"):
            return None
        if kind == "VARCHAR":
            return self.chance.choice(self.special.get(column, self.words))
        if kind == "BOOLEAN":
            return self.chance.random() < 0.3
        number = self.chance.randrange(5)
        if kind == "DATE":
            return DAY + timedelta(days=number)
        return f"{DAY + timedelta(days=number)} 08:00:00" if "TIME" in kind else number

    def world(self) -> dict[str, Rows]:
        """New rows for every table."""
        return {
            table: [
                tuple(self.value(*column) for column in columns.items()) for _ in range(self.rows)
            ]
            for table, columns in self.schema.items()
        }

    def fill(self, table: str, rows: Rows) -> None:
        """Replace a table's rows."""
        self.con.execute(f"DELETE FROM {table}")
        if rows:
            width = len(self.schema[table])
            marks = ", ".join([f"({', '.join('?' * width)})"] * len(rows))
            flat = [value for row in rows for value in row]
            self.con.execute(f"INSERT INTO {table} VALUES {marks}", flat)

    def ask(self, sql: str) -> dict[str, list[str]]:
        """Per output column its values, in no order."""
        answer = self.con.execute(sql)
        names = [column[0] for column in answer.description or ()]
        rows = answer.fetchall()
        return {name: sorted(repr(row[at]) for row in rows) for at, name in enumerate(names)}

    def changes(self, sql: str, reads: Sequence[str], tries: int) -> Iterator[tuple[str, str, str]]:
        """Every output that moved, with the table and the column that alone were changed.

        The column ``*`` stands for a row that was taken away.
        """
        for _ in range(tries):
            world = self.world()
            for table in reads:
                self.fill(table, world[table])
            before = self.ask(sql)
            for table in reads:
                for column, rows in self._changed(table, world[table]):
                    self.fill(table, rows)
                    after = self.ask(sql)
                    for name, values in after.items():
                        if values != before[name]:
                            yield name, table, column
                self.fill(table, world[table])

    def _changed(self, table: str, rows: Rows) -> Iterator[tuple[str, Rows]]:
        for place, (column, kind) in enumerate(self.schema[table].items()):
            yield column, [(*r[:place], self.value(column, kind), *r[place + 1 :]) for r in rows]
        gone = self.chance.randrange(len(rows))
        yield ROWS, rows[:gone] + rows[gone + 1 :]


def unexplained(
    lineage: ModelLineage, changes: Iterator[tuple[str, str, str]]
) -> set[tuple[str, str, str]]:
    """What moved without an edge; a row's absence is explained by any edge from its table."""
    edges = {(one.column, one.source_table, one.source_column) for one in lineage.edges}
    tables = {(one.column, one.source_table) for one in lineage.edges}
    return {
        one
        for one in changes
        if one not in edges
        and not (one[2] == ROWS and (one[:2] in tables or one[0] in lineage.constants))
    }
