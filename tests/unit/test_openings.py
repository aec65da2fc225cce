"""Figures of random queries: opened, computed again, and proved by taking unopened rows away."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import duckdb
import pytest

from dagster_project.contracts.model import Table
from dagster_project.lineage.opening.figure import Asked, Figure, Grounds, Openings
from tests.unit.opening_kit import BASES, SCHEMA, Made, fill, models, parsed


@dataclass
class Case:
    """One random model over random tables, and one of its rows at a time."""

    con: duckdb.DuckDBPyConnection
    made: dict[str, tuple[str, list[str]]]
    chance: random.Random

    @property
    def table(self) -> str:
        """The last of the models."""
        return list(self.made)[-1]

    def rows(self) -> list[dict[str, object]]:
        """The table's rows, shuffled."""
        found = self.con.execute(f"SELECT * FROM {self.table} ORDER BY ALL").fetchall()
        self.chance.shuffle(found)
        return [dict(zip(self.made[self.table][1], row, strict=True)) for row in found]

    def key(self, row: dict[str, object], column: str) -> dict[str, object] | None:
        """Some columns that pick out the row, if there are any."""
        names = [name for name in row if name != column and row[name] is not None]
        self.chance.shuffle(names)
        for number in range(len(names) + 1):
            key = {name: row[name] for name in names[:number]}
            if len(self.cells(self.table, key, column)) == 1:
                return key
        return None

    def cells(self, table: str, key: dict[str, object], column: str) -> list[object]:
        """The column in the rows with a key."""
        where = " AND ".join(f"{name} = ?" for name in key) or "TRUE"
        sql = f"SELECT {column} FROM {table} WHERE {where}"
        return [found[0] for found in self.con.execute(sql, list(key.values())).fetchall()]

    def opened(self, key: dict[str, object], column: str) -> Figure:
        """One figure, opened."""
        names = {name: tuple(key) if name == self.table else () for name in self.made}
        models_ = {
            name: Made(name, parsed(sql), Table(name[5:], "gold", "表", "1.0.0", key=names[name]))
            for name, (sql, _) in self.made.items()
        }
        columns = {name: dict.fromkeys(cols, "UNKNOWN") for name, (_, cols) in self.made.items()}
        grounds = Grounds(models_, {**SCHEMA, **columns}, {}, {})
        where = {name: str(value) for name, value in key.items()}
        return Openings(self.con, grounds).open(Asked(self.table, where, column))

    def without(
        self, gone: list[tuple[str, int]], key: dict[str, object], column: str
    ) -> list[object]:
        """The figure as it would be without some rows of the tables."""
        self.con.execute("BEGIN")
        for table, number in gone:
            self.con.execute(f"DELETE FROM {table} WHERE id = ?", [number])
        for name, (sql, _) in self.made.items():
            again = sql.replace("gold.", "again_")
            self.con.execute(f"CREATE TEMP TABLE again_{name[5:]} AS {again}")
        found = self.cells(f"again_{self.table[5:]}", key, column)
        self.con.execute("ROLLBACK")
        return found

    def unopened(self, figure: Figure) -> list[tuple[str, int]]:
        """The rows of the tables that were not opened."""
        opened = {
            (end.table, row[0])
            for end in figure.ends
            for row in self.con.execute(f"SELECT id FROM {end.temp}").fetchall()
        }
        every = [
            (table, row[0])
            for table in BASES
            for row in self.con.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()
        ]
        return [one for one in every if one not in opened]


def case(con: duckdb.DuckDBPyConnection, seed: int) -> Case:
    """The tables and models of a seed."""
    con.execute("SET threads = 1")
    fill(con, seed)
    con.execute("CREATE SCHEMA gold")
    made = models(seed)
    for name, (sql, _) in made.items():
        con.execute(f"CREATE TABLE {name} AS {sql}")
    return Case(con, made, random.Random(seed))  # noqa: S311 - the same cases every time


def proved(seed: int, counts: Counter[str], tries: int) -> None:
    """Open some figures of one seed; take away what was not opened, at once and in part."""
    with duckdb.connect() as con:
        one = case(con, seed)
        for row in one.rows()[:2]:
            column = one.chance.choice(list(row))
            key = one.key(row, column)
            if key is None:
                continue
            figure = one.opened(key, column)
            told = (seed, one.made, key, column, figure)
            assert figure.equal, told
            assert con.execute(figure.sql).fetchall() == [(figure.shown,)], told
            rest = one.unopened(figure)
            counts["figures"] += 1
            counts["opened"] += sum(end.rows for end in figure.ends)
            counts["unopened"] += len(rest)
            gone = [rest, *(one.chance.sample(rest, len(rest) // 2) for _ in range(tries))]
            for rows in gone if rest else []:
                assert one.without(rows, key, column) == [figure.shown], (told, rows)


@pytest.mark.parametrize(
    ("seeds", "tries", "least"),
    [
        (range(40), 0, 25),
        pytest.param(range(1000, 1300), 2, 170, marks=pytest.mark.thorough),
    ],
)
def test_rows_that_were_not_opened_change_nothing(seeds: range, tries: int, least: int) -> None:
    """Random queries: the figure is computed again, and unopened rows may go or stay."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        proved(seed, counts, tries)
    print(dict(counts))  # noqa: T201 - how much was shown
    assert counts["figures"] >= least
    assert counts["unopened"] > counts["opened"]


COUNTED = """
SELECT
  a.k,
  COUNT(*) AS n,
  COUNT(*) FILTER (WHERE a.v > 0) AS part,
  CAST(SUM(a.id + 1) FILTER (WHERE b.g IS NOT NULL) AS BIGINT) AS total
FROM silver.t0 AS a
INNER JOIN (SELECT DISTINCT k, g FROM silver.t1 WHERE g = 'a') AS b ON b.k = a.k
WHERE a.k IS NOT NULL
GROUP BY a.k
"""


@pytest.mark.parametrize("column", ["n", "part", "total"])
def test_a_row_that_gives_is_missed(column: str) -> None:
    """Without a row that gives, a count is one less, and a sum less by just its value."""
    missed = 0
    for seed in range(6):
        with duckdb.connect() as con:
            fill(con, seed)
            con.execute(f"CREATE SCHEMA gold; CREATE TABLE gold.low AS {COUNTED}")
            made = {"gold.low": (COUNTED, ["k", "n", "part", "total"])}
            one = Case(con, made, random.Random(seed))  # noqa: S311 - the same cases every time
            for row in one.rows():
                key = {"k": row["k"]}
                figure = one.opened(key, column)
                gives = [end for end in figure.ends if not end.deciding and end.rows]
                assert figure.equal
                for end in gives:
                    assert end.table == "silver.t0" or column == "total"
                ids = [
                    number
                    for end in gives
                    if end.table == "silver.t0"
                    for (number,) in con.execute(f"SELECT id FROM {end.temp}").fetchall()
                ]
                for number in ids:
                    less = number + 1 if column == "total" else 1
                    left = [int(str(row[column])) - less] if row["n"] != 1 else []
                    if column == "total" and left == [0]:
                        left = [None]
                    assert one.without([("silver.t0", number)], key, column) == left
                    missed += 1
    assert missed


def test_the_sql_of_a_figure_is_what_one_would_write() -> None:
    """The key stands in WHERE, one column is left, and the lake answers with the figure."""
    told = 0
    for seed in range(6):
        with duckdb.connect() as con:
            fill(con, seed)
            con.execute(f"CREATE SCHEMA gold; CREATE TABLE gold.low AS {COUNTED}")
            made = {"gold.low": (COUNTED, ["k", "n", "part", "total"])}
            one = Case(con, made, random.Random(seed))  # noqa: S311 - the same cases every time
            for row in one.rows()[:1]:
                sql = one.opened({"k": row["k"]}, "n").sql
                assert con.execute(sql).fetchall() == [(row["n"],)]
                assert "COUNT(*) AS n\nFROM silver.t0 AS a" in sql
                assert f"AND a.k = {row['k']}" in sql.replace("'", "")
                told += 1
    assert told
