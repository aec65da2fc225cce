"""One file to rows: container, format, encoding, header, rows, and the law that nothing is lost.

What reads a format is loaded when the first file of it comes: who only looks at tasks waits a
second less.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import MACHINE_ENDINGS
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.container import unwrapped
from dagster_project.ingest.readers.detect import detect
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import Format, ReadResult

_SHA256 = re.compile(r"[0-9a-f]{64}")


def read(
    path: Path,
    feed: Feed | None,
    batch_id: str,
    out: Path,
    *,
    name: str = "",
    limits: Limits | None = None,
    lenient: bool = False,
    ledger: Ledger | None = None,
) -> ReadResult:
    """Read a delivered file into a Parquet file of text rows with provenance.

    ``out`` gets every contract column as VARCHAR (an empty cell is NULL, and so is a column that
    the file lacks), then ``_extra`` (cells that the contract has no column for, as JSON),
    ``_defect`` (see ``result.Defect``, or NULL), ``_sheet``, ``_source_row`` (record number in the
    file or sheet, from 1, titles and header included) and ``_batch_id``. Rows keep the file's
    order. Without a contract the columns are the file's own titles.

    Args:
        path: The landed file.
        feed: The contract to read it by, if there is one.
        batch_id: The batch that the rows belong to.
        out: The Parquet file to write; it appears complete or not at all.
        name: How the file is called in sentences: the path that it was delivered under.
        limits: How large a file may be.
        lenient: Missing required columns are told in ``missing`` and refuse nothing.
        ledger: Where to keep the books; it tells what was known when a file is refused.

    Raises:
        DeliveryError: The file is refused; the sentence says why, where and what to do.
        LakeError: The rows cannot be written, or the reader lost count.
    """
    name, limits = name or path.name, limits or Limits()
    ledger = Ledger() if ledger is None else ledger
    with unwrapped(path, name=name, limits=limits, scratch=out.parent) as source:
        ledger.container = source.container
        if source.others:
            ledger.warnings.append(
                f"{name}: what is no table in the archive was left alone: "
                f"{', '.join(source.others)}."
            )
        kind = ledger.format = detect(source.path, name=name)
        _accept(kind, feed, name)
        rows = _rows(kind, source.path, out, feed, batch_id, name, ledger, limits, lenient)
    if not rows:
        what = "no records" if kind in MACHINE_ENDINGS else "a header and no data rows"
        ledger.warnings.append(f"{name}: the file holds {what}.")
    return _result(ledger, kind, rows, path)


def _rows(  # noqa: PLR0917 - the front door's own arguments, handed on
    kind: Format,
    path: Path,
    out: Path,
    feed: Feed | None,
    batch_id: str,
    name: str,
    ledger: Ledger,
    limits: Limits,
    lenient: bool,  # noqa: FBT001 - the caller's own word, passed on
) -> int:
    """Read a file of a known format; the number of its rows."""
    taking = (feed, batch_id, name, ledger)
    if kind == "csv":
        from dagster_project.ingest.readers.text.table import TextTable  # noqa: PLC0415

        return TextTable(*taking, limits=limits, lenient=lenient).read(path, out)
    if kind == "json":
        from dagster_project.ingest.readers.json.table import JsonTable  # noqa: PLC0415

        return JsonTable(*taking, limits=limits, lenient=lenient).read(path, out)
    if kind == "parquet":
        from dagster_project.ingest.readers.columnar.table import ParquetTable  # noqa: PLC0415

        return ParquetTable(*taking, limits=limits, lenient=lenient).read(path, out)
    from dagster_project.ingest.readers.books.workbook import Workbook  # noqa: PLC0415

    return Workbook(*taking, limits=limits, lenient=lenient).read(path, kind, out)


def _result(ledger: Ledger, kind: Format, rows: int, path: Path) -> ReadResult:
    """The books of a file that was read."""
    order = {sheet.name: n for n, sheet in enumerate(ledger.sheets)}
    return ReadResult(
        sha256=path.name if _SHA256.fullmatch(path.name) else digest(path),
        format=kind,
        encoding=ledger.encoding,
        sheets=tuple(ledger.sheets),
        dropped=tuple(sorted(ledger.dropped, key=lambda row: (order[row.sheet], row.row))),
        control_totals=tuple(ledger.control_totals),
        missing=tuple(dict.fromkeys(ledger.missing)),
        unknown=tuple(dict.fromkeys(ledger.unknown)),
        warnings=tuple(ledger.warnings),
        rows=rows,
        container=ledger.container,
        evidence=ledger.evidence,
        dialect=ledger.dialect,
        units=dict(ledger.units),
    )


def digest(path: Path, algorithm: str = "sha256") -> str:
    """A file's digest in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _accept(kind: Format, feed: Feed | None, name: str) -> None:
    """Hold a format against the contract.

    Raises:
        DeliveryError: The contract does not accept it.
    """
    if feed is not None and kind not in feed.formats:
        raise DeliveryError(
            f"this is a {kind} file, and the contract of {feed.name} accepts only "
            f"{', '.join(feed.formats)}",
            where=name,
            todo="Deliver an accepted format, or extend the contract's accepts.formats",
            reason="format_not_accepted",
        )
