"""Random queries over small random tables, for proving how figures are opened."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb
import sqlglot
from sqlglot import exp

from dagster_project.contracts.model import Table

BASES = ("silver.t0", "silver.t1", "silver.t2")
COLUMNS = ("id", "k", "v", "g")
SCHEMA = {name: dict.fromkeys(COLUMNS, "UNKNOWN") for name in BASES}
WORDS = ("a", "b", "c")


@dataclass(frozen=True)
class Made:
    """As much of a model as is needed to open it."""

    table: str
    query: exp.Query
    contract: Table


@dataclass
class Relation:
    """A name to read from, and its columns: numbers, then words."""

    name: str
    numbers: list[str]
    words: list[str]

    @property
    def columns(self) -> list[str]:
        """All columns."""
        return [*self.numbers, *self.words]


def fill(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Three tables of a few rows, with gaps."""
    chance = random.Random(seed)  # noqa: S311 - the same cases every time
    con.execute("CREATE SCHEMA silver")
    for name in BASES:
        con.execute(f"CREATE TABLE {name} (id INTEGER, k INTEGER, v INTEGER, g VARCHAR)")
        rows = [
            (
                number,
                chance.choice((0, 1, 2, 3, None)),
                chance.choice((0, 1, 1, 2, 5, None)),
                chance.choice((*WORDS, None)),
            )
            for number in range(chance.randint(0, 9))
        ]
        if rows:
            con.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", rows)


@dataclass
class Writer:
    """Writes one query as a chain of CTEs, each reading tables and CTEs before it."""

    chance: random.Random
    above: list[Relation] = field(default_factory=list)
    parts: list[tuple[str, str]] = field(default_factory=list)
    known: list[Relation] = field(default_factory=list)

    def query(self, depth: int) -> tuple[str, Relation]:
        """The SQL of a query and its columns."""
        for number in range(depth):
            kinds: list[Callable[[], tuple[str, list[str], list[str]]]] = [
                self.plain,
                self.joined,
                self.joined,
                self.three,
                self.grouped,
                self.grouped,
                self.total,
                self.ranked,
                self.together,
                self.asked,
                self.valued,
                self.distinct,
            ]
            sql, numbers, words = self.chance.choice(kinds)()
            relation = Relation(f"c{number}", numbers, words)
            self.parts.append((relation.name, sql))
            self.known.append(relation)
        last = self.known[-1]
        chain = ", ".join(f"{name} AS ({sql})" for name, sql in self.parts)
        return f"WITH {chain} SELECT {', '.join(last.columns)} FROM {last.name}", last

    def source(self) -> Relation:
        """Something to read: mostly what was written last."""
        bases = [Relation(name, ["id", "k", "v"], ["g"]) for name in BASES]
        pool = [*bases, *self.above, *self.known[-2:], *self.known[-2:], *self.above]
        return self.chance.choice(pool)

    def number(self, one: Relation, alias: str) -> str:
        """An expression of a number."""
        column = f"{alias}.{self.chance.choice(one.numbers)}"
        return self.chance.choice(
            (column, column, f"COALESCE({column}, 0)", f"{column} + 1", f"{column} % 2")
        )

    def condition(self, one: Relation, alias: str) -> str:
        """A condition on one relation."""
        number = self.number(one, alias)
        choices = [f"{number} > 0", f"{number} IS NULL", f"{number} <> 1", f"{number} <= 2"]
        if one.words:
            word = f"{alias}.{self.chance.choice(one.words)}"
            choices += [f"{word} = 'a'", f"{word} IS NOT NULL", f"{word} IN ('a', 'b')"]
        return self.chance.choice(choices)

    def where(self, one: Relation, alias: str) -> str:
        """A WHERE, or none."""
        return f" WHERE {self.condition(one, alias)}" if self.chance.random() < 0.4 else ""

    def plain(self) -> tuple[str, list[str], list[str]]:
        """Rows chosen and computed with."""
        one = self.source()
        sql = f"SELECT {self.number(one, 'a')} AS x, {self.number(one, 'a')} AS y"
        words = ["g"] if one.words else []
        sql += f", a.{one.words[0]} AS g" if words else ""
        return f"{sql} FROM {one.name} AS a{self.where(one, 'a')}", ["x", "y"], words

    def bond(self, left: Relation, right: Relation, a: str, b: str) -> str:
        """A condition between two relations."""
        if left.words and right.words and self.chance.random() < 0.3:
            return f"{a}.{left.words[0]} = {b}.{right.words[0]}"
        kind = self.chance.choice(("=", "=", "=", "=", "<", ">="))
        sql = (
            f"{a}.{self.chance.choice(left.numbers)} {kind} {b}.{self.chance.choice(right.numbers)}"
        )
        if self.chance.random() < 0.3:
            sql += f" AND {self.condition(right, b)}"
        if self.chance.random() < 0.15:
            sql += f" AND {self.condition(left, a)}"
        return sql

    def joined(self) -> tuple[str, list[str], list[str]]:
        """Two relations beside one another."""
        left, right = self.source(), self.source()
        kind = self.chance.choice(
            ("INNER", "INNER", "LEFT", "LEFT", "LEFT", "FULL", "RIGHT", "CROSS", "SEMI", "ANTI")
        )
        on = "" if kind == "CROSS" else f" ON {self.bond(left, right, 'a', 'b')}"
        if kind in {"SEMI", "ANTI"}:
            sql = f"SELECT {self.number(left, 'a')} AS x, {self.number(left, 'a')} AS y"
        else:
            sql = f"SELECT {self.number(left, 'a')} AS x, {self.number(right, 'b')} AS y"
            if self.chance.random() < 0.2:
                k, m = self.chance.choice(left.numbers), self.chance.choice(right.numbers)
                sql = f"SELECT COALESCE(a.{k}, b.{m}) AS x, {self.number(right, 'b')} AS y"
                on = "" if kind == "CROSS" else f" ON a.{k} = b.{m}"
        tail = self.where(left, "a")
        return (
            f"{sql} FROM {left.name} AS a {kind} JOIN {right.name} AS b{on}{tail}",
            ["x", "y"],
            [],
        )

    def three(self) -> tuple[str, list[str], list[str]]:
        """Three relations, with outer joins among them."""
        one, two, three = self.source(), self.source(), self.source()
        kinds = ("INNER", "LEFT", "LEFT", "CROSS")
        first, second = self.chance.choice(kinds), self.chance.choice(kinds)
        on = "" if first == "CROSS" else f" ON {self.bond(one, two, 'a', 'b')}"
        near, alias = self.chance.choice(((one, "a"), (two, "b")))
        last = "" if second == "CROSS" else f" ON {self.bond(near, three, alias, 'c')}"
        sql = (
            f"SELECT {self.number(one, 'a')} AS x, {self.number(three, 'c')} AS y"
            f" FROM {one.name} AS a {first} JOIN {two.name} AS b{on}"
            f" {second} JOIN {three.name} AS c{last}"
        )
        place = self.chance.choice(((one, "a"), (two, "b"), (three, "c")))
        return sql + self.where(*place), ["x", "y"], []

    def aggregate(self, one: Relation) -> str:
        """An aggregate, perhaps of some rows only."""
        number = self.number(one, "a")
        sql = self.chance.choice(
            (
                "COUNT(*)",
                f"COUNT({number})",
                f"SUM({number})",
                f"MIN({number})",
                f"MAX({number})",
                f"COUNT(DISTINCT {number})",
                f"MAX(CASE WHEN {self.condition(one, 'a')} THEN {number} END)",
                f"SUM(CASE WHEN {self.condition(one, 'a')} THEN 1 ELSE 0 END)",
            )
        )
        if self.chance.random() < 0.4:
            sql += f" FILTER (WHERE {self.condition(one, 'a')})"
        return f"CAST(COALESCE({sql}, 0) AS BIGINT)" if self.chance.random() < 0.3 else sql

    def grouped(self) -> tuple[str, list[str], list[str]]:
        """Groups."""
        one = self.source()
        key = self.number(one, "a")
        word = f"a.{one.words[0]}" if one.words and self.chance.random() < 0.5 else ""
        sql = f"SELECT {key} AS x, {self.aggregate(one)} AS y, {self.aggregate(one)} AS z"
        sql += f", {word} AS g" if word else ""
        if self.chance.random() < 0.15:
            sql += f", ROW_NUMBER() OVER (ORDER BY {key}, {word or key}) AS r"
        sql += f" FROM {one.name} AS a{self.where(one, 'a')} GROUP BY {key}"
        sql += f", {word}" if word else ""
        if self.chance.random() < 0.2 and "ROW_NUMBER" not in sql:
            sql += f" HAVING {self.aggregate(one)} > 0"
        return sql, ["x", "y", "z"], ["g"] if word else []

    def total(self) -> tuple[str, list[str], list[str]]:
        """All rows as one."""
        one = self.source()
        sql = f"SELECT {self.aggregate(one)} AS x, {self.aggregate(one)} AS y"
        return f"{sql} FROM {one.name} AS a{self.where(one, 'a')}", ["x", "y"], []

    def ranked(self) -> tuple[str, list[str], list[str]]:
        """Rows beside their like."""
        one = self.source()
        order = ", ".join(f"a.{name}" for name in one.columns)
        part = self.number(one, "a")
        over = self.chance.choice((f"PARTITION BY {part} ORDER BY {order}", f"ORDER BY {order}"))
        window = self.chance.choice(
            (
                f"ROW_NUMBER() OVER ({over})",
                f"SUM({self.number(one, 'a')}) OVER (PARTITION BY {part})",
                f"COUNT(*) OVER (PARTITION BY {part})",
                f"RANK() OVER (PARTITION BY {part} ORDER BY a.{one.numbers[0]})",
                f"LAG(a.{one.numbers[0]}) OVER ({over})",
            )
        )
        sql = f"SELECT {self.number(one, 'a')} AS x, {window} AS y"
        sql += f" FROM {one.name} AS a{self.where(one, 'a')}"
        if self.chance.random() < 0.4:
            sql += f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {part} ORDER BY {order}) = 1"
        return sql, ["x", "y"], []

    def together(self) -> tuple[str, list[str], list[str]]:
        """Rows of several relations, one after the other."""
        kind = self.chance.choice(("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
        parts = []
        for _ in range(self.chance.choice((2, 2, 3)) if "UNION" in kind else 2):
            one = self.source()
            x = self.chance.choice((self.number(one, "a"), self.number(one, "a"), "1"))
            y = self.number(one, "a")
            parts.append(f"SELECT {x} AS x, {y} AS y FROM {one.name} AS a{self.where(one, 'a')}")
        return f" {kind} ".join(parts), ["x", "y"], []

    def asked(self) -> tuple[str, list[str], list[str]]:
        """Rows that others allow or forbid."""
        one, two = self.source(), self.source()
        x, m = self.chance.choice(one.numbers), self.chance.choice(two.numbers)
        sub = f"SELECT b.{m} FROM {two.name} AS b"
        condition = self.chance.choice(
            (
                f"EXISTS ({sub} WHERE b.{m} = a.{x})",
                f"NOT EXISTS ({sub} WHERE b.{m} = a.{x} AND {self.condition(two, 'b')})",
                f"NOT EXISTS ({sub} WHERE b.{m} > a.{x})",
                f"a.{x} IN ({sub}{self.where(two, 'b')})",
                f"a.{x} NOT IN ({sub}{self.where(two, 'b')})",
                f"a.{x} > (SELECT MIN(b.{m}) FROM {two.name} AS b)",
            )
        )
        sql = f"SELECT {self.number(one, 'a')} AS x, {self.number(one, 'a')} AS y"
        if self.chance.random() < 0.5:
            condition += f" AND {self.condition(one, 'a')}"
        return f"{sql} FROM {one.name} AS a WHERE {condition}", ["x", "y"], []

    def valued(self) -> tuple[str, list[str], list[str]]:
        """Values that others give."""
        one, two = self.source(), self.source()
        x, m = self.chance.choice(one.numbers), self.chance.choice(two.numbers)
        value = self.chance.choice(
            (
                f"(SELECT COUNT(*) FROM {two.name} AS b WHERE b.{m} = a.{x})",
                f"(SELECT MAX(b.{m}) FROM {two.name} AS b)",
                f"(SELECT SUM(b.{m}) FROM {two.name} AS b WHERE b.{m} < a.{x})",
            )
        )
        sql = f"SELECT {self.number(one, 'a')} AS x, {value} AS y FROM {one.name} AS a"
        return sql + self.where(one, "a"), ["x", "y"], []

    def distinct(self) -> tuple[str, list[str], list[str]]:
        """Rows without their like."""
        one = self.source()
        sql = f"SELECT DISTINCT {self.number(one, 'a')} AS x, {self.number(one, 'a')} AS y"
        return f"{sql} FROM {one.name} AS a{self.where(one, 'a')}", ["x", "y"], []


def models(seed: int) -> dict[str, tuple[str, list[str]]]:
    """One or two models over the tables: their SQL and columns, inputs first."""
    chance = random.Random(seed)  # noqa: S311 - the same cases every time
    found: dict[str, tuple[str, list[str]]] = {}
    above: list[Relation] = []
    for name in ("gold.low", "gold.high")[: chance.choice((1, 2))]:
        sql, last = Writer(chance, list(above)).query(chance.randint(1, 4))
        found[name] = (sql, last.columns)
        above = [Relation(name, last.numbers, last.words)]
    return found


def parsed(sql: str) -> exp.Query:
    """One query."""
    query = sqlglot.parse_one(sql, read="duckdb")
    assert isinstance(query, exp.Query)
    return query
