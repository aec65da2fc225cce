"""A site's receipts: those of its own packages, and those that came with packages of children.

What a receipt says is ``protocol.receipt``'s matter, whether it is true ``verifying``'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.lineage.prov import prov_of
from dagster_project.protocol.canonical import parse_canonical
from dagster_project.protocol.manifest import PACKAGE_ID, RECEIPTS
from dagster_project.protocol.receipt import Receipt, read_receipt

_LIST = """
SELECT receipt_no, package_id, table_name, period, revision, snapshot, cut_off_at, receipt_hash,
  previous_hash
FROM lake.ops.receipt
WHERE ? IN ('', table_name, split_part(table_name, '.', 2))
ORDER BY receipt_no
"""


@dataclass(frozen=True)
class Kept:
    """A receipt, and what its report is called."""

    receipt: Receipt
    title: str


def receipts(workshop: Workshop, report: str = "") -> list[dict[str, Any]]:
    """The receipts of the site's own packages in the order of their chain.

    Args:
        workshop: The site.
        report: Of this report only.
    """
    if not workshop.home.catalog.exists():
        return []
    with workshop.lake.reader() as con:
        found = con.execute(_LIST, [report])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def receipt_of(workshop: Workshop, package_id: str) -> Kept:
    """The receipt of a package that was sealed here, or received.

    Raises:
        UsageError: There is no such package, or it has no receipt: a withdrawal has none.
        PackageError: The receipt is damaged.
    """
    if not PACKAGE_ID.match(package_id):
        raise _unknown(package_id)
    receipt = _own(workshop, package_id) or _received(workshop, package_id)
    if receipt is None:
        raise _unknown(package_id)
    name = receipt.table.partition(".")[2]
    table = workshop.contracts.tables.get(("report", name))
    return Kept(receipt, table.title if table else name)


def prov(workshop: Workshop, package_id: str) -> dict[str, Any]:
    """A package's origin as PROV-JSON.

    Raises:
        UsageError: There is no such package, or it has no receipt.
        PackageError: The receipt is damaged.
    """
    kept = receipt_of(workshop, package_id)
    return prov_of(kept.receipt, f"{kept.title} {kept.receipt.period}")


def _own(workshop: Workshop, package_id: str) -> Receipt | None:
    if not workshop.home.catalog.exists() or not workshop.site.collects:
        return None
    with workshop.lake.reader() as con:
        row = con.execute(
            "SELECT receipt FROM lake.ops.receipt WHERE package_id = ?", [package_id]
        ).fetchone()
    return read_receipt(json.loads(row[0]), f"ops.receipt of {package_id}") if row else None


def _received(workshop: Workshop, package_id: str) -> Receipt | None:
    folders = sorted(workshop.home.received.glob(f"*/{package_id}"))
    path = folders[0] / RECEIPTS if folders else None
    if path is None or not path.exists():
        return None
    told = parse_canonical(path.read_bytes(), RECEIPTS)
    return read_receipt(told["receipts"][0], str(path))


def _unknown(package_id: str) -> UsageError:
    return UsageError(
        f"there is no receipt of {package_id[:200]}",
        todo="`countylake receipt list` names those that were sealed here",
    )
