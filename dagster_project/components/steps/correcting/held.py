"""The rows of a held delivery: shown to who must decide, given back to who must correct them.

They are in no table, so that the landed bytes are read and judged once more, by the contract as it
is now; nothing is written to the lake but that a copy went out. How a delivery is decided on is
``arriving``'s work, how a copy is written ``returns``'.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project import clock
from dagster_project.components.steps.arriving import deliveries
from dagster_project.components.steps.arriving.deliveries import Arrival
from dagster_project.components.steps.arriving.holds import Hold, hold_of
from dagster_project.components.steps.arriving.reading import Reading, read_files
from dagster_project.components.steps.correcting.copying import (
    Delivery,
    Returned,
    copies_folder,
    give_back,
)
from dagster_project.components.steps.correcting.returns import finding_of
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.sentences import masked_cells, reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.ingest.returning import Case
from dagster_project.lake.engine import literal
from dagster_project.transform.conform.preview import BrokenRow, broken_rows


@dataclass(frozen=True)
class HeldRow:
    """One row that speaks against its delivery: its place, what is wrong, masked cells."""

    file: str
    sheet: str
    row: int
    reasons: tuple[str, ...]
    sentences: tuple[str, ...]
    cells: dict[str, str]


@dataclass(frozen=True)
class _Again:
    """A held delivery, read again; ``rows`` is the reader's Parquet."""

    arrival: Arrival
    reading: Reading
    rows: Path
    broken: list[BrokenRow]

    def file_of(self, sheet: str) -> tuple[int, str]:
        """Which of its files a row came in, and the sheet there."""
        for number, prefix in enumerate(self.reading.prefixes):
            if sheet == prefix or sheet.startswith(f"{prefix}/"):
                return number, sheet[len(prefix) + 1 :]
        return 0, sheet


def held_rows(workshop: Workshop, hold_id: str, limit: int = 50) -> list[HeldRow]:
    """The rows of a held delivery that would be rejected or break a hard rule, in file order.

    Raises:
        UsageError: There is no such hold, or its delivery was merged.
        DeliveryError: The file cannot be read by the contract as it is now.
        LakeError: The landing lacks the file.
    """
    with workshop.lake.reader() as con:
        hold = _unmerged(hold_of(con, hold_id))
        plan = workshop.plan(hold.feed)
        with _read_again(workshop, con, hold, limit) as again:
            places = [(one, *again.file_of(one.sheet)) for one in again.broken]
            files = again.arrival.candidate.files
    return [
        HeldRow(
            file=files[number].path,
            sheet=sheet,
            row=one.source_row,
            reasons=one.reasons,
            sentences=tuple(reason_sentence(plan, reason) for reason in one.reasons),
            cells=masked_cells(plan.feed, one.raw),
        )
        for one, number, sheet in places
    ]


def return_hold(workshop: Workshop, hold_id: str, out: Path | None = None) -> list[Returned]:
    """Write a copy of each file of a held or refused delivery with its broken rows marked.

    Args:
        workshop: The site.
        hold_id: The hold.
        out: The folder of the copies; else ``returns/<feed>`` in the home.

    Raises:
        UsageError: There is no such hold, its delivery was merged, or no row of it is broken.
        DeliveryError: The file cannot be read by the contract as it is now.
        LakeError: The landing lacks the file, or a copy cannot be written.
    """
    with workshop.lake.reader() as con:
        hold = _unmerged(hold_of(con, hold_id))
        folder = copies_folder(workshop, hold.feed, out)
        with _read_again(workshop, con, hold, None) as again:
            made = list(_copies(workshop, con, hold, again, folder))
    if not made:
        raise UsageError(
            f"no row of {hold_id} is broken: it is held for another reason ({hold.kind})",
            where=hold.path,
            todo="Tell the department the sentence of `countylake hold show`",
        )
    occasion = manual()
    with (
        workshop.lake.writer(f"returning {hold_id}") as writer,
        writer.transaction(f"returned {hold_id}", run_id=occasion.run_id) as tx,
    ):
        tx.con.execute(
            "UPDATE lake.ops.hold SET returned_at = ?::TIMESTAMPTZ WHERE hold_id = ?",
            [clock.now(), hold_id],
        )
    return made


def _unmerged(hold: Hold) -> Hold:
    if hold.state in {"accepted", "noted"}:
        raise UsageError(
            f"the delivery of {hold.hold_id} was merged: its rejected rows are cases",
            where=hold.path,
            todo=f"`countylake quarantine {hold.feed}` shows them, `quarantine return` gives them"
            " back",
        )
    return hold


@contextmanager
def _read_again(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, hold: Hold, limit: int | None
) -> Iterator[_Again]:
    plan = workshop.plan(hold.feed)
    arrival = deliveries.received(con, hold.delivery_id, workshop.home)
    workshop.home.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="held-", dir=workshop.home.scratch) as scratch:
        rows = Path(scratch) / "rows.parquet"
        reading = read_files(con, arrival, plan.feed, rows, workshop.limits)
        broken = broken_rows(
            con,
            plan,
            rows,
            delivered_at=arrival.received_at,
            units=reading.whole.units,
            hard=plan.feed.gate.hard,
            limit=limit,
        )
        yield _Again(arrival, reading, rows, broken)


def _copies(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, hold: Hold, again: _Again, folder: Path
) -> Iterator[Returned]:
    plan = workshop.plan(hold.feed)
    arrival, taken = again.arrival, set[str]()
    found: list[dict[tuple[str, int], Case]] = [{} for _ in arrival.landed]
    for one in again.broken:
        number, sheet = again.file_of(one.sheet)
        findings = tuple(finding_of(plan, reason) for reason in one.reasons)
        found[number][sheet, one.source_row] = Case(hold.hold_id, findings)
    for number, cases in enumerate(found):
        if cases:
            delivery = Delivery(
                hold.feed,
                hold.batch_id,
                arrival.landed[number].sha256,
                arrival.candidate.files[number].path,
                again.reading.prefixes[number] if again.reading.prefixes else "",
                arrival.received_at,
                again.reading.whole.read,
                cases,
                source=f"read_parquet({literal(again.rows)})",
            )
            yield give_back(workshop, con, delivery, folder, taken)
