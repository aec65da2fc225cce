"""What the receiving site knows of each county, in numbers; it shows nothing itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dagster_project.city import ledger
from dagster_project.city.ledger import Entry
from dagster_project.city.register import cards
from dagster_project.lake import Lake
from dagster_project.protocol.held import Holds

_SHOWN = 20


def status(lake: Lake) -> dict[str, Any]:
    """The dictionary of ``countylake city status --json``.

    Per county: ``accepted`` and ``rejected`` count packages, ``held`` those that wait for an
    earlier number, ``gaps`` the numbers that are missing (``missing`` names the first of them).

    Raises:
        PackageError: The register of children is damaged.
        LakeError, LakeBusyError: The lake cannot be read.
    """
    known = cards(lake.home)
    by_county: dict[str, list[Entry]] = {code: [] for code in known}
    if lake.home.catalog.exists():
        with lake.reader() as con:
            for entry in ledger.entries(con):
                by_county.setdefault(entry.site_code, []).append(entry)
    return {
        "counties": [
            {
                "county": code,
                "name": known[code].name if code in known else "",
                "registered": code in known,
                **_numbers(by_county[code]),
            }
            for code in sorted(by_county)
        ]
    }


def _numbers(entries: Sequence[Entry]) -> dict[str, Any]:
    used = {one.package_no for one in entries if one.consumed}
    waiting = {
        one.package_no
        for one in entries
        if one.outcome == "held" and one.package_no not in used and one.package_no
    }
    top = max((number for number in used | waiting if number), default=0)
    missing: list[int] = []
    number = 1
    while number <= top and len(missing) < _SHOWN:
        if number not in used and number not in waiting:
            missing.append(number)
        number += 1
    accepted = [one for one in entries if one.outcome == "accepted"]
    return {
        "accepted": len(accepted),
        "rejected": sum(one.outcome == "rejected" for one in entries),
        "held": len(waiting),
        "gaps": top - len(used) - len(waiting),
        "missing": missing,
        "last_package_no": max((one.package_no or 0 for one in accepted), default=0),
        "last_received_at": max((_instant(one) for one in accepted), default=None),
        "reports": _reports(accepted),
    }


def _reports(accepted: Sequence[Entry]) -> list[dict[str, Any]]:
    """The newest accepted period of each report, with the deliveries that its county holds."""
    newest: dict[str, Entry] = {}
    for one in accepted:
        kept = newest.get(str(one.report))
        if kept is None or (one.period, one.revision) >= (kept.period, kept.revision):
            newest[str(one.report)] = one
    return [
        {
            "report": name,
            "period": one.period,
            "revision": one.revision,
            "package_id": one.package_id,
            "rows": one.row_count,
            "received_at": _instant(one),
            **_holds(one),
        }
        for name, one in sorted(newest.items())
    ]


def _holds(entry: Entry) -> dict[str, Any]:
    """Which data the report's figures lack, and what was decided since its package before."""
    empty: dict[str, Any] = Holds().told()
    return empty | (json.loads(entry.held) if entry.held else {})


def _instant(entry: Entry) -> str:
    return entry.received_at.isoformat(timespec="seconds")
