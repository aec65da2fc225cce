"""Everything that is to be said of one figure, for whoever has to answer for it.

The opened rows are proven, their repairs, the rejected rows and the held deliveries are added, and
keys are masked as the replica masks them: nothing personal is in a story. Printing is the command
line's matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from dagster_project.components.steps.arriving.holds import waiting_at
from dagster_project.components.steps.tracing.again import PLACE
from dagster_project.components.steps.tracing.files import read_again
from dagster_project.components.steps.tracing.made import Made
from dagster_project.components.steps.tracing.proving import (
    Proof,
    opened_rows,
    prove,
    repointed,
)
from dagster_project.components.steps.tracing.rejected import Rejections, WouldBe
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column, Feed
from dagster_project.lake.engine import literal, quoted
from dagster_project.lake.ops import TABLES
from dagster_project.lineage.opening.figure import Asked, End, Figure
from dagster_project.lineage.trace import SourceRow, Trace
from dagster_project.privacy.masks import expression, mask_of

_OPEN = ("none", "scrub")
"""Masks of columns that are nobody's: their cells may be shown."""
_EXAMPLES = 3


@dataclass(frozen=True)
class Repaired:
    """One kind of repair of cells that take part; ``examples`` are of columns that are nobody's."""

    table: str
    column: str
    repair: str
    cells: int
    examples: tuple[tuple[str, str], ...] = ()


_NAMING = ("batch_id", "feed", "rule_id", "task", "day", "started_at", "hold_id", "table_name")
"""Columns by which people know the rows of ledgers."""


@dataclass(frozen=True)
class LedgerRows:
    """Opened rows of one ledger: their number, and the first of them where they are nobody's.

    ``files`` are the delivered files that their batches came as.
    """

    table: str
    title: str
    rows: int
    first: tuple[Mapping[str, Any], ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """A delivery that waited for a decision when the figure was made, and is not in it."""

    feed: str
    hold_id: str
    kind: str
    path: str
    message: str


@dataclass(frozen=True)
class Story:
    """A figure, where it comes from, and what else must be known of it.

    ``would_be`` is None where nobody asked what rejected rows would change. ``faults`` say where
    opened rows are not what the files or the ledgers say; ``keys`` are the masked business keys of
    the listed rows, in their order.
    """

    trace: Trace
    title: str
    column_title: str
    unit: str
    sql: str
    package_id: str
    snapshot: int
    cut_off_at: str
    keys: tuple[Mapping[str, str], ...]
    repairs: tuple[Repaired, ...]
    would_be: WouldBe | None
    held: tuple[Held, ...]
    ledgers: tuple[LedgerRows, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    files_checked: bool = False

    @property
    def equal(self) -> bool:
        """Whether the opened rows give the figure, and are what the files say."""
        return self.trace.equal and not self.faults

    def told(self) -> dict[str, Any]:
        """The story as plain values, flat; ``equal`` is of all of it."""
        found = asdict(self)
        rows = found["trace"].pop("rows")
        found |= found.pop("trace")
        found["rows"] = [
            {**row, "key": key} for row, key in zip(rows, found.pop("keys"), strict=True)
        ]
        return {**found, "equal": self.equal}


def tell(  # noqa: PLR0917 - what to read with, then what to tell
    con: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    made: Made,
    rejections: Rejections,
    figure: Figure,
    trace: Trace,
    column: Column | None,
    *,
    limit: int,
    check_files: bool,
    what_if: bool,
) -> Story:
    """Tell of an opened figure; arguments as of ``Figures.story``."""
    asked = Asked(trace.table, trace.where, trace.column)
    giving = rejections.giving(asked)
    wanted = rejections.deciding(asked)
    proofs = {}
    for name, (feed, found) in _by_feed(workshop, figure.ends, giving).items():
        read = None if check_files else wanted.get(f"silver.{name}", set())
        waiting = rejections.places(feed) if name in giving else ""
        rows = opened_rows(con, feed, found, read)
        proofs[name] = prove(con, workshop, rows, waiting, made.snapshot)
    faults = [fault for proof in proofs.values() for fault in proof.faults]
    faults += repointed(con, proofs.values())
    if check_files:
        for proof in proofs.values():
            faults += read_again(con, workshop, proof.feed, proof.opened.table)
    repairs = [
        repair
        for name, proof in proofs.items()
        if name in giving
        for repair in _repairs(con, proof, wanted.get(f"silver.{name}", set()))
    ]
    ledgers = [
        _ledger(con, end, limit)
        for end in figure.ends
        if end.table.startswith("ops.") and not end.deciding
    ]
    again = {name: proof.again for name, proof in proofs.items() if name in giving}
    would_be = rejections.would_be(asked, figure, again, limit) if what_if else None
    notes = [*made.notes, *(note for proof in proofs.values() for note in proof.notes)]
    return Story(
        trace=trace,
        title=made.graph.model(trace.table).contract.title,
        column_title=column.title if column else "",
        unit=column.unit if column else "",
        sql=figure.sql,
        package_id=made.package_id,
        snapshot=made.snapshot,
        cut_off_at=made.cut_off_at.isoformat(),
        keys=tuple(_key(con, proofs, row) for row in trace.rows),
        repairs=tuple(repairs),
        would_be=would_be,
        held=tuple(_held(con, made, proofs)),
        ledgers=tuple(ledgers),
        faults=tuple(dict.fromkeys(faults)),
        notes=tuple(dict.fromkeys([*notes, *(would_be.notes if would_be else ())])),
        files_checked=check_files,
    )


def _held(con: duckdb.DuckDBPyConnection, made: Made, feeds: Collection[str]) -> Iterator[Held]:
    """The deliveries of some feeds that waited for a decision when the figure was made."""
    for hold in waiting_at(con, made.cut_off_at):
        if hold.feed in feeds:
            yield Held(hold.feed, hold.hold_id, hold.kind, hold.path, hold.message)


def _by_feed(
    workshop: Workshop, ends: Sequence[End], giving: Collection[str]
) -> dict[str, tuple[Feed, list[End]]]:
    """The opened rows of each feed, and of each that would give a value if it had rows."""
    feeds = workshop.contracts.feeds
    names = {end.table.partition(".")[2] for end in ends if end.table.startswith("silver.")}
    return {
        name: (feeds[name], [end for end in ends if end.table == f"silver.{name}"])
        for name in sorted({*names, *giving}, key=lambda name: (name not in giving, name))
        if name in feeds
    }


def _key(
    con: duckdb.DuckDBPyConnection, proofs: Mapping[str, Proof], row: SourceRow
) -> dict[str, str]:
    """The masked business key of a row of silver."""
    proof = proofs.get(row.table.partition(".")[2])
    if proof is None:
        return {}
    feed = proof.feed
    cells = ", ".join(_masked(feed, name) for name in feed.key)
    found = con.execute(
        f"SELECT {cells} FROM {proof.opened.table} WHERE _batch_id = ? AND _source_row = ?"
        f" AND (_sheet = ? OR ends_with(_sheet, '/' || ?))",
        [row.batch_id, row.row, row.sheet, row.sheet],
    ).fetchone()
    return dict(zip(feed.key, ("" if v is None else str(v) for v in found or ()), strict=False))


def _masked(feed: Feed, name: str) -> str:
    column = feed.column(name)
    return expression(mask_of(column), name, column.duck_type)


def _repairs(con: duckdb.DuckDBPyConnection, proof: Proof, columns: set[str]) -> list[Repaired]:
    """What was repaired in the cells that take part."""
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE tracing_repairs AS
        SELECT DISTINCT {PLACE}, split_part(one, ':', 1) AS column_name,
            split_part(one, ':', 2) AS repair
        FROM (
            SELECT {PLACE}, unnest(_repairs) AS one FROM {proof.again.table}
            SEMI JOIN {proof.opened.table} USING ({PLACE})
        )
        UNION
        SELECT coalesce(b.source_batch_id, b.batch_id), r.sheet, r.source_row, r.column_name,
            r.rule_id
        FROM ops.repair AS r JOIN ops.batch AS b USING (batch_id)
        JOIN {proof.opened.table} AS o ON o._batch_id = coalesce(b.source_batch_id, b.batch_id)
            AND o._sheet = r.sheet AND o._source_row = r.source_row
        WHERE r.feed = {literal(proof.feed.name)}"""
    )
    rows = con.execute(
        "SELECT column_name, repair, count(*) FROM tracing_repairs GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [
        Repaired(
            f"silver.{proof.feed.name}",
            name,
            repair,
            count,
            _examples(con, proof, name, repair),
        )
        for name, repair, count in rows
        if name in columns
    ]


def _examples(
    con: duckdb.DuckDBPyConnection, proof: Proof, name: str, repair: str
) -> tuple[tuple[str, str], ...]:
    """What some repaired cells held and hold; nothing of a column that may be somebody's."""
    if mask_of(proof.feed.column(name)) not in _OPEN:
        return ()
    rows = con.execute(
        f"""SELECT DISTINCT r.raw_value, r.fixed_value
        FROM ops.repair AS r JOIN ops.batch AS b USING (batch_id)
        JOIN {proof.opened.table} AS o ON o._batch_id = coalesce(b.source_batch_id, b.batch_id)
            AND o._sheet = r.sheet AND o._source_row = r.source_row
        WHERE r.feed = ? AND r.column_name = ? AND r.rule_id = ? ORDER BY ALL LIMIT {_EXAMPLES}""",
        [proof.feed.name, name, repair],
    ).fetchall()
    return tuple((str(raw), str(fixed)) for raw, fixed in rows)


def _ledger(con: duckdb.DuckDBPyConnection, end: End, limit: int) -> LedgerRows:
    """The opened rows of a ledger, and the files behind their batches."""
    form = TABLES.get(end.table.partition(".")[2])
    present = [str(row[0]) for row in con.execute(f"DESCRIBE {end.temp}").fetchall()]
    counted = con.execute(f"SELECT count(*) FROM {end.temp}").fetchone()
    first: tuple[Mapping[str, Any], ...] = ()
    if form is not None and not form.personal:
        shown = [name for name in present if name in end.columns or name in _NAMING]
        found = con.execute(
            f"SELECT DISTINCT {', '.join(map(quoted, shown)) or 'TRUE'} FROM {end.temp}"
            f" ORDER BY ALL LIMIT {limit}"
        )
        heads = [one[0] for one in found.description or ()]
        first = tuple(dict(zip(heads, row, strict=True)) for row in found.fetchall())
    files: tuple[str, ...] = ()
    if "batch_id" in present:
        rows = con.execute(
            f"SELECT DISTINCT coalesce(f.path, b.path) FROM {end.temp} AS e"
            f" JOIN ops.batch AS b USING (batch_id) LEFT JOIN ops.batch_file AS f"
            f" ON f.batch_id = coalesce(b.source_batch_id, b.batch_id) ORDER BY 1 LIMIT {limit}"
        ).fetchall()
        files = tuple(str(path) for (path,) in rows)
    title = form.comment.partition("：")[0] if form else ""
    return LedgerRows(end.table, title, int(counted[0]) if counted else 0, first, files)
