"""One file's verdict, for people and machines: what it is, what was read of it, or why not.

It is made of what the reader noted; nothing is read twice but the sums behind control totals.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from cryptography.hazmat.primitives import hashes

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.read import digest, read
from dagster_project.ingest.readers.result import SET_ASIDE, ControlTotal, SheetRead
from dagster_project.ingest.readers.shape import DEFECT, SOURCE_ROW

SCALE = 8
"""Decimal places in which control totals are summed; longer fractions are not compared."""
_NOT_DIGITS = r"[,，\s￥¥元]"
_BLOCK = 1 << 20


def verdict(
    path: Path,
    feed: Feed | None = None,
    *,
    name: str = "",
    out: Path | None = None,
    limits: Limits | None = None,
    sm3: bool = False,
) -> dict[str, Any]:
    """Read a file and tell what came of it; a refused file is told, too, and raises nothing.

    Args:
        path: The file.
        feed: The contract to read it by, if there is one.
        name: How the file is called; its own name when empty.
        out: Where to keep the rows as Parquet; else they are dropped.
        limits: How large a file may be.
        sm3: Whether to add the SM3 digest (GB/T 32905).

    Returns:
        ``file``, ``bytes``, ``sha256``, ``format``, ``container``, ``encoding``, ``evidence``,
        ``dialect``, ``sheets`` (one entry for a text table), ``missing``, ``unknown``, ``units``,
        ``warnings`` and ``refused``: None, or ``reason``, ``what``, ``where``, ``todo``.

    Raises:
        LakeError: ``out`` cannot be written.
    """
    name, ledger = name or path.name, Ledger()
    told: dict[str, Any] = {"file": name, "bytes": path.stat().st_size, "sha256": digest(path)}
    if sm3:
        told["sm3"] = _sm3(path)
    refused: dict[str, str] | None = None
    sheets: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="countylake-") as scratch:
        rows = out or Path(scratch) / "rows.parquet"
        try:
            read(path, feed, "", rows, name=name, limits=limits, ledger=ledger)
        except DeliveryError as error:
            refused = {
                "reason": error.reason,
                "what": error.what,
                "where": error.where,
                "todo": error.todo,
            }
        else:
            totals = reconciled(rows, ledger.control_totals)
            sheets = [_sheet(sheet, ledger, totals) for sheet in ledger.sheets]
    return told | {
        "format": ledger.format,
        "container": ledger.container,
        "encoding": ledger.encoding,
        "evidence": ledger.evidence,
        "dialect": asdict(ledger.dialect) if ledger.dialect else None,
        "sheets": sheets,
        "missing": list(dict.fromkeys(ledger.missing)),
        "unknown": list(dict.fromkeys(ledger.unknown)),
        "units": dict(ledger.units),
        "refused": refused,
        "warnings": list(ledger.warnings),
    }


def _sheet(
    sheet: SheetRead, ledger: Ledger, totals: Mapping[ControlTotal, dict[str, Any]]
) -> dict[str, Any]:
    dropped = Counter(row.kind for row in ledger.dropped if row.sheet == sheet.name)
    return {
        "name": sheet.name,
        "state": sheet.state,
        "hidden": sheet.state != "visible",
        "header_line": sheet.header_row - sheet.header_rows + 1 if sheet.header_row else None,
        "header_rows": sheet.header_rows if sheet.header_row else 0,
        "columns": [title for title in sheet.titles if title],
        "records": sheet.records,
        "data_rows": sheet.rows - sheet.set_aside,
        "dropped": dict(sorted(dropped.items())),
        "set_aside": sheet.set_aside,
        "ragged": sheet.defects.get("ragged", 0),
        "defects": {kind: n for kind, n in sorted(sheet.defects.items()) if n},
        "hidden_rows": sheet.hidden_rows,
        "units": dict(sheet.units),
        "control_totals": [told for total, told in totals.items() if total.sheet == sheet.name],
    }


def reconciled(rows: Path, totals: Sequence[ControlTotal]) -> dict[ControlTotal, dict[str, Any]]:
    """Each stated total with the sum of the rows that it covers.

    A subtotal covers the rows since the total before it, a grand total all of them: whichever of
    the two agrees is told. ``agrees`` is None where a cell cannot be read as a plain number.
    """
    told: dict[ControlTotal, dict[str, Any]] = {}
    above: dict[tuple[str, str], int] = {}
    for total in sorted(totals, key=lambda one: (one.sheet, one.row)):
        place = (total.sheet, total.column)
        whole = _sum(rows, total, after=0)
        part = _sum(rows, total, after=above.get(place, 0)) if place in above else whole
        above[place] = total.row
        stated = _number(total.stated)
        computed = part if part == stated else whole
        told[total] = {
            "row": total.row,
            "column": total.column,
            "stated": total.stated,
            "computed": None if computed is None else format(computed.normalize(), "f"),
            "agrees": None if computed is None or stated is None else computed == stated,
        }
    return told


def _sum(rows: Path, total: ControlTotal, *, after: int) -> Decimal | None:
    """The sum of a column's cells between two rows; None where one of them is no number."""
    cell = pl.col(total.column).str.replace_all(_NOT_DIGITS, "")
    number = cell.cast(pl.Decimal(38, SCALE), strict=False)
    covered = (
        (pl.col("_sheet") == total.sheet)
        & (pl.col(SOURCE_ROW) < total.row)
        & (pl.col(SOURCE_ROW) > after)
        & (~pl.col(DEFECT).is_in(SET_ASIDE)).fill_null(value=True)
    )
    unread = (number.is_null() & cell.is_not_null() & (cell != "")).any()
    found = (
        pl.scan_parquet(rows)
        .filter(covered)
        .select(number.sum().alias("sum"), unread.alias("unread"))
        .collect(engine="streaming")
        .row(0)
    )
    return None if found[1] else Decimal(found[0] or 0)


def _number(text: str) -> Decimal | None:
    series = pl.Series([text]).str.replace_all(_NOT_DIGITS, "")
    value = series.cast(pl.Decimal(38, SCALE), strict=False)[0]
    return None if value is None else Decimal(value)


def _sm3(path: Path) -> str:
    digest = hashes.Hash(hashes.SM3())
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.finalize().hex()
