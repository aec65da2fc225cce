"""A delivery's files to one Parquet of rows: read one by one, put together where there are several.

How a file is read is the readers' work; what the rows mean is conform's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

import duckdb

from dagster_project.components.steps.arriving.deliveries import Arrival
from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import ReadResult, read
from dagster_project.ingest.readers.limits import Limits
from dagster_project.lake.engine import literal


@dataclass(frozen=True)
class Reading:
    """What was read: each file's verdict, and the one of the whole delivery.

    ``format`` and ``encoding`` are those of all files, each once. ``prefixes`` tell the files apart
    in ``_sheet``; a single file needs none.
    """

    results: tuple[ReadResult, ...]
    whole: ReadResult
    format: str
    encoding: str
    prefixes: tuple[str, ...] = ()


def read_files(
    con: duckdb.DuckDBPyConnection, arrival: Arrival, feed: Feed, rows: Path, limits: Limits
) -> Reading:
    """Read a delivery into ``rows``; what a missing required column means, ``drift`` decides.

    Raises:
        DeliveryError: One of its files is refused, and so the delivery; or two state other units.
        LakeError: The rows cannot be written.
    """
    files, batch_id = arrival.candidate.files, arrival.batch_id
    if len(files) == 1:
        result = read(
            arrival.landed[0].path,
            feed,
            batch_id,
            rows,
            name=files[0].path,
            limits=limits,
            lenient=True,
        )
        return Reading((result,), result, result.format, result.encoding)
    prefixes = _prefixes([part.path for part in files])
    made = [rows.with_name(f".{rows.stem}-{n}.parquet") for n in range(len(files))]
    try:
        results = tuple(
            read(landed.path, feed, batch_id, out, name=part.path, limits=limits, lenient=True)
            for part, landed, out in zip(files, arrival.landed, made, strict=True)
        )
        _put_together(con, made, prefixes, rows)
    finally:
        for path in made:
            path.unlink(missing_ok=True)
    return Reading(
        results,
        _whole(arrival, results, prefixes),
        _joined(result.format for result in results),
        _joined(result.encoding for result in results),
        prefixes,
    )


def note_files(con: duckdb.DuckDBPyConnection, arrival: Arrival, reading: Reading) -> None:
    """Write which file each row of a batch of several files came in; call it in a transaction."""
    files = zip(arrival.candidate.files, arrival.landed, strict=True)
    for prefix, (part, landed) in zip(reading.prefixes, files, strict=False):
        con.execute(
            "INSERT INTO lake.ops.batch_file (batch_id, feed, sheet_prefix, path, sha256, bytes)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                arrival.batch_id,
                arrival.candidate.feed,
                prefix,
                part.path,
                landed.sha256,
                landed.bytes,
            ],
        )


def _prefixes(paths: Sequence[str]) -> tuple[str, ...]:
    """What tells the files apart: their names, or their paths where two have one name."""
    names = [PurePosixPath(path).name for path in paths]
    return tuple(names if len(set(names)) == len(names) else paths)


def _put_together(
    con: duckdb.DuckDBPyConnection, files: Sequence[Path], prefixes: Sequence[str], out: Path
) -> None:
    """All rows in one file, in the order of the files; it appears complete or not at all."""
    selects = " UNION ALL BY NAME ".join(
        f"SELECT * REPLACE ({_sheet_sql(prefix)} AS _sheet) FROM read_parquet({literal(file)})"
        for file, prefix in zip(files, prefixes, strict=True)
    )
    part = out.with_name(f".{out.name}.part")
    try:
        con.execute(f"COPY ({selects}) TO {literal(part)} (FORMAT parquet, COMPRESSION zstd)")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _sheet_sql(prefix: str) -> str:
    return f"{literal(prefix)} || CASE WHEN _sheet = '' THEN '' ELSE '/' || _sheet END"


def _sheet(prefix: str, sheet: str) -> str:
    return f"{prefix}/{sheet}" if sheet else prefix


def _whole(arrival: Arrival, results: Sequence[ReadResult], prefixes: Sequence[str]) -> ReadResult:
    """The verdict on all files: sheets by their files' names, everything else put together."""
    pairs = list(zip(prefixes, results, strict=True))
    return replace(
        results[0],
        sha256=arrival.sha256,
        sheets=tuple(
            replace(sheet, name=_sheet(prefix, sheet.name))
            for prefix, result in pairs
            for sheet in result.sheets
        ),
        dropped=tuple(
            replace(row, sheet=_sheet(prefix, row.sheet))
            for prefix, result in pairs
            for row in result.dropped
        ),
        control_totals=tuple(
            replace(total, sheet=_sheet(prefix, total.sheet))
            for prefix, result in pairs
            for total in result.control_totals
        ),
        missing=_once(result.missing for result in results),
        unknown=_once(result.unknown for result in results),
        warnings=_once(result.warnings for result in results),
        rows=sum(result.rows for result in results),
        units=_units(arrival, results),
    )


def _once(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(lists)))


def _joined(words: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(word for word in words if word))


def _units(arrival: Arrival, results: Sequence[ReadResult]) -> dict[str, str]:
    """The units that the files state; every file must state the same, or none any."""
    first = dict(results[0].units)
    for part, result in zip(arrival.candidate.files, results, strict=True):
        if dict(result.units) != first:
            raise DeliveryError(
                "this file states other units than the first file of its delivery",
                where=part.path,
                todo="Write all files of a delivery in the same units",
                reason="units_conflict",
            )
    return first
