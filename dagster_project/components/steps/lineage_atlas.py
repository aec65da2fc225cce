"""The atlas of a home: every table that its site makes, receives or sends, with what is known.

A county's atlas goes on into the tables of the site it reports to, a receiving site's begins in the
files of those that report to it: both have the same contracts. Walking it is ``lineage.walk``'s
work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column, Feed, LogicalType
from dagster_project.lake.engine import quoted
from dagster_project.lake.ops import TABLES
from dagster_project.lineage.atlas.atlas import Atlas, Card
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.walk import Network
from dagster_project.paths import Home
from dagster_project.transform.models import Model

TECHNICAL: Mapping[str, tuple[str, LogicalType]] = {
    "_extra": ("多出的单元格", "string"),
    "_defect": ("残缺行的说明", "string"),
    "_batch_id": ("批次编号", "string"),
    "_sheet": ("工作表", "string"),
    "_source_row": ("文件内行号", "integer"),
    "_record_hash": ("记录散列值", "string"),
    "_delivered_at": ("交付时间", "timestamp"),
    "_is_deleted": ("是否已删除", "boolean"),
}
"""Columns that the programme adds, with their titles."""
COUNTED = ("bronze", "ops", "city")
"""Layers whose rows are counted; of the others ledgers tell."""


@dataclass(frozen=True)
class Standing:
    """How many rows a table has, and since when."""

    rows: int | None
    at: datetime | None


def atlas(home: Home, *, counted: bool = False) -> Atlas:
    """Every table of a home's site and of its neighbours.

    Args:
        home: The home; it need not hold a lake.
        counted: Also ask the lake how many rows each table has and when it was made.

    Raises:
        ModelError: A model cannot be traced.
    """
    county, city = Workshop.at(home.root), Workshop.at(home.root, "receive")
    lineages = county.whole | city.whole
    cards = {card.table: card for card in _cards(county, city, lineages)}
    if counted:
        known = standings(county)
        cards = {
            table: replace(card, rows=known[table].rows, at=known[table].at)
            if table in known
            else card
            for table, card in cards.items()
        }
    keys = {table: card.key for table, card in cards.items() if card.path and card.key}
    feeds = county.contracts.feeds.values()
    departments = {feed.department_code: feed.department_name for feed in feeds}
    return Atlas(Network(lineages, keys), cards, departments)


def _cards(
    county: Workshop, city: Workshop, lineages: Mapping[str, ModelLineage]
) -> Iterator[Card]:
    for feed in county.contracts.feeds.values():
        yield from _feed_cards(feed, lineages)
    ledgers = {edge.source_table for one in lineages.values() for edge in one.edges}
    for stem, ledger in TABLES.items():
        if f"ops.{stem}" in ledgers:
            columns = tuple(Column(one, title, "string") for one, _, title in ledger.columns)
            yield Card(f"ops.{stem}", ledger.comment.partition("：")[0], columns)
    for table, given in city.given.items():
        layer, _, name = table.partition(".")
        if layer == "city":
            report = county.contracts.tables["report", name]
            yield Card(
                table,
                report.title,
                given,
                key=("site_code", "period", "revision", *report.key),
                description="下级单位报送包中的行，验签、核对后合并",
                version=report.version,
            )
        else:
            yield Card(table, "收到的报送包及其处理", given)
    for shop in (county, city):
        for model in shop.graph.models.values():
            yield _model_card(model, shop.described(model.table))


def _feed_cards(feed: Feed, lineages: Mapping[str, ModelLineage]) -> Iterator[Card]:
    """The file, the table of its cells, and the table of its records."""
    whose = Card(
        table="",
        title=feed.title,
        columns=(),
        key=feed.key,
        department=feed.department_name,
        department_code=feed.department_code,
        description=feed.description,
        version=feed.version,
        contract=feed.path,
    )
    titled = tuple(replace(one, name=one.title or one.name) for one in feed.columns)
    yield replace(whose, table=f"landing.{feed.name}", columns=titled, key=())
    own = {column.name: column for column in feed.columns}
    for table in (f"bronze.{feed.name}", f"silver.{feed.name}"):
        raw = table.startswith("bronze.")
        columns = [
            (replace(own[name], type="string") if raw else own[name])
            if name in own
            else technical(name)
            for name in lineages[table].columns
        ]
        yield replace(whose, table=table, columns=tuple(columns))


def technical(name: str) -> Column:
    """A column that the programme adds to the department's own."""
    title, kind = TECHNICAL.get(name, (name, "string"))
    return Column(name, title, kind, level="L1")


def _model_card(model: Model, columns: tuple[Column, ...]) -> Card:
    contract = model.contract
    titled = tuple(
        replace(one, title=TECHNICAL[one.name][0])
        if one.name in TECHNICAL and one.title == one.name
        else one
        for one in columns
    )
    return Card(
        table=model.table,
        title=contract.title,
        columns=titled,
        key=contract.key,
        description=contract.description,
        version=contract.version,
        contract=contract.path,
        path=model.path,
        sql=model.text,
    )


_BUILT = """
SELECT table_name, ARG_MAX(row_count, built_at), MAX(built_at)
FROM lake.ops.model_build
GROUP BY ALL
"""
_MERGED = """
SELECT feed, ARG_MAX(live, committed_at), MAX(committed_at), COUNT(DISTINCT sha256)
FROM lake.ops.batch
GROUP BY ALL
"""


def standings(workshop: Workshop) -> dict[str, Standing]:
    """Rows and last change of the tables of a home's lake, read from a copy of its catalog."""
    if not workshop.home.catalog.exists():
        return {}
    with workshop.lake.reader() as con:
        present = {
            f"{schema}.{name}"
            for schema, name in con.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake'"
            ).fetchall()
        }
        found = _counted(con, sorted(present))
        if "ops.batch" in present:
            for feed, live, at, files in con.execute(_MERGED).fetchall():
                found[f"landing.{feed}"] = Standing(files, at)
                found[f"silver.{feed}"] = Standing(live, at)
                if f"bronze.{feed}" in found:
                    found[f"bronze.{feed}"] = replace(found[f"bronze.{feed}"], at=at)
        if "ops.model_build" in present:
            for table, rows, at in con.execute(_BUILT).fetchall():
                found[table] = Standing(rows, at)
    return found


def _counted(con: duckdb.DuckDBPyConnection, tables: list[str]) -> dict[str, Standing]:
    named = [one.partition(".") for one in tables]
    parts = [
        f"SELECT '{schema}.{name}', COUNT(*) FROM lake.{quoted(schema)}.{quoted(name)}"
        for schema, _, name in named
        if schema in COUNTED
    ]
    if not parts:
        return {}
    rows = con.execute(" UNION ALL ".join(parts)).fetchall()
    # Every site has every ledger; those that its duty leaves empty tell nothing.
    return {
        str(table): Standing(int(count), None)
        for table, count in rows
        if count or not table.startswith("ops.")
    }
