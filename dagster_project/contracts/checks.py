"""Do the words of one contract fit together? Each answer is a sentence that says what to change.

References between contracts are judged in ``references``, columns in ``column_checks``, and the
form of the file in ``profile``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from dagster_project.contracts.catalogue import catalogue_problems
from dagster_project.contracts.column_checks import column_faults, flag_faults
from dagster_project.contracts.cron import Cron
from dagster_project.contracts.document import Document
from dagster_project.contracts.model import CodeList, Feed, Problem, Rule, Table
from dagster_project.contracts.rowsql import (
    binding_fault,
    expression_fault,
    parse,
)
from dagster_project.contracts.rule_forms import rule_form_problems
from dagster_project.contracts.servers import server_problems
from dagster_project.contracts.table_checks import table_rule_problems
from dagster_project.contracts.table_rule import TableRule
from dagster_project.contracts.words import RESERVED


def feed_problems(
    feed: Feed, document: Document, codes: Mapping[str, CodeList]
) -> Iterator[Problem]:
    """What does not fit within one feed's contract."""
    yield from _name_problems(feed.name, document)
    yield from catalogue_problems(feed, document, feed.sla)
    if feed.status == "active":  # of a draft nothing arrives that could be read or merged
        yield from _key_problems(feed, document)
        yield from server_problems(feed, document)
        yield from _order_problems(feed, document)
        yield from _arrival_problems(feed, document)
        yield from _schedule_problems(feed, document)
        yield from _place_problems(feed, document)
        yield from _register_problems(feed, document)
    yield from _title_problems(feed)
    for column in feed.columns:
        for sentence in (*column_faults(column, codes), *flag_faults(column, codes)):
            yield Problem(feed.path, column.line, f"column `{column.name}`: {sentence}")
    yield from rule_form_problems(document)
    yield from _rule_problems(feed)
    yield from table_rule_problems(feed, document)


def table_problems(
    table: Table, document: Document, codes: Mapping[str, CodeList]
) -> Iterator[Problem]:
    """What does not fit within a table's contract; columns passing through are not known here."""
    yield from _name_problems(table.name, document)
    yield from catalogue_problems(table, document)
    yield from _period_problems(table, document)
    for column in table.columns:
        for sentence in column_faults(column, codes):
            yield Problem(table.path, column.line, f"column `{column.name}`: {sentence}")
    names = [column.name for column in table.columns]
    for name in _repeated(names):
        yield document.problem(f"column `{name}` is described twice; keep one", "schema")
    for number, entry in enumerate(document.data["schema"][0].get("quality") or ()):
        if isinstance(entry["implementation"], dict) and "row" not in entry["implementation"]:
            what = f"rule `{entry['id']}`: rules of records together are for feeds; write `row`"
            yield document.problem(what, "schema", 0, "quality", number)
    for rule in table.rules:
        if parse(rule.expression) is None:
            yield Problem(
                table.path, rule.line, f"rule `{rule.id}`: this is not one SQL expression"
            )
    for name in _repeated([rule.id for rule in table.rules]):
        yield document.problem(f"rule `{name}` is written twice; rename one", "schema")


def _period_problems(table: Table, document: Document) -> Iterator[Problem]:
    """Which period a row belongs to must be written in the row, and part of what identifies it."""
    if not table.period_column:
        return
    properties = [entry["property"] for entry in document.data["customProperties"]]
    place = ("customProperties", properties.index("periodColumn"))
    named = f"`periodColumn` names `{table.period_column}`, which"
    column = next((c for c in table.columns if c.name == table.period_column), None)
    if not table.period:
        what = "`periodColumn` is for a report with a period; add `period`, or remove it"
        yield document.problem(what, *place)
    elif column is None:
        what = f"{named} this contract does not describe; correct it, or describe the column"
        yield document.problem(what, *place)
    elif column.type not in {"string", "date", "timestamp"}:
        what = f"{named} is no date and no text like 202305; name one that is"
        yield document.problem(what, *place)
    elif not column.is_key:
        what = f"{named} is not in the key, so that two periods share rows; add `primaryKey`"
        yield document.problem(what, *place)


def _repeated(names: list[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _name_problems(name: str, document: Document) -> Iterator[Problem]:
    inner = document.data["schema"][0]["name"]
    if inner != name:
        what = f"the file is named `{name}` but the schema `{inner}`; give both one name"
        yield document.problem(what, "schema", 0, "name")
    if name in RESERVED:
        yield document.problem(f"`{name}` is a word of SQL; rename the file and the schema")


def _key_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    keyed = [column for column in feed.columns if column.is_key]
    if not keyed:
        what = "no column is the key; mark the business key with `primaryKey: true`"
        yield document.problem(what, "schema", 0, "properties")
    if sorted(column.key_position for column in keyed) != list(range(1, len(keyed) + 1)):
        what = "the key's positions do not count 1, 2, …; correct `primaryKeyPosition`"
        yield Problem(feed.path, keyed[0].line, what)
    for column in keyed:
        if not column.required:
            what = f"key column `{column.name}` may be empty; add `required: true`"
            yield Problem(feed.path, column.line, what)


def _order_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    if not feed.order_by:
        return
    column = next((c for c in feed.columns if c.name == feed.order_by), None)
    if column is None:
        what = f"`orderBy` names `{feed.order_by}`, which is no column of this contract; correct it"
        yield document.problem(what, "customProperties")
    elif column.type not in {"timestamp", "date"}:
        what = f"`orderBy` names `{feed.order_by}`, which is no time; name a timestamp or date"
        yield document.problem(what, "customProperties")


def _arrival_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    said = {entry["property"] for entry in document.data["customProperties"]}
    if "vanishing" in said and feed.delivery != "full":
        what = "`vanishing` is for full snapshots; an increment lacks most keys; leave it out"
        yield document.problem(what, "customProperties")
    if feed.period is None:
        return
    named = f"`period` names `{feed.period.column}`, which is no"
    column = next((c for c in feed.columns if c.name == feed.period.column), None)
    if column is None:
        yield document.problem(f"{named} column of this contract; correct it", "customProperties")
    elif column.type not in {"timestamp", "date", "string"} or column.level in {"L3", "L4"}:
        what = f"{named} date of a record; name a date, or a code like 202305, of level L1 or L2"
        yield document.problem(what, "customProperties")


def _schedule_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    """A cron line that names no instant would stop every task's timetable."""
    if feed.sla.schedule:
        try:
            Cron.parse(feed.sla.schedule)
        except ValueError as error:
            what = f"the schedule {error}; write a cron line, 0 2 * * *"
            yield document.problem(what, "slaProperties")


def _register_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    named = [column for column in feed.columns if column.name == feed.name_column]
    if feed.name_column and not any(column.type == "string" for column in named):
        what = f"`nameColumn` names `{feed.name_column}`, which is no text here; correct it"
        yield document.problem(what, "customProperties")


def _place_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    place = feed.coordinates
    if place is None:
        return
    kinds = {column.name: column.type for column in feed.columns}
    for name in (place.longitude, place.latitude):
        if kinds.get(name) != "decimal":
            what = f"`coordinates` names `{name}`, which is no number of this contract; correct it"
            yield document.problem(what, "customProperties")
    west, south, east, north = map(float, place.within)
    if west >= east or south >= north:
        what = "`within` of `coordinates` is not west, south, east, north; put them in this order"
        yield document.problem(what, "customProperties")


def _title_problems(feed: Feed) -> Iterator[Problem]:
    names: set[str] = set()
    headers: dict[str, str] = {}
    for column in feed.columns:
        if column.name in names:
            what = f"column `{column.name}` is described twice; keep one"
            yield Problem(feed.path, column.line, what)
            continue
        names.add(column.name)
        for header in dict.fromkeys((column.title, *column.aliases)):
            if header in headers:
                what = f"`{header}` is a header of `{headers[header]}` and of `{column.name}`"
                yield Problem(feed.path, column.line, f"{what}; keep it with one of them")
            headers[header] = column.name


def _rule_problems(feed: Feed) -> Iterator[Problem]:
    names = tuple(column.name for column in feed.columns)
    seen: set[str] = set()
    sound: list[Rule] = []
    rules: tuple[Rule | TableRule, ...] = (*feed.rules, *feed.table_rules)
    for rule in rules:
        if rule.id in seen:
            what = f"rule `{rule.id}` is written twice; rename one"
            yield Problem(feed.path, rule.line, what)
        seen.add(rule.id)
        if isinstance(rule, TableRule):
            continue
        fault = expression_fault(rule.expression, names)
        if fault:
            yield Problem(feed.path, rule.line, f"rule `{rule.id}`: {fault}")
        else:
            sound.append(rule)
    if len(set(names)) < len(names) or not binding_fault(
        [r.expression for r in sound], feed.columns
    ):
        return
    for rule in sound:
        if fault := binding_fault([rule.expression], feed.columns):
            what = f"rule `{rule.id}`: DuckDB cannot evaluate it ({fault}); correct the expression"
            yield Problem(feed.path, rule.line, what)


def overlapping(feeds: Mapping[str, Feed]) -> Iterator[tuple[Feed, Problem]]:
    """Feeds whose files another feed claims as well: one file is of one feed."""
    claimed: list[tuple[str, Feed]] = []
    for feed in feeds.values():
        for pattern in feed.patterns:
            for other, owner in claimed:
                if owner is not feed and (_covers(pattern, other) or _covers(other, pattern)):
                    what = f"files `{pattern}` are also of feed `{owner.name}` (`{other}`)"
                    yield feed, Problem(feed.path, 1, f"{what}; give each feed its own file names")
            claimed.append((pattern, feed))


def _covers(pattern: str, other: str) -> bool:
    return fnmatchcase(other.replace("*", "x"), pattern)
