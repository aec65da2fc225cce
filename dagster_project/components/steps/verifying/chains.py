"""The site's two chains, of packages and of receipts, and what lies in the outbox beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster_project.components.steps.verifying.ledger import Ledger

_COPY = "Restore the newest copy of the home."


def chain_faults(ledger: Ledger, outbox: Path) -> Iterator[str]:
    """Gaps and wrong links of both chains, and folders that the lake does not know."""
    yield from _broken(
        ledger.packages.values(), "package_no", "package_hash", "chain of packages (ops.package)"
    )
    yield from _broken(
        ledger.receipts.values(), "receipt_no", "receipt_hash", "chain of receipts (ops.receipt)"
    )
    for name in ledger.receipts.keys() - ledger.packages.keys():
        yield f"ops.receipt of {name}: ops.package knows no such package. {_COPY}"
    for path in sorted(outbox.glob("*-r*")) if outbox.exists() else ():
        if path.name not in ledger.packages:
            yield (
                f"{path}: the lake does not know this package. The next sealing removes it if it"
                " was never delivered; else restore the newest copy of the home."
            )


def _broken(
    rows: Iterable[Mapping[str, Any]], number: str, digest: str, what: str
) -> Iterator[str]:
    """Each place at which a chain has a gap or a wrong link."""
    before, previous = 0, ""
    for row in rows:
        if row[number] != before + 1:
            yield f"The {what} has number {row[number]} after number {before}. {_COPY}"
        elif (row["previous_hash"] or "") != previous:
            yield (
                f"The {what} is broken at number {row[number]} ({row['package_id']}): it does not"
                f" follow the one before it. {_COPY}"
            )
        before, previous = row[number], row[digest]
