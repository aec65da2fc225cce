"""A sealed package as it lies in the outbox, held against the lake's ledgers, byte by byte.

Every file, the signed header, the receipt in the package and the one in the ledger must say the
same. Whether what they say is true is found elsewhere, by making it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.clock import utc_text
from dagster_project.errors import PackageError
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.keys import PublicKey
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.protocol.receipt import Receipt, read_receipt, receipt_of

_BACKUP = "Restore it from a backup."
_SAID = (
    ("package_no", "package_no"),
    ("kind", "kind"),
    ("report", "report"),
    ("period", "period"),
    ("revision", "revision"),
    ("previous_hash", "previous_hash"),
    ("content_hash", "content_hash"),
    ("receipt_hash", "receipt_hash"),
    ("cut_off_at", "cut_off_at"),
    ("sealed_at", "sealed_at"),
    ("snapshot", "snapshot"),
    ("reason", "reason"),
    ("row_count", "rows"),
    ("contract_version", "contract_version"),
    ("contract_hash", "contract_hash"),
    ("sql_hash", "sql_hash"),
)
"""Columns of ``ops.package`` and what the signed header calls them."""
_NOTED = (
    ("receipt_no", "receipt_no"),
    ("table_name", "table"),
    ("period", "period"),
    ("revision", "revision"),
    ("snapshot", "snapshot"),
    ("cut_off_at", "cut_off_at"),
    ("content_hash", "content_hash"),
    ("previous_hash", "previous_hash"),
    ("receipt_hash", "receipt_hash"),
)
"""Columns of ``ops.receipt`` and what a receipt calls them."""


@dataclass
class Evidence:
    """What can be read of one package; None is what is missing, damaged, or was never there.

    ``rows`` are the figures as the package holds them, only if they are those that were signed;
    ``signed_data`` is the signed SHA-256 of the file that they were sealed in.
    """

    header: Header | None = None
    signed_data: str = ""
    receipt: Receipt | None = None
    rows: pa.Table | None = None
    faults: list[str] = field(default_factory=list)


def gather(
    folder: Path,
    package: Mapping[str, Any],
    noted: Mapping[str, Any] | None,
    keys: Mapping[str, PublicKey],
) -> Evidence:
    """Read a package and what the ledgers say of it, and hold each against the others.

    Args:
        folder: Where it lies.
        package: Its row of ``ops.package``.
        noted: Its row of ``ops.receipt``; None if there is none.
        keys: Every key that this site ever signed with.
    """
    found = Evidence()
    manifest = _manifest(folder, package, keys, found)
    if manifest is not None:
        found.header = manifest.header
        data = fmt.data_path(package["report"])
        found.signed_data = next((one.sha256 for one in manifest.files if one.path == data), "")
        found.faults += changed_files(folder, manifest)
        found.faults += _otherwise(folder, package, manifest.header, _SAID, "ops.package")
    sent = _sent(folder, found.header, found.faults)
    kept = _kept(package, noted, found.faults)
    if sent and kept and sent.receipt_hash != kept.receipt_hash:
        found.faults.append(
            f"{folder / fmt.RECEIPTS}: it is another receipt than the one in ops.receipt."
        )
    found.receipt = kept or sent
    found.rows = _figures(folder, package, found.faults)
    return found


def _manifest(
    folder: Path,
    package: Mapping[str, Any],
    keys: Mapping[str, PublicKey],
    found: Evidence,
) -> Manifest | None:
    path = folder / fmt.SIGNATURE
    if not folder.is_dir():
        found.faults.append(f"{folder}: the sealed package is gone. {_BACKUP}")
        return None
    try:
        manifest = fmt.read_manifest(path.read_bytes(), keys)
    except OSError as error:
        found.faults.append(f"{path}: it cannot be read ({error.strerror}). {_BACKUP}")
        return None
    except PackageError as error:
        found.faults.append(f"{path}: {error.what}. {_BACKUP}")
        return None
    if manifest.package_hash != package["package_hash"]:
        found.faults.append(
            f"{path}: what it signs is another package than the one in ops.package. {_BACKUP}"
        )
    return manifest


def changed_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Files that are missing, do not belong there, or are not what was signed."""
    wanted = {fmt.SIGNATURE, *manifest.header.file_names}
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    for name in sorted(wanted - present):
        yield f"{folder / name}: the file is gone. {_BACKUP}"
    for name in sorted(present - wanted):
        yield f"{folder / name}: the file does not belong to the package. Remove it."
    for entry in manifest.files:
        if entry.path not in present:
            continue
        try:
            (now,) = fmt.describe_files(folder, [entry.path])
        except OSError as error:
            yield f"{folder / entry.path}: it cannot be read ({error.strerror}). {_BACKUP}"
            continue
        other = [
            word
            for word, said, is_so in (
                ("length", entry.bytes, now.bytes),
                ("SHA-256", entry.sha256, now.sha256),
                ("SM3", entry.sm3, now.sm3),
            )
            if said != is_so
        ]
        if other:
            yield (
                f"{folder / entry.path}: the file was changed: its {' and '.join(other)}"
                f" {'is' if len(other) == 1 else 'are'} not as signed. {_BACKUP}"
            )


def _sent(folder: Path, header: Header | None, faults: list[str]) -> Receipt | None:
    """The receipt in the package, if its header can be trusted and names one."""
    if header is None or header.kind != "report" or not header.receipt_hash:
        return None
    try:
        return receipt_of((folder / fmt.RECEIPTS).read_bytes(), header)
    except OSError:
        return None  # that it cannot be read was said of the file
    except PackageError as error:
        faults.append(f"{folder / error.where}: {error.what}.")
        return None


def _kept(
    package: Mapping[str, Any], noted: Mapping[str, Any] | None, faults: list[str]
) -> Receipt | None:
    """The receipt in the ledger, if it is whole."""
    place = f"ops.receipt of {package['package_id']}"
    if noted is None:
        if package["receipt_hash"]:
            faults.append(f"{place}: the receipt is gone. Restore the newest copy of the home.")
        return None
    try:
        receipt = read_receipt(json.loads(noted["receipt"]), place)
    except (ValueError, TypeError, AttributeError):
        faults.append(f"{place}: the receipt is no longer JSON.")
        return None
    except PackageError as error:
        faults.append(f"{error.where}: {error.what}.")
        return None
    faults += _otherwise(Path(place), noted, receipt, _NOTED, "its own columns")
    if receipt.receipt_hash != package["receipt_hash"]:
        faults.append(f"{place}: it is another receipt than ops.package names.")
    return receipt


def _figures(folder: Path, package: Mapping[str, Any], faults: list[str]) -> pa.Table | None:
    if not package["content_hash"]:
        return None
    path = folder / fmt.data_path(package["report"])
    if not path.is_file():
        return None
    try:
        table = values.read_parquet(path)
    except PackageError as error:
        faults.append(f"{path}: {error.what}.")
        return None
    if values.content_hash(table) != package["content_hash"]:
        faults.append(f"{path}: its figures are not those of the sealed content hash.")
        return None
    return table


def _otherwise(
    where: Path, row: Mapping[str, Any], told: Header | Receipt, names: Any, ledger: str
) -> Iterator[str]:
    """What a ledger says otherwise than the signed text."""
    for column, name in names:
        kept, said = row.get(column), getattr(told, name)
        if isinstance(kept, datetime):
            kept = utc_text(kept)
        if kept is None and column in {"kind", "reason", "previous_hash", "receipt_hash"}:
            continue  # a lake of an earlier version did not keep it
        if str(kept if kept is not None else "") != str(said):
            yield f"{where}: {name} is told otherwise in {ledger} ({column})."
