"""Taking a reported period back: a package of its own in the chain, which holds no figures.

What was sealed stays as it is, and can be verified; the receiver no longer counts it. Reporting the
period again later is an ordinary revision (see ``revision``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.clock import utc_text
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.held import Holds
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.manifest import Header
from dagster_project.reporting.package import Package, Spot, clear_unfinished, next_spot, seal_files
from dagster_project.reporting.revision import last_revisions
from dagster_project.settings import Site

_SEALED = """
SELECT report, period, revision, cut_off_at, snapshot, day,
  COALESCE(contract_version, '') AS contract_version,
  COALESCE(contract_hash, '') AS contract_hash,
  COALESCE(sql_hash, '') AS sql_hash,
  COALESCE(recipe_hash, '') AS recipe_hash
FROM lake.ops.package
WHERE package_id = ?
"""
LONGEST = 400


@dataclass(frozen=True)
class Taken:
    """Which package is taken back, why, by whom and when; ``by`` stays in the site."""

    package_id: str
    why: str
    by: str
    at: datetime


def withdraw(
    con: duckdb.DuckDBPyConnection, home: Home, site: Site, signer: Signer, taken: Taken
) -> Package:
    """Seal a withdrawal as the next revision of what it takes back.

    Args:
        con: The lake writer's connection, inside a transaction; the caller commits.
        home: The site's home.
        site: Who reports, and to whom.
        signer: Signs in the site's name.
        taken: What is decided.

    Raises:
        UsageError: No reason, no such package, one that was replaced, or one that is no report.
        PackageError: It cannot be written.
    """
    why = taken.why.strip()
    if not why or len(why) > LONGEST:
        raise UsageError(
            f"a withdrawal has a reason of 1 to {LONGEST} characters",
            where=taken.package_id,
            todo="Say it with --why; the receiver reads it",
        )
    clear_unfinished(con, home, site)
    before = _sealed(con, taken.package_id)
    last = last_revisions(con, before["report"])[before["period"]]
    if last.kind == "withdrawal" and last.outcome != "rejected":
        raise UsageError(
            f"{taken.package_id} was withdrawn already ({last.package_id})",
            todo="Nothing of that period is reported",
        )
    if last.package_id != taken.package_id:
        raise UsageError(
            f"{taken.package_id} was replaced by {last.package_id}",
            todo="Withdraw that one; a period is taken back as it stands",
        )
    header = _header(site, taken, before, next_spot(con, last))

    def fill(scratch: Path) -> None:
        status = {"withdrawn": taken.package_id, "why": why}
        (scratch / fmt.STATUS).write_bytes(canonical_json(status))

    kept = {
        "held": Holds().model_dump_json(include={"held"}),
        "day": before["day"],
        "recipe_hash": before["recipe_hash"],
        "decided_by": taken.by,
    }
    return seal_files(con, home, header, signer, fill=fill, kept=kept)


def _header(site: Site, taken: Taken, before: Mapping[str, Any], spot: Spot) -> Header:
    return Header(
        kind="withdrawal",
        package_id=fmt.package_id(site.code, before["report"], before["period"], spot.revision),
        package_no=spot.number,
        sender=site.code,
        sender_name=site.name,
        recipient=site.parent,
        report=before["report"],
        period=before["period"],
        revision=spot.revision,
        replaces=taken.package_id,
        reason=taken.why.strip(),
        previous_hash=spot.previous_hash,
        cut_off_at=utc_text(before["cut_off_at"]),
        sealed_at=utc_text(taken.at),
        contract_version=before["contract_version"],
        contract_hash=before["contract_hash"],
        sql_hash=before["sql_hash"],
        snapshot=before["snapshot"],
        rows=0,
        content_hash="",
        receipt_hash="",
        writer=values.WRITER,
    )


def _sealed(con: duckdb.DuckDBPyConnection, package_id: str) -> dict[str, Any]:
    found = con.execute(_SEALED, [package_id])
    names = [column[0] for column in found.description or []]
    row = found.fetchone()
    if row is None:
        raise UsageError(
            f"there is no package {package_id[:200]}", todo="`countylake package list` names them"
        )
    return dict(zip(names, row, strict=True))
