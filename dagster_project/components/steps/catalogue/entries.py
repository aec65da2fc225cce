"""The catalogue (政务信息资源目录) as it stands: what contracts say, and what the lake holds.

Every feed has an entry, drafts that nobody supplies yet too; a table made by SQL has one when its
contract says so (``catalogue``), for only some of them are shared. How entries are written for
others is ``catalogue_forms``' and ``catalogue_dcat``'s work; the indicators are SQL models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.catalogue import Catalogued, catalogued, channels, table_level
from dagster_project.contracts.model import CodeList, Column, Feed, Table
from dagster_project.errors import UsageError

TYPES = {
    "string": "字符型C",
    "integer": "整型I",
    "decimal": "数值型N",
    "date": "日期型D",
    "timestamp": "日期时间型T",
    "boolean": "逻辑型L",
}
"""Types of information items, as the compilation guide names them."""
FIXED = {"resident_id": 18, "uscc": 18}
"""Lengths that a format fixes."""
MADE = "Parquet"

_UPDATED = """
SELECT feed, MAX(received_at)
FROM lake.ops.delivery
WHERE outcome IN ('merged', 'unchanged')
GROUP BY feed
"""
_HELD = """
SELECT feed, ARG_MAX(live, (committed_at, delivered_at, batch_id))
FROM lake.ops.batch
GROUP BY feed
"""
# A build that changed nothing is no update of the table.
_BUILT = """
WITH told AS (
  SELECT table_name, built_at, row_count, content_hash IS DISTINCT FROM LAG(content_hash)
    OVER (PARTITION BY table_name ORDER BY built_at, snapshot) AS changed
  FROM lake.ops.model_build
)
SELECT table_name, MAX(built_at) FILTER (changed), ARG_MAX(row_count, built_at)
FROM told
GROUP BY table_name
"""


_TABLE = (
    "SELECT 1 FROM duckdb_tables()"
    " WHERE database_name = 'lake' AND schema_name = ? AND table_name = ?"
)


@dataclass(frozen=True)
class Item:
    """One information item (信息项): a column."""

    name: str
    title: str
    description: str
    type: str
    logical_type: str
    length: str
    level: str
    is_key: bool
    is_required: bool
    codes: str


@dataclass(frozen=True)
class Entry:
    """One entry of the catalogue.

    ``last_update_at`` and ``rows`` are what the lake holds; nothing was ever delivered or built
    where ``is_mounted`` is false.
    """

    table: str
    layer: str
    title: str
    summary: str
    provider: str
    provider_slug: str
    words: Catalogued
    formats: tuple[str, ...]
    items: tuple[Item, ...]
    level: str
    channels: str
    status: str
    version: str
    contract: str
    is_mounted: bool
    last_update_at: datetime | None
    rows: int


@dataclass(frozen=True)
class Catalogue:
    """A site's entries, by code, with the code lists whose titles they use."""

    site_code: str
    site_name: str
    entries: tuple[Entry, ...]
    codes: dict[str, CodeList]

    def said(self, codes: str, code: str) -> str:
        """A code's title, or the code itself where the list is not there."""
        if codes in self.codes:
            for entry in self.codes[codes].entries:
                if entry.code == code:
                    return entry.title
        return code


_Held = tuple[bool, datetime | None, int]


def catalogue(workshop: Workshop) -> Catalogue:
    """Every entry of the site, ordered by resource code."""
    held = _held(workshop)
    contracts = workshop.contracts
    feeds = [*contracts.feeds.values(), *contracts.drafts.values()]
    entries = [_of_feed(feed, held.get(f"silver.{feed.name}")) for feed in feeds]
    for (layer, name), table in contracts.tables.items():
        full = f"{layer}.{name}"
        if table.catalogue and full in workshop.graph.models:
            columns = workshop.described(full)
            entries.append(_of_table(workshop, full, table, columns, held.get(full)))
    ordered = sorted(entries, key=lambda one: (one.words.code or "~", one.table))
    return Catalogue(workshop.site.code, workshop.site.name, tuple(ordered), dict(contracts.codes))


def indicators(workshop: Workshop) -> dict[str, Any]:
    """The site's indicators as the last run computed them; empty before the first one."""
    if not workshop.home.catalog.exists():
        return {}
    with workshop.lake.reader() as con:
        if not con.execute(_TABLE, ["gold", "catalogue_indicator"]).fetchone():
            return {}
        found = con.execute(
            "SELECT * FROM lake.gold.catalogue_indicator WHERE department_code = 'all'"
        )
        row = found.fetchone()
        names = [column[0] for column in found.description or []]
    return dict(zip(names, row, strict=True)) if row else {}


def entry_of(found: Catalogue, asked: str) -> Entry:
    """The entry of a resource code, or of a feed's or table's name.

    Raises:
        UsageError: There is none.
    """
    for entry in found.entries:
        if asked in {entry.words.code, entry.table, entry.table.partition(".")[2]}:
            return entry
    raise UsageError(
        f"the catalogue has no entry {asked}",
        where="schemas",
        todo="`countylake catalogue` lists the codes; a feed's name will do as well",
    )


def _held(workshop: Workshop) -> dict[str, _Held]:
    """Of each table that the lake holds: that it is mounted, its last update, its rows."""
    if not workshop.home.catalog.exists():
        return {}
    with workshop.lake.reader() as con:
        rows = dict(con.execute(_HELD).fetchall())
        found: dict[str, _Held] = {
            f"silver.{feed}": (True, at, int(rows.get(feed) or 0))
            for feed, at in con.execute(_UPDATED).fetchall()
        }
        for table, at, count in con.execute(_BUILT).fetchall():
            found[table] = (True, at, int(count))
    return found


def _of_feed(feed: Feed, held: _Held | None) -> Entry:
    mounted, updated, rows = held or (False, None, 0)
    return Entry(
        table=f"silver.{feed.name}",
        layer="feed",
        title=feed.title,
        summary=feed.description,
        provider=feed.department_name,
        provider_slug=feed.department_code,
        words=catalogued(feed),
        formats=feed.formats,
        items=_items(feed.columns),
        level=table_level(feed.columns),
        channels=channels(feed),
        status=feed.status,
        version=feed.version,
        contract=feed.path,
        is_mounted=mounted,
        last_update_at=updated,
        rows=rows,
    )


def _of_table(
    workshop: Workshop, full: str, table: Table, columns: Sequence[Column], held: _Held | None
) -> Entry:
    mounted, updated, rows = held or (False, None, 0)
    return Entry(
        table=full,
        layer=table.layer,
        title=table.title,
        summary=table.description,
        provider=table.owner or workshop.site.name,
        provider_slug=f"site_{workshop.site.code}",
        words=catalogued(table),
        formats=(MADE,),
        items=_items(columns),
        level=table_level(columns),
        channels="",
        status="active",
        version=table.version,
        contract=table.path,
        is_mounted=mounted,
        last_update_at=updated,
        rows=rows,
    )


def _items(columns: Sequence[Column]) -> tuple[Item, ...]:
    return tuple(
        Item(
            name=column.name,
            title=column.title,
            description=column.description,
            type=TYPES[column.type],
            logical_type=column.type,
            length=_length(column),
            level=column.level,
            is_key=column.is_key,
            is_required=column.required,
            codes=column.codes,
        )
        for column in columns
    )


def _length(column: Column) -> str:
    """The item's length; empty where nothing limits it."""
    if column.type == "decimal":
        return f"{column.precision},{column.scale}"
    if column.type != "string":
        return ""
    fixed = FIXED.get(column.format) or column.pad or column.max_length
    return str(fixed) if fixed else ""


def facts(found: Catalogue, entry: Entry) -> dict[str, Any]:
    """An entry for machines: codes beside their titles."""
    words = entry.words
    return {
        "code": words.code,
        "title": entry.title,
        "table": entry.table,
        "layer": entry.layer,
        "class": found.said("resource_class", words.code[:1]),
        "provider": entry.provider,
        "provider_code": words.provider_code,
        "summary": entry.summary,
        "formats": list(entry.formats),
        "share_type": words.share_type,
        "share_type_title": found.said("share_type", words.share_type),
        "share_condition": words.share_condition,
        "share_mode": words.share_mode,
        "share_mode_title": found.said("share_mode", words.share_mode),
        "legal_basis": words.legal_basis,
        "open_type": words.open_type,
        "open_type_title": found.said("open_type", words.open_type),
        "open_condition": words.open_condition,
        "update_cycle": words.update_cycle,
        "published": words.published,
        "related": list(words.related),
        "level": entry.level,
        "is_required": words.required,
        "status": entry.status,
        "is_mounted": entry.is_mounted,
        "channels": entry.channels,
        "last_update_at": entry.last_update_at,
        "rows": entry.rows,
        "contract": entry.contract,
        "contract_version": entry.version,
        "items": [vars(item) for item in entry.items],
    }
