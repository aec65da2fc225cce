"""The SQL of row rules: which columns it names, and whether DuckDB understands it.

It neither compiles rules into a batch's statement nor runs them over rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.contracts.model import Column
from dagster_project.contracts.words import PLACEHOLDERS, UNREPEATABLE

_FOREIGN = (exp.Query, exp.Window, exp.AggFunc)
_CLOCKS = (
    *(exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime),
    *(exp.Localtime, exp.Localtimestamp, exp.Rand),
)


@lru_cache(maxsize=4096)
def statements(text: str) -> tuple[exp.Expr | None, ...] | None:
    """Every statement of a text as a tree that is not to be changed, or None when it is no SQL."""
    try:
        return tuple(sqlglot.parse(text, dialect="duckdb"))
    except (SqlglotError, RecursionError):
        return None


def parse(expression: str) -> exp.Expression | None:
    """The first expression of a text as a tree not to be changed, or None when it is no SQL."""
    tree = next(iter(statements(expression) or ()), None)
    return tree if isinstance(tree, exp.Expression) else None


def columns_of(expression: str) -> tuple[str, ...]:
    """The columns an expression names, each once, in their order."""
    tree = parse(expression)
    if tree is None:
        return ()
    return tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column, bfs=False)))


def with_parameters(sql: str, parameters: Mapping[str, str]) -> str:
    """The text with ``:name`` replaced by each parameter's SQL; as it is where none is named.

    Text that is no SQL stays as it is: whoever checks it says so.
    """
    tree = parse(sql) if parameters else None
    if tree is None:
        return sql

    def filled(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder) and node.name in parameters:
            return sqlglot.parse_one(parameters[node.name], dialect="duckdb")
        return node

    return tree.transform(filled).sql(dialect="duckdb")


def over_silver(expression: str) -> str:
    """A row rule's condition over rows that were merged, judged as when they came.

    As in conforming, casts are tried: a value that does not fit one leaves the rule open.
    """
    came = "timezone('Asia/Shanghai', _delivered_at)"
    tree = parse(with_parameters(expression, {"delivered_at": came}))
    if tree is None:
        return expression
    tree = tree.copy()
    for node in reversed(list(tree.find_all(exp.Cast))):
        if not isinstance(node, exp.TryCast):
            tried = exp.TryCast(this=node.this, to=node.to)
            tree = tried if node is tree else tree
            node.replace(tried)
    return tree.sql(dialect="duckdb")


def expression_fault(expression: str, columns: tuple[str, ...]) -> str:
    """What is wrong with a row rule's text, as a sentence; empty when nothing is.

    Args:
        expression: SQL, true for a good row.
        columns: Every column of the table.
    """
    tree = parse(expression)
    if tree is None or isinstance(tree, exp.DDL | exp.DML | exp.Command | exp.Alias):
        return "the rule is not one SQL expression; write a condition over the row's columns"
    if tree.find(*_FOREIGN) or looks_at_clock(tree):
        return "the rule looks beyond its row or at a clock; use columns and `:delivered_at` only"
    unknown = [name for name in columns_of(expression) if name not in columns]
    if unknown:
        return f"the rule names `{unknown[0]}`, which is no column of this contract; correct it"
    odd = [node.name for node in tree.find_all(exp.Placeholder) if node.name not in PLACEHOLDERS]
    if odd:
        return f"the rule names `:{odd[0]}`; only `:delivered_at` can be filled in"
    return ""


def looks_at_clock(tree: exp.Expr) -> bool:
    """Whether SQL asks a clock, chance, or what is no row; `age` of one moment asks the clock."""
    calls = [(called(node), len(node.expressions)) for node in tree.find_all(exp.Func)]
    return (
        tree.find(*_CLOCKS) is not None
        or ("age", 1) in calls
        or not UNREPEATABLE.isdisjoint(name for name, _ in calls)
    )


def called(node: exp.Func) -> str:
    """The name by which DuckDB is asked for a function, whatever class the parser gave it."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower()
    names = node.sql_names()
    return names[0].lower() if names else ""


def binding_fault(expressions: Iterable[str], columns: Iterable[Column]) -> str:
    """DuckDB's complaint about conditions over typed columns; empty when it has none."""
    row = ", ".join(f'CAST(NULL AS {column.duck_type}) AS "{column.name}"' for column in columns)
    filled = [_fill(expression) for expression in expressions]
    if not filled:
        return ""
    conditions = ", ".join(f"({condition})" for condition in filled)
    question = f"SELECT {conditions} FROM (SELECT {row})"
    try:
        kinds = _connection().execute(f"DESCRIBE {question}").fetchall()
        # An empty row is asked: a constant that is no number or day fails now, not each delivery.
        _connection().execute(question)
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    wrong = [kind[1] for kind in kinds if kind[1] != "BOOLEAN"]
    return f"it gives {wrong[0]}, not true or false" if wrong else ""


def pattern_fault(pattern: str) -> str:
    """DuckDB's complaint about a regular expression (it knows no look-around); empty when fine."""
    # As text of the statement: the first parameter of a process makes DuckDB load pandas.
    text = exp.Literal.string(pattern).sql(dialect="duckdb")
    try:
        _connection().execute(f"SELECT regexp_full_match('', {text})")
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return ""


def _fill(expression: str) -> str:
    tree = parse(expression)
    if tree is None:
        return expression
    moment = exp.cast(exp.null(), "TIMESTAMP", dialect="duckdb")
    filled = tree.transform(
        lambda node: moment.copy() if isinstance(node, exp.Placeholder) else node
    )
    return filled.sql(dialect="duckdb")


@lru_cache(maxsize=1)
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": 1})


def _connection() -> duckdb.DuckDBPyConnection:
    """A cursor of its own for every caller: connections are not shared between threads."""
    return _database().cursor()
