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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
from dagster_project.protocol.canonical import canonical_json, file_hashes
from dagster_project.protocol.folders import place, seal_tree
from dagster_project.protocol.held import HeldFeed, Holds, Settled
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.settings import Site

_PERSONAL = ("L3", "L4")
_CHANGED = "figures changed since the revision before"
_REASON = 400


@dataclass(frozen=True)
class Draft:
    """What a caller knows of a report that is to be sealed.

    ``columns`` are the report's columns with everything they inherit; ``order_by`` names the
    columns of the model's total order (the contract's key if empty, all columns if that is empty
    too). ``lineage`` (OpenLineage events as JSON lines) is read only if a package is sealed.
    ``sealed_at`` and ``cut_off_at`` are instants with a zone. ``holds`` are the held deliveries
    behind the report at its cut-off.
    """

    contract: Table
    columns: Sequence[Column]
    period: str
    cut_off_at: datetime
    sealed_at: datetime
    sql_hash: str
    snapshot: int
    order_by: tuple[str, ...] = ()
    reason: str = ""
    lineage: Iterable[str] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    holds: Holds = field(default_factory=Holds)
    receipts: Sequence[Mapping[str, Any]] = ()
    receipt_hash: str = ""

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


@dataclass(frozen=True)
class _Place:
    """Where the next package stands in the chain, and what the revision before it says."""

    number: int
    previous_hash: str
    revision: int
    content_hash: str
    held: Holds

    def news(self, content_hash: str, holds: Holds) -> str:
        """Why there must be another revision; empty if it would say the same."""
        told = [_CHANGED] if self.content_hash != content_hash else []
        before, now = set(self.held.feeds), set(holds.feeds)
        ended = {one.hold_id: one for one in holds.settled}
        told += [_is_held(one) for one in holds.held if one.feed not in before]
        told += [_was_held(one, ended) for one in self.held.held if one.feed not in now]
        return "; ".join(told)[:_REASON]


def seal(
    con: duckdb.DuckDBPyConnection, home: Home, site: Site, signer: Signer, draft: Draft
) -> Package | None:
    """Seal ``report.<name>`` into the outbox, unless its last revision says the same.

    Args:
        con: The lake writer's connection, inside a transaction; the caller commits.
        home: The site's home; its scratch and outbox must lie on one file system.
        site: Who reports, and to whom.
        signer: Signs in the site's name.
        draft: The report and what is known of it.

    Returns:
        The package; None if no value, and no feed that is held, changed since the last sealed
        revision of that period.

    Raises:
        PackageError: A personal column, a type that cannot travel, a full disk, or an outbox
            that was delivered from beyond what this lake remembers.
    """
    clear_unfinished(con, home, site)
    table = _read(con, draft)
    content_hash = values.content_hash(table)
    spot = _next_place(con, draft)
    if not spot.news(content_hash, draft.holds):
        return None
    header = _header(site, draft, spot, table, content_hash)
    scratch = home.scratch / f"seal-{uuid.uuid4().hex}"
    folder = home.outbox / header.package_id
    try:
        manifest = _build(scratch, draft, header, table, signer)
        place(scratch, folder)
    except OSError as error:
        raise PackageError(
            f"the package cannot be written ({error.strerror})",
            where=str(folder),
            todo="Free space or mend the folder's rights, then run it again; nothing was sealed",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _record(con, header, manifest.package_hash, draft.holds)
    return Package(
        header.package_id,
        header.package_no,
        manifest.package_hash,
        header.revision,
        header.rows,
        folder,
    )


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
    exchange = site.folder(home, "exchange")
    for name in unfinished:
        if (exchange / "up" / name).exists() or (exchange / "down" / f"{name}.ack.json").exists():
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


def _read(con: duckdb.DuckDBPyConnection, draft: Draft) -> pa.Table:
    personal = [column.name for column in draft.columns if column.level in _PERSONAL]
    if personal:
        raise PackageError(
            f"column {personal[0]} is personal and may not leave the site",
            where=f"report {draft.report}",
            todo="Aggregate it in the report's SQL, or drop it",
        )
    order = draft.order_by or draft.contract.key
    terms = ", ".join(f'"{name}" ASC NULLS FIRST' for name in order) or "ALL ASC NULLS FIRST"
    query = f'SELECT * FROM lake.report."{draft.report}" ORDER BY {terms}'
    try:
        return values.normalise(con.execute(query).to_arrow_table())
    except duckdb.CatalogException as error:
        raise PackageError(
            "the report has not been built yet",
            where=f"report.{draft.report}",
            todo="Run `countylake run` first",
        ) from error


def _next_place(con: duckdb.DuckDBPyConnection, draft: Draft) -> _Place:
    head = con.execute(
        "SELECT package_no, package_hash FROM lake.ops.package ORDER BY package_no DESC LIMIT 1"
    ).fetchone()
    last = con.execute(
        "SELECT revision, content_hash, held FROM lake.ops.package WHERE report = ? AND period = ?"
        " ORDER BY revision DESC LIMIT 1",
        [draft.report, draft.period],
    ).fetchone()
    number, previous = head or (0, "")
    revision, content, held = last or (0, "", None)
    said = Holds.model_validate(json.loads(held)) if held else Holds()
    return _Place(number + 1, previous, revision + 1, content, said)


def _is_held(one: HeldFeed) -> str:
    until = f"its data are of {one.data_until}" if one.data_until else "it never had data"
    return f"{one.feed} is held ({one.hold_id}), {until}"


def _was_held(one: HeldFeed, ended: Mapping[str, Settled]) -> str:
    outcome = f" {ended[one.hold_id].outcome}" if one.hold_id in ended else ""
    return f"{one.feed} is no longer held ({one.hold_id}{outcome})"


def _header(site: Site, draft: Draft, spot: _Place, table: pa.Table, content_hash: str) -> Header:
    def named(revision: int) -> str:
        return fmt.package_id(site.code, draft.report, draft.period, revision)

    if not fmt.PACKAGE_ID.match(named(spot.revision)):
        raise PackageError(
            f"{draft.period!r} is not a reporting period",
            where=f"report {draft.report}",
            todo="Give a day (YYYYMMDD), a month (YYYYMM), a quarter (YYYYQn) or a year (YYYY)",
        )
    corrects = spot.revision > 1
    return Header(
        package_id=named(spot.revision),
        package_no=spot.number,
        sender=site.code,
        sender_name=site.name,
        recipient=site.parent,
        report=draft.report,
        period=draft.period,
        revision=spot.revision,
        replaces=named(spot.revision - 1) if corrects else "",
        reason=draft.reason or (spot.news(content_hash, draft.holds) if corrects else ""),
        previous_hash=spot.previous_hash,
        cut_off_at=utc_text(draft.cut_off_at),
        sealed_at=utc_text(draft.sealed_at),
        contract_version=draft.contract.version,
        contract_hash=draft.contract.hash,
        sql_hash=draft.sql_hash,
        snapshot=draft.snapshot,
        rows=table.num_rows,
        content_hash=content_hash,
        receipt_hash=draft.receipt_hash,
        writer=values.WRITER,
    )


def _build(
    scratch: Path, draft: Draft, header: Header, table: pa.Table, signer: Signer
) -> Manifest:
    (scratch / "data").mkdir(parents=True)
    data = scratch / fmt.data_path(header.report)
    values.write_parquet(table, data)
    (scratch / fmt.DATAPACKAGE).write_bytes(
        canonical_json(_datapackage(draft, header, data, table))
    )
    status = {**draft.status, **draft.holds.told()}
    (scratch / fmt.STATUS).write_bytes(canonical_json(status))
    with (scratch / fmt.LINEAGE).open("wb") as stream:
        for event in draft.lineage:
            stream.write(canonical_json(json.loads(event)) + b"\n")
    (scratch / fmt.RECEIPTS).write_bytes(canonical_json({"receipts": list(draft.receipts)}))
    manifest = Manifest(header=header, files=fmt.describe_files(scratch, header.file_names))
    (scratch / fmt.SIGNATURE).write_bytes(fmt.sign_manifest(manifest, signer))
    seal_tree(scratch)
    return manifest


def _datapackage(draft: Draft, header: Header, data: Path, table: pa.Table) -> dict[str, Any]:
    notes = {
        column.name: {
            "title": column.title,
            "description": column.description,
            "unit": column.unit,
            "level": column.level,
        }
        for column in draft.columns
    }
    sha256, sm3 = file_hashes(data)
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": header.package_id.lower(),
        "id": header.package_id,
        "title": draft.contract.title,
        "description": draft.contract.description,
        "version": draft.contract.version,
        "created": header.sealed_at,
        "resources": [
            {
                "name": header.report,
                "path": fmt.data_path(header.report),
                "title": draft.contract.title,
                "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                "bytes": data.stat().st_size,
                "hash": f"sha256:{sha256}",
                "sm3": sm3,
                "rowCount": header.rows,
                "schema": {
                    "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
                    "fields": values.describe(table, notes),
                    "primaryKey": list(draft.contract.key),
                },
            }
        ],
    }


def _record(
    con: duckdb.DuckDBPyConnection, header: Header, package_hash: str, holds: Holds
) -> None:
    con.execute(
        "INSERT INTO lake.ops.package BY NAME SELECT ? AS package_no, ? AS package_id,"
        " ? AS kind, ? AS report, ? AS period, ? AS revision, ? AS previous_hash,"
        " ? AS package_hash, ? AS content_hash, ? AS receipt_hash,"
        " ?::TIMESTAMPTZ AS cut_off_at, ?::TIMESTAMPTZ AS sealed_at, ? AS snapshot,"
        " ? AS reason, ? AS held",
        [
            header.package_no,
            header.package_id,
            header.kind,
            header.report,
            header.period,
            header.revision,
            header.previous_hash,
            package_hash,
            header.content_hash,
            header.receipt_hash,
            header.cut_off_at,
            header.sealed_at,
            header.snapshot,
            header.reason,
            holds.model_dump_json(include={"held"}),
        ],
    )
