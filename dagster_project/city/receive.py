"""Taking in what lies in the exchange folders: copy, verify the copy, decide, merge, answer.

Only the receiver's own copy is ever read. Packages' rows and the decisions on them are one
transaction; the answers are written after the commit and, if a kill came between, by the next run
from what was committed. The exchange folders are never cleared here: they are the senders'.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dagster_project.city import ledger
from dagster_project.city.agreed import Agreement, Shapes, shapes_of
from dagster_project.city.announced import take_announcements
from dagster_project.city.announcing import tell_children, tell_parent
from dagster_project.city.counter import Counter, Merging, unheard
from dagster_project.city.desk import COPIES, MOST_AT_ONCE, Arrival, Desk
from dagster_project.city.ledger import Entry
from dagster_project.city.merge import missing, prepare
from dagster_project.city.register import CODE, children
from dagster_project.errors import CountyLakeError
from dagster_project.lake import Lake
from dagster_project.protocol.folders import Limits, only_one
from dagster_project.protocol.keys import Signer
from dagster_project.settings import Site

BATCH = 200
"""How many packages are settled in one transaction at the most."""
BATCH_BYTES = 128 << 20
"""How much of them is held at the most: rows in memory, our copies on the disk."""
PATIENCE_S = 300.0
"""How long the packages of one child keep those of the others waiting."""


@dataclass
class Reception:
    """What one look into the exchange folders brought: new decisions, and remarks to act on."""

    decisions: list[Entry] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def receive(
    lake: Lake,
    site: Site,
    signer: Signer,
    *,
    at: datetime,
    agreement: Agreement | None = None,
    limits: Limits | None = None,
    merging: Merging = unheard,
) -> Reception:
    """Take in every package that is new, from every child's exchange folder.

    Doing it twice changes nothing. A fault of one package or child stops no other.

    Args:
        lake: The receiving site's lake.
        site: The receiving site.
        signer: Signs its answers.
        at: The instant of reception, with a zone.
        agreement: The receiver's contracts of reports; None accepts any report.
        limits: The most that one package may bring.
        merging: Hears of what is merged.

    Raises:
        PackageError: The register of children is damaged.
        LakeError, LakeBusyError: The lake cannot be opened, or cannot be written.
    """
    home = lake.home
    with only_one(home.root / "exchange" / ".receiving") as alone:
        if not alone:
            what = "Another process is receiving already; run it again afterwards."
            return Reception(remarks=[what])
        for left in home.scratch.glob(f"{COPIES}*"):
            shutil.rmtree(left, ignore_errors=True)
        with _keys(heard := list[str]()):
            heard += take_announcements(home, at)
        desk = Desk(home, site.code, at, agreement, limits or Limits(), children(home))
        counter = Counter(lake, desk, signer, remarks=heard, merging=merging)
        waiting = _look(counter, shapes_of(agreement))
        batch, size = list[Arrival](), 0
        for arrival in _arrivals(counter, waiting):
            batch.append(arrival)
            size += arrival.size
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                counter.settle(batch)
                batch, size = [], 0
        if batch:
            counter.settle(batch)
        with _keys(counter.remarks):
            tell_children(home, site, signer)
            if site.parent:
                tell_parent(home, site, signer)
        return Reception(counter.decisions, counter.remarks)


def _look(counter: Counter, shapes: Shapes) -> dict[Path, list[str]]:
    """What lies in each child's folder, and what the ledger knows of it by name."""
    home, found = counter.lake.home, dict[Path, list[str]]()
    for folder in sorted(path for path in home.exchange.iterdir() if CODE.match(path.name)):
        with _told(counter, folder.name):
            found[folder] = counter.desk.names(folder)
    with counter.lake.writer("prepare the received tables") as writer:
        if missing(writer.con, shapes) or not ledger.complete(writer.con):
            with writer.transaction("prepare the received tables") as tx:
                ledger.ensure(tx.con)
                prepare(tx.con, shapes)
        names = (name for names in found.values() for name in names)
        counter.settled.update(ledger.settled(writer.con, names))
    return found


def _arrivals(counter: Counter, waiting: dict[Path, list[str]]) -> Iterator[Arrival]:
    """Every package that is not settled, examined; settled ones get their answer again."""
    for folder, names in waiting.items():
        new = []
        with _told(counter, folder.name):
            for name in names:
                earlier = counter.settled.get(name)
                if earlier and counter.desk.unchanged(folder, name, earlier):
                    counter.answer(earlier)
                else:
                    new.append(name)
        if len(new) > MOST_AT_ONCE:
            counter.remarks.append(
                f"{folder.name}: {len(new):,} packages wait; {MOST_AT_ONCE:,} are taken now and "
                "the others at the next look."
            )
        until = time.monotonic() + PATIENCE_S
        with _told(counter, folder.name):
            for arrival in counter.desk.arrivals(folder, new):
                yield arrival
                if time.monotonic() > until:
                    what = "its packages take long; the others are taken in at the next look."
                    counter.remarks.append(f"{folder.name}: {what}")
                    break


@contextlib.contextmanager
def _keys(remarks: list[str]) -> Iterator[None]:
    """News of keys that cannot be read or told now is read or told at the next look."""
    try:
        yield
    except (CountyLakeError, OSError) as error:
        remarks.append(f"keys: {error}")


@contextlib.contextmanager
def _told(counter: Counter, code: str) -> Iterator[None]:
    """A fault of one child's folder becomes a remark; every other child goes on."""
    try:
        yield
    except (CountyLakeError, OSError) as error:
        counter.remarks.append(f"{code}: {error}")
