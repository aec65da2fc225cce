"""Bronze and silver tables of a feed: made from its contract, altered when the contract grows.

A change that the stored rows cannot follow asks for a rebuild. Rows are written elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from dagster_project.contracts.model import Column, Feed
from dagster_project.errors import ContractError
from dagster_project.lake.engine import literal, quoted

BRONZE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "_extra": ("VARCHAR", "契约以外的列（JSON）"),
    "_defect": (
        "VARCHAR",
        "行缺陷：ragged、garbled、formula（不合格），mojibake（待还原）",
    ),
    "_sheet": ("VARCHAR", "工作表，文本文件为空"),
    "_source_row": ("BIGINT", "文件内行号，含标题行，从1起"),
    "_batch_id": ("VARCHAR", "批次编号"),
}
SILVER_COLUMNS: Mapping[str, tuple[str, str]] = {
    "_batch_id": ("VARCHAR", "提供该记录的批次编号"),
    "_sheet": ("VARCHAR", "工作表，文本文件为空"),
    "_source_row": ("BIGINT", "文件内行号，含标题行，从1起"),
    "_record_hash": ("VARCHAR", "业务字段的MD5"),
    "_delivered_at": ("TIMESTAMPTZ", "送达时间（UTC）"),
    "_is_deleted": ("BOOLEAN", "最新全量交付中已不存在"),
}
SEPARATOR = 31  # unit separator: no reader lets it through


def bronze(feed: Feed) -> str:
    """The feed's bronze table."""
    return f"lake.bronze.{quoted(feed.name)}"


def silver(feed: Feed) -> str:
    """The feed's silver table."""
    return f"lake.silver.{quoted(feed.name)}"


def bronze_file(data: Path, feed: Feed, batch_id: str) -> Path:
    """Where a reader may write a batch so that its file can become bronze as it is.

    DuckLake keeps the path of an adopted file relative, and the lake relocatable, only inside the
    table's own folder. Whoever writes it removes it again when the batch is not committed.
    """
    folder = data / "bronze" / feed.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{batch_id}.parquet"


def record_hash(feed: Feed, prefix: str = "") -> str:
    """The hash of a record's business columns, in the order of their names."""
    names = sorted(column.name for column in feed.columns)
    parts = f", chr({SEPARATOR}), ".join(prefix + quoted(name) for name in names)
    return f"md5(concat({parts}))"


def evolve(con: duckdb.DuckDBPyConnection, feed: Feed) -> list[str]:
    """Make the feed's tables as its contract says; call it in a transaction.

    Returns:
        What was done, one sentence each; empty when the tables are right already.

    Raises:
        ContractError: The contract dropped a column, changed a type, or changed key, order or
            delivery: stored rows cannot follow.
    """
    found = _found(con, feed)
    if not found["silver"]:
        create_silver(con, feed)
        made = [f"created silver.{feed.name}"]
    else:
        _refuse(con, feed, found["silver"])
        made = _grow(con, feed, silver(feed), found["silver"], typed=True)
        if made:
            con.execute(f"UPDATE {silver(feed)} SET _record_hash = {record_hash(feed)}")
    if not found["bronze"]:
        columns = [(c.name, "VARCHAR", c.title) for c in feed.columns]
        _create(con, bronze(feed), columns, BRONZE_COLUMNS)
        con.execute(f"COMMENT ON TABLE {bronze(feed)} IS {literal(feed.title + '（原样留存）')}")
        return [*made, f"created bronze.{feed.name}"]
    return [*made, *_grow(con, feed, bronze(feed), found["bronze"], typed=False)]


def recreate_silver(con: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Empty silver in the contract's present form; bronze grows where it must."""
    con.execute(f"DROP TABLE IF EXISTS {silver(feed)}")
    evolve(con, feed)


def create_silver(con: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Create the silver table with Chinese comments."""
    columns = [(c.name, c.duck_type, _comment(c)) for c in feed.columns]
    kind, comment = SILVER_COLUMNS["_record_hash"]
    technical = {**SILVER_COLUMNS, "_record_hash": (kind, comment + _basis(feed))}
    _create(con, silver(feed), columns, technical)
    con.execute(f"COMMENT ON TABLE {silver(feed)} IS {literal(feed.title + _basis(feed))}")


def _basis(feed: Feed) -> str:
    """What the merge rests on: a change of it needs a rebuild.

    It stands in the comment of ``_record_hash``, because listing columns is cheap in DuckLake and
    listing tables is not.
    """
    delivery = "全量" if feed.delivery == "full" else "增量"
    order = f"；排序：{feed.order_by}" if feed.order_by else ""
    return f"（主键：{'、'.join(feed.key)}；{delivery}{order}）"


def _comment(column: Column) -> str:
    unit = f"（{column.unit}）" if column.unit else ""
    clock = "，北京时间" if column.type == "timestamp" else ""
    return f"{column.title}{unit}{clock}"


def _create(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[tuple[str, str, str]],
    technical: Mapping[str, tuple[str, str]],
) -> None:
    every = [*columns, *((name, *rest) for name, rest in technical.items())]
    body = ", ".join(f"{quoted(name)} {kind}" for name, kind, _ in every)
    con.execute(f"CREATE TABLE {table} ({body})")
    for name, _, comment in every:
        con.execute(f"COMMENT ON COLUMN {table}.{quoted(name)} IS {literal(comment)}")


def _found(con: duckdb.DuckDBPyConnection, feed: Feed) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"bronze": {}, "silver": {}}
    for schema, name, kind in con.execute(
        "SELECT schema_name, column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name IN ('bronze', 'silver') AND table_name = ?"
        " ORDER BY column_index",
        [feed.name],
    ).fetchall():
        found[schema][name] = kind
    return found


def _refuse(con: duckdb.DuckDBPyConnection, feed: Feed, present: Mapping[str, str]) -> None:
    wanted = {column.name: column.duck_type for column in feed.columns}
    reasons = [
        f"column {name} is gone" for name in present if name not in {**wanted, **SILVER_COLUMNS}
    ]
    reasons += [
        f"column {name} is {kind} in place of {present[name]}"
        for name, kind in wanted.items()
        if name in present and present[name] != kind
    ]
    row = con.execute(
        "SELECT comment FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'silver' AND table_name = ? AND column_name = '_record_hash'",
        [feed.name],
    ).fetchone()
    stored = row[0].partition("（")[2] if row and row[0] else ""
    if stored and stored != _basis(feed).partition("（")[2]:
        reasons.append(f"key, delivery or order is no longer “{stored.rstrip('）')}”")
    if reasons:
        raise ContractError(
            f"the contract of {feed.name} {feed.version} changed what is stored: "
            + "; ".join(reasons),
            where=feed.path,
            todo=f"Run `countylake rebuild {feed.name}`",
        )


def _grow(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    table: str,
    present: Mapping[str, str],
    *,
    typed: bool,
) -> list[str]:
    made = []
    for column in feed.columns:
        if column.name not in present:
            kind = column.duck_type if typed else "VARCHAR"
            con.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {kind}")
            comment = literal(_comment(column) if typed else column.title)
            con.execute(f"COMMENT ON COLUMN {table}.{quoted(column.name)} IS {comment}")
            made.append(f"added {column.name} to {'silver' if typed else 'bronze'}.{feed.name}")
    return made
