"""Sealing a report: one folder, built aside, numbered, chained, signed, placed by one rename.

A seal belongs to the lake transaction of its caller. The folder is placed before the commit: a
kill between the two leaves a folder that ``ops.package`` does not name, which was never delivered
(delivery reads committed rows only) and which the next seal removes. A row never names a folder
that is not there. Whether a report is due, and what it says, is not decided here.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.clock import utc_text
from dagster_project.contracts.model import Column, Table
from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.folders import place, seal_tree
from dagster_project.protocol.held import Holds
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.protocol.receipt import Receipt, as_file
from dagster_project.protocol.standing import Standings
from dagster_project.reporting.datapackage import datapackage
from dagster_project.reporting.outbox import was_sent
from dagster_project.reporting.revision import Last, Wanted, last_revisions, why_anew
from dagster_project.settings import Site

_PERSONAL = ("L3", "L4")


@dataclass(frozen=True)
class Draft:
    """What a caller knows of a report that is to be sealed.

    ``columns`` are the report's columns with everything they inherit, ``rows`` the normalised rows
    to seal, in their order; see ``standing``.
    ``lineage`` (OpenLineage events as JSON lines) is read only if a package is sealed.
    ``sealed_at`` and ``cut_off_at`` are instants with a zone, ``day`` the day reported on.
    ``holds`` are the held deliveries behind the report at its cut-off. ``certify`` makes and
    records the receipt of the header and rows; it and ``standings``, how the feeds behind the
    report stand, are asked only if a package is sealed.
    ``recipe_hash``, ``is_past`` and ``again`` are ``revision.Wanted``'s. ``by`` stays in the site.
    """

    contract: Table
    columns: Sequence[Column]
    period: str
    cut_off_at: datetime
    sealed_at: datetime
    sql_hash: str
    snapshot: int
    rows: pa.Table
    certify: Callable[[Header, pa.Table], Receipt]
    day: date | None = None
    reason: str = ""
    lineage: Iterable[str] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    holds: Holds = field(default_factory=Holds)
    standings: Callable[[], Standings] = Standings
    recipe_hash: str = ""
    is_past: bool = False
    again: bool = False
    by: str = ""

    @property
    def report(self) -> str:
        """The report's name, which is its table's name."""
        return self.contract.name


@dataclass(frozen=True)
class Package:
    """A sealed package and where it lies."""

    package_id: str
    package_no: int
    package_hash: str
    revision: int
    rows: int
    folder: Path


def seal(
    con: duckdb.DuckDBPyConnection, home: Home, site: Site, signer: Signer, draft: Draft
) -> Package | None:
    """Seal one draft; see ``seal_each``.

    Returns:
        The package; None if no value, and no feed that is held, changed since the last sealed
        revision of that period.
    """
    (package,) = seal_each(con, home, site, signer, [draft])
    return package


def seal_each(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    site: Site,
    signer: Signer,
    drafts: Sequence[Draft],
) -> list[Package | None]:
    """Seal periods of one report into the outbox, but for those whose last revision says the same.

    Args:
        con: The lake writer's connection, inside a transaction; the caller commits.
        home: The site's home; its scratch and outbox must lie on one file system.
        site: Who reports, and to whom.
        signer: Signs in the site's name.
        drafts: One report's, each of another period, in the order of the chain.

    Returns:
        For each draft its package, or None where there is no news.

    Raises:
        PackageError: A personal column, a type that cannot travel, a full disk, or an outbox
            that was delivered from beyond what this lake remembers.
    """
    clear_unfinished(con, home, site)
    last = last_revisions(con, drafts[0].report) if drafts else {}
    return [_seal(con, home, site, signer, draft, last.get(draft.period)) for draft in drafts]


def _seal(  # noqa: PLR0917 - where, who and what
    con: duckdb.DuckDBPyConnection,
    home: Home,
    site: Site,
    signer: Signer,
    draft: Draft,
    last: Last | None,
) -> Package | None:
    _refuse_personal(draft)
    content_hash = values.content_hash(draft.rows)
    wanted = Wanted(content_hash, draft.holds, draft.recipe_hash, draft.is_past, draft.again)
    reason = why_anew(last, wanted, draft.reason)
    if reason is None:
        return None
    header = _header(
        site,
        draft,
        next_spot(con, last),
        reason=reason,
        rows=draft.rows.num_rows,
        content_hash=content_hash,
    )
    receipt = draft.certify(header, draft.rows)
    header = header.model_copy(update={"receipt_hash": receipt.receipt_hash})

    def fill(scratch: Path) -> None:
        _fill(scratch, draft, header)
        (scratch / fmt.RECEIPTS).write_bytes(as_file(receipt))

    return seal_files(con, home, header, signer, fill=fill, kept=_kept(draft))


def clear_unfinished(con: duckdb.DuckDBPyConnection, home: Home, site: Site) -> list[str]:
    """Remove outbox folders whose seal never committed; call it holding the writer lock.

    Returns:
        The removed packages' ids.

    Raises:
        PackageError: Such a folder was delivered: the lake is older than the outbox.
    """
    found = {path.name for path in home.outbox.glob("*-r*")} if home.outbox.exists() else set()
    known = {name for (name,) in con.execute("SELECT package_id FROM lake.ops.package").fetchall()}
    unfinished = sorted(found - known)
    for name in unfinished:
        if was_sent(home, site, name):
            raise PackageError(
                f"package {name} was delivered, but the lake does not know it",
                where=str(home.outbox),
                todo="The lake is older than the outbox: restore the newest copy of the home",
            )
        aside = home.scratch / f"unfinished-{uuid.uuid4().hex}"
        home.scratch.mkdir(parents=True, exist_ok=True)
        (home.outbox / name).rename(aside)
        shutil.rmtree(aside)
    return unfinished


def standing(con: duckdb.DuckDBPyConnection, contract: Table) -> pa.Table:
    """A report's table as it stands, in the types that travel and in the order of its key.

    Raises:
        PackageError: It has not been built yet, or a column's type cannot travel.
    """
    terms = ", ".join(f'"{name}" ASC NULLS FIRST' for name in contract.key) or "ALL ASC NULLS FIRST"
    query = f'SELECT * FROM lake.report."{contract.name}" ORDER BY {terms}'
    try:
        return values.normalise(con.execute(query).to_arrow_table())
    except duckdb.CatalogException as error:
        raise PackageError(
            "the report has not been built yet",
            where=f"report.{contract.name}",
            todo="Run `countylake run` first",
        ) from error


def _refuse_personal(draft: Draft) -> None:
    personal = [column.name for column in draft.columns if column.level in _PERSONAL]
    if personal:
        raise PackageError(
            f"column {personal[0]} is personal and may not leave the site",
            where=f"report {draft.report}",
            todo="Aggregate it in the report's SQL, or drop it",
        )


@dataclass(frozen=True)
class Spot:
    """Where the next package stands: its number, what it follows, and its revision."""

    number: int
    previous_hash: str
    revision: int


def next_spot(con: duckdb.DuckDBPyConnection, last: Last | None) -> Spot:
    """Where the next package of the site stands, after the last revision of its period."""
    head = con.execute(
        "SELECT package_no, package_hash FROM lake.ops.package ORDER BY package_no DESC LIMIT 1"
    ).fetchone()
    number, previous = head or (0, "")
    return Spot(number + 1, previous, last.revision + 1 if last else 1)


def _header(
    site: Site, draft: Draft, spot: Spot, *, reason: str, rows: int, content_hash: str
) -> Header:
    def named(revision: int) -> str:
        return fmt.package_id(site.code, draft.report, draft.period, revision)

    if not fmt.PACKAGE_ID.match(named(spot.revision)):
        raise PackageError(
            f"{draft.period!r} is not a reporting period",
            where=f"report {draft.report}",
            todo="Give a day (YYYYMMDD), a month (YYYYMM), a quarter (YYYYQn) or a year (YYYY)",
        )
    return Header(
        package_id=named(spot.revision),
        package_no=spot.number,
        sender=site.code,
        sender_name=site.name,
        recipient=site.parent,
        report=draft.report,
        period=draft.period,
        revision=spot.revision,
        replaces=named(spot.revision - 1) if spot.revision > 1 else "",
        reason=reason,
        previous_hash=spot.previous_hash,
        cut_off_at=utc_text(draft.cut_off_at),
        sealed_at=utc_text(draft.sealed_at),
        contract_version=draft.contract.version,
        contract_hash=draft.contract.hash,
        sql_hash=draft.sql_hash,
        snapshot=draft.snapshot,
        rows=rows,
        content_hash=content_hash,
        receipt_hash="",
        writer=values.WRITER,
    )


def _kept(draft: Draft) -> dict[str, Any]:
    """What the site keeps of a package besides its header."""
    return {
        "held": draft.holds.model_dump_json(include={"held"}),
        "day": draft.day,
        "recipe_hash": draft.recipe_hash,
        "decided_by": draft.by,
    }


def _fill(scratch: Path, draft: Draft, header: Header) -> None:
    """Write a report's files but the signature."""
    (scratch / "data").mkdir()
    data = scratch / fmt.data_path(header.report)
    values.write_parquet(draft.rows, data)
    described = datapackage(header, draft.contract, draft.columns, data, draft.rows)
    (scratch / fmt.DATAPACKAGE).write_bytes(canonical_json(described))
    status = {**draft.status, **draft.holds.told(), **draft.standings().told()}
    (scratch / fmt.STATUS).write_bytes(canonical_json(status))
    with (scratch / fmt.LINEAGE).open("wb") as stream:
        for event in draft.lineage:
            stream.write(canonical_json(json.loads(event)) + b"\n")


def seal_files(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    header: Header,
    signer: Signer,
    *,
    fill: Callable[[Path], None],
    kept: Mapping[str, Any],
) -> Package:
    """Build a package aside, place it, and write it down.

    Args:
        con: The lake writer's connection, inside a transaction.
        home: The site's home.
        header: What the package says of itself.
        signer: Signs in the site's name.
        fill: Writes every file but the signature into a folder.
        kept: What ``ops.package`` keeps besides the header.

    Raises:
        PackageError: A full disk, or a folder that may not be written.
    """
    scratch = home.scratch / f"seal-{uuid.uuid4().hex}"
    folder = home.outbox / header.package_id
    try:
        scratch.mkdir(parents=True)
        fill(scratch)
        manifest = Manifest(header=header, files=fmt.describe_files(scratch, header.file_names))
        (scratch / fmt.SIGNATURE).write_bytes(fmt.sign_manifest(manifest, signer))
        seal_tree(scratch)
        place(scratch, folder)
    except OSError as error:
        raise PackageError(
            f"the package cannot be written ({error.strerror})",
            where=str(folder),
            todo="Free space or mend the folder's rights, then run it again; nothing was sealed",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _record(con, header, manifest.package_hash, kept)
    return Package(
        header.package_id,
        header.package_no,
        manifest.package_hash,
        header.revision,
        header.rows,
        folder,
    )


def _record(
    con: duckdb.DuckDBPyConnection, header: Header, package_hash: str, kept: Mapping[str, Any]
) -> None:
    said = header.model_dump(
        include={
            "package_no", "package_id", "kind", "report", "period", "revision", "previous_hash",
            "content_hash", "receipt_hash", "snapshot", "reason", "contract_version",
            "contract_hash", "sql_hash",
        }
    )  # fmt: skip
    cells = {**said, "package_hash": package_hash, "row_count": header.rows, **kept}
    named = ", ".join(f"? AS {name}" for name in cells)
    con.execute(
        f"INSERT INTO lake.ops.package BY NAME SELECT {named},"
        " ?::TIMESTAMPTZ AS cut_off_at, ?::TIMESTAMPTZ AS sealed_at",
        [*cells.values(), header.cut_off_at, header.sealed_at],
    )
