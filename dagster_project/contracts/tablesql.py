"""The SQL of table rules: one rule -> the SELECT of the records that break it.

Whether a rule is sound is ``table_checks``' question; running one is not this room's work. A
compiled rule reads ``lake.silver`` alone, live records only, and knows one parameter, ``$day``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sqlglot import exp

from dagster_project.contracts.model import Feed
from dagster_project.contracts.rowsql import parse
from dagster_project.contracts.table_rule import TableRule

PLACE = ("_batch_id", "_sheet", "_source_row", "_record_hash")
"""Where a record stands, and what it said."""
DAY = "day"
_NUMBER = "$number"
_BEFORE = "$before"


def feeds_of(query: str) -> tuple[str, ...]:
    """The feeds that a SELECT over silver reads, in their order; empty when it is no SQL."""
    tree = parse(query) if query else None
    if tree is None:
        return ()
    return tuple(dict.fromkeys(table.name for table in tree.find_all(exp.Table) if table.db))


def breaking(feed: Feed, rule: TableRule) -> str:
    """The SELECT of ``record_key`` and place of every live record that breaks a rule."""
    made = {"unique": _unique, "group": _group, "sequence": _sequence, "records": _records}
    place = ", ".join(_quoted(name) for name in PLACE)
    found = made[rule.form](feed, rule)
    return f"SELECT {record_key(feed)} AS record_key, {place} FROM ({found})"


def record_key(feed: Feed) -> str:
    """A record's key as one text, as every ledger has it: the key columns, a bar between them.

    In a key of several columns a bar within a cell is written with a backslash: no two are alike.
    """
    columns = [feed.column(name) for name in feed.key]
    texts = [f"CAST({_quoted(one.name)} AS VARCHAR)" for one in columns]
    if len(texts) == 1:
        return texts[0]
    escaped = (
        f"replace(replace({text}, '\\', '\\\\'), '|', '\\|')" if one.type == "string" else text
        for one, text in zip(columns, texts, strict=True)
    )
    return f"concat_ws('|', {', '.join(escaped)})"


def asked(feed: Feed, rule: TableRule) -> str:
    """The SELECT of the number of live records that a rule is asked of."""
    return f"SELECT count(*) FROM ({_judged(feed, rule)})"


def uses_day(rule: TableRule) -> bool:
    """Whether a rule's answer depends on the day."""
    texts = (rule.query, rule.where, rule.holds)
    return any(
        node.name == DAY
        for text in texts
        if text and (tree := parse(text))
        for node in tree.find_all(exp.Placeholder)
    )


def _judged(feed: Feed, rule: TableRule) -> str:
    conditions = [f"({_dayed(rule.where)})"] if rule.where else []
    if rule.form == "unique":
        conditions += [f"{_quoted(name)} IS NOT NULL" for name in rule.columns]
    if rule.form == "sequence":
        conditions.append(f"{_number(rule)} IS NOT NULL")
    chosen = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT * FROM {_live(feed.name)}{chosen}"


def _unique(feed: Feed, rule: TableRule) -> str:
    columns = ", ".join(_quoted(name) for name in rule.columns)
    return f"{_judged(feed, rule)} QUALIFY count(*) OVER (PARTITION BY {columns}) > 1"


def _group(feed: Feed, rule: TableRule) -> str:
    columns = ", ".join(_quoted(name) for name in rule.columns)
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM b.{name}" for name in _names(rule.columns))
    return (
        f"WITH asked AS ({_judged(feed, rule)}), broken AS (SELECT {columns} FROM asked"
        f" GROUP BY {columns} HAVING ({_dayed(rule.holds)}) IS FALSE)"
        f" SELECT r.* FROM asked AS r SEMI JOIN broken AS b ON {same}"
    )


def _sequence(feed: Feed, rule: TableRule) -> str:
    columns = ", ".join(_quoted(name) for name in rule.columns)
    within = f"PARTITION BY {columns} " if columns else ""
    return (
        f'WITH numbered AS (SELECT *, {_number(rule)} AS "{_NUMBER}" FROM ({_judged(feed, rule)})),'
        f' compared AS (SELECT *, max("{_NUMBER}") OVER ({within}ORDER BY "{_NUMBER}"'
        f' RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "{_BEFORE}" FROM numbered)'
        f' SELECT * FROM compared WHERE "{_NUMBER}" - "{_BEFORE}" > 1'
    )


def _records(feed: Feed, rule: TableRule) -> str:
    same = " AND ".join(f"r.{name} = q.{name}" for name in _names(feed.key))
    return (
        f"SELECT r.* FROM ({_judged(feed, rule)}) AS r"
        f" SEMI JOIN ({_over_live(rule.query)}) AS q ON {same}"
    )


def _number(rule: TableRule) -> str:
    text = f"regexp_extract(CAST({_quoted(rule.sequence)} AS VARCHAR), '(\\d+)\\D*$', 1)"
    return f"TRY_CAST({text} AS BIGINT)"


def _live(feed: str) -> str:
    return f"(SELECT * FROM lake.silver.{_quoted(feed)} WHERE NOT _is_deleted)"


@lru_cache(maxsize=1024)
def _over_live(query: str) -> str:
    """The SELECT with every table of silver replaced by its live records, and ``:day`` by $day."""
    tree = parse(query)
    if tree is None:
        return query

    def replaced(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Table) and node.db:
            records = exp.table_(node.name, db="silver", catalog="lake", quoted=True)
            live = exp.select("*").from_(records).where("NOT _is_deleted")
            return live.subquery(alias=node.alias_or_name)
        return _with_day(node)

    return tree.transform(replaced).sql(dialect="duckdb", copy=False)


@lru_cache(maxsize=1024)
def _dayed(text: str) -> str:
    """The text with ``:day`` as the statement's parameter."""
    tree = parse(text)
    return text if tree is None else tree.transform(_with_day).sql(dialect="duckdb", copy=False)


def _with_day(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Placeholder) and node.name == DAY:
        return exp.cast(exp.Parameter(this=exp.var(DAY)), "DATE", dialect="duckdb")
    return node


def _names(columns: tuple[str, ...]) -> Iterator[str]:
    return (_quoted(name) for name in columns)


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
