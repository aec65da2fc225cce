"""Open cases back to the department: a copy of its own file with every fault marked in its cell.

How a copy is written is ``ingest.returning``'s; which rows have cases is ``cases``'s. The copies
hold what the department sent, so that only the site's own user may read them, and nothing of them
is shown or logged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.cases import OPEN_PLACES
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.errors import LakeError, UsageError
from dagster_project.ingest.channels.inbox import matches
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.returning import (
    Case,
    Copy,
    Finding,
    NotAnnotatedError,
    annotated,
    rewritten,
)
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import Plan

TEXTS = (".csv", ".txt", ".tsv", ".dat")
MOST_ROWS, MOST_CELLS = 1_048_575, 2_000_000
"""What is written of rows as they were read; beyond that only the rows with cases are."""
FETCHED = 5_000
_OWN = re.compile(r"(_校核_\d{8}(_\d+)?)+$")
_log = structlog.get_logger(__name__)

UTF8 = "副本为带 BOM 的 UTF-8，可用 Excel 直接打开"
REWRITTEN = "原文件不能原样加注：副本为按读取结果另存的工作簿，不含标题、合计等被剔除的行"
EXCERPT = "原文件过大：副本只含待更正的行"
INTO_WHOLE = (
    "本任务为全量交付：请把更正后的行放回完整文件再报送，只报送副本会使其余记录被视为已删除"
)
SAVE_AS = "副本的文件名或格式与契约不符，更正后请另存为契约约定的文件再报送"


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


@dataclass(frozen=True)
class _Delivery:
    """A landed batch with open cases."""

    batch_id: str
    sha256: str
    path: str
    format: str
    encoding: str
    delivered_at: datetime
    rows: int
    parts: int
    cases: dict[tuple[str, int], Case] = field(default_factory=dict)

    @property
    def numbers(self) -> set[str]:
        """The cases' numbers."""
        return {case.number for case in self.cases.values()}


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
    feed, plan = workshop.feed(name), workshop.plan(name)
    folder = _folder(workshop, name, out)
    made, numbers = [], set[str]()
    with workshop.lake.reader() as con:
        deliveries = _deliveries(con, plan, batch_id)
        if batch_id and not deliveries:
            raise UsageError(
                f"batch {batch_id} of {name} has no open case",
                todo=f"`countylake quarantine {name}` lists what is open",
            )
        taken: set[str] = set()
        for delivery in deliveries:
            target, copy = _copied(workshop, con, feed, delivery, folder=folder, taken=taken)
            numbers |= delivery.numbers
            remarks = [*copy.remarks, *_unfit(feed, delivery, target)]
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
                    remarks=tuple(remarks),
                )
            )
    if numbers:
        _note(workshop, name, numbers)
    _log.info("returned", feed=name, files=len(made), cases=len(numbers))
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


def _note(workshop: Workshop, name: str, numbers: set[str]) -> None:
    """Enter that the cases were returned; those closed meanwhile stay as they are."""
    occasion = manual()
    with (
        workshop.lake.writer(f"returning rows of {name}") as writer,
        writer.transaction(
            f"returned {len(numbers)} cases of {name}", run_id=occasion.run_id, feed=name
        ) as tx,
    ):
        tx.con.execute(
            "UPDATE lake.ops.rectification SET returned_at = ?::TIMESTAMPTZ"
            " WHERE feed = ? AND state = 'open' AND case_id IN (SELECT unnest(?))",
            [clock.now(), name, sorted(numbers)],
        )


def _deliveries(con: duckdb.DuckDBPyConnection, plan: Plan, batch_id: str) -> list[_Delivery]:
    """Landed batches with open cases, oldest first, with what is to be said of their rows."""
    rows = con.execute(
        f"""WITH places AS ({OPEN_PLACES})
        SELECT b.batch_id, b.sha256, b.path, b.format, b.encoding, b.delivered_at, b.read,
            (SELECT count(*) FROM lake.ops.batch_file f WHERE f.batch_id = b.batch_id),
            p.sheet, p.source_row, p.reasons, p.case_id
        FROM places AS p JOIN lake.ops.batch AS b USING (batch_id)
        WHERE $batch = '' OR b.batch_id = $batch
        ORDER BY b.delivered_at, b.batch_id, p.sheet, p.source_row""",
        {"feed": plan.feed.name, "batch": batch_id},
    ).fetchall()
    made: dict[str, _Delivery] = {}
    findings: dict[str, Finding] = {}
    for *facts, sheet, row, reasons, case_id in rows:
        delivery = made.setdefault(facts[0], _Delivery(*facts))
        for rule in reasons:
            findings.setdefault(rule, _finding(plan, rule))
        delivery.cases[sheet, row] = Case(case_id, tuple(findings[rule] for rule in reasons))
    return list(made.values())


def _finding(plan: Plan, rule_id: str) -> Finding:
    """A rule's sentence and the columns that it is about."""
    sentence = reason_sentence(plan, rule_id)
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
    if delivery.parts <= 1:
        target = _target(delivery, folder, taken, _ending(delivery))
        try:
            copy = annotated(
                workshop.home.landing / delivery.sha256,
                target,
                feed,
                delivery.cases,
                kind=delivery.format,
                encoding=delivery.encoding,
                name=delivery.path,
                limits=Limits(),
            )
        except NotAnnotatedError:
            taken.discard(target.name)
        else:
            copy.remarks += [UTF8] if delivery.format == "csv" else []
            return target, copy
    target = _target(delivery, folder, taken, ".xlsx")
    return target, _rewritten(con, feed, delivery, target)


def _target(delivery: _Delivery, folder: Path, taken: set[str], ending: str) -> Path:
    """``<original name>_校核_<day of delivery>``, never one name twice in a call."""
    name = PurePosixPath(delivery.path).name
    while PurePosixPath(name).suffix.lower() in {".gz", ".zip", *TEXTS, *_BOOKS}:
        name = PurePosixPath(name).stem
    stem = f"{_OWN.sub('', name)}_校核_{clock.local_day(delivery.delivered_at):%Y%m%d}"
    found, number = f"{stem}{ending}", 1
    while found in taken:
        number += 1
        found = f"{stem}_{number}{ending}"
    taken.add(found)
    return folder / found


_BOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".et", ".xml", ".html", ".htm")


def _ending(delivery: _Delivery) -> str:
    """A text keeps its ending, a workbook becomes .xlsx: macros are not returned."""
    endings = [one.lower() for one in PurePosixPath(delivery.path).suffixes]
    if delivery.format == "csv":
        return next((one for one in reversed(endings) if one in TEXTS), ".csv")
    return ".xlsx"


def _unfit(feed: Feed, delivery: _Delivery, target: Path) -> Iterator[str]:
    """Why the copy could not be delivered as it is."""
    path = str(PurePosixPath(delivery.path).parent / target.name)
    kind = "csv" if target.suffix.lower() in TEXTS else "xlsx"
    if kind not in feed.formats or not any(matches(path, one) for one in feed.patterns):
        yield SAVE_AS


def _rewritten(
    con: duckdb.DuckDBPyConnection, feed: Feed, delivery: _Delivery, target: Path
) -> Copy:
    """The delivery's rows out of bronze; only those with cases where there are too many."""
    extras = _extras(con, feed, delivery.batch_id)
    names = [*(column.name for column in feed.columns), *extras]
    titles = [*(column.title for column in feed.columns), *extras]
    cut = delivery.rows > MOST_ROWS or delivery.rows * len(names) > MOST_CELLS
    rows = _bronze(con, feed, delivery, extras, cut=cut)
    copy = rewritten(target, names, titles, rows, delivery.cases)
    copy.remarks.append(REWRITTEN)
    if cut:
        copy.remarks += [EXCERPT, *([INTO_WHOLE] if feed.delivery == "full" else [])]
    return copy


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
    columns = ", ".join(quoted(column.name) for column in feed.columns)
    places = sorted(delivery.cases)
    only = " AND (_sheet, _source_row) IN (SELECT (unnest(?), unnest(?)))" if cut else ""
    chosen: list[Any] = [[s for s, _ in places], [n for _, n in places]] if cut else []
    found = con.execute(
        f"SELECT _sheet, _source_row, _extra, {columns} FROM lake.bronze.{quoted(feed.name)}"
        f" WHERE _batch_id = ?{only} ORDER BY _sheet, _source_row",
        [delivery.batch_id, *chosen],
    )
    while rows := found.fetchmany(FETCHED):
        for sheet, number, extra, *cells in rows:
            more = json.loads(extra) if extra and extras else {}
            yield sheet, number, [*cells, *(_told(more.get(title)) for title in extras)]


def _told(value: object) -> str | None:
    return None if value is None else str(value)
