"""What a package says of itself and signs: its header, and the hash of every other file.

It builds and reads the signed payload. It opens no folder but to hash the files it is given, and
judges no sequence: whether number 7 may come now is the receiver's to decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import (
    canonical_json,
    file_hashes,
    parse_canonical,
    sha256_bytes,
)
from dagster_project.protocol.keys import PublicKey, Signer

FORMAT: Literal["countylake-package/1"] = "countylake-package/1"
PAYLOAD_TYPE = "application/vnd.countylake.package+json"
SIGNATURE = "signature.json"
DATAPACKAGE = "datapackage.json"
LINEAGE = "lineage.ndjson"
STATUS = "status.json"
RECEIPTS = "receipts.json"
CODE = r"[0-9]{6}([0-9]{3}([0-9]{3})?)?"
"""A site's division code: six digits (GB/T 2260), nine or twelve below that (GB/T 10114)."""
PACKAGE_ID = re.compile(
    rf"{CODE}-[a-z][a-z0-9_]{{0,62}}-[0-9]{{4}}([0-9]{{2}}([0-9]{{2}})?|Q[1-4])-r[1-9][0-9]{{0,5}}\Z"
)

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
HashOrNone = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
Code = Annotated[str, StringConstraints(pattern=rf"^{CODE}$")]
CodeOrNone = Annotated[str, StringConstraints(pattern=rf"^({CODE})?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Period = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}([0-9]{2}([0-9]{2})?|Q[1-4])$")]


def _moment(text: str) -> str:
    datetime.fromisoformat(text)  # a thirteenth month is no instant
    return text


Instant = Annotated[
    str,
    StringConstraints(
        pattern=r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
    ),
    AfterValidator(_moment),
]
"""An instant that exists, on every clock: years far away have none in some zones."""
Text = Annotated[str, StringConstraints(max_length=400)]
Whole = Annotated[int, Field(ge=0, lt=2**53)]
"""What every JSON reader and every integer column can hold."""

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(BaseModel):
    """One file of the package: its path with forward slashes, size, SHA-256 and SM3."""

    model_config = _STRICT

    path: Annotated[str, StringConstraints(pattern=r"^(data/)?[a-z][a-z0-9_]*\.[a-z]+$")]
    bytes: Whole
    sha256: Hash
    sm3: Hash


class Header(BaseModel):
    """Who reports what, for when, in which place of the chain.

    ``previous_hash`` is the ``package_hash`` of the sender's package before this one, empty for
    the first. ``replaces`` names the revision that this one supersedes. ``content_hash`` is over
    the values, whatever the Parquet writer; ``rows`` counts them. ``receipt_hash`` is that of the
    report's receipt. A withdrawal takes a reported period back: it has a reason, and no figures.
    """

    model_config = _STRICT

    kind: Literal["report", "withdrawal"] = "report"
    package_id: str
    package_no: Whole
    sender: Code
    sender_name: Text
    recipient: CodeOrNone
    report: Name
    period: Period
    revision: Whole
    replaces: str
    reason: Text
    previous_hash: HashOrNone
    cut_off_at: Instant
    sealed_at: Instant
    contract_version: Text
    contract_hash: Text
    sql_hash: Text
    snapshot: Whole
    rows: Whole
    content_hash: HashOrNone
    receipt_hash: HashOrNone
    writer: Text

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Header:
        expected = package_id(self.sender, self.report, self.period, self.revision)
        if self.package_id != expected or not PACKAGE_ID.match(expected):
            raise ValueError(f"package_id must be {expected}")
        if min(self.package_no, self.revision) < 1 or min(self.rows, self.snapshot) < 0:
            raise ValueError("package_no and revision start at 1; rows and snapshot at 0")
        if (self.package_no == 1) != (self.previous_hash == ""):
            raise ValueError("exactly the first package has no previous_hash")
        earlier = package_id(self.sender, self.report, self.period, self.revision - 1)
        if self.replaces != (earlier if self.revision > 1 else ""):
            raise ValueError("replaces must name the revision before this one")
        if self.kind == "report" and not self.content_hash:
            raise ValueError("a report has a content_hash")
        if self.kind == "withdrawal" and (
            self.rows or self.content_hash or not self.replaces or not self.reason.strip()
        ):
            raise ValueError("a withdrawal has a reason, replaces a revision, and holds no figures")
        return self

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every file of the package but the signature, sorted."""
        return file_names(self.report) if self.kind == "report" else (STATUS,)


class Manifest(BaseModel):
    """The signed payload: the header and every file but the signature itself."""

    model_config = _STRICT

    format: Literal["countylake-package/1"] = FORMAT
    header: Header
    files: tuple[FileEntry, ...]

    @model_validator(mode="after")
    def _lists_the_agreed_files(self) -> Manifest:
        if [entry.path for entry in self.files] != list(self.header.file_names):
            raise ValueError("files must list the package's files in their order")
        return self

    @property
    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical_json(self.model_dump())

    @property
    def package_hash(self) -> str:
        """The package's identity: SHA-256 of the payload, whichever key signed it."""
        return sha256_bytes(self.payload)


def package_id(sender: str, report: str, period: str, revision: int) -> str:
    """The package's name, which is also its folder's name."""
    return f"{sender}-{report}-{period}-r{revision}"


def data_path(report: str) -> str:
    """Where a report's Parquet file lies in its package."""
    return f"data/{report}.parquet"


def file_names(report: str) -> tuple[str, ...]:
    """Every file of a report's package but the signature, sorted."""
    return tuple(sorted((data_path(report), DATAPACKAGE, LINEAGE, RECEIPTS, STATUS)))


def describe_files(folder: Path, names: Sequence[str]) -> tuple[FileEntry, ...]:
    """Hash a package's files as they are on the disk."""
    entries = []
    for name in names:
        sha256, sm3 = file_hashes(folder / name)
        size = (folder / name).stat().st_size
        entries.append(FileEntry(path=name, bytes=size, sha256=sha256, sm3=sm3))
    return tuple(entries)


def sign_manifest(manifest: Manifest, signer: Signer) -> bytes:
    """The bytes of ``signature.json``."""
    return dsse.sign(signer, PAYLOAD_TYPE, manifest.payload)


def read_manifest(data: bytes, keys: Mapping[str, PublicKey]) -> Manifest:
    """Verify ``signature.json`` and read what it signs.

    Raises:
        PackageError: The signature does not hold, or the signed text is not a manifest.
    """
    payload = dsse.open_envelope(data, PAYLOAD_TYPE, keys, SIGNATURE)
    parse_canonical(payload, f"{SIGNATURE} payload")
    try:
        return Manifest.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "header"
        raise PackageError(
            f"the signed manifest is not valid: {first['msg']}",
            where=f"{SIGNATURE} {place}",
            todo="Ask the sender to seal the package with a programme of the same format",
        ) from error
