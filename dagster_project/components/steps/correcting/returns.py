"""Open cases back to the department: a copy of its own file with every fault marked in its cell.

How a copy is written is ``ingest.returning``'s; which rows have cases is ``cases``'s. The copies
hold what the department sent, so that only the site's own user may read them, and nothing of them
is shown or logged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.correcting import disagreements, findings
from dagster_project.components.steps.correcting.cases import OPEN_PLACES
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import RETURN_COLUMNS, RETURN_MARK
from dagster_project.errors import LakeError, UsageError
from dagster_project.ingest.channels.inbox import matches
from dagster_project.ingest.returning import (
    Case,
    Copy,
    Finding,
    NotAnnotatedError,
    annotated,
    rewritten,
)
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import Plan

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
_log = structlog.get_logger(__name__)

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
class _Delivery:
    """A delivered file with open cases; rows of a batch of several files bear its ``prefix``."""

    batch_id: str
    sha256: str
    path: str
    prefix: str
    delivered_at: datetime
    rows: int
    cases: dict[tuple[str, int], Case] = field(default_factory=dict)

    @property
    def numbers(self) -> set[str]:
        """The cases' numbers; a row of several cases bears them all."""
        return {number for case in self.cases.values() for number in case.number.split()}


def return_feed(
    workshop: Workshop, name: str, batch_id: str = "", out: Path | None = None
) -> list[Returned]:
    """Write the annotated copies of all deliveries of a feed that hold open cases.

    Args:
        workshop: The site.
        name: The feed.
        batch_id: Only this delivery's batch.
        out: The folder of the copies; else ``returns/<feed>`` in the home.

    Raises:
        UsageError: No such feed, or the batch has no open case.
        LakeError: A copy cannot be written.
    """
    feed = workshop.feed(name)
    folder = _folder(workshop, name, out)
    with workshop.lake.reader() as con:
        made = write_copies(workshop, con, name, folder, batch_id)
    if batch_id and not made:
        raise UsageError(
            f"batch {batch_id} of {name} has no open case",
            todo=f"`countylake quarantine {name}` lists what is open",
        )
    numbers = {number for one in made for number in one.numbers}
    if numbers:
        _note(workshop, feed, numbers)
    _log.info("returned", feed=name, files=len(made), cases=len(numbers))
    return made


def write_copies(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    name: str,
    folder: Path,
    batch_id: str = "",
) -> list[Returned]:
    """The copies alone; the cases do not learn of them.

    Raises:
        UsageError: No such feed.
        LakeError: A copy cannot be written.
    """
    feed, made, taken = workshop.feed(name), list[Returned](), set[str]()
    for delivery in _deliveries(workshop, con, workshop.plan(name), batch_id):
        target, copy = _copied(workshop, con, feed, delivery, folder=folder, taken=taken)
        utf8 = [UTF8] if copy.kind == "csv" else []
        made.append(
            Returned(
                feed=name,
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
        )
    return made


def _folder(workshop: Workshop, name: str, out: Path | None) -> Path:
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


def _note(workshop: Workshop, feed: Feed, numbers: set[str]) -> None:
    """Enter that the cases were returned; those closed meanwhile stay as they are."""
    occasion = manual()
    with (
        workshop.lake.writer(f"returning rows of {feed.name}") as writer,
        writer.transaction(
            f"returned {len(numbers)} cases of {feed.name}",
            run_id=occasion.run_id,
            feed=feed.name,
        ) as tx,
    ):
        for ledger in ("rectification", "disagreement", "finding"):
            tx.con.execute(
                f"UPDATE lake.ops.{ledger} SET returned_at = ?::TIMESTAMPTZ"
                " WHERE feed = ? AND state = 'open' AND case_id IN (SELECT unnest(?))",
                [clock.now(), feed.name, sorted(numbers)],
            )


def _deliveries(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, plan: Plan, batch_id: str
) -> list[_Delivery]:
    """Landed batches with open cases, oldest first, with what is to be said of their rows."""
    file = real_file("p.sheet")
    rows = con.execute(
        f"""WITH places AS (
            SELECT * FROM ({OPEN_PLACES})
            UNION ALL BY NAME SELECT * FROM ({disagreements.OPEN_PLACES})
            UNION ALL BY NAME SELECT * FROM ({findings.OPEN_PLACES})
        )
        SELECT b.batch_id, {file.sha256}, {file.path}, coalesce(f.sheet_prefix, ''),
            b.delivered_at, b.read, {file.sheet}, p.source_row, p.reasons, p.case_id
        FROM places AS p JOIN lake.ops.batch AS b USING (batch_id)
        {file.join}
        WHERE $batch = '' OR b.batch_id = $batch
        ORDER BY b.delivered_at, b.batch_id, p.sheet, p.source_row, p.raw IS NULL, p.case_id""",
        {"feed": plan.feed.name, "batch": batch_id},
    ).fetchall()
    said = disagreements.said(workshop, con, (row[-1] for row in rows))
    made: dict[tuple[str, str], _Delivery] = {}
    told: dict[str, Finding] = {}
    for *facts, sheet, row, reasons, case_id in rows:
        delivery = made.setdefault((facts[0], facts[2]), _Delivery(*facts))
        if case_id in said:
            found: tuple[Finding, ...] = (Finding(said[case_id].sentence, (said[case_id].column,)),)
        else:
            for rule in reasons:
                told.setdefault(rule, _finding(plan, rule))
            found = tuple(told[rule] for rule in reasons)
        before = delivery.cases.get((sheet, row))
        delivery.cases[sheet, row] = (
            Case(f"{before.number} {case_id}", (*before.findings, *found))
            if before
            else Case(case_id, found)
        )
    return list(made.values())


def _finding(plan: Plan, rule_id: str) -> Finding:
    """A rule's sentence and the columns that it is about."""
    sentence = reason_sentence(plan, rule_id)
    if whole := findings.rule_of(plan.feed, rule_id):
        return Finding(sentence, findings.columns_of(plan.feed, whole))
    for rule in plan.feed.rules:
        if rule.id == rule_id:
            return Finding(sentence, rule.columns)
    try:
        column = plan.rule(rule_id).column
    except KeyError:  # a rule of an older contract
        column = ""
    return Finding(sentence, (column,) if column else ())


def _copied(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    delivery: _Delivery,
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


def _unfit(feed: Feed, delivery: _Delivery, target: Path, kind: str) -> Iterator[str]:
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
    delivery: _Delivery,
    folder: Path,
    named: Callable[[str], str],
) -> tuple[Path, Copy]:
    """The delivery's rows out of bronze; only those with cases where there are too many."""
    extras = _extras(con, feed, delivery.batch_id)
    table = [
        *((column.name, column.title) for column in feed.columns),
        *((one, one) for one in extras),
    ]
    cut = delivery.rows > MOST_ROWS or delivery.rows * len(table) > MOST_CELLS
    rows = _bronze(con, feed, delivery, extras, cut=cut)
    target, copy = rewritten(folder, named, table, rows, delivery.cases)
    copy.remarks.append(REWRITTEN)
    if cut:
        copy.remarks += [EXCERPT, *([INTO_WHOLE] if feed.delivery == "full" else [])]
    return target, copy


def _extras(con: duckdb.DuckDBPyConnection, feed: Feed, batch_id: str) -> list[str]:
    """Titles of the file's columns that the contract lacks."""
    found = con.execute(
        f"SELECT DISTINCT unnest(json_keys(_extra)) AS title FROM lake.bronze.{quoted(feed.name)}"
        " WHERE _batch_id = ? AND _extra IS NOT NULL ORDER BY title",
        [batch_id],
    ).fetchall()
    hidden = {"_surplus", "_flags", *RETURN_COLUMNS}
    return [title for (title,) in found if title not in hidden]


def _bronze(
    con: duckdb.DuckDBPyConnection, feed: Feed, delivery: _Delivery, extras: list[str], *, cut: bool
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
            FROM lake.bronze.{quoted(feed.name)}
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
