"""What the read replica shows of each table: the plan that ``lake.publish`` carries out.

Masks and pseudonyms are defined next door; files and folders are the lake's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dagster_project.contracts.entities import Entity
from dagster_project.contracts.model import Column, Contracts, Feed, Layer, Table
from dagster_project.lake.plan import PublishColumn, PublishTable, ops_tables
from dagster_project.privacy import masks, pseudonym

# Silver's technical columns that tell an analyst where a row came from. The record's hash and the
# sheet's name stay inside: one confirms guesses, the other is a department's own free text.
_TECHNICAL = (
    ("_batch_id", "批次编号"),
    ("_source_row", "文件内行号"),
    ("_delivered_at", "送达时间（UTC）"),
    ("_is_deleted", "是否已被来源删除"),
)

Made = Mapping[tuple[Layer, str], tuple[Column, ...]]


def plan(contracts: Contracts, made: Made | None = None) -> tuple[PublishTable, ...]:
    """The replica of a site: silver masked, gold, report, city and the ops tables as they are.

    Args:
        contracts: The site's contracts.
        made: Every column of gold, report and city tables with what it inherited along lineage.
            Where it is missing, the table's own contract speaks, and a column that bears the name
            of a personal silver column is masked as that one.
    """
    hidden = pseudonymous(contracts)
    silver = tuple(_silver(feed, contracts, hidden) for feed in contracts.feeds.values())
    silver += tuple(_entity(one, contracts, hidden) for one in contracts.items.entities.values())
    personal = _personal(contracts)
    tables = tuple(
        _table(table, (made or {}).get(key, table.columns), personal)
        for key, table in contracts.tables.items()
    )
    return silver + tables + ops_tables()


def domain(contracts: Contracts, feed: str, column: str) -> str:
    """What a key column identifies, followed through entities and references to the first parent.

    Resident ids share one domain, so that a person found in two feeds is one pseudonym.
    """
    seen: set[tuple[str, str]] = set()
    while (feed, column) not in seen:
        seen.add((feed, column))
        for entity in contracts.items.entities.values():
            if entity.feeds.get(feed) == column:
                feed, column = next(iter(entity.feeds.items()))
        found = _column(contracts, feed, column)
        if found is None:
            break
        if found.format == "resident_id":
            return "resident_id"
        if found.reference is None:
            break
        feed, column = found.reference.feed, found.reference.column
    return f"{feed}.{column}"


def pseudonymous(contracts: Contracts) -> frozenset[str]:
    """The domains whose keys get a ``<column>_pseudonym`` wherever they stand.

    A domain is one as soon as one of its columns is a key or reference of level L3 or L4, or a key
    of a table with an L4 column; then its other columns follow, because they must join with it.
    """
    return frozenset(
        domain(contracts, feed.name, column.name)
        for feed in contracts.feeds.values()
        for column in feed.columns
        if (_identifies(contracts, feed, column) and column.level in masks.PERSONAL_LEVELS)
        or (column.is_key and any(other.level == "L4" for other in feed.columns))
    )


def _identifies(contracts: Contracts, feed: Feed, column: Column) -> bool:
    """Whether other tables are joined on the column: a key, a reference, an entity's key."""
    entities = contracts.items.entities.values()
    return bool(
        column.is_key
        or column.reference
        or any(entity.feeds.get(feed.name) == column.name for entity in entities)
    )


def _silver(feed: Feed, contracts: Contracts, hidden: frozenset[str]) -> PublishTable:
    columns: list[PublishColumn] = []
    for column in feed.columns:
        columns.append(_masked(column, masks.mask_of(column)))
        origin = domain(contracts, feed.name, column.name)
        if origin in hidden and _identifies(contracts, feed, column):
            columns.append(_pseudonym(column, origin))
    columns += [
        PublishColumn(name=name, expression=f'"{name}"', source=name, comment=comment)
        for name, comment in _TECHNICAL
    ]
    return PublishTable(
        schema="silver",
        name=feed.name,
        comment=f"{feed.title}（{feed.department_name}，已脱敏）",
        columns=tuple(columns),
        shared=True,
    )


def _pseudonym(column: Column, origin: str) -> PublishColumn:
    return PublishColumn(
        name=f"{column.name}_pseudonym",
        expression=pseudonym.expression(column.name, origin),
        source=column.name,
        comment=f"{column.title}（假名，用于关联）",
        needs=(pseudonym.INNER, pseudonym.OUTER),
    )


def _entity(entity: Entity, contracts: Contracts, hidden: frozenset[str]) -> PublishTable:
    """An entity as a feed's table is shown: masked, its key as a pseudonym, without sheets.

    A value is masked as in that of its sources which hides most: it says where it came from.
    """
    inside = {f"{item.name}_sheet" for item in entity.items}
    sources = {item.name: [(one.feed, one.column) for one in item.sources] for item in entity.items}
    sources[entity.key.name] = list(entity.feeds.items())
    columns = []
    for column in entity.columns:
        if column.name not in inside:
            known = [contracts.feeds[f].column(c) for f, c in sources.get(column.name, ())]
            columns.append(_masked(column, masks.strictest((column, *known))))
    origin = domain(contracts, *next(iter(entity.feeds.items())))
    if origin in hidden:
        columns.insert(1, _pseudonym(entity.key, origin))
    return PublishTable(
        schema="silver",
        name=entity.name,
        comment=f"{entity.title}（各项取自数源部门，已脱敏）",
        columns=tuple(columns),
        shared=True,
    )


def _table(table: Table, columns: Iterable[Column], personal: Mapping[str, Column]) -> PublishTable:
    described = {column.name: _masked(column, _mask_of_made(column)) for column in columns}
    described |= {
        name: _masked(column, _mask_of_made(column))
        for name, column in personal.items()
        if name not in described
    }
    return PublishTable(
        schema=table.layer,
        name=table.name,
        comment=f"{table.title}。{table.description}" if table.description else table.title,
        columns=tuple(described.values()),
        others=True,
    )


def _mask_of_made(column: Column) -> masks.Mask:
    """The mask outside silver: a coded category there is what a table counts by, no person's."""
    return "none" if column.codes and column.level == "L3" else masks.mask_of(column)


def _masked(column: Column, mask: masks.Mask) -> PublishColumn:
    note = "" if mask == "none" else "（已脱敏）"
    unit = f"（{column.unit}）" if column.unit else ""
    detail = f"：{column.description}" if column.description else ""
    return PublishColumn(
        name=column.name,
        expression=masks.expression(mask, column.name, column.duck_type),
        source=column.name,
        comment=f"{column.title}{unit}{note}{detail}",
    )


def _personal(contracts: Contracts) -> dict[str, Column]:
    """Personal silver columns by name; a name that is harmless in some feed counts as harmless."""
    found: dict[str, Column] = {}
    harmless: set[str] = set()
    for feed in contracts.feeds.values():
        for column in feed.columns:
            if masks.mask_of(column) in {"none", "scrub"}:
                harmless.add(column.name)
            else:
                found[column.name] = column
    return {name: column for name, column in found.items() if name not in harmless}


def _column(contracts: Contracts, feed: str, column: str) -> Column | None:
    parent = contracts.feeds.get(feed)
    if parent is None:
        return None
    return next((found for found in parent.columns if found.name == column), None)
