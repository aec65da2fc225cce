"""What the SELECT of a table rule may not say: other tables and files, clocks, chance, order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dagster_project.contracts.model import Column, Reference
from dagster_project.contracts.query_checks import query_faults
from dagster_project.contracts.rowsql import expression_fault
from dagster_project.contracts.table_checks import settle_rules
from dagster_project.contracts.table_rule import Gate
from tests.conform_kit import feed_of

SILVER = "only `silver.<feed>` may be read"
CLOCK = "at a clock or at chance"
ORDER = "by the order in which they are read"
MORE = "more of `v` than its name and alias"
FILE = '"/tmp/x.csv"'
REFUSED = {
    "SELECT v.k FROM silver.v, LATERAL read_text('/etc/passwd') AS f": SILVER,
    "SELECT v.k FROM silver.v CROSS JOIN LATERAL read_csv('x.csv') AS f": SILVER,
    f"SELECT v.k FROM silver.v JOIN (WITH {FILE} AS (SELECT 1 AS a) SELECT a FROM {FILE}) AS c"
    f" ON TRUE JOIN {FILE} AS f ON TRUE": SILVER,
    "WITH t AS (SELECT a FROM t) SELECT v.k FROM silver.v JOIN t ON TRUE": SILVER,
    "WITH t AS (SELECT a FROM u), u AS (SELECT 1 AS a) SELECT v.k FROM silver.v, t": SILVER,
    "SELECT v.k FROM silver.v WHERE v.k IN (SELECT table_name FROM duckdb_tables)": SILVER,
    "SELECT v.k FROM silver.v WHERE v.k IN (SELECT name FROM duckdb_secrets())": SILVER,
    "SELECT v.k FROM silver.v WHERE v.k IN (SELECT a FROM query('SELECT 1 AS a'))": SILVER,
    "SELECT v.k FROM silver.v WHERE v.k IN (SELECT case_id FROM lake.ops.finding)": SILVER,
    "SELECT v.k FROM lake.silver.v": SILVER,
    "SELECT v.k FROM silver.v WHERE v.d < localtimestamp": CLOCK,
    "SELECT v.k FROM silver.v WHERE v.d < current_localtimestamp()": CLOCK,
    "SELECT v.k FROM silver.v WHERE age(v.d) > INTERVAL 3 YEAR": CLOCK,
    "SELECT v.k FROM silver.v WHERE v.o = user": CLOCK,
    "SELECT v.k FROM silver.v WHERE system.main.getenv('HOME') = v.o": CLOCK,
    "SELECT v.k FROM silver.v WHERE pg_get_viewdef(1) = v.o": CLOCK,
    "SELECT v.k FROM silver.v USING SAMPLE 10%": ORDER,
    "SELECT v.k FROM silver.v ORDER BY v.k LIMIT 5": ORDER,
    "SELECT any_value(v.k) AS k FROM silver.v GROUP BY v.o": ORDER,
    "SELECT DISTINCT ON (v.o) v.k FROM silver.v": ORDER,
    "SELECT v.k FROM silver.v QUALIFY row_number() OVER (PARTITION BY v.o) > 1": ORDER,
    "SELECT v.k FROM silver.v POSITIONAL JOIN silver.w": ORDER,
    "SELECT v.k FROM silver.v TABLESAMPLE 10%": MORE,
    "SELECT v.k FROM silver.v AT (VERSION => 1) AS v": MORE,
    "SELECT k FROM silver.v AS v(o, k)": MORE,
    "SELECT v.k FROM (silver.v AS v JOIN silver.w AS w ON v.k = w.o)": MORE,
    "SELECT v.k FROM (DESCRIBE silver.v) AS t, silver.v": "turns or describes",
    "SELECT v.k FROM (PIVOT silver.v ON o USING count(k)) AS t, silver.v": "turns or describes",
    "SELECT v.k FROM (SELECT *, count(*) OVER () AS n FROM silver.v) AS v": "holds a star",
    "SELECT v.k FROM silver.v WHERE v.o = :limit": "`:limit`",
    "SELECT v.k FROM silver.v; DROP TABLE silver.v": "not one SELECT",
}
SOUND = (
    "SELECT v.k FROM silver.v AS v WHERE v.d < :day AND age(:day, v.d) > INTERVAL 3 YEAR",
    (
        "WITH a AS (SELECT o FROM silver.w), b AS (SELECT o FROM a) SELECT v.k FROM silver.v"
        " SEMI JOIN B ON b.o = v.o"
    ),
    (
        "WITH RECURSIVE up AS (SELECT k, o FROM silver.v UNION SELECT v.k, u.o FROM silver.v"
        " JOIN up AS u ON u.k = v.o) SELECT k FROM up WHERE k = o"
    ),
    (
        "SELECT k FROM (SELECT k, lag(d) OVER same AS before FROM silver.v"
        " WINDOW same AS (PARTITION BY o ORDER BY d, k)) WHERE before IS NULL"
    ),
    (
        "SELECT v.k FROM silver.v, LATERAL (SELECT count(*) AS n FROM silver.w WHERE w.k = v.k)"
        " WHERE n > 1"
    ),
    "SELECT v.k FROM silver.v, unnest(string_split(v.o, ',')) AS part(one) WHERE one = 'x'",
)


@pytest.mark.parametrize("query", REFUSED)
def test_a_select_beyond_silver_is_refused(query: str) -> None:
    """What leaves silver, or would give another answer tomorrow, is told in a sentence."""
    told = list(query_faults(query, ("k",)))
    assert any(REFUSED[query] in one for one in told), told


@pytest.mark.parametrize("query", SOUND)
def test_a_select_over_silver_is_left_alone(query: str) -> None:
    """Common tables, windows with an order, laterals over silver and the run's day are fine."""
    assert list(query_faults(query, ("k",))) == []


@pytest.mark.parametrize("rule", ["d < localtimestamp", "age(d) > INTERVAL 1 YEAR", "o = user"])
def test_a_row_rule_has_no_clock_either(rule: str) -> None:
    """The same clocks are refused in rules of single rows."""
    assert expression_fault(rule, ("d", "o"))


def test_a_reference_to_another_department_holds_no_delivery() -> None:
    """It is asked after the merge; a gate that names it is told instead of holding nothing."""
    parent = feed_of(Column("no", "编号", "string"), name="parent")
    for rejects in (True, False):
        link = Column("of", "上级", "string", reference=Reference("parent", "no", rejects))
        child = feed_of(Column("no", "编号", "string"), link, name="child")
        gated = replace(child, gate=Gate(hard=("of.reference",)))
        kept, problems = settle_rules({"parent": parent, "child": gated}, {}, {})
        assert ("child" in kept) is rejects
        assert [("of.reference" in str(one)) for one in problems] == ([] if rejects else [True])
