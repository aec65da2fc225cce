"""Departments that disagree, as people read it: whose row, which column, with whom.

What a department is told of another's value depends on the item's level: a public or internal one
is shown, a personal one only "differs". When cases open and close is ``transform.models``' work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.entities import Entity, Item
from dagster_project.contracts.model import Contracts
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.engine import quoted
from dagster_project.privacy.masks import mask_of
from dagster_project.transform.models import withdraw_others

# Every row that contradicts, in the form of ``cases.OPEN_PLACES``; a case may have several.
OPEN_PLACES = """
SELECT feed, unnest(batch_ids) AS batch_id, unnest(sheets) AS sheet,
    unnest(source_rows) AS source_row, [entity || '.' || item || '.differs'] AS reasons,
    NULL::VARCHAR AS raw, case_id
FROM lake.ops.disagreement
WHERE state = 'open' AND ($feed = '' OR feed = $feed)
"""

_FILE = real_file("d.opened_sheet")
_CLOSED = f"""
SELECT d.case_id, d.feed, {_FILE.path} AS file, {_FILE.sheet} AS sheet, d.opened_row,
    struct_pack(d.entity, d.item, d.column_name, d.source_feed) AS about,
    d.attempts, d.opened_at, d.returned_at, d.closed_at, d.how,
    coalesce(d.closed_batch_id, ''), coalesce(c.path, '')
FROM lake.ops.disagreement AS d
LEFT JOIN lake.ops.batch AS b ON b.batch_id = d.opened_batch_id
LEFT JOIN lake.ops.batch AS c ON c.batch_id = d.closed_batch_id
{_FILE.join}
WHERE d.state <> 'open' AND ($feed = '' OR d.feed = $feed)
ORDER BY d.closed_at DESC, d.case_id
LIMIT $limit
"""


@dataclass(frozen=True)
class Said:
    """What is to be said of one case: the sentence, and the column that it is about."""

    sentence: str
    column: str


def summary(con: duckdb.DuckDBPyConnection, feed: str = "") -> list[tuple[Any, ...]]:
    """Open cases by feed and item: feed, rule, what they are about, how many, since when."""
    return con.execute(
        "SELECT feed, entity || '.' || item || '.differs' AS rule_id,"
        " struct_pack(entity, item, column_name, source_feed) AS about,"
        " count(*) AS cases, min(opened_at) AS oldest"
        " FROM lake.ops.disagreement WHERE state = 'open' AND ($feed = '' OR feed = $feed)"
        " GROUP BY ALL ORDER BY oldest, cases DESC, feed, rule_id",
        {"feed": feed},
    ).fetchall()


def closed(con: duckdb.DuckDBPyConnection, feed: str, limit: int) -> list[tuple[Any, ...]]:
    """Cases that are done, the newest first, as ``cases`` lists its own."""
    return con.execute(_CLOSED, {"feed": feed, "limit": limit}).fetchall()


def sentence(contracts: Contracts, feed: str, about: Mapping[str, str], other: str = "") -> str:
    """What differs from whom, for the person who corrects it; ``other`` is their value."""
    mine, theirs = contracts.feeds.get(feed), contracts.feeds.get(about["source_feed"])
    title = about["column_name"]
    if mine is not None:
        title = next((c.title for c in mine.columns if c.name == title), title)
    if theirs is None:
        return f"{title}与{about['source_feed']}不一致"
    shown = f"，对方为“{other}”" if other else ""
    return f"{title}与{theirs.department_name}《{theirs.title}》不一致{shown}，请核实"


def said(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, cases: Iterable[str]
) -> dict[str, Said]:
    """What is to be said of the open ones among some cases, by number."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE asked AS"
        " SELECT * FROM lake.ops.disagreement"
        " WHERE state = 'open' AND case_id IN (SELECT unnest(?::VARCHAR[]))",
        [sorted(set(cases))],
    )
    rows = con.execute(
        "SELECT case_id, feed, struct_pack(entity, item, column_name, source_feed) FROM asked"
    ).fetchall()
    values = _shown(workshop, con, {(row[2]["entity"], row[2]["item"]) for row in rows})
    con.execute("DROP TABLE temp.asked")
    return {
        case_id: Said(
            sentence(workshop.contracts, name, about, values.get(case_id, "")),
            about["column_name"],
        )
        for case_id, name, about in rows
    }


def _shown(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, pairs: set[tuple[str, str]]
) -> dict[str, str]:
    """The values that hold, by case asked for, of the items whose level allows to show them."""
    found: dict[str, str] = {}
    for entity, name in sorted(pairs):
        known = workshop.contracts.items.entities.get(entity)
        item = known.item(name) if known else None
        if known is None or item is None or not may_be_shown(item):
            continue
        titles = _titles(workshop.contracts, item)
        rows = con.execute(
            f"SELECT d.case_id, CAST(e.{quoted(name)} AS VARCHAR)"
            f" FROM asked AS d JOIN lake.silver.{quoted(entity)} AS e"
            f" ON CAST(e.{quoted(known.key.name)} AS VARCHAR) = d.record_key"
            " WHERE d.entity = ? AND d.item = ?",
            [entity, name],
        ).fetchall()
        found |= {case: titles.get(value, value) if value else "空" for case, value in rows}
    return found


def may_be_shown(item: Item) -> bool:
    """Whether a department may be told what another one says of the item."""
    mask = mask_of(item.column)
    return (item.column.level == "L1" and mask in {"none", "scrub"}) or (
        item.column.level == "L2" and mask == "none"
    )


def _titles(contracts: Contracts, item: Item) -> dict[str, str]:
    codes = contracts.codes.get(item.column.codes)
    return {one.code: f"{one.code} {one.title}" for one in codes.entries} if codes else {}


def withdraw_undeclared(workshop: Workshop, occasion: Occasion) -> int:
    """Withdraw the cases of entities that ``items.yaml`` no longer names.

    While something in it is wrong nobody knows what it means to say, and all cases stay.

    Returns:
        How many were withdrawn.
    """
    items = workshop.contracts.items
    if any(problem.path == items.path for problem in workshop.contracts.problems):
        return 0
    with (
        workshop.lake.writer("withdrawing cases") as writer,
        writer.transaction("cases of entities that are gone", run_id=occasion.run_id) as tx,
    ):
        return withdraw_others(tx.con, tuple(items.entities), clock.now())


@dataclass(frozen=True)
class Supplier:
    """One source of a data item; the first of an item is the 数源部门."""

    feed: str
    title: str
    column: str
    column_title: str
    department: str
    is_source: bool
    open_cases: int
    oldest: datetime | None


@dataclass(frozen=True)
class ItemLine:
    """One data item of an entity, with everybody who supplies it, in order of priority."""

    entity: str
    entity_title: str
    item: str
    title: str
    level: str
    suppliers: tuple[Supplier, ...]


def overview(workshop: Workshop) -> list[ItemLine]:
    """Every declared data item; open cases are counted where the site has a lake."""
    cases: dict[tuple[str, str], tuple[int, datetime]] = {}
    if workshop.home.catalog.exists():
        with workshop.lake.reader() as con:
            for feed, rule, _, count, oldest in summary(con):
                held, since = cases.get((feed, rule), (0, oldest))
                cases[feed, rule] = (held + count, min(since, oldest))
    return [
        ItemLine(
            entity=entity.name,
            entity_title=entity.title,
            item=item.name,
            title=item.title,
            level=item.column.level,
            suppliers=_suppliers(workshop.contracts, entity, item, cases),
        )
        for entity in workshop.contracts.items.entities.values()
        for item in entity.items
    ]


def _suppliers(
    contracts: Contracts,
    entity: Entity,
    item: Item,
    cases: Mapping[tuple[str, str], tuple[int, datetime]],
) -> tuple[Supplier, ...]:
    made: Sequence[Supplier] = [
        Supplier(
            feed=source.feed,
            title=contracts.feeds[source.feed].title,
            column=source.column,
            column_title=contracts.feeds[source.feed].column(source.column).title,
            department=contracts.feeds[source.feed].department_name,
            is_source=number == 0,
            open_cases=cases.get((source.feed, f"{entity.name}.{item.name}.differs"), (0,))[0],
            oldest=next(
                iter(cases.get((source.feed, f"{entity.name}.{item.name}.differs"), ())[1:]), None
            ),
        )
        for number, source in enumerate(item.sources)
    ]
    return tuple(made)
