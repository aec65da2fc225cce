"""One file to rows: format, encoding, header, rows, and the law that nothing is lost."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from dagster_project.contracts.model import Feed
from dagster_project.ingest.readers.detect import detect
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.result import ReadResult
from dagster_project.ingest.readers.text import TextTable
from dagster_project.ingest.readers.workbook import Workbook

_SHA256 = re.compile(r"[0-9a-f]{64}")


def read(path: Path, feed: Feed, batch_id: str, out: Path, *, name: str = "") -> ReadResult:
    """Read a delivered file into a Parquet file of text rows with provenance.

    ``out`` gets every contract column as VARCHAR (an empty cell is NULL, and so is a column that
    the file lacks), then ``_extra`` (cells that the contract has no column for, as JSON),
    ``_defect`` (``ragged`` or NULL), ``_sheet``, ``_source_row`` (record number in the file or
    sheet, from 1, titles and header included) and ``_batch_id``. Rows keep the file's order.

    Args:
        path: The landed file.
        feed: The contract to read it by.
        batch_id: The batch that the rows belong to.
        out: The Parquet file to write; it appears complete or not at all.
        name: How the file is called in sentences: the path that it was delivered under.

    Raises:
        DeliveryError: The file is refused; the sentence says why, where and what to do.
        LakeError: The rows cannot be written, or the reader lost count.
    """
    name = name or path.name
    kind = detect(path, feed, name=name)
    ledger = Ledger()
    encoding = ""
    if kind == "csv":
        encoding, rows = TextTable(feed, batch_id, name, ledger).read(path, out)
    else:
        rows = Workbook(feed, batch_id, name, ledger).read(path, out)
    if not rows:
        ledger.warnings.append(f"{name}: the file holds a header and no data rows.")
    order = {sheet.name: n for n, sheet in enumerate(ledger.sheets)}
    return ReadResult(
        sha256=path.name if _SHA256.fullmatch(path.name) else _digest(path),
        format=kind,
        encoding=encoding,
        sheets=tuple(ledger.sheets),
        dropped=tuple(sorted(ledger.dropped, key=lambda row: (order[row.sheet], row.row))),
        control_totals=tuple(ledger.control_totals),
        missing=tuple(dict.fromkeys(ledger.missing)),
        unknown=tuple(dict.fromkeys(ledger.unknown)),
        warnings=tuple(ledger.warnings),
        rows=rows,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
