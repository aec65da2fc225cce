"""Are a feed's table rules sound? Each answer is a sentence that says what to change.

Within one contract words and columns are compared; between contracts DuckDB binds every rule over
empty tables of silver's form. No row is looked at.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import duckdb
from sqlglot import exp

from dagster_project.contracts.document import Document
from dagster_project.contracts.functions import install
from dagster_project.contracts.model import Column, Feed, Problem, Reference
from dagster_project.contracts.query_checks import query_faults, repeatable_fault
from dagster_project.contracts.references import Refused
from dagster_project.contracts.rowsql import columns_of, expression_fault, parse
from dagster_project.contracts.rules import CONTROL_TOTALS, feed_rule_ids
from dagster_project.contracts.table_rule import TableRule
from dagster_project.contracts.tablesql import DAY, PLACE, asked, breaking
from dagster_project.contracts.words import PLACEHOLDERS

_PLACE_TYPES = ("VARCHAR", "VARCHAR", "BIGINT", "VARCHAR")
_SOME_DAY = "'2026-01-01'"
"""As text of the statement: the first parameter of a process makes DuckDB load pandas."""


def table_rule_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    """What does not fit within one contract: of its table rules and of its gate."""
    names = {column.name for column in feed.columns}
    for rule in feed.table_rules:
        for fault in _faults(rule, names, feed.key):
            yield Problem(feed.path, rule.line, f"rule `{rule.id}`: {fault}")
    alone = {rule.id for rule in feed.table_rules if rule.inputs == (feed.name,)}
    known = {*feed_rule_ids(feed), CONTROL_TOTALS, *alone}
    said = {entry["property"]: number for number, entry in enumerate(_custom(document))}
    for name in feed.gate.hard:
        if name not in known:
            asks = any(rule.id == name for rule in feed.table_rules)
            what = "which asks other feeds too" if asks else "which this contract does not have"
            what = f"`gate` names the rule `{name}`, {what}; name a rule of this feed alone"
            like = difflib.get_close_matches(name, known, 1)
            what += f": `{like[0]}`?" if like else ""
            yield document.problem(what, "customProperties", said["gate"])


def _custom(document: Document) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document.data.get("customProperties") or []
    return found


def _faults(rule: TableRule, names: set[str], key: tuple[str, ...]) -> Iterator[str]:
    columns = [*rule.columns, *([rule.sequence] if rule.sequence else [])]
    for name in columns:
        if name not in names:
            yield f"it names `{name}`, which is no column of this contract; correct it"
    if rule.form == "group" and not (rule.columns and rule.holds):
        yield "a rule needs one form: `row`, `unique`, `group` and `holds`, `sequence`, `records`"
    elif rule.holds and rule.form != "group":
        yield "`holds` is for groups; use it with `group` alone"
    for name in sorted({DAY, *PLACEHOLDERS} & {*rule.parameters}):
        yield f"`{name}` is filled in by the programme; give the threshold another name"
    for text in filter(None, (rule.where, rule.holds)):
        if fault := _condition_fault(text, names, may_sum=text == rule.holds):
            yield fault
    if rule.query:
        yield from query_faults(rule.query, key)


def _condition_fault(text: str, names: set[str], *, may_sum: bool) -> str:
    tree = parse(text)
    if tree is not None and may_sum and not tree.find(exp.Query, exp.Window):
        # Aggregates aside, a group's condition obeys the rules of a row's.
        unknown = [name for name in columns_of(text) if name not in names]
        if unknown:
            return f"it names `{unknown[0]}`, which is no column of this contract; correct it"
        return repeatable_fault(tree)
    plain = tree.transform(_without_day).sql(dialect="duckdb") if tree is not None else text
    return expression_fault(plain, tuple(names))


def _without_day(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Placeholder) and node.name == DAY:
        return exp.cast(exp.null(), "DATE", dialect="duckdb")
    return node


def settle_rules(
    feeds: Mapping[str, Feed], refused: Mapping[str, Refused], drafts: Mapping[str, Feed]
) -> tuple[dict[str, Feed], list[Problem]]:
    """Bind table rules over all feeds, refuse feeds with an unsound one, add references' rules.

    A rule that reads a feed whose contract is refused, or a draft, stays: it waits.

    Args:
        feeds: Feeds that are sound by themselves, references decided.
        refused: The others, by name.
        drafts: Feeds that nobody supplies yet.
    """
    kept, problems = dict(feeds), list[Problem]()
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        install(con)
        _empty_silver(con, feeds.values())
        _shut(con)
        for feed in feeds.values():
            faults = [*_unbound(con, feed, {*feeds}, {*refused, *drafts}), *_soft(feed)]
            if faults:
                problems += faults
                del kept[feed.name]
    return {name: _with_references(feed) for name, feed in kept.items()}, problems


def _soft(feed: Feed) -> Iterator[Problem]:
    """Hard rules that hold nothing: references to another department are asked after a merge."""
    for column in feed.columns:
        name = f"{column.name}.reference"
        if column.reference and not column.reference.rejects and name in feed.gate.hard:
            what = f"`gate` names the rule `{name}`, which this feed alone cannot answer"
            yield Problem(feed.path, column.line, f"{what}; name one of its own rules")


def _empty_silver(con: duckdb.DuckDBPyConnection, feeds: Iterable[Feed]) -> None:
    made = ["ATTACH ':memory:' AS lake", "CREATE SCHEMA lake.silver"]
    for feed in feeds:
        columns = [f'"{column.name}" {column.duck_type}' for column in feed.columns]
        columns += [f'"{n}" {k}' for n, k in zip(PLACE, _PLACE_TYPES, strict=True)]
        columns.append("_is_deleted BOOLEAN")
        made.append(f'CREATE TABLE lake.silver."{feed.name}" ({", ".join(columns)})')
    con.execute("; ".join(made))


def _shut(con: duckdb.DuckDBPyConnection) -> None:
    """From here on a name that is no table is no file and no object of this programme either.

    Nothing is optimized, since nothing is run.
    """
    con.execute("SET python_enable_replacements = false; SET enable_external_access = false")
    con.execute("PRAGMA disable_optimizer")


def _unbound(
    con: duckdb.DuckDBPyConnection, feed: Feed, known: set[str], away: set[str]
) -> Iterator[Problem]:
    sound = []
    for rule in feed.table_rules:
        strange = [name for name in rule.inputs if name not in known | away]
        for name in strange:
            what = f"rule `{rule.id}`: there is no feed `{name}`; correct the name or add the feed"
            yield Problem(feed.path, rule.line, what)
        if not strange and not away & set(rule.inputs):
            sound.append(rule)
    if sound and _binding_fault(con, feed, sound):
        for rule in sound:
            if fault := _binding_fault(con, feed, [rule]):
                what = f"rule `{rule.id}`: DuckDB cannot evaluate it ({fault}); correct its SQL"
                yield Problem(feed.path, rule.line, what)


def _binding_fault(con: duckdb.DuckDBPyConnection, feed: Feed, rules: list[TableRule]) -> str:
    """DuckDB's complaint about some rules; one statement binds them all."""
    parts = [f"SELECT count(*) FROM ({breaking(feed, rule)})" for rule in rules]
    parts += [asked(feed, rule) for rule in rules]
    text = " UNION ALL ".join(f"({part})" for part in parts)
    try:
        con.execute(f"EXPLAIN {text.replace(f'${DAY}', _SOME_DAY)}")
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return ""


def _with_references(feed: Feed) -> Feed:
    """References between departments are table rules: results do not depend on who sends first."""
    made = tuple(
        _reference_rule(feed, column, column.reference)
        for column in feed.columns
        if column.reference and not column.reference.rejects
    )
    return replace(feed, table_rules=(*feed.table_rules, *made)) if made else feed


def _reference_rule(feed: Feed, column: Column, parent: Reference) -> TableRule:
    keys = ", ".join(f'c."{name}"' for name in feed.key)
    return TableRule(
        id=f"{column.name}.reference",
        message=f"{column.title}在{parent.shown}中不存在",
        form="records",
        dimension="consistency",
        severity="warn",
        where=f'"{column.name}" IS NOT NULL',
        query=f'SELECT {keys} FROM silver."{feed.name}" AS c ANTI JOIN silver."{parent.feed}" AS p'
        f' ON c."{column.name}" = p."{parent.column}"',
        inputs=(feed.name, parent.feed),
        line=column.line,
    )
