"""An entity -> the model of its table: a row per key, each item from the first source that speaks.

An entity of ``items.yaml`` is one more model, of the layer ``silver``, whose SELECT is generated
here in place of being written in ``sql/``. So whatever knows models knows it: the graph puts it
before the gold models that read it, lineage and traces go through its SQL down to the rows of
files, it is built only when an input changed and written only when its content did.
``silver.<feed>`` stays as the department sent it: nothing is overwritten, and the value that lost
is still there.

Where a feed has several rows of a key, its newest with an opinion speaks: by the feed's own order,
then by delivery and place. Which rows contradict the answer is ``disagreements``' question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import cast

import sqlglot
from sqlglot import exp

from dagster_project.contracts.entities import OTHERS, Entity, Item, Source
from dagster_project.contracts.model import Column, Contracts, Feed, Table
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.models.model import DIALECT, Model

_NEWEST = "changed_at DESC NULLS LAST, _delivered_at DESC, _batch_id DESC, _sheet DESC"
PLACE = ("_batch_id", "_sheet", "_source_row")


def entity_models(contracts: Contracts) -> Iterator[Model]:
    """The model of every entity."""
    for entity in contracts.items.entities.values():
        text = entity_select(entity, contracts)
        query = cast("exp.Query", sqlglot.parse_one(text, read=DIALECT))
        yield Model(
            name=entity.name,
            layer="silver",
            path=entity.path,
            text=text,
            query=query,
            inputs=tuple(sorted(f"silver.{feed}" for feed in entity.feeds)),
            parameters=(),
            contract=Table(
                name=entity.name,
                layer="silver",
                title=entity.title,
                version=entity.version,
                description=entity.description,
                columns=entity.columns,
                key=(entity.key.name,),
                path=entity.path,
                hash=_form(entity),
            ),
        )


def _form(entity: Entity) -> str:
    """What of the declaration matters to the table, so that other entities' lines do not."""
    return hashlib.sha256(repr((entity.title, entity.columns)).encode()).hexdigest()


def entity_select(entity: Entity, contracts: Contracts) -> str:
    """The SELECT that makes an entity's table, in DuckDB's dialect."""
    key = quoted(entity.key.name)
    parts = [f"keys AS ({' UNION '.join(_keys(entity, contracts))})"]
    chosen, joins = [f"keys.{key} AS {key}"], ["FROM keys"]
    for item in entity.items:
        said, first = quoted(f"{item.name}_said"), quoted(f"{item.name}_first")
        branches = " UNION ALL ".join(
            _said(entity, item, source, contracts, number)
            for number, source in enumerate(item.sources, 1)
        )
        parts.append(f"{said} AS ({branches})")
        parts.append(
            f"{first} AS (SELECT entity_key, value, source, {', '.join(PLACE)} FROM {said}"
            f" QUALIFY row_number() OVER (PARTITION BY entity_key"
            f" ORDER BY rank, {_NEWEST}, _source_row DESC) = 1)"
        )
        joins.append(f"LEFT JOIN {first} ON {first}.entity_key = keys.{key}")
        chosen.append(f"{first}.value AS {quoted(item.name)}")
        chosen.append(f"{first}.source AS {quoted(item.name + '_source')}")
        chosen += [f"{first}.{name} AS {quoted(item.name + name)}" for name in PLACE]
    joins.append(f"ORDER BY keys.{key}")
    return f"WITH {', '.join(parts)} SELECT {', '.join(chosen)} {' '.join(joins)}"


def _keys(entity: Entity, contracts: Contracts) -> Iterator[str]:
    for name, column in entity.feeds.items():
        yield (
            f"SELECT {key_of(entity, contracts.feeds[name], 's')} AS {quoted(entity.key.name)}"
            f" FROM silver.{quoted(name)} AS s"
            f" WHERE NOT s._is_deleted AND s.{quoted(column)} IS NOT NULL"
        )


def _said(entity: Entity, item: Item, source: Source, contracts: Contracts, number: int) -> str:
    """What one source says, each row with its rank, its age and its place."""
    feed = contracts.feeds[source.feed]
    newer = f"CAST(s.{quoted(feed.order_by)} AS TIMESTAMP)" if _is_time(feed) else "NULL::TIMESTAMP"
    return (
        f"SELECT {key_of(entity, feed, 's')} AS entity_key,"
        f" {value(item, source, feed, 's')} AS value, {literal(feed.name)} AS source,"
        f" {number} AS rank, {newer} AS changed_at, s._delivered_at AS _delivered_at,"
        f" {', '.join(f's.{name} AS {name}' for name in PLACE)}"
        f" FROM silver.{quoted(feed.name)} AS s WHERE {speaks(entity, item, source, feed, 's')}"
    )


def _is_time(feed: Feed) -> bool:
    return bool(feed.order_by) and feed.column(feed.order_by).type in {"date", "timestamp"}


def key_of(entity: Entity, feed: Feed, alias: str) -> str:
    """The entity's key in a row; in capitals where the feed's contract does not make them so."""
    column = feed.column(entity.feeds[feed.name])
    name = f"{alias}.{quoted(column.name)}"
    return f"upper({name})" if entity.key.format not in {"", column.format} else name


def speaks(entity: Entity, item: Item, source: Source, feed: Feed, alias: str) -> str:
    """Whether a row is there, has the key, and says anything of the item."""
    key = f"{alias}.{quoted(entity.feeds[feed.name])}"
    known = f"NOT {alias}._is_deleted AND {key} IS NOT NULL"
    if source.blank:
        return known
    return f"{known} AND {value(item, source, feed, alias)} IS NOT NULL"


def value(item: Item, source: Source, feed: Feed, alias: str) -> str:
    """What a row says of the item, in the item's own codes and type."""
    column = feed.column(source.column)
    name = f"{alias}.{quoted(source.column)}"
    if source.map:
        return _mapped(source, f"CAST({name} AS VARCHAR)")
    kind = item.column.duck_type
    return name if column.duck_type == kind else f"CAST({name} AS {kind})"


def _mapped(source: Source, text: str) -> str:
    branches = " ".join(
        f"WHEN {text} = {literal(theirs)} THEN {literal(ours)}"
        for theirs, ours in source.map.items()
        if theirs != OTHERS
    )
    if OTHERS in source.map:
        branches += f" WHEN {text} IS NOT NULL THEN {literal(source.map[OTHERS])}"
    return f"CASE {branches} END"


def differs(column: Column, one: str, other: str) -> str:
    """Whether two values differ: of texts that people type, blanks and width do not count.

    The dear comparison is made only where the plain one found a difference: mostly nowhere.
    """
    plain = f"({one}) IS DISTINCT FROM ({other})"
    if not (column.textual or column.format == "person_name"):
        return plain
    return f"CASE WHEN {plain} THEN {_bare(one)} IS DISTINCT FROM {_bare(other)} ELSE FALSE END"


def _bare(expression: str) -> str:
    wide = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "•．‧"
    narrow = "".join(chr(code) for code in range(0x21, 0x7F)) + "···"
    text = f"regexp_replace({expression}, '[\\s\\x{{3000}}\\x{{A0}}]', '', 'g')"
    rare = f"regexp_matches({expression}, '[\\s\\x{{A0}}•．‧\\x{{3000}}\\x{{FF01}}-\\x{{FF5E}}]')"
    plain = f"translate({text}, {literal(wide)}, {literal(narrow)})"
    return f"lower(CASE WHEN {rare} THEN {plain} ELSE {expression} END)"
