"""One delivered file given back: a copy with every fault marked in its cell, and what to know.

How a copy is written is ``ingest.returning``'s; which rows are at fault is ``returns``' and
``held``'s. The copies hold what the department sent, so that only the site's own user may read
them, and nothing of them is shown or logged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import RETURN_COLUMNS, RETURN_MARK
from dagster_project.errors import LakeError
from dagster_project.ingest.channels.inbox import matches
from dagster_project.ingest.returning import (
    Case,
    Copy,
    NotAnnotatedError,
    annotated,
    rewritten,
)
from dagster_project.lake.engine import quoted

TEXTS = (".csv", ".txt", ".tsv", ".dat")
PACKED = (".gz", ".zip")
ENDINGS = (
    *TEXTS,
    *PACKED,
    ".xlsx",
    ".xlsm",
    ".xls",
    ".xlsb",
    ".ods",
    ".et",
    ".xml",
    ".html",
    ".htm",
)
MOST_ROWS, MOST_CELLS = 1_048_575, 2_000_000
"""What is written of rows as they were read; beyond that only the rows with cases are."""
FETCHED = 5_000

UTF8 = "副本为带 BOM 的 UTF-8，可用 Excel 直接打开"
REWRITTEN = "原文件不能原样加注：副本为按读取结果另存的工作簿，不含标题、合计等被剔除的行"
EXCERPT = "原文件过大：副本只含待更正的行"
INTO_WHOLE = (
    "本任务为全量交付：请把更正后的行放回完整文件再报送，只报送副本会使其余记录被视为已删除"
)
TOGETHER = "本批次由多个文件组成且为全量交付：更正后须与其余文件一起按原文件名重新报送"
SAVE_AS = "副本的文件名、格式或编码与契约不符，更正后请另存为契约约定的文件再报送"


@dataclass(frozen=True)
class Returned:
    """One copy: of which delivery, where it lies, how many cases, rows and cells are marked."""

    feed: str
    title: str
    file: str
    batch_id: str
    path: str
    cases: int
    rows: int
    cells: int
    remarks: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Delivery:
    """A delivered file with open cases; rows of a batch of several files bear its ``prefix``.

    ``source`` is the SQL relation of its rows as they were read, where that is not bronze.
    """

    feed: str
    batch_id: str
    sha256: str
    path: str
    prefix: str
    delivered_at: datetime
    rows: int
    cases: dict[tuple[str, int], Case] = field(default_factory=dict)
    source: str = ""

    @property
    def numbers(self) -> set[str]:
        """The cases' numbers; a row of several cases bears them all."""
        return {number for case in self.cases.values() for number in case.number.split()}


def copies_folder(workshop: Workshop, name: str, out: Path | None) -> Path:
    """The folder of a feed's copies, made if it is missing.

    Raises:
        LakeError: It cannot be made.
    """
    folder = (out or workshop.home.returns / name).expanduser().resolve()
    try:
        if out is None:
            workshop.home.returns.mkdir(exist_ok=True, mode=0o700)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LakeError(
            f"the folder for returned copies cannot be made ({error.strerror})",
            where=str(folder),
            todo="Free space or correct the permissions, or name another folder with --out",
        ) from error
    return folder


def give_back(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    folder: Path,
    taken: set[str],
) -> Returned:
    """Write the copy of one delivered file; ``taken`` are the names that this call used before.

    Raises:
        LakeError: The copy cannot be written.
    """
    feed = workshop.feed(delivery.feed)
    target, copy = _copied(workshop, con, feed, delivery, folder=folder, taken=taken)
    utf8 = [UTF8] if copy.kind == "csv" else []
    return Returned(
        feed=feed.name,
        title=feed.title,
        file=delivery.path,
        batch_id=delivery.batch_id,
        path=str(target),
        cases=len(delivery.numbers),
        rows=copy.rows,
        cells=copy.cells,
        remarks=(*copy.remarks, *utf8, *_unfit(feed, delivery, target, copy.kind)),
        numbers=tuple(sorted(delivery.numbers)),
    )


def _copied(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    delivery: Delivery,
    *,
    folder: Path,
    taken: set[str],
) -> tuple[Path, Copy]:
    """The copy of one delivery: its own file, or else its rows as they were read."""

    def named(kind: str) -> str:
        """``<original name>_校核_<day of delivery>``, never one name twice in a call."""
        stem, ending = _split(PurePosixPath(delivery.path).name)
        day = clock.local_day(delivery.delivered_at)
        stem = f"{stem.partition(RETURN_MARK)[0]}{RETURN_MARK}{day:%Y%m%d}"
        # A text keeps its ending; a workbook becomes .xlsx, since macros are not returned.
        ending = (ending if ending in TEXTS else TEXTS[0]) if kind == "csv" else ".xlsx"
        found, number = f"{stem}{ending}", 1
        while found in taken:
            number += 1
            found = f"{stem}_{number}{ending}"
        taken.add(found)
        return found

    try:
        return annotated(
            workshop.home.landing / delivery.sha256,
            folder,
            named,
            feed,
            delivery.cases,
            name=delivery.path,
            limits=workshop.limits,
        )
    except NotAnnotatedError:
        return _rewritten(con, feed, delivery, folder, named)


def _split(name: str) -> tuple[str, str]:
    """A file's name without its endings (``.csv.gz`` are two), and the inner one."""
    path, ending = PurePosixPath(name), ""
    while path.suffix.lower() in ENDINGS:
        ending = path.suffix.lower() if path.suffix.lower() not in PACKED else ending
        path = PurePosixPath(path.stem)
    return path.name, ending


def _unfit(feed: Feed, delivery: Delivery, target: Path, kind: str) -> Iterator[str]:
    """Why the copy must not be delivered as it is."""
    path = str(PurePosixPath(delivery.path).parent / target.name)
    accepted = "utf-8" in feed.encodings if kind == "csv" else True
    if kind not in feed.formats or not any(matches(path, one) for one in feed.patterns):
        accepted = False
    if not accepted:
        yield SAVE_AS
    if delivery.prefix and feed.delivery == "full":
        yield TOGETHER


def _rewritten(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    delivery: Delivery,
    folder: Path,
    named: Callable[[str], str],
) -> tuple[Path, Copy]:
    """The delivery's rows as they were read; only those with cases where there are too many."""
    source = delivery.source or f"lake.bronze.{quoted(feed.name)}"
    extras = _extras(con, source, delivery.batch_id)
    table = [
        *((column.name, column.title) for column in feed.columns),
        *((one, one) for one in extras),
    ]
    cut = delivery.rows > MOST_ROWS or delivery.rows * len(table) > MOST_CELLS
    rows = _rows(con, feed, delivery, extras, source, cut=cut)
    target, copy = rewritten(folder, named, table, rows, delivery.cases)
    copy.remarks.append(REWRITTEN)
    if cut:
        copy.remarks += [EXCERPT, *([INTO_WHOLE] if feed.delivery == "full" else [])]
    return target, copy


def _extras(con: duckdb.DuckDBPyConnection, source: str, batch_id: str) -> list[str]:
    """Titles of the file's columns that the contract lacks."""
    found = con.execute(
        f"SELECT DISTINCT unnest(json_keys(_extra)) AS title FROM {source}"
        " WHERE _batch_id = ? AND _extra IS NOT NULL ORDER BY title",
        [batch_id],
    ).fetchall()
    hidden = {"_surplus", "_flags", *RETURN_COLUMNS}
    return [title for (title,) in found if title not in hidden]


def _rows(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    delivery: Delivery,
    extras: list[str],
    source: str,
    *,
    cut: bool,
) -> Iterator[tuple[str, int, list[str | None]]]:
    """The file's rows, sheet by sheet; of a batch of several files without the file's name."""
    columns = ", ".join(quoted(column.name) for column in feed.columns)
    places = sorted(delivery.cases)
    prefix, only = delivery.prefix, ""
    if cut:
        only = " AND (sheet, _source_row) IN (SELECT (unnest($sheets), unnest($rows)))"
    chosen: dict[str, Any] = {"batch": delivery.batch_id, "prefix": prefix}
    if cut:
        chosen |= {"sheets": [sheet for sheet, _ in places], "rows": [row for _, row in places]}
    found = con.execute(
        f"""WITH rows AS (
            SELECT *, CASE WHEN $prefix = '' THEN _sheet
                ELSE substr(_sheet, length($prefix) + 2) END AS sheet
            FROM {source}
            WHERE _batch_id = $batch AND ($prefix = '' OR _sheet = $prefix
                OR starts_with(_sheet, $prefix || '/'))
        )
        SELECT sheet, _source_row, _extra, {columns} FROM rows
        WHERE TRUE{only} ORDER BY sheet, _source_row""",
        chosen,
    )
    while rows := found.fetchmany(FETCHED):
        for sheet, number, extra, *cells in rows:
            more = json.loads(extra) if extra and extras else {}
            yield sheet, number, [*cells, *(_told(more.get(title)) for title in extras)]


def _told(value: object) -> str | None:
    return None if value is None else str(value)
