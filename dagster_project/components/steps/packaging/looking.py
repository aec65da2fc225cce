"""What was sealed, as people ask for it: lists, and one package.

The ledger says what should be there, the outbox what is; neither is changed. Whether all of it is
whole and true is asked of ``verifying``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.protocol import manifest as fmt
from dagster_project.reporting.answers import newest_answers
from dagster_project.reporting.identity import own_card
from dagster_project.reporting.sealed import damage, sealed_packages

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


def _header(workshop: Workshop, folder: Path) -> dict[str, Any]:
    keys = own_card(workshop.home).every_key
    return fmt.read_manifest((folder / fmt.SIGNATURE).read_bytes(), keys).header.model_dump()


def _rows(con: duckdb.DuckDBPyConnection, query: str, *given: object) -> list[dict[str, Any]]:
    found = con.execute(query, list(given))
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
