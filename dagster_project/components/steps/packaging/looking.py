"""What was sealed, as people and auditors ask for it: lists, one package, and whether all is whole.

The ledger says what should be there, the outbox what is; neither is changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError, UsageError
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.keys import PublicKey
from dagster_project.reporting.answers import newest_answers
from dagster_project.reporting.identity import own_card
from dagster_project.reporting.sealed import Sealed, broken_at, damage, sealed_packages

_PACKAGES = """
SELECT
  p.package_no,
  p.package_id,
  COALESCE(p.kind, 'report') AS kind,
  p.report,
  p.period,
  p.revision,
  p.row_count AS rows,
  p.cut_off_at,
  p.sealed_at,
  COALESCE(p.reason, '') AS reason,
  COALESCE(p.decided_by, '') AS decided_by,
  COALESCE(a.outcome, '') AS outcome,
  a.acknowledged_at,
  COALESCE(a.reasons, '') AS answer,
  COALESCE(a.remarks, '') AS remarks,
  p.revision = MAX(p.revision) OVER (PARTITION BY p.report, p.period) AS is_newest
FROM lake.ops.package AS p
LEFT JOIN ({answers}) AS a USING (package_id)
ORDER BY p.package_no
"""
_ALL = "SELECT * FROM ({packages}) WHERE package_id = ?"


@dataclass(frozen=True)
class Verified:
    """Whether the sealed packages are whole: how many were looked at, and each fault."""

    packages: int
    faults: tuple[str, ...]


def list_packages(
    workshop: Workshop, report: str = "", *, waiting: bool = False
) -> list[dict[str, Any]]:
    """The packages in the order of the chain, each with the parent's newest answer.

    Args:
        workshop: The site.
        report: One report; all if empty.
        waiting: Only those that the parent has not settled.
    """
    if not workshop.home.catalog.exists():
        return []
    with workshop.lake.reader() as con:
        found = _rows(con, _PACKAGES.format(answers=newest_answers(con)))
        settled = {one.package_id for one in sealed_packages(con) if one.is_settled}
    return [
        one
        for one in found
        if report in {"", one["report"]} and not (waiting and one["package_id"] in settled)
    ]


def show_package(workshop: Workshop, package_id: str) -> dict[str, Any]:
    """One package: its header, place in the chain, answers, and what it says of held feeds.

    Raises:
        UsageError: No such package.
    """
    with workshop.lake.reader() as con:
        query = _ALL.format(packages=_PACKAGES.format(answers=newest_answers(con)))
        found = _rows(con, query, package_id)
        chain = sealed_packages(con)
        answers = _rows(
            con,
            "SELECT outcome, reasons, remarks, acknowledged_at FROM lake.ops.acknowledgement"
            " WHERE package_id = ? ORDER BY acknowledged_at",
            package_id,
        )
    if not found:
        raise UsageError(
            f"there is no package {package_id[:200]}", todo="`countylake package list` names them"
        )
    place = next(n for n, one in enumerate(chain) if one.package_id == package_id)
    folder = workshop.home.outbox / package_id
    fault = damage(folder, chain[place], own_card(workshop.home).every_key)
    return {
        **found[0],
        "folder": str(folder),
        "fault": fault,
        "header": {} if fault else _header(workshop, folder),
        "before": chain[place - 1].package_id if place else "",
        "after": chain[place + 1].package_id if place + 1 < len(chain) else "",
        "answers": answers,
        "status": {} if fault else json.loads((folder / fmt.STATUS).read_bytes()),
    }


def verify_packages(workshop: Workshop, package_id: str = "") -> Verified:
    """Hold the sealed packages against the ledger: signatures, hashes, figures, and the chain.

    Args:
        workshop: The site.
        package_id: One package; all of them, and the chain, if empty.

    Raises:
        UsageError: No such package.
    """
    with workshop.lake.reader() as con:
        chain = sealed_packages(con)
    wanted = [one for one in chain if package_id in {"", one.package_id}]
    if package_id and not wanted:
        raise UsageError(
            f"there is no package {package_id[:200]}", todo="`countylake package list` names them"
        )
    keys = own_card(workshop.home).every_key
    faults = [fault for one in wanted for fault in _faults(workshop.home.outbox, one, keys)]
    if not package_id:
        faults += _chain_faults(workshop, chain)
    return Verified(len(wanted), tuple(faults))


def _faults(outbox: Path, one: Sealed, keys: Mapping[str, PublicKey]) -> Iterator[str]:
    folder = outbox / one.package_id
    if fault := damage(folder, one, keys):
        yield fault
        return
    header = fmt.read_manifest((folder / fmt.SIGNATURE).read_bytes(), keys).header
    if (header.package_no, header.previous_hash) != (one.package_no, one.previous_hash):
        yield f"{folder}: it was sealed at another place of the chain than the ledger says."
    if header.kind == "report":
        try:
            table = values.read_parquet(folder / fmt.data_path(header.report))
        except PackageError as error:
            yield f"{folder}: {error}"
            return
        if values.content_hash(table) != header.content_hash:
            yield f"{folder}: its figures are not those of the signed content hash."


def _chain_faults(workshop: Workshop, chain: Sequence[Sealed]) -> Iterator[str]:
    if number := broken_at(chain):
        yield (
            f"The chain is broken at number {number}: a package is missing from the ledger or does"
            " not follow the one before it. Restore the newest copy of the home."
        )
    outbox = workshop.home.outbox
    known = {one.package_id for one in chain}
    for path in sorted(outbox.glob("*-r*")) if outbox.exists() else ():
        if path.name not in known:
            yield (
                f"{path}: the lake does not know this package. The next sealing removes it if it"
                " was never delivered; else restore the newest copy of the home."
            )


def _header(workshop: Workshop, folder: Path) -> dict[str, Any]:
    keys = own_card(workshop.home).every_key
    return fmt.read_manifest((folder / fmt.SIGNATURE).read_bytes(), keys).header.model_dump()


def _rows(con: duckdb.DuckDBPyConnection, query: str, *given: object) -> list[dict[str, Any]]:
    found = con.execute(query, list(given))
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
