"""Queries whose lineage is tried out: written by hand for each construct, and made by chance.

The tables are those of ``SCHEMA``. Made queries are deterministic (every order is total) and are
built from typed parts, so that nearly all of them run.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

SCHEMA = {
    "silver.a": {"k": "VARCHAR", "x": "BIGINT", "y": "BIGINT", "d": "DATE", "f": "BOOLEAN"},
    "silver.b": {"k": "VARCHAR", "x": "BIGINT", "z": "BIGINT", "e": "DATE"},
    "silver.c": {"k": "VARCHAR", "w": "BIGINT"},
}

EXACT = """
SELECT k, SUM(x) AS n FROM silver.a GROUP BY 1
SELECT x + 1 AS n, n * 2 AS m FROM silver.a
SELECT x + 1 AS y, y * 2 AS m FROM silver.a
SELECT x AS q, x FROM silver.a WHERE q > 1
SELECT y AS x FROM silver.a WHERE x > 1
SELECT k, MAX(y) AS x FROM silver.a GROUP BY k HAVING x > 1
SELECT k, MAX(y) AS q FROM silver.a GROUP BY k HAVING q > 1
SELECT k AS j, j || 'z' AS k, SUM(x) AS n FROM silver.a GROUP BY j
SELECT SUM(x) AS x, MAX(x) AS m FROM silver.a
SELECT x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY d, x, y) AS rn FROM silver.a QUALIFY rn = 1
SELECT x, ROW_NUMBER() OVER w AS rn FROM silver.a WINDOW w AS (PARTITION BY k ORDER BY d, x)
SELECT SUM(x) OVER (w ROWS 1 PRECEDING) AS n FROM silver.a WINDOW w AS (ORDER BY d, x, y, k, f)
SELECT x, COUNT(*) OVER (PARTITION BY k) AS n FROM silver.a QUALIFY n > 1
SELECT x AS n FROM silver.a QUALIFY ROW_NUMBER() OVER (PARTITION BY n ORDER BY y, k) = 1
SELECT k FROM silver.a LEFT JOIN silver.b USING (k)
SELECT k FROM silver.a FULL JOIN silver.b USING (k)
SELECT k, z FROM silver.a RIGHT JOIN silver.b USING (k)
SELECT a.*, b.z FROM silver.a AS a JOIN silver.b AS b ON a.k = b.k
SELECT a.* EXCLUDE (x) FROM silver.a AS a
SELECT * EXCLUDE (x), x + y AS x FROM silver.a
SELECT * REPLACE (x + y AS x) FROM silver.a
SELECT * RENAME (x AS y2) FROM silver.a
SELECT x FROM silver.a SEMI JOIN silver.b ON a.k = b.k AND b.z > 1
SELECT x FROM silver.a ANTI JOIN silver.b USING (k)
SELECT x FROM silver.a ANTI JOIN (SELECT k FROM silver.b WHERE z > 2) AS b ON a.k = b.k
FROM silver.a SELECT x, y
FROM silver.a
SELECT COUNT(*) AS n FROM silver.a, silver.b
SELECT a.x FROM silver.a LEFT JOIN silver.b ON a.y = 1
SELECT 1 AS one FROM silver.a, silver.b
SELECT a.x FROM silver.a WHERE EXISTS (SELECT 1 FROM silver.b)
SELECT a.x FROM silver.a WHERE NOT EXISTS (SELECT 1 FROM silver.b WHERE b.k = a.k)
SELECT a.x FROM silver.a WHERE (k, x) IN (SELECT k, z FROM silver.b)
SELECT a.x FROM silver.a WHERE x > ALL (SELECT z FROM silver.b)
SELECT a.x, (SELECT MAX(z) FROM silver.b WHERE b.k = a.k) AS m FROM silver.a
SELECT (SELECT COUNT(*) FROM silver.b) AS m FROM silver.a
SELECT a.x, EXISTS (SELECT 1 FROM silver.b WHERE b.k = a.k) AS m FROM silver.a
SELECT a.x, a.k IN (SELECT k FROM silver.b WHERE z > 1) AS m FROM silver.a
SELECT k FROM silver.b WHERE z IN (SELECT y FROM silver.a WHERE a.x = x)
SELECT k FROM silver.a WHERE x = (SELECT MAX(x) FROM silver.a AS i WHERE i.k = a.k)
SELECT DISTINCT x, y FROM silver.a
SELECT COUNT(DISTINCT x) AS n, SUM(DISTINCT y) AS m FROM silver.a
SELECT COUNT(DISTINCT CASE WHEN f THEN k END) AS n FROM silver.a
SELECT x FROM silver.a UNION SELECT z FROM silver.b
SELECT x, y FROM silver.a UNION ALL SELECT z, w FROM silver.b JOIN silver.c USING (k)
SELECT x FROM silver.a EXCEPT SELECT z FROM silver.b
SELECT x FROM silver.a EXCEPT ALL SELECT z FROM silver.b
SELECT x FROM silver.a INTERSECT SELECT z FROM silver.b
SELECT k, d, SUM(x) AS n FROM silver.a GROUP BY ROLLUP (k, d)
SELECT k, d, SUM(x) AS n FROM silver.a GROUP BY GROUPING SETS ((k), (d), ())
SELECT k, GROUPING(k) AS g, SUM(x) AS n FROM silver.a GROUP BY ROLLUP (k)
SELECT k, SUM(x) AS n FROM silver.a GROUP BY ALL
SELECT STRING_AGG(k, ',' ORDER BY x, k, y) AS s FROM silver.a
SELECT MAX_BY(k, x * 10 + y) AS m FROM silver.a
SELECT SUM(x) FILTER (WHERE x > 1 AND k = 'a') AS n FROM silver.a
SELECT k, LAG(x) OVER (PARTITION BY k ORDER BY d, x, y) AS l FROM silver.a
SELECT k, SUM(SUM(x)) OVER (ORDER BY k) AS s FROM silver.a GROUP BY k
SELECT k, RANK() OVER (ORDER BY SUM(x) DESC) AS r FROM silver.a GROUP BY k
SELECT SUM(x) FILTER (WHERE f) OVER (PARTITION BY k) AS n FROM silver.a
WITH s(p, q) AS (SELECT k, x FROM silver.a) SELECT q AS n FROM s WHERE p = 'a'
WITH s AS (SELECT * FROM silver.a), t AS (SELECT * FROM s) SELECT x FROM t
WITH a AS (SELECT k, z AS x FROM silver.b) SELECT x FROM a
WITH s AS (WITH r AS (SELECT x FROM silver.a WHERE y > 1) SELECT x FROM r) SELECT x FROM s
WITH t AS MATERIALIZED (SELECT x FROM silver.a) SELECT x FROM t
SELECT t.m FROM (SELECT k, x FROM silver.a) AS t(m, n)
SELECT s.p.u AS n FROM (SELECT {'u': x, 'v': y} AS p FROM silver.a) AS s
SELECT a.x FROM (SELECT {'x': y} AS a, x FROM silver.a) AS s
SELECT b.x FROM silver.a AS b JOIN silver.b AS a ON a.k = b.k
SELECT silver.x FROM silver.a AS silver
SELECT x FROM silver.a AS x
SELECT COALESCE(x, (SELECT MIN(z) FROM silver.b)) AS n FROM silver.a
SELECT c.k, COUNT(b.k) AS n FROM silver.c LEFT JOIN silver.b ON b.k = c.k AND b.z > 1 GROUP BY c.k
SELECT COUNT(*) AS n FROM (SELECT k FROM silver.a GROUP BY k HAVING SUM(x) > 2)
SELECT COUNT(*) AS n FROM (SELECT k FROM silver.a INTERSECT SELECT k FROM silver.b)
SELECT k, COUNT(*) AS n FROM silver.a GROUP BY k HAVING COUNT(*) > (SELECT MAX(w) FROM silver.c)
SELECT MAX(CASE WHEN d = (SELECT MAX(d) FROM silver.a) THEN x END) AS n FROM silver.a
SELECT DISTINCT k, SUM(x) OVER (PARTITION BY k) AS n FROM silver.a
SELECT 'x' AS s, (SELECT MAX(w) FROM silver.c) AS m
"""

REFUSED = """
SELECT x, y FROM silver.a UNION BY NAME SELECT z AS y, x FROM silver.b
SELECT x, n FROM silver.a, LATERAL (SELECT x + y AS n)
SELECT x, n FROM silver.a, (SELECT a.x + a.y AS n)
SELECT COLUMNS('x|y') FROM silver.a
SELECT MIN(COLUMNS(*)) FROM silver.a
PIVOT silver.a ON f USING SUM(x) GROUP BY k
SELECT * FROM silver.a PIVOT (SUM(x) FOR f IN (TRUE, FALSE) GROUP BY k)
SELECT * FROM silver.c UNPIVOT (v FOR n IN (w))
SELECT a FROM silver.a
SELECT #1 AS n FROM silver.a
SELECT a.x, u.n FROM silver.a, UNNEST([x, y]) AS u(n)
SELECT UNNEST({'u': x, 'v': y}) FROM silver.a
SELECT x FROM (silver.a JOIN silver.c ON a.k = c.k)
SELECT b.z FROM silver.a JOIN (silver.b JOIN silver.c ON b.k = c.k) ON a.k = b.k
SELECT p AS n FROM silver.a AS t(p, q)
SELECT list_transform([x, y], i -> i + 1) AS n FROM silver.a
SELECT "x" AS "X2" FROM silver.a
SELECT k, k FROM silver.a
SELECT * FROM silver.a JOIN silver.b USING (k)
SELECT MAX(x) FROM silver.a
SELECT x, y FROM silver.a ORDER BY ALL LIMIT 2
SELECT x FROM silver.a TABLESAMPLE 50%
SELECT x FROM silver.a USING SAMPLE 3
SELECT x FROM silver.a POSITIONAL JOIN silver.c
SELECT a.x FROM silver.a NATURAL JOIN silver.c
SELECT rowid AS n FROM silver.a
SELECT x FROM silver.a AT (VERSION => 3)
SELECT n FROM range(3) AS r(n)
SELECT getenv('HOME') AS n FROM silver.a
WITH RECURSIVE r AS (SELECT x FROM silver.a UNION SELECT x + 1 FROM r WHERE x < 5) SELECT x FROM r
"""


def written(text: str) -> list[str]:
    """The queries of one of the lists."""
    return [line for line in text.splitlines() if line]


Columns = dict[str, str]


@dataclass
class Maker:
    """Makes queries by chance from typed parts."""

    chance: random.Random
    depth: int = 0
    names: int = 0

    def query(self) -> str:
        """A whole query, with a CTE now and then."""
        self.depth = self.names = 0
        if self.chance.random() < 0.3:
            inner, columns = self._select({})
            ctes: dict[str, Columns] = {"cte": columns}
            text, _ = self._relation_query(ctes)
            return f"WITH cte AS ({inner}) {text}"
        return self._relation_query({})[0]

    def _new(self) -> str:
        self.names += 1
        return f"t{self.names}"

    def _relation_query(self, ctes: dict[str, Columns]) -> tuple[str, Columns]:
        text, columns = self._select(ctes)
        if self.chance.random() < 0.25:
            word = self.chance.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
            for _ in range(9):
                other, more = self._select(ctes)
                if list(more.values()) == list(columns.values()):
                    return f"{text} {word} {other}", columns
        return text, columns

    def _source(self, ctes: dict[str, Columns]) -> tuple[str, str, Columns]:
        """A relation for FROM, its alias, its columns."""
        alias = self._new()
        if self.depth < 2 and self.chance.random() < 0.3:
            self.depth += 1
            text, columns = self._relation_query(ctes)
            self.depth -= 1
            return f"({text}) AS {alias}", alias, columns
        tables = {**SCHEMA, **ctes}
        name = self.chance.choice(sorted(tables))
        return f"{name} AS {alias}", alias, tables[name]

    def _select(self, ctes: dict[str, Columns]) -> tuple[str, Columns]:
        text, alias, columns = self._source(ctes)
        scope = {f"{alias}.{name}": kind for name, kind in columns.items()}
        start = f"FROM {text}"
        if self.chance.random() < 0.5:
            other, second, more = self._source(ctes)
            joined = {f"{second}.{name}": kind for name, kind in more.items()}
            words = ["JOIN", "LEFT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", "CROSS JOIN"]
            word = self.chance.choice(words)
            on = self._pair(scope, joined)
            if word == "CROSS JOIN" or on is None:
                start += f" CROSS JOIN {other}"
            else:
                start += f" {word} {other} ON {on}"
            if word not in {"SEMI JOIN", "ANTI JOIN"} or on is None:
                scope |= joined
        where = f" WHERE {self._condition(scope)}" if self.chance.random() < 0.5 else ""
        shapes = [self._plain, self._plain, self._grouped, self._windowed, self._distinct]
        shape: Callable[[Columns], tuple[str, str, Columns]] = self.chance.choice(shapes)
        head, tail, made = shape(scope)
        return f"SELECT {head} {start}{where}{tail}", made

    def _pick(self, scope: Columns, kind: str = "") -> str | None:
        fitting = [name for name, one in scope.items() if not kind or one == kind]
        return self.chance.choice(fitting) if fitting else None

    def _pair(self, one: Columns, other: Columns) -> str | None:
        pairs = [f"{a} = {b}" for a, k in one.items() for b, m in other.items() if k == m]
        return self.chance.choice(pairs) if pairs else None

    def _condition(self, scope: Columns) -> str:
        number, text = self._pick(scope, "BIGINT"), self._pick(scope, "VARCHAR")
        made = [f"{self._pick(scope)} IS NOT NULL"]
        if number:
            made += [f"{number} > 1", f"{number} IN (SELECT z FROM silver.b WHERE x < 3)"]
            made.append(f"{number} >= (SELECT MIN(w) FROM silver.c WHERE k > 'a')")
        if text:
            alias = self._new()
            made.append(f"{text} <> 'b'")
            for word in ("EXISTS", "NOT EXISTS"):
                rows = f"SELECT 1 FROM silver.b AS {alias} WHERE {alias}.k = {text}"
                made.append(f"{word} ({rows} AND {alias}.z > 1)")
        return self.chance.choice(made)

    def _value(self, scope: Columns) -> tuple[str, str]:
        name = self._pick(scope)
        assert name is not None
        kind = scope[name]
        if kind == "BIGINT" and self.chance.random() < 0.5:
            other = self._pick(scope, "BIGINT")
            forms = [f"{name} + {other}", f"CASE WHEN {name} > 2 THEN {other} END"]
            forms.append(f"COALESCE({name}, (SELECT MAX(w) FROM silver.c))")
            return self.chance.choice(forms), kind
        return name, kind

    def _plain(self, scope: Columns) -> tuple[str, str, Columns]:
        values = [self._value(scope) for _ in range(self.chance.randrange(1, 4))]
        return self._named(values)

    def _distinct(self, scope: Columns) -> tuple[str, str, Columns]:
        head, tail, made = self._plain(scope)
        return f"DISTINCT {head}", tail, made

    def _named(self, values: list[tuple[str, str]], tail: str = "") -> tuple[str, str, Columns]:
        head = ", ".join(f"{text} AS o{at}" for at, (text, _) in enumerate(values))
        return head, tail, {f"o{at}": kind for at, (_, kind) in enumerate(values)}

    def _grouped(self, scope: Columns) -> tuple[str, str, Columns]:
        keys = [name for name in scope if self.chance.random() < 0.3]
        values = [(name, scope[name]) for name in keys] + [("COUNT(*)", "BIGINT")]
        number = self._pick(scope, "BIGINT")
        if number:
            word = self.chance.choice(["SUM({})", "MAX({})", "COUNT(DISTINCT {})"])
            only = f" FILTER (WHERE {number} > 1)" if self.chance.random() < 0.3 else ""
            values.append((f"CAST({word.format(number)}{only} AS BIGINT)", "BIGINT"))
        tail = f" GROUP BY {', '.join(keys)}" if keys else ""
        if self.chance.random() < 0.3:
            tail += " HAVING COUNT(*) > 1"
        return self._named(values, tail)

    def _windowed(self, scope: Columns) -> tuple[str, str, Columns]:
        part, number = self._pick(scope), self._pick(scope, "BIGINT")
        order = ", ".join(scope)
        over = f"OVER (PARTITION BY {part} ORDER BY {order})"
        values = [self._value(scope), (f"ROW_NUMBER() {over}", "BIGINT")]
        if number:
            values.append((f"CAST(SUM({number}) OVER (PARTITION BY {part}) AS BIGINT)", "BIGINT"))
            values.append((f"LAG({number}) {over}", "BIGINT"))
        tail = f" QUALIFY ROW_NUMBER() {over} = 1" if self.chance.random() < 0.4 else ""
        return self._named(values, tail)
