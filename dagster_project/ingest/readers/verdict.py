"""One file's verdict, for people and machines: what it is, what was read of it, or why not.

It is made of what the reader noted; nothing is read twice but the sums behind control totals.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from cryptography.hazmat.primitives import hashes

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.read import digest, read
from dagster_project.ingest.readers.result import SET_ASIDE, ControlTotal, SheetRead
from dagster_project.ingest.readers.table.shape import DEFECT, SOURCE_ROW

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

    A total covers rows that adjoin it: those since an earlier total (subtotals, and totals of
    subtotals), those down to a later one (totals that stand first), or all of them. Where none of
    these agrees, what is told is the sum since the total before, and for the last one of all rows.
    ``agrees`` is None where a cell cannot be read as a plain number.
    """
    places: dict[tuple[str, str], list[ControlTotal]] = {}
    for total in sorted(totals, key=lambda one: (one.sheet, one.row)):
        places.setdefault((total.sheet, total.column), []).append(total)
    told = dict[ControlTotal, dict[str, Any]]()
    for stated in places.values():
        parts = _parts(rows, stated)
        for at, total in enumerate(stated):
            told[total] = _compared(total, at, parts)
    return {total: told[total] for total in sorted(told, key=lambda one: (one.sheet, one.row))}


def _compared(total: ControlTotal, at: int, parts: Sequence[Decimal | None]) -> dict[str, Any]:
    """The total at a place among those of its column, with the sums that it may state."""
    stated, above, below, all_of = (
        _number(total.stated), _sums(parts[at::-1]), _sums(parts[at + 1 :]), _sums(parts),
    )  # fmt: skip
    whole = all_of[-1] if len(all_of) == len(parts) else None
    is_last = at == len(parts) - 2
    computed = whole if is_last else next(iter(above), None)
    if stated is not None and stated in {*above, *below, whole}:
        computed = stated
    return {
        "row": total.row,
        "column": total.column,
        # Beside a column of words it may be a person's number: no cell is shown that is no total.
        "stated": None if computed is None else total.stated,
        "computed": None if computed is None else format(computed.normalize(), "f"),
        "agrees": None if computed is None or stated is None else computed == stated,
    }


def _sums(parts: Sequence[Decimal | None]) -> list[Decimal]:
    """The sum of the first part, of the first two, and so on up to one that cannot be read."""
    readable = itertools.takewhile(lambda part: part is not None, parts)
    return list(itertools.accumulate(part for part in readable if part is not None))


def _parts(rows: Path, totals: Sequence[ControlTotal]) -> list[Decimal | None]:
    """The sums of a column's cells above the first of its totals, between them, and below all.

    None stands for a part one cell of which is no number.
    """
    sheet, column = totals[0].sheet, totals[0].column
    places = np.array([total.row for total in totals])
    cell = pl.col(column).str.replace_all(_NOT_DIGITS, "")
    number = cell.cast(pl.Decimal(38, SCALE), strict=False)
    part = pl.col(SOURCE_ROW).map_batches(
        lambda row: pl.Series(np.searchsorted(places, row.to_numpy())),
        return_dtype=pl.Int64,
        is_elementwise=True,
    )
    covered = (pl.col("_sheet") == sheet) & (~pl.col(DEFECT).is_in(SET_ASIDE)).fill_null(value=True)
    found = (
        pl.scan_parquet(rows)
        .filter(covered)
        .group_by(part.alias("part"))
        .agg(
            number.sum().alias("sum"),
            (number.is_null() & cell.is_not_null() & (cell != "")).any().alias("unread"),
        )
        .collect(engine="streaming")
    )
    sums = {at: None if unread else Decimal(value or 0) for at, value, unread in found.rows()}
    return [sums.get(at, Decimal(0)) for at in range(len(totals) + 1)]


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
