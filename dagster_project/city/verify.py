"""Is this folder what a registered county signed, and is it sound?

Works on the receiver's own copy; nothing in it is believed before the signature holds, and no
number, name or schema after it. Whether its number may come now is ``chain``'s question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.contracts.model import Column
from dagster_project.errors import PackageError
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import canonical_json, parse_json, sha256_bytes, sha256_file
from dagster_project.protocol.folders import Copied
from dagster_project.protocol.held import Holds, holds_of
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.protocol.site_card import SiteCard

ENVELOPE = ("site_code", "site_name", "period", "revision", "package_id", "is_current")
_AGREEING = ("site_code", "period")
_JSON_BYTES = 16 << 20
_FAMILY = {
    "string": "string",
    "integer": "integer",
    "decimal": "number",
    "date": "date",
    "timestamp": "datetime",
    "boolean": "boolean",
}

Shapes = Mapping[str, Sequence[Column]]


@dataclass
class Verdict:
    """What verification found.

    ``genuine``: a registered county signed exactly these bytes. ``faults``: why the package is
    refused, as sentences; a genuine package may have faults too (it then uses up its number).
    ``sender_name`` is the register's, whatever the package says. ``holds`` are the deliveries of
    which the county says that its figures lack them.
    """

    folder: Path
    received_hash: str
    signature_hash: str = ""
    manifest: Manifest | None = None
    table: pa.Table | None = None
    fields: list[dict[str, Any]] = field(default_factory=list)
    title: str = ""
    sender_name: str = ""
    holds: Holds = field(default_factory=Holds)
    genuine: bool = False
    faults: list[str] = field(default_factory=list)

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


@dataclass(frozen=True)
class Expected:
    """What the receiver knows before it looks: whose folder it is, under which name, for whom.

    ``shapes`` are the receiver's own contracts of reports (columns by report); None accepts any
    shape, which only a site without contracts should.
    """

    county: str
    name: str
    city: str
    card: SiteCard | None
    shapes: Shapes | None = None


def verify(folder: Path, copied: Copied, expected: Expected) -> Verdict:
    """Verify a copied package.

    Args:
        folder: Our own copy.
        copied: What the copy met; its problems are faults.
        expected: What it must agree with.
    """
    verdict = Verdict(folder, _received_hash(folder, copied, expected))
    verdict.sender_name = expected.card.name if expected.card else ""
    signature = folder / fmt.SIGNATURE
    if signature.is_file():
        verdict.signature_hash = sha256_file(signature)
    verdict.faults += copied.problems
    try:
        _check_signature(verdict, expected)
        _check_files(verdict, copied)
    except PackageError as error:
        verdict.faults.append(str(error))
    verdict.genuine = verdict.manifest is not None and not verdict.faults
    if verdict.genuine:
        try:
            _check_content(verdict, expected)
        except PackageError as error:
            verdict.faults.append(str(error))
    return verdict


def premature(header: Header, at: datetime) -> list[str]:
    """Why a package cannot be of its time yet; clocks may differ by a day.

    Args:
        header: The signed header.
        at: The instant of reception, with a zone.
    """
    limit = at + timedelta(days=1)
    faults = []
    if datetime.fromisoformat(header.cut_off_at) > limit:
        faults.append(f"the cut-off {header.cut_off_at} lies in the future: check the clock.")
    if header.period[:4] + _begins(header.period) > limit.strftime("%Y%m%d"):
        faults.append(f"the period {header.period} has not begun yet: check the clock.")
    return faults


def _begins(period: str) -> str:
    """Month and day on which a period begins."""
    rest = period[4:]
    if rest.startswith("Q"):
        return f"{3 * int(rest[1]) - 2:02d}01"
    return rest + "0101"[len(rest) :]


def _received_hash(folder: Path, copied: Copied, expected: Expected) -> str:
    """Names the received bytes, the problems met, and the key they were judged with."""
    parts: list[Any] = [[path, sha256_file(folder / path)] for path in copied.paths]
    key = expected.card.key_id if expected.card else ""
    return sha256_bytes(canonical_json([expected.name, key, parts, copied.problems]))


def _check_signature(verdict: Verdict, expected: Expected) -> None:
    if expected.card is None:
        raise _fault(
            f"county {expected.county} is not registered",
            "",
            "Register its public.json with `countylake city register`",
        )
    path = verdict.folder / fmt.SIGNATURE
    if not path.is_file():
        raise _fault("the file is missing", fmt.SIGNATURE)
    _refuse_large(path)
    manifest = fmt.read_manifest(path.read_bytes(), expected.card.keys)
    header = manifest.header
    if header.sender != expected.county:
        raise _fault(
            f"it reports for county {header.sender} but came from county {expected.county}",
            "header sender",
        )
    if header.recipient and header.recipient != expected.city:
        raise _fault(f"it is addressed to site {header.recipient}", "header recipient")
    if header.package_id != expected.name:
        raise _fault(f"its folder has another name than {header.package_id}", "header package_id")
    verdict.manifest = manifest


def _check_files(verdict: Verdict, copied: Copied) -> None:
    """Every file that was signed is there unchanged, and no other."""
    assert verdict.manifest is not None  # noqa: S101 - set by the check before
    signed = {entry.path: entry for entry in verdict.manifest.files}
    for path in sorted(set(copied.paths) - set(signed) - {fmt.SIGNATURE}):
        verdict.faults.append(f"{path}: this file was not signed.")
    for path, entry in signed.items():
        file = verdict.folder / path
        if path not in copied.paths:
            verdict.faults.append(f"{path}: the file is missing.")
        elif file.stat().st_size != entry.bytes:
            verdict.faults.append(
                f"{path}: it has {file.stat().st_size} bytes, {entry.bytes} were signed."
            )
        elif sha256_file(file) != entry.sha256:
            verdict.faults.append(f"{path}: its SHA-256 is not the one that was signed.")


def _check_content(verdict: Verdict, expected: Expected) -> None:
    """What the county signed must also be true of the data, and fit the receiver's contracts."""
    header = verdict.header
    resource = _resource(verdict)
    table = values.read_parquet(verdict.folder / fmt.data_path(header.report))
    for sentence in values.schema_differences(table, verdict.fields):
        raise _fault(sentence, fmt.DATAPACKAGE)
    if (header.rows, resource.get("rowCount")) != (table.num_rows, table.num_rows):
        raise _fault(
            f"the file has {table.num_rows} rows, which is not the number declared",
            fmt.DATAPACKAGE,
        )
    if values.content_hash(table) != header.content_hash:
        raise _fault("its values are not those of the signed content hash", "data")
    _check_envelope(table, header)
    if expected.shapes is not None:
        _check_shape(header.report, verdict.fields, expected.shapes)
    verdict.table = table


def _resource(verdict: Verdict) -> dict[str, Any]:
    described, status = (_parsed(verdict, name) for name in (fmt.DATAPACKAGE, fmt.STATUS))
    verdict.holds = holds_of(status)
    header = verdict.header
    entry = next(one for one in verdict.manifest.files if one.path.startswith("data/"))  # type: ignore[union-attr]
    try:
        (resource,) = described["resources"]
        agrees = (
            described["id"] == header.package_id
            and resource["name"] == header.report
            and resource["path"] == entry.path
            and resource["bytes"] == entry.bytes
            and resource["hash"] == f"sha256:{entry.sha256}"
        )
        verdict.fields = [
            {**one, "title": _words(one.get("title"))} if isinstance(one, dict) else one
            for one in resource["schema"]["fields"]
        ]
        verdict.title = _words(described.get("title"))
    except (KeyError, TypeError, ValueError) as error:
        raise _fault("it does not describe exactly one resource", fmt.DATAPACKAGE) from error
    if not agrees:
        raise _fault("it describes another file than the one that was signed", fmt.DATAPACKAGE)
    return dict(resource)


def _parsed(verdict: Verdict, name: str) -> Any:
    _refuse_large(verdict.folder / name)
    return parse_json((verdict.folder / name).read_bytes(), name)


def _check_envelope(table: pa.Table, header: Header) -> None:
    """Rows that name a county or a period must name the sender's own."""
    for name, allowed in (("site_code", header.sender), ("period", header.period)):
        if name in table.column_names:
            found = set(table.column(name).cast(pa.string()).unique().to_pylist())
            if not found <= {allowed}:
                raise _fault(f"rows name another {name} than {allowed}", f"column {name}")
    for name in ENVELOPE:
        if name not in _AGREEING and name in table.column_names:
            raise _fault("the name is the receiver's own", f"column {name}")


def _check_shape(report: str, fields: list[dict[str, Any]], shapes: Shapes) -> None:
    if report not in shapes:
        raise _fault("the receiver has no contract for this report", f"report {report}")
    agreed = {column.name: _FAMILY[column.type] for column in shapes[report]}
    found = {one["name"]: one["type"] for one in fields}
    for name in sorted(agreed.keys() | found.keys()):
        if agreed.get(name) != found.get(name):
            raise _fault(
                f"it is {found.get(name, 'missing')}, the receiver's contract says "
                f"{agreed.get(name, 'that there is no such column')}",
                f"column {name}",
                "Agree on one version of the report's contract",
            )


def _words(value: object) -> str:
    """A foreign title as a comment may hold it: short, no control character, no half character."""
    return "".join(one for one in str(value or "")[:200] if one.isprintable())


def _refuse_large(path: Path) -> None:
    if path.stat().st_size > _JSON_BYTES:
        raise _fault("the file is larger than it may be", path.name)


def _fault(what: str, where: str, todo: str = "Seal and send it again") -> PackageError:
    return PackageError(what, where=where, todo=todo)
