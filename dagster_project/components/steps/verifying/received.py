"""What a receiving site keeps of the packages of others, held against its ledger and its tables.

Every accepted package is kept as it came: its signature, files, figures and receipt are verified
again, its rows must stand in ``city.<report>``, its number in its sender's chain, and what was
answered must be what was decided. Whether a county's figures are true, its own ``verify`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.city import ledger
from dagster_project.city.arrivals import DOWN, Door
from dagster_project.city.content import OWN_COLUMNS
from dagster_project.city.ledger import Entry
from dagster_project.city.register import cards
from dagster_project.clock import utc_text
from dagster_project.components.steps.verifying.evidence import changed_files
from dagster_project.components.steps.verifying.inputs import unreadable
from dagster_project.components.steps.verifying.verdict import KEPT, Verdict, Verified
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError, UsageError
from dagster_project.lake.engine import quoted
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.acknowledgement import SUFFIX, read_acknowledgement
from dagster_project.protocol.canonical import sha256_file
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import receipt_of
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.identity import own_card

_BACKUP = "Restore it from a backup."
_COPY = "Restore the newest copy of the home."
_FILE = "package_file"


def verify_received(workshop: Workshop, package_id: str = "", *, report: str = "") -> Verified:
    """Verify what was received.

    Args:
        workshop: The receiving site.
        package_id: One package; all of them, the chains and the answers, if empty.
        report: Only packages of one report.

    Raises:
        UsageError: No such package or report was accepted.
    """
    done = Verified()
    with workshop.lake.reader() as con:
        every = ledger.entries(con)
        kept = [one for one in every if one.outcome == "accepted"]
        wanted = [
            one for one in kept if package_id in {"", one.package_id} and report in {"", one.report}
        ]
        if not wanted and (package_id or report):
            raise UsageError(
                f"no package {package_id or f'of a report {report}'} was accepted here",
                todo="`countylake city chain SITE` names them",
            )
        desk = _Desk(workshop, con, cards(workshop.home))
        done.verdicts += [desk.verdict(one) for one in wanted]
        done.looked["packages received"] = len(wanted)
        done.looked["rows merged"] = desk.rows
        if not package_id and not report:
            done.faults += chains(every, desk.headers)
            done.faults += _strangers(workshop, {one.package_id for one in kept})
        done.faults += _answers(workshop, every, package_id, report, done)
    return done


@dataclass
class _Desk:
    """Looks at received packages, one after the other."""

    workshop: Workshop
    con: duckdb.DuckDBPyConnection
    cards: Mapping[str, SiteCard]
    headers: dict[str, Header] = field(default_factory=dict)
    rows: int = 0
    _tables: dict[str, str] = field(default_factory=dict)

    def verdict(self, entry: Entry) -> Verdict:
        """All that is found of one package."""
        one = Verdict(entry.package_id, entry.report or "", KEPT)
        folder = self.workshop.home.received / entry.site_code / entry.package_id
        card = self.cards.get(entry.site_code)
        if card is None:
            one.notes.append(
                f"{folder}: site {entry.site_code} is no longer registered, so that its signature"
                " was not verified."
            )
            return one
        try:
            manifest = fmt.read_manifest((folder / fmt.SIGNATURE).read_bytes(), card.every_key)
        except OSError as error:
            one.faults.append(f"{folder}: it cannot be read ({error.strerror}). {_BACKUP}")
            return one
        except PackageError as error:
            one.faults.append(f"{folder / fmt.SIGNATURE}: {error.what}. {_BACKUP}")
            return one
        header = self.headers[entry.package_id] = manifest.header
        if manifest.package_hash != entry.package_hash:
            one.faults.append(f"{folder}: it is another package than ops.received names. {_BACKUP}")
        if sha256_file(folder / fmt.SIGNATURE) != entry.signature_hash:
            one.faults.append(f"{folder / fmt.SIGNATURE}: it is not the one that came. {_BACKUP}")
        one.faults += changed_files(folder, manifest)
        one.faults += _otherwise(folder, header, entry)
        if header.kind == "report":
            one.faults += self._figures(folder, header, entry)
        return one

    def _figures(self, folder: Path, header: Header, entry: Entry) -> Iterator[str]:
        """The receipt, the figures, and the rows that were merged of them."""
        path = folder / fmt.data_path(header.report)
        try:
            receipt_of((folder / fmt.RECEIPTS).read_bytes(), header)
            table = values.read_parquet(path)
        except OSError:
            return  # that it cannot be read was said of the file
        except PackageError as error:
            yield f"{folder / error.where}: {error.what}."
            return
        if values.content_hash(table) != header.content_hash:
            yield f"{path}: its figures are not those of the signed content hash."
            return
        try:
            yield from self._merged(table, header, entry)
        except duckdb.Error as error:
            yield unreadable(f"city.{header.report}", error)

    def _merged(self, table: pa.Table, header: Header, entry: Entry) -> Iterator[str]:
        relation = self._table(header.report)
        names = [name for name in table.column_names if name not in OWN_COLUMNS]
        columns = ", ".join(quoted(name) for name in names)
        mine = f"FROM {relation} WHERE package_id = ?"
        self.con.register(_FILE, table)
        try:
            lacking, strange = (
                self._count(f"SELECT {columns} {one} EXCEPT ALL SELECT {columns} {other}", entry)
                for one, other in ((f"FROM {_FILE}", mine), (mine, f"FROM {_FILE}"))
            )
        finally:
            self.con.unregister(_FILE)
        self.rows += table.num_rows
        where = f"city.{header.report}: of package {entry.package_id}"
        if lacking:
            yield f"{where} {lacking:,} rows are not as it holds them, or missing. {_COPY}"
        if strange > lacking:
            yield f"{where} {strange - lacking:,} rows stand there that it does not hold. {_COPY}"
        wrong = self._count(
            f"SELECT 1 {mine} AND (site_code, period, revision) IS DISTINCT FROM"
            f" ('{header.sender}', '{header.period}', {header.revision})",
            entry,
        )
        if wrong:
            yield f"{where} {wrong:,} rows name another site, period or revision. {_COPY}"

    def _count(self, query: str, entry: Entry) -> int:
        row = self.con.execute(f"SELECT count(*) FROM ({query})", [entry.package_id]).fetchone()
        return int(row[0]) if row else 0

    def _table(self, report: str) -> str:
        """The received rows of a report, read once."""
        if report not in self._tables:
            name = f"temp.main.received_{len(self._tables)}"
            self.con.execute(f"CREATE TEMP TABLE {name} AS FROM lake.city.{quoted(report)}")
            self._tables[report] = name
        return self._tables[report]


def _otherwise(folder: Path, header: Header, entry: Entry) -> Iterator[str]:
    """What the ledger says otherwise than the signed header."""
    facts = (
        ("sender", header.sender, entry.site_code),
        ("package_no", header.package_no, entry.package_no),
        ("report", header.report, entry.report),
        ("period", header.period, entry.period),
        ("revision", header.revision, entry.revision),
        ("rows", header.rows, entry.row_count),
        ("kind", header.kind, entry.kind or header.kind),
        ("cut_off_at", header.cut_off_at, _instant(entry.cut_off_at)),
    )
    for name, said, kept in facts:
        if said != kept:
            yield f"{folder}: {name} is told otherwise in ops.received. {_COPY}"


def _instant(at: datetime | None) -> str:
    return utc_text(at) if at else ""


def chains(entries: list[Entry], headers: Mapping[str, Header]) -> Iterator[str]:
    """Each sender's numbers must follow one another, and each package the one before it."""
    used: dict[str, list[Entry]] = {}
    for one in entries:
        if one.consumed:
            used.setdefault(one.site_code, []).append(one)
    for code, mine in sorted(used.items()):
        before, previous = 0, ""
        for one in sorted(mine, key=lambda entry: entry.package_no or 0):
            where = f"The chain of site {code} (ops.received)"
            if one.package_no != before + 1:
                yield f"{where} has number {one.package_no} after number {before}. {_COPY}"
            elif one.package_id in headers and headers[one.package_id].previous_hash != previous:
                yield (
                    f"{where} is broken at number {one.package_no} ({one.package_id}): it does not"
                    f" follow the one before it. {_COPY}"
                )
            before, previous = one.package_no or 0, one.package_hash


def _strangers(workshop: Workshop, known: set[str]) -> Iterator[str]:
    """Kept packages, and rows, that no decision accepted."""
    for path in sorted(workshop.home.received.glob("*/*-r*")):
        if path.name not in known:
            yield f"{path}: ops.received accepted no such package. {_COPY}"


def _answers(
    workshop: Workshop, entries: list[Entry], package_id: str, report: str, done: Verified
) -> Iterator[str]:
    """Answers that lie ready for children must be what was decided, signed by this site."""
    keys = own_card(workshop.home).every_key
    newest = {one.package_id: one for one in entries}
    for entry in newest.values():
        if package_id not in {"", entry.package_id} or report not in {"", entry.report}:
            continue
        path = Door(workshop.home, entry.door).folder / DOWN / f"{entry.package_id}{SUFFIX}"
        if not path.is_file():
            continue  # it was fetched, and is written again when it is asked for
        done.looked["answers"] += 1
        try:
            said = read_acknowledgement(path.read_bytes(), keys, path.name)
        except PackageError as error:
            yield f"{path}: {error.what}. Remove it; the next reception writes it again."
            continue
        decided = (
            entry.outcome,
            entry.package_hash,
            entry.received_hash,
            entry.reasons,
            entry.remarks,
            utc_text(entry.received_at),
        )
        if decided != (
            said.outcome,
            said.package_hash,
            said.received_hash,
            said.reasons,
            said.remarks,
            said.acknowledged_at,
        ):
            yield (
                f"{path}: it says otherwise than ops.received. Remove it; the next reception writes"
                " it again."
            )
