"""What the receiving site knows of each site that reports to it, in numbers; it shows nothing.

Each number is counted by the lake, so that a long ledger is not read.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb

from dagster_project.city import ledger
from dagster_project.city.register import children
from dagster_project.lake import Lake
from dagster_project.protocol.held import Holds

_SHOWN = 20
_NOTHING: dict[str, Any] = {
    "accepted": 0,
    "rejected": 0,
    "held": 0,
    "gaps": 0,
    "missing": [],
    "last_package_no": 0,
    "head_no": 0,
    "last_received_at": None,
    "reports": [],
}


def status(lake: Lake) -> dict[str, Any]:
    """The dictionary of ``countylake city status --json``.

    Per site: ``accepted`` and ``rejected`` count packages, ``held`` those that wait for an
    earlier number, ``gaps`` the numbers that are missing (``missing`` names the first of them).
    ``reports`` are the newest accepted package of each report, with its remarks.

    Raises:
        PackageError: The register of children is damaged.
        LakeError, LakeBusyError: The lake cannot be read.
    """
    known = children(lake.home)
    found: dict[str, dict[str, Any]] = {}
    if lake.home.catalog.exists():
        with lake.reader() as con:
            if ledger.present_columns(con):
                table = ledger.source(con)
                found = _counted(con, table)
                _add_gaps(con, table, found)
                _add_reports(con, table, found)
    return {
        "counties": [
            {
                "county": code,
                "name": known[code].card.name if code in known else "",
                "registered": code in known,
                "via": known[code].via if code in known else "",
                **_NOTHING,
                **found.get(code, {}),
            }
            for code in sorted(known.keys() | found.keys())
        ]
    }


def _counted(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, dict[str, Any]]:
    rows = con.execute(
        "SELECT site_code, count(*) FILTER (outcome = 'accepted'),"
        " count(*) FILTER (outcome = 'rejected'),"
        " coalesce(max(package_no) FILTER (outcome = 'accepted'), 0),"
        " coalesce(max(package_no) FILTER (consumed), 0),"
        " max(received_at) FILTER (outcome = 'accepted')"
        f" FROM {table} GROUP BY site_code"
    ).fetchall()
    names = ("accepted", "rejected", "last_package_no", "head_no", "last_received_at")
    told = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
    for one in told.values():
        at = one["last_received_at"]
        one["last_received_at"] = at.isoformat(timespec="seconds") if at else None
    return told


def _add_gaps(con: duckdb.DuckDBPyConnection, table: str, found: dict[str, dict[str, Any]]) -> None:
    """Numbers are used strictly in turn, so that what is missing lies above the last used one."""
    rows = con.execute(
        f"SELECT DISTINCT site_code, package_no FROM {table}"
        " WHERE outcome = 'held' AND package_no IS NOT NULL ORDER BY ALL"
    ).fetchall()
    waiting: dict[str, set[int]] = {}
    for site, number in rows:
        if number > found[site]["head_no"]:
            waiting.setdefault(site, set()).add(number)
    for site, numbers in waiting.items():
        one, top = found[site], max(numbers)
        one["held"] = len(numbers)
        one["gaps"] = top - one["head_no"] - len(numbers)
        missing: list[int] = []
        number = one["head_no"] + 1
        while number < top and len(missing) < _SHOWN:
            if number not in numbers:
                missing.append(number)
            number += 1
        one["missing"] = missing


def _add_reports(
    con: duckdb.DuckDBPyConnection, table: str, found: dict[str, dict[str, Any]]
) -> None:
    """The newest accepted period of each report, with the deliveries that its site holds."""
    rows = con.execute(
        "SELECT site_code, report, period, revision, package_id, row_count, received_at, kind,"
        f" remarks, held FROM {table} WHERE outcome = 'accepted' QUALIFY row_number() OVER"
        " (PARTITION BY site_code, report ORDER BY period DESC, revision DESC) = 1"
        " ORDER BY site_code, report"
    ).fetchall()
    empty: dict[str, Any] = Holds().told()
    for site, report, period, revision, package_id, count, at, kind, remarks, held in rows:
        found[site].setdefault("reports", []).append(
            {
                "report": report,
                "period": period,
                "revision": revision,
                "package_id": package_id,
                "rows": count,
                "received_at": at.isoformat(timespec="seconds"),
                "withdrawn": kind == "withdrawal",
                "remarks": list(remarks or ()),
                **empty,
                **(json.loads(held) if held else {}),
            }
        )
