"""The parent's signed answers as they are kept, held against its keys and against the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.clock import utc_text
from dagster_project.components.steps.verifying.inputs import unreadable
from dagster_project.components.steps.verifying.ledger import rows
from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol import dsse
from dagster_project.protocol.acknowledgement import (
    PAYLOAD_TYPE,
    SUFFIX,
    Acknowledgement,
    read_acknowledgement,
)
from dagster_project.protocol.canonical import parse_canonical, sha256_bytes
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.answers import signed_file
from dagster_project.reporting.identity import parent_card

_TODO = "Restore it from a backup, or ask the parent site for it again."
_COPY = "Restore the newest copy of the home."


class Answers:
    """Looks at the kept answers of one home."""

    def __init__(self, con: duckdb.DuckDBPyConnection, home: Home, looked: Counter[str]) -> None:
        self.home, self.looked = home, looked
        self.card: SiteCard | None = None
        self.faults: list[str] = []
        self.fault = ""
        try:
            self.card = parent_card(home)
        except PackageError as error:
            self.fault = str(error)
        self.by_package: dict[str, list[dict[str, Any]]] = {}
        for row in _kept(con, self.faults):
            self.by_package.setdefault(row["package_id"], []).append(row)

    def of(self, package: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Faults and notes of the answers to one package."""
        faults: list[str] = []
        notes: list[str] = []
        known = {row.get("signed_hash") for row in self.by_package.get(package["package_id"], ())}
        for row in self.by_package.get(package["package_id"], ()):
            if not row.get("signed_hash"):
                notes.append(
                    f"The answer to {package['package_id']} was received by an earlier version,"
                    " which did not keep what was signed."
                )
                continue
            self._one(row, package, faults, notes)
        folder = self.home.acknowledgements / package["package_id"]
        notes += [
            f"{path}: the lake does not know this answer."
            for path in (sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ())
            if path.name.removesuffix(SUFFIX) not in known
        ]
        return faults, notes

    def heads(self, packages: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Where the parent's word on how far it has come shows that history ended later, or else.

        Args:
            packages: Every package that the lake knows, by its id.
        """
        numbered = {one["package_no"]: one for one in packages.values()}
        for package_id, some in sorted(self.by_package.items()):
            for row in some:
                number = row["head_no"] if row.get("signed_hash") else 0
                if number and number not in numbered:
                    yield (
                        f"The answer to {package_id} names package number {number}, and the lake"
                        f" knows {len(numbered)}: the end of its history is gone. {_COPY}"
                    )
                elif number and numbered[number]["package_hash"] != row["head_hash"]:
                    yield (
                        f"The answer to {package_id} names another package number {number} than"
                        f" the one in ops.package. {_COPY}"
                    )
        folder = self.home.acknowledgements
        for path in sorted(folder.glob("*-r*")) if folder.is_dir() else ():
            if path.name not in packages:
                yield f"{path}: it answers a package that the lake does not know. {_COPY}"

    def _one(
        self,
        row: Mapping[str, Any],
        package: Mapping[str, Any],
        faults: list[str],
        notes: list[str],
    ) -> None:
        path = signed_file(self.home, row["package_id"], row["signed_hash"])
        self.looked["answers"] += 1
        try:
            data = path.read_bytes()
        except OSError as error:
            faults.append(f"{path}: the signed answer cannot be read ({error.strerror}). {_TODO}")
            return
        if sha256_bytes(data) != row["signed_hash"]:
            faults.append(f"{path}: the signed answer was changed. {_TODO}")
            return
        if self.card is None:
            notes.append(
                self.fault or f"{path}: no parent is trusted, so no signature was verified."
            )
            return
        try:
            said = read_acknowledgement(data, self.card.every_key, path.name)
        except PackageError as error:
            recipient = _recipient(data)
            if recipient and recipient != self.card.code:
                notes.append(
                    f"{path}: it was signed by {recipient}, which is the parent no longer; its card"
                    " is not kept, so the signature was not verified."
                )
            else:
                faults.append(f"{path}: {error.what}.")
            return
        faults += _otherwise(path, said, row)
        faults += _contradicting(path, said, package)


def _kept(con: duckdb.DuckDBPyConnection, faults: list[str]) -> list[dict[str, Any]]:
    """The ledger's rows of answers, oldest first."""
    try:
        return rows(con, "SELECT * FROM lake.ops.acknowledgement ORDER BY acknowledged_at")
    except duckdb.Error as error:
        faults.append(unreadable("ops.acknowledgement", error))
        return []


def _recipient(data: bytes) -> str:
    """Whose answer it says it is; nothing is verified."""
    try:
        kind, payload = dsse.unverified(data, "answer")
        told = parse_canonical(payload, "answer") if kind == PAYLOAD_TYPE else {}
    except PackageError:
        return ""
    return str(told.get("recipient", "")) if isinstance(told, dict) else ""


def _otherwise(path: Path, said: Acknowledgement, row: Mapping[str, Any]) -> Iterator[str]:
    """What the ledger says otherwise than what was signed."""
    facts: Iterable[tuple[str, object, object]] = (
        ("package_id", said.package_id, row["package_id"]),
        ("outcome", said.outcome, row["outcome"]),
        ("recipient", said.recipient, row["recipient"]),
        ("package_hash", said.package_hash, row["package_hash"]),
        ("head_no", said.head_no, row["head_no"]),
        ("head_hash", said.head_hash, row["head_hash"]),
        ("reasons", "; ".join(said.reasons), row["reasons"] or ""),
        ("remarks", "; ".join(said.remarks), row["remarks"] or ""),
        ("acknowledged_at", said.acknowledged_at, utc_text(row["acknowledged_at"])),
    )
    for name, signed, kept in facts:
        if signed != kept:
            yield f"{path}: {name} is told otherwise in ops.acknowledgement."


def _contradicting(path: Path, said: Acknowledgement, package: Mapping[str, Any]) -> Iterator[str]:
    """An answer that accepts other bytes than were sealed."""
    if said.outcome == "accepted" and said.package_hash != package["package_hash"]:
        yield f"{path}: the parent accepted other content than was sealed here."
