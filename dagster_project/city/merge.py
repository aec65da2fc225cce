"""Accepted packages' rows into ``city.<report>``: whose, for when, which revision, current.

All revisions stay; ``is_current`` marks the newest of a site and period. Only packages that were
verified and are next in their chain come here, many in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.city.agreed import Shapes
from dagster_project.city.content import OWN_COLUMNS
from dagster_project.city.fit import travelling_type
from dagster_project.city.verify import Verdict
from dagster_project.contracts.model import Column
from dagster_project.lake.engine import literal, quoted

_OWN = (
    Column("site_code", "报送单位区划代码", "string", level="L1"),
    Column("site_name", "报送单位名称", "string", level="L1"),
    Column("period", "报告期", "string", level="L1"),
    Column("revision", "修订次数", "integer", level="L1"),
    Column("package_id", "报送包编号", "string", level="L1"),
    Column("is_current", "是否当前修订", "boolean", level="L1"),
)
_OWN_TITLES = {column.name: column.title for column in _OWN}
_OWN_TYPES = {column.name: column.duck_type for column in _OWN}


def received_columns(report: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of ``city.<report>``: whose, for when, which revision; then the report's own."""
    return (*_OWN, *(column for column in report if column.name not in _OWN_TITLES))


def missing(con: duckdb.DuckDBPyConnection, shapes: Shapes) -> list[str]:
    """The reports that have no table yet, or one that lacks a column of the receiver's contract."""
    return [
        report
        for report, columns in shapes.items()
        if not {one.name for one in received_columns(columns)} <= _present(con, report).keys()
    ]


def prepare(con: duckdb.DuckDBPyConnection, shapes: Shapes) -> None:
    """Make the tables of reports that no site has sent yet, for the SQL above them.

    A table of an older contract gets the columns that it lacks. Call it inside a transaction.
    Instants travel with their zone, so that is how timestamps are made here.
    """
    for report in missing(con, shapes):
        kinds = {one.name: travelling_type(one) for one in received_columns(shapes[report])}
        titles = {column.name: column.title for column in shapes[report]}
        if present := _kept(con, report):
            _widen(con, report, {n: k for n, k in kinds.items() if n not in present}, titles)
        else:
            _create(con, report, kinds, titles)


@dataclass
class Tables:
    """What the received tables look like, and will when the packages seen so far are merged.

    A table without rows binds nobody: its columns are made anew by the first package.
    """

    con: duckdb.DuckDBPyConnection
    kept: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, report: str) -> dict[str, str]:
        """The columns of a report's table, with their types; empty while it holds no rows."""
        if report not in self.kept:
            self.kept[report] = _kept(self.con, report)
        return self.kept[report]

    def conflicts(self, verdict: Verdict) -> list[str]:
        """Why a package's columns cannot enter the table that earlier packages made."""
        present = self.of(verdict.header.report)
        return [
            f"column {name}: it is {kind} here, but {present[name]} in the receiver's table."
            for name, kind in _incoming(verdict).items()
            if name in present and present[name] != kind
        ]

    def expect(self, verdict: Verdict) -> None:
        """A package will be merged: whatever comes after it must fit it too."""
        if verdict.table is not None and verdict.table.num_rows:
            report = verdict.header.report
            self.kept[report] = {**_incoming(verdict), **self.of(report)}


def merge(con: duckdb.DuckDBPyConnection, verdicts: Sequence[Verdict]) -> int:
    """Add the rows of accepted packages, all reports at once; call it inside a transaction.

    A withdrawal adds nothing and leaves its period without current rows; all rows stay.

    Args:
        con: The lake writer's connection.
        verdicts: In the order in which they were decided on.

    Returns:
        How many rows were added.
    """
    newest: dict[tuple[str, str, str], Verdict] = {}
    for one in verdicts:
        header = one.header
        newest[header.report, header.sender, header.period] = one
    added = 0
    for report in dict.fromkeys(one.header.report for one in verdicts):
        mine = [one for one in verdicts if one.header.report == report]
        _supersede(con, report, mine)
        current = {one.header.package_id for one in newest.values()}
        added += _insert(con, report, [one for one in mine if one.table is not None], current)
    return added


def _supersede(con: duckdb.DuckDBPyConnection, report: str, verdicts: Sequence[Verdict]) -> None:
    """What a revision or a withdrawal replaces is current no longer."""
    spots = sorted(
        {(one.header.sender, one.header.period) for one in verdicts if one.header.revision > 1}
    )
    if not spots or not _present(con, report):
        return
    marks = ", ".join("(?, ?)" for _ in spots)
    con.execute(
        f"UPDATE {_target(report)} SET is_current = false"
        f" WHERE is_current AND (site_code, period) IN (VALUES {marks})",
        [value for spot in spots for value in spot],
    )


def _insert(
    con: duckdb.DuckDBPyConnection, report: str, verdicts: Sequence[Verdict], current: set[str]
) -> int:
    """One INSERT for all packages of the same columns; the first with rows makes the table."""
    alike: dict[pa.Schema, list[pa.Table]] = {}
    _shape(con, report, sorted(verdicts, key=_is_empty))
    for one in verdicts:
        rows = _with_envelope(one, is_current=one.header.package_id in current)
        alike.setdefault(rows.schema, []).append(rows)
    for rows in alike.values():
        con.register("incoming", pa.concat_tables(rows))
        try:
            con.execute(f"INSERT INTO {_target(report)} BY NAME SELECT * FROM incoming")
        finally:
            con.unregister("incoming")
    return sum(one.num_rows for rows in alike.values() for one in rows)


def _with_envelope(verdict: Verdict, *, is_current: bool) -> pa.Table:
    header, table = verdict.header, verdict.table
    assert table is not None  # noqa: S101 - a withdrawal has no rows to add
    own = (
        (header.sender, pa.string()),
        (verdict.sender_name, pa.string()),
        (header.period, pa.string()),
        (header.revision, pa.int64()),
        (header.package_id, pa.string()),
        (is_current, pa.bool_()),
    )
    envelope = {
        name: pa.repeat(pa.scalar(value, kind), table.num_rows)
        for name, (value, kind) in zip(OWN_COLUMNS, own, strict=True)
    }
    rest = {name: table.column(name) for name in table.column_names if name not in envelope}
    return pa.table({**envelope, **rest})


def _is_empty(verdict: Verdict) -> bool:
    return verdict.table is None or verdict.table.num_rows == 0


def _shape(con: duckdb.DuckDBPyConnection, report: str, verdicts: Sequence[Verdict]) -> None:
    """Make the table, or the columns that it lacks."""
    known = _kept(con, report)
    for one in verdicts:
        incoming = _incoming(one)
        titles = {f["name"]: str(f.get("title", ""))[:200] for f in one.content.fields}
        if known:
            new = {name: kind for name, kind in incoming.items() if name not in known}
            _widen(con, report, new, titles)
            known |= new
        else:
            empty = _present(con, report)
            known = incoming | {n: kind for n, kind in empty.items() if n not in incoming}
            _create(con, report, known, titles, one.content.title)


def _widen(
    con: duckdb.DuckDBPyConnection,
    report: str,
    kinds: Mapping[str, str],
    titles: Mapping[str, str],
) -> None:
    for name, kind in kinds.items():
        con.execute(f"ALTER TABLE {_target(report)} ADD COLUMN {quoted(name)} {kind}")
        _comment(con, report, name, titles.get(name, ""))


def _create(
    con: duckdb.DuckDBPyConnection,
    report: str,
    kinds: Mapping[str, str],
    titles: Mapping[str, str],
    title: str = "",
) -> None:
    body = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
    con.execute(f"CREATE OR REPLACE TABLE {_target(report)} ({body})")
    con.execute(f"COMMENT ON TABLE {_target(report)} IS {literal(title)}")
    for name in kinds:
        _comment(con, report, name, _OWN_TITLES.get(name) or titles.get(name, ""))


def _comment(con: duckdb.DuckDBPyConnection, report: str, name: str, title: str) -> None:
    con.execute(f"COMMENT ON COLUMN {_target(report)}.{quoted(name)} IS {literal(title)}")


def _incoming(verdict: Verdict) -> dict[str, str]:
    return _OWN_TYPES | {
        one["name"]: one["physicalType"]
        for one in verdict.content.fields
        if one["name"] not in _OWN_TYPES
    }


def _kept(con: duckdb.DuckDBPyConnection, report: str) -> dict[str, str]:
    """The table's columns, if it holds rows; an empty table's columns bind nobody."""
    present = _present(con, report)
    if not present:
        return {}
    row = con.execute(f"SELECT 1 FROM {_target(report)} LIMIT 1").fetchone()
    return present if row else {}


def _present(con: duckdb.DuckDBPyConnection, report: str) -> dict[str, str]:
    rows: list[tuple[Any, ...]] = con.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'city' AND table_name = ? ORDER BY column_index",
        [report],
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def _target(report: str) -> str:
    return f"lake.city.{quoted(report)}"
