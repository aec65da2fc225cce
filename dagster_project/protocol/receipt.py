"""What proves a report's figures: the form of a receipt, its hash, and how a receiver reads one.

A receipt says of one sealed report by which SQL it was made, from which state of which tables, and
from which deliveries these came. It holds names, SQL, versions, hashes, counts and instants: no
cell, and no name of a delivered file, for departments write people's names into those. How the
facts are gathered is the sender's business; whether they are true is found out by running it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dagster_project.errors import PackageError
from dagster_project.protocol.canonical import canonical_json, parse_canonical, sha256_bytes
from dagster_project.protocol.held import HeldFeed
from dagster_project.protocol.manifest import (
    RECEIPTS,
    Code,
    Hash,
    HashOrNone,
    Header,
    Instant,
    Name,
    Period,
    Text,
    Whole,
)

FORMAT: Literal["countylake-receipt/1"] = "countylake-receipt/1"
MOST_BATCHES = 31
"""How many batches of a feed are named one by one: a month of daily deliveries."""
MOST_FILES = 100
_MOST = 2_000
_SQL = 1 << 20
_FORM = ConfigDict(extra="forbid", frozen=True, strict=True)

TableName = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z][a-z0-9_]{0,62}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:+\-]{1,200}$")]
WordOrNone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:+\-]{0,200}$")]
InstantOrNone = Instant | Literal[""]


class Given(BaseModel):
    """The parameters of the SQL, as texts: exactly what was put in the place of its ``:names``."""

    model_config = _FORM

    cut_off_at: Annotated[str, StringConstraints(pattern=r"^[0-9T:.+\- ]{10,40}$")]
    day: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    site_code: Code


class MadeBy(BaseModel):
    """One model: its canonical SELECT with placeholders, whose SHA-256 is ``sql_hash``."""

    model_config = _FORM

    table: TableName
    sql: Annotated[str, StringConstraints(max_length=_SQL)]
    sql_hash: Hash
    contract_version: Text
    contract_hash: HashOrNone


class Input(BaseModel):
    """One table that the models read, as it was at the receipt's snapshot.

    ``content_hash`` is over names, types and every value of every column, whatever the order of
    rows and files.
    """

    model_config = _FORM

    table: TableName
    rows: Whole
    content_hash: Hash


class Counts(BaseModel):
    """What became of the rows of a delivery: ``read`` is the sum of the others."""

    model_config = _FORM

    read: Whole
    accepted: Whole
    rejected: Whole
    duplicate: Whole
    superseded: Whole
    dropped: Whole


class Batch(BaseModel):
    """One delivery as it was merged; ``sha256`` is that of the landed file.

    ``live`` counts its rows that stand in silver; the newest word on a record counts. ``files`` are
    the hashes of a batch of several files. ``source_batch_id`` is the batch that was read again.
    """

    model_config = _FORM

    batch_id: Word
    source_batch_id: WordOrNone
    delivery_id: WordOrNone
    channel: WordOrNone
    received_at: InstantOrNone
    committed_at: InstantOrNone
    contract_version: Text
    sha256: HashOrNone
    files: Annotated[tuple[Hash, ...], Field(strict=False, max_length=MOST_FILES)] = ()
    counts: Counts
    live: Whole


class OtherBatches(BaseModel):
    """The batches that are not named: how many, how many live rows, and one hash over them.

    ``hash`` is the SHA-256 of one line ``batch_id sha256 read accepted rejected duplicate
    superseded dropped`` a batch, sorted, with a line feed between two; empty where there are none.
    """

    model_config = _FORM

    count: Whole
    live: Whole
    counts: Counts
    hash: HashOrNone


class FeedBehind(BaseModel):
    """One department feed behind the report, as its ledgers stood at the snapshot.

    ``batches`` are the newest that have live rows, newest first; all others are counted.
    ``open_cases`` are the rejected records that still wait for a correction.
    """

    model_config = _FORM

    feed: Name
    contract_version: Text
    contract_hash: HashOrNone
    batches: Annotated[tuple[Batch, ...], Field(strict=False, max_length=MOST_BATCHES)]
    others: OtherBatches
    open_cases: Whole


class RuleResult(BaseModel):
    """One rule of the report's contract, judged on the sealed rows."""

    model_config = _FORM

    rule: Word
    severity: Literal["fail", "warn"]
    checked: Whole
    failed: Whole


class SmallCells(BaseModel):
    """How counts of few persons were blanked; see the contract."""

    model_config = _FORM

    columns: Annotated[tuple[Name, ...], Field(strict=False, max_length=_MOST)]
    totals: Annotated[
        tuple[Annotated[tuple[Name, ...], Field(strict=False)], ...],
        Field(strict=False, max_length=_MOST),
    ]
    minimum: Whole


class RateRounding(BaseModel):
    """How one rate of the report is rounded: numerator ÷ denominator × times, to scale digits.

    ``half_up`` takes a half up, ``truncate`` cuts off; a rate of nothing is empty.
    """

    model_config = _FORM

    column: Name
    rule: Literal["half_up", "truncate"]
    numerator: Name
    denominator: Name
    scale: Whole
    times: Whole


class Programme(BaseModel):
    """The versions of what computed and wrote the figures."""

    model_config = _FORM

    countylake: Word
    python: Word
    duckdb: Word
    ducklake: Word
    pyarrow: Word
    sqlglot: Word


class Receipt(BaseModel):
    """What proves one sealed report; ``previous_hash`` is that of the site's receipt before."""

    model_config = _FORM

    format: Literal["countylake-receipt/1"] = FORMAT
    receipt_no: Whole
    previous_hash: HashOrNone
    site_code: Code
    package_id: str
    table: TableName
    period: Period
    revision: Whole
    contract_version: Text
    contract_hash: Text
    sql_hash: Text
    snapshot: Whole
    cut_off_at: Instant
    rows: Whole
    content_hash: Hash
    parameters: Given
    models: Annotated[tuple[MadeBy, ...], Field(strict=False, min_length=1, max_length=_MOST)]
    inputs: Annotated[tuple[Input, ...], Field(strict=False, max_length=_MOST)]
    feeds: Annotated[tuple[FeedBehind, ...], Field(strict=False, max_length=_MOST)]
    rules: Annotated[tuple[RuleResult, ...], Field(strict=False, max_length=_MOST)]
    held: Annotated[tuple[HeldFeed, ...], Field(strict=False, max_length=_MOST)]
    small_cells: SmallCells | None
    programme: Programme
    rounding: Annotated[tuple[RateRounding, ...], Field(strict=False, max_length=_MOST)] = ()

    @property
    def receipt_hash(self) -> str:
        """SHA-256 of the receipt's canonical JSON."""
        return sha256_bytes(canonical_json(self._said()))

    def told(self) -> dict[str, Any]:
        """The receipt as ``receipts.json`` has it: with its own hash, which is over the rest."""
        return {**self._said(), "receipt_hash": self.receipt_hash}

    def _said(self) -> dict[str, Any]:
        """What it says. A report without rates says nothing of rounding, as older receipts do."""
        return self.model_dump(mode="json", exclude=None if self.rounding else {"rounding"})


def as_file(receipt: Receipt) -> bytes:
    """The bytes of ``receipts.json``."""
    return canonical_json({"receipts": [receipt.told()]})


def read_receipt(told: Mapping[str, Any], where: str = RECEIPTS) -> Receipt:
    """A receipt as it was told.

    Raises:
        PackageError: It is not of the agreed form, or its hash is not over what it says.
    """
    rest = {name: value for name, value in told.items() if name != "receipt_hash"}
    try:
        receipt = Receipt.model_validate(rest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PackageError(
            f"the receipt is not of the agreed form ({first['msg']})",
            where=f"{where} {place}",
            todo="Ask the sender to seal the report again",
        ) from error
    if sha256_bytes(canonical_json(rest)) != told.get("receipt_hash"):
        raise _wrong("its hash is not that of what it says", where)
    if any(sha256_bytes(one.sql.encode()) != one.sql_hash for one in receipt.models):
        raise _wrong("the hash of a SELECT is not that of its text", where)
    return receipt


def receipt_of(data: bytes, header: Header) -> Receipt:
    """Read ``receipts.json`` of a package whose signature holds.

    Args:
        data: The file's bytes; their size is the caller's to bound.
        header: The signed header, with which the receipt must agree.

    Returns:
        The report's receipt.

    Raises:
        PackageError: It does not parse, or is not the receipt of this package.
    """
    told = parse_canonical(data, RECEIPTS)
    found = told.get("receipts") if isinstance(told, dict) and len(told) == 1 else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _wrong("it does not hold a list of receipts", RECEIPTS)
    if len(found) != 1:
        raise _wrong(f"it holds {len(found)} receipts and one report was sealed", RECEIPTS)
    receipt = read_receipt(found[0])
    if receipt.receipt_hash != header.receipt_hash:
        raise _wrong("its hash is not the one that was signed", RECEIPTS)
    for name, said, signed in _claims(receipt, header):
        if said != signed:
            raise _wrong("it is of another package than the signed header", f"{RECEIPTS} {name}")
    return receipt


def _claims(receipt: Receipt, header: Header) -> list[tuple[str, object, object]]:
    same = (
        "package_id",
        "period",
        "revision",
        "contract_version",
        "contract_hash",
        "sql_hash",
        "snapshot",
        "cut_off_at",
        "rows",
        "content_hash",
    )
    made = receipt.models[-1]
    return [
        ("site_code", receipt.site_code, header.sender),
        ("table", receipt.table, f"report.{header.report}"),
        ("models", (made.table, made.sql_hash), (receipt.table, header.sql_hash)),
        *((name, getattr(receipt, name), getattr(header, name)) for name in same),
    ]


def _wrong(what: str, where: str) -> PackageError:
    return PackageError(what, where=where, todo="Ask the sender to seal the report again")
