"""Is this folder what a registered sender signed, byte for byte?

Works on the receiver's own copy; nothing in it is believed before the signature holds. Whether
what was signed is true of the data is ``content``'s question, whether it keeps to the receiver's
contract is ``fit``'s, and whether its number may come now is ``chain``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.city.agreed import Agreement, Shapes
from dagster_project.city.content import Content, check_content
from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol.acknowledgement import read_acknowledgement
from dagster_project.protocol.canonical import canonical_json, file_hashes, sha256_bytes
from dagster_project.protocol.folders import Copied, shown
from dagster_project.protocol.held import Holds
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.protocol.site_card import SiteCard

__all__ = ["WITHHELD", "Expected", "Shapes", "Verdict", "premature", "verify"]

WITHHELD = "acknowledgement.json"
"""Beside a signature alone: the signed refusal of a site between, which passes on the number."""
_JSON_BYTES = 1 << 20
_CLOCKS_DIFFER = timedelta(days=1)


@dataclass
class Verdict:
    """What verification found.

    ``genuine``: a registered site signed exactly these bytes. ``faults``: why the package is
    refused, as sentences; a genuine package may have faults too (it then uses up its number).
    ``remarks`` stand beside an acceptance. ``sender_name`` is the register's, whatever the package
    says. ``content`` is what a genuine report holds; empty in a withdrawal.
    """

    folder: Path
    received_hash: str = ""
    signature_hash: str = ""
    key_id: str = ""
    manifest: Manifest | None = None
    content: Content = field(default_factory=Content)
    sender_name: str = ""
    genuine: bool = False
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def header(self) -> Header:
        """The signed header; only a package whose signature holds has one."""
        if self.manifest is None:
            raise PackageError(
                "an unverified package has no header",
                where=self.folder.name,
                todo="Report it: a fault in code",
            )
        return self.manifest.header

    @property
    def table(self) -> pa.Table | None:
        """The report's rows."""
        return self.content.table

    @property
    def holds(self) -> Holds:
        """The deliveries of which the sender says that its figures lack them."""
        return self.content.holds


@dataclass(frozen=True)
class Expected:
    """What the receiver knows before it looks.

    ``door`` is the child in whose exchange folder it lay, under ``name``; ``recipient`` is this
    site. ``card`` is that of the site which the name says sent it, if that site may come through
    this door: the child itself, or one that is registered as coming through it. ``relay`` is the
    child's own card where it passes another's package on, and ``through`` are the sites whose
    packages come through its door: the package was addressed to one of them, or to this site.
    ``agreement`` are the receiver's contracts; None accepts any report, which only a site without
    contracts should.
    """

    door: str
    name: str
    recipient: str
    card: SiteCard | None
    at: datetime
    relay: SiteCard | None = None
    through: frozenset[str] = frozenset()
    agreement: Agreement | None = None


def verify(folder: Path, copied: Copied, expected: Expected) -> Verdict:
    """Verify a copied package.

    Args:
        folder: Our own copy.
        copied: What the copy met; its problems are faults.
        expected: What it must agree with.
    """
    verdict = Verdict(folder)
    hashes = {path: file_hashes(folder / path) for path in copied.paths}
    verdict.received_hash = _received_hash(hashes, copied, expected)
    verdict.signature_hash = hashes.get(fmt.SIGNATURE, ("", ""))[0]
    verdict.sender_name = expected.card.name if expected.card else ""
    verdict.faults += copied.problems
    try:
        _check_signature(verdict, expected)
        if expected.relay is not None and set(copied.paths) == {fmt.SIGNATURE, WITHHELD}:
            verdict.faults += _withheld(verdict, expected, expected.relay)
            verdict.genuine = True
            return verdict
        _check_files(verdict, hashes)
    except PackageError as error:
        verdict.faults.append(str(error))
    verdict.genuine = verdict.manifest is not None and not verdict.faults
    if verdict.genuine:
        verdict.content = check_content(folder, verdict.header, expected.agreement)
        verdict.faults += verdict.content.faults
        verdict.remarks += verdict.content.remarks
    return verdict


def premature(header: Header, at: datetime) -> list[str]:
    """Why a package cannot be of its time yet; clocks may differ by a day.

    Args:
        header: The signed header.
        at: The instant of reception, with a zone.
    """
    limit = at + _CLOCKS_DIFFER
    faults = [
        f"header {name}: the {word} {instant} lies in the future: check the clock."
        for name, word, instant in (
            ("cut_off_at", "cut-off", header.cut_off_at),
            ("sealed_at", "sealing", header.sealed_at),
        )
        if datetime.fromisoformat(instant) > limit
    ]
    sealed, cut_off = (datetime.fromisoformat(t) for t in (header.sealed_at, header.cut_off_at))
    if sealed + _CLOCKS_DIFFER < cut_off:
        faults.append(
            f"header sealed_at: it was sealed at {header.sealed_at}, before its own cut-off "
            f"{header.cut_off_at}: check the clock."
        )
    if header.period[:4] + _begins(header.period) > limit.strftime("%Y%m%d"):
        faults.append(f"header period: {header.period} has not begun yet: check the clock.")
    return faults


def _begins(period: str) -> str:
    """Month and day on which a period begins."""
    rest = period[4:]
    if rest.startswith("Q"):
        return f"{3 * int(rest[1]) - 2:02d}01"
    return rest + "0101"[len(rest) :]


def _received_hash(hashes: dict[str, tuple[str, str]], copied: Copied, expected: Expected) -> str:
    """Names the received bytes, the problems met, and the trust they were judged with."""
    parts: list[Any] = [[path, sha256] for path, (sha256, _) in hashes.items()]
    trusted = expected.card.trust_hash(expected.at) if expected.card else ""
    return sha256_bytes(canonical_json([shown(expected.name), trusted, parts, copied.problems]))


def _check_signature(verdict: Verdict, expected: Expected) -> None:
    if expected.card is None:
        raise _fault(
            f"site {expected.door} is not registered, or not for the site that the name says",
            "",
            "Register its public.json with `countylake city register`",
        )
    path = verdict.folder / fmt.SIGNATURE
    if not path.is_file():
        raise _fault("the file is missing", fmt.SIGNATURE)
    if path.stat().st_size > _JSON_BYTES:
        raise _fault("the file is larger than it may be", fmt.SIGNATURE)
    data = path.read_bytes()
    keys = expected.card.keys_for(data, expected.at, fmt.SIGNATURE)
    manifest = fmt.read_manifest(data, keys)
    header = manifest.header
    if header.sender != expected.card.code:
        raise _fault(
            f"it reports for site {header.sender} but came from site {expected.card.code}",
            "header sender",
        )
    if header.recipient not in {"", expected.recipient, *expected.through}:
        raise _fault(f"it is addressed to site {header.recipient}", "header recipient")
    if header.package_id != expected.name:
        raise _fault(f"its folder has another name than {header.package_id}", "header package_id")
    verdict.manifest = manifest
    (verdict.key_id,) = dsse.key_ids(data, fmt.SIGNATURE)


def _check_files(verdict: Verdict, hashes: dict[str, tuple[str, str]]) -> None:
    """Every file that was signed is there unchanged, and no other."""
    assert verdict.manifest is not None  # noqa: S101 - set by the check before
    signed = {entry.path: entry for entry in verdict.manifest.files}
    for path in sorted(set(hashes) - set(signed) - {fmt.SIGNATURE}):
        verdict.faults.append(f"{path}: this file was not signed.")
    for path, entry in signed.items():
        file = verdict.folder / path
        if path not in hashes:
            verdict.faults.append(f"{path}: the file is missing.")
        elif file.stat().st_size != entry.bytes:
            verdict.faults.append(
                f"{path}: it has {file.stat().st_size} bytes, {entry.bytes} were signed."
            )
        else:
            kinds = zip(("SHA-256", "SM3"), hashes[path], (entry.sha256, entry.sm3), strict=True)
            verdict.faults += [
                f"{path}: its {kind} is not the one that was signed."
                for kind, found, expected in kinds
                if found != expected
            ]


def _withheld(verdict: Verdict, expected: Expected, relay: SiteCard) -> list[str]:
    """Why the site between refused it; only its signed answer about this very package counts."""
    path = verdict.folder / WITHHELD
    if path.stat().st_size > _JSON_BYTES:
        raise _fault("the file is larger than it may be", WITHHELD)
    data = path.read_bytes()
    answer = read_acknowledgement(data, relay.keys_for(data, expected.at, WITHHELD), WITHHELD)
    manifest = verdict.manifest
    assert manifest is not None  # noqa: S101 - set by the check before
    about = (answer.package_id, answer.package_hash, answer.sender, answer.recipient)
    mine = (expected.name, manifest.package_hash, manifest.header.sender, relay.code)
    if answer.outcome != "rejected" or about != mine:
        verdict.manifest = None
        raise _fault(
            "it is not the refusal of this package by the site that passed it on", WITHHELD
        )
    return [f"site {relay.code} refused it: {reason}" for reason in answer.reasons] or [
        f"site {relay.code} refused it."
    ]


def _fault(what: str, where: str, todo: str = "Seal and send it again") -> PackageError:
    return PackageError(what, where=where, todo=todo)
