"""Taking in what lies in the exchange folders: copy, verify the copy, decide, merge, answer.

Only the receiver's own copy is ever read. A package's rows and the decision on it are one
transaction; the answer is written after the commit and, if a kill came between, by the next run
from what was committed. The exchange folders are never cleared here: they are the senders'.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import datetime

from dagster_project.city import ledger
from dagster_project.city.desk import Desk
from dagster_project.city.ledger import Entry
from dagster_project.city.merge import missing, prepare
from dagster_project.city.register import CODE, cards
from dagster_project.city.verify import Shapes
from dagster_project.errors import CountyLakeError
from dagster_project.lake import Lake
from dagster_project.protocol.folders import Limits, only_one
from dagster_project.protocol.keys import Signer
from dagster_project.settings import Site


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
    shapes: Shapes | None = None,
    limits: Limits | None = None,
) -> Reception:
    """Take in every package that is new, from every county's exchange folder.

    Doing it twice changes nothing. A fault of one package or county stops no other.

    Args:
        lake: The receiving site's lake.
        site: The receiving site.
        signer: Signs its answers.
        at: The instant of reception, with a zone.
        shapes: The receiver's contracts of reports (columns by report); None accepts any shape.
        limits: The most that one package may bring.

    Raises:
        PackageError: The register of children is damaged.
        LakeError, LakeBusyError: The lake cannot be opened.
    """
    result = Reception()
    home = lake.home
    with only_one(home.root / "exchange" / ".receiving") as alone:
        if not alone:
            result.remarks.append("Another process is receiving already; run it again afterwards.")
            return result
        for left in home.scratch.glob("receive-*"):
            shutil.rmtree(left, ignore_errors=True)
        _prepare(lake, shapes or {})
        desk = Desk(lake, site, signer, at, shapes, limits or Limits(), cards(home))
        known = _known(lake)
        for folder in sorted(path for path in home.exchange.iterdir() if CODE.match(path.name)):
            try:
                result.decisions += desk.take_county(folder, known.get(folder.name, []))
            except (CountyLakeError, OSError) as error:
                result.remarks.append(f"{folder.name}: {error}")
            except Exception as error:  # noqa: BLE001 - one county's bytes stop no other county
                result.remarks.append(
                    f"{folder.name}: its packages could not be examined "
                    f"({type(error).__name__}). Nothing was taken from them; report it."
                )
    return result


def _prepare(lake: Lake, shapes: Shapes) -> None:
    """Empty tables for reports that nobody sent yet; nothing is committed if none is missing."""
    with lake.writer("prepare the city's tables") as writer:
        if missing(writer.con, shapes) or not ledger.complete(writer.con):
            with writer.transaction("prepare the city's tables") as tx:
                ledger.ensure(tx.con)
                prepare(tx.con, shapes)


def _known(lake: Lake) -> dict[str, list[Entry]]:
    by_county: dict[str, list[Entry]] = {}
    if lake.home.catalog.exists():
        with lake.reader() as con:
            for entry in ledger.entries(con):
                by_county.setdefault(entry.site_code, []).append(entry)
    return by_county
