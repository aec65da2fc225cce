"""What breaks if a feed's column goes away: tried out on the models, and followed along lineage.

Every model that the column reaches is read again against a schema without it: what no longer
resolves would no longer be built, and neither would what reads that. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import cell_rules
from dagster_project.contracts.model import Feed
from dagster_project.contracts.table_rule import TableRule
from dagster_project.errors import ModelError, UsageError
from dagster_project.lineage.atlas.atlas import Atlas
from dagster_project.lineage.columns import ROWS, lineage_of
from dagster_project.lineage.describe import base_schema
from dagster_project.lineage.walk import How, Spot, Walk
from dagster_project.transform.models import Model

DIALECT = "duckdb"


@dataclass(frozen=True)
class Broken:
    """A model that is no longer built, and why: its SQL does not resolve, or its input is gone."""

    table: str
    title: str
    path: str
    why: str


@dataclass(frozen=True)
class Touched:
    """A table that is still there, with the columns that lose values or count other rows.

    ``columns`` is how many it has; those that the programme adds are not counted.
    """

    table: str
    title: str
    values: tuple[str, ...]
    rows: tuple[str, ...]
    columns: int


@dataclass(frozen=True)
class Rule:
    """A rule of a contract that could no longer be asked."""

    feed: str
    id: str
    message: str


@dataclass(frozen=True)
class Sealed:
    """A report that would change, with its newest package; what is sealed stays as it is."""

    report: str
    title: str
    how: str
    package_id: str
    period: str
    packages: int


@dataclass(frozen=True)
class Loss:
    """Everything that would no longer be as it is.

    ``why_all`` says why no row at all would be valid without the column; empty where rows would.
    """

    feed: str
    column: str
    title: str
    department: str
    why_all: str
    broken: tuple[Broken, ...]
    touched: tuple[Touched, ...]
    rules: tuple[Rule, ...]
    reports: tuple[Sealed, ...]


def without(atlas: Atlas, workshop: Workshop, said: str) -> Loss:
    """What breaks if a feed's column goes away.

    Args:
        atlas: The site's tables.
        workshop: Its workshop, as one that collects.
        said: ``FEED.COLUMN``, by names or titles, in any of the feed's layers.

    Raises:
        UsageError: No such column, or not a feed's.
    """
    table, name = atlas.find(said)
    feed, column = _meant(atlas, workshop, table, name, said)
    city = Workshop.at(workshop.home.root, "receive")
    whole_feed = _why_all(feed, column)
    # That its rules reject no row any more is told with the rules.
    starts: list[Spot] = [(f"silver.{feed.name}", column)]
    if whole_feed:
        starts.append((f"silver.{feed.name}", ROWS))
    walked = atlas.network.walk("down", starts)
    broken = tuple(_broken(workshop, city, feed, column, walked))
    rest = tuple(_touched(atlas, walked, {one.table for one in broken}))
    one = feed.column(column)
    return Loss(
        feed=feed.name,
        column=column,
        title=one.title,
        department=feed.department_name,
        why_all=whole_feed,
        broken=broken,
        touched=rest,
        rules=tuple(_rules(workshop, feed, column)),
        reports=tuple(_reports(workshop, atlas, broken, rest)),
    )


def _meant(atlas: Atlas, workshop: Workshop, table: str, name: str, said: str) -> tuple[Feed, str]:
    layer, _, stem = table.partition(".")
    if layer == "landing" and name:
        titled = [one.name for one in workshop.feed(stem).columns if name in (one.title, one.name)]
        name = titled[0] if titled else ""
    known = workshop.contracts.feeds.get(stem)
    if layer in {"landing", "bronze", "silver"} and known:
        if name in {one.name for one in known.columns}:
            return known, name
        raise UsageError(
            f"{said} names no column that {known.department_name} delivers",
            todo=f"Name one of {', '.join(one.name for one in known.columns)}",
        )
    elsewhere = [feed for feed in workshop.contracts.feeds if feed == said.partition(".")[0]]
    if elsewhere and "." in said:
        return _meant(atlas, workshop, *atlas.find(f"silver.{said}"), said)
    raise UsageError(
        f"{table} is no feed's table",
        todo="Name FEED.COLUMN; `countylake lineage down` tells what depends on other tables",
    )


def _why_all(feed: Feed, column: str) -> str:
    one = feed.column(column)
    if one.is_key:
        return "it is part of the key: without it no record can be told from another"
    if one.required:
        return "the contract requires it: without it no row is valid"
    if column == feed.order_by:
        return "records are put in order by it: which one is newest could not be told"
    return ""


def _broken(
    workshop: Workshop, city: Workshop, feed: Feed, column: str, walked: Walk
) -> Iterator[Broken]:
    """Models whose SQL no longer resolves, and those that read them."""
    schema: dict[str, Mapping[str, str]] = dict(base_schema(workshop.contracts))
    silver = f"silver.{feed.name}"
    schema[silver] = {name: kind for name, kind in schema[silver].items() if name != column}
    gone: set[str] = set()
    for shop in (workshop, city):
        for table, columns in shop.given.items():
            schema[table] = {one.name: one.duck_type for one in columns}
        for model in shop.graph.models.values():
            if model.table in walked.tables and (why := _why(model, schema, gone)):
                gone.add(model.table)
                yield Broken(model.table, model.contract.title, model.path, why)
            else:
                names = shop.lineage(model.table).columns
                schema[model.table] = dict.fromkeys(names, "UNKNOWN")


def _why(model: Model, schema: Mapping[str, Mapping[str, str]], gone: set[str]) -> str:
    """Why a model cannot be built; empty where it can."""
    if lacking := [one for one in model.inputs if one in gone]:
        return f"reads {', '.join(lacking)}, which would not be built"
    try:
        lineage_of(model.table, model.query, schema)
    except ModelError:
        lost = "its SQL names the column"
        return lost if not model.path.startswith("schemas") else "its data items name the column"
    return ""


def _touched(atlas: Atlas, walked: Walk, gone: set[str]) -> Iterator[Touched]:
    for table in atlas.network.order:
        if table not in walked.tables or table in gone:
            continue
        ways: dict[How, list[str]] = {"value": [], "rows": []}
        for name in walked.tables[table]:
            if name != ROWS and not name.startswith("_"):
                ways[walked.reached[table, name].how].append(name)
        if any(ways.values()):
            title = atlas.table_title(table)
            names = atlas.network.lineages[table].columns
            count = sum(not name.startswith("_") for name in names)
            yield Touched(table, title, tuple(ways["value"]), tuple(ways["rows"]), count)


def _rules(workshop: Workshop, feed: Feed, column: str) -> Iterator[Rule]:
    """Rules that name the column: the feed's own, references to it, and rules over silver."""
    for rule in feed.rules:
        if column in rule.columns:
            yield Rule(feed.name, rule.id, rule.message)
    for cell in cell_rules(feed.column(column)):
        yield Rule(feed.name, cell.id, "")
    schema = base_schema(workshop.contracts)
    silver = f"silver.{feed.name}"
    less = dict(schema)
    less[silver] = {name: kind for name, kind in schema[silver].items() if name != column}
    for other in workshop.contracts.feeds.values():
        for one in other.columns:
            reference = one.reference
            if reference and (reference.feed, reference.column) == (feed.name, column):
                yield Rule(other.name, f"{one.name}.reference", "")
        for table_rule in other.table_rules:
            if _names(table_rule, other, feed, column) or _unresolved(table_rule, schema, less):
                yield Rule(other.name, table_rule.id, table_rule.message)


def _names(rule: TableRule, owner: Feed, feed: Feed, column: str) -> bool:
    """Whether a rule over the feed's own records names the column."""
    if owner.name != feed.name or rule.form == "records":
        return False
    texts = filter(None, (rule.where, rule.holds))
    said = {node.name for text in texts for node in _columns(text)}
    return column in {*rule.columns, rule.sequence, *said}


def _columns(text: str) -> Iterator[exp.Column]:
    try:
        yield from sqlglot.parse_one(text, read=DIALECT).find_all(exp.Column)
    except SqlglotError:
        return


def _unresolved(
    rule: TableRule,
    schema: Mapping[str, Mapping[str, str]],
    less: Mapping[str, Mapping[str, str]],
) -> bool:
    if rule.form != "records":
        return False
    try:
        lineage_of("rule", rule.query, schema)
    except (ModelError, SqlglotError):
        return False
    try:
        lineage_of("rule", rule.query, less)
    except ModelError:
        return True
    return False


_PACKAGES = """
SELECT report, ARG_MAX(package_id, package_no), ARG_MAX(period, package_no), COUNT(*)
FROM lake.ops.package
WHERE kind = 'report'
GROUP BY report
"""


def _reports(
    workshop: Workshop, atlas: Atlas, broken: tuple[Broken, ...], rest: tuple[Touched, ...]
) -> Iterator[Sealed]:
    ways = {one.table: "not built" for one in broken}
    ways |= {one.table: "values" if one.values else "rows" for one in rest}
    packages: dict[str, tuple[str, str, int]] = {}
    if workshop.home.catalog.exists():
        with workshop.lake.reader() as con:
            try:
                found = con.execute(_PACKAGES).fetchall()
            except duckdb.CatalogException:  # nothing was ever sealed here
                found = []
            packages = {str(name): (one, str(when), count) for name, one, when, count in found}
    for table in atlas.network.order:
        layer, _, name = table.partition(".")
        if layer == "report" and table in ways:
            package, period, count = packages.get(name, ("", "", 0))
            yield Sealed(table, atlas.table_title(table), ways[table], package, period, count)
