"""Corrections that this site asks other sites for: signed, sent down, answered.

A correction is about a figure of an accepted package. Records are the sender's: it finds them by
its own lineage. The ledger is added to and its answers written once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from dagster_project import clock
from dagster_project.city.register import cards
from dagster_project.clock import utc_text
from dagster_project.errors import CountyLakeError, PackageError, UsageError
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.correction import (
    ANSWERED,
    ASKED,
    FOLDER,
    MOST_BYTES,
    Correction,
    CorrectionAnswer,
    read_answer,
    sign_correction,
    words_fault,
)
from dagster_project.protocol.folders import read_untrusted, write_file
from dagster_project.protocol.keys import Signer
from dagster_project.settings import Site

_COLUMNS = {
    "correction_id": ("VARCHAR", "更正请求编号"),
    "site_code": ("VARCHAR", "报送单位区划代码"),
    "package_id": ("VARCHAR", "所指的报送包"),
    "report": ("VARCHAR", "报表"),
    "place": ("MAP(VARCHAR, VARCHAR)", "所指行的维度及其取值"),
    "column_name": ("VARCHAR", "所指的指标，空为整行"),
    "why": ("VARCHAR", "理由"),
    "asked_by": ("VARCHAR", "提出人，不随请求下发"),
    "asked_at": ("TIMESTAMPTZ", "提出时间（UTC）"),
    "outcome": ("VARCHAR", "答复：corrected已更正、unfounded核实无误，未答复为空"),
    "answer": ("VARCHAR", "答复说明"),
    "answered_at": ("TIMESTAMPTZ", "答复时间（UTC）"),
}
TABLE = "lake.ops.correction_asked"


@dataclass(frozen=True)
class Asked:
    """One correction as the ledger has it; the last three are empty until it is answered."""

    correction_id: str
    site_code: str
    package_id: str
    report: str
    place: dict[str, str]
    column_name: str
    why: str
    asked_by: str
    asked_at: datetime
    outcome: str | None
    answer: str | None
    answered_at: datetime | None


def ask(
    lake: Lake,
    site: Site,
    signer: Signer,
    package_id: str,
    *,
    place: Mapping[str, str],
    column: str,
    by: str,
    why: str,
    at: datetime,
) -> Asked:
    """Ask the site that sent a package for the correction of one of its figures.

    Raises:
        UsageError: No such accepted package, row or column, or no reason.
    """
    if fault := words_fault(why):
        raise UsageError(f"a correction cannot be asked for: {fault}", todo="Write --why anew")
    folder = next(iter(lake.home.received.glob(f"*/{_plain(package_id)}")), None)
    if folder is None:
        raise UsageError(
            f"there is no accepted package {package_id}", todo="`countylake city status` tells"
        )
    package_id, sender = folder.name, folder.parent.name
    report = package_id.split("-")[1]
    _present(folder / "data" / f"{report}.parquet", place, column, package_id)
    message = Correction(
        correction_id=f"{sender}-JZ{uuid.uuid4().hex[:12].upper()}",
        sender=sender,
        recipient=site.code,
        package_id=package_id,
        report=report,
        place=dict(place),
        column=column,
        why=why.strip(),
        asked_at=utc_text(at),
    )
    with lake.writer("asking for a correction") as writer:
        with writer.transaction(f"correction {message.correction_id}", site_code=sender) as tx:
            _ensure(tx.con)
            row = [
                *(message.correction_id, sender, package_id, report, dict(place), column),
                *(message.why, by, at),
            ]
            names = ", ".join([*_COLUMNS][: len(row)])
            marks = ", ".join("?" for _ in row)
            tx.con.execute(f"INSERT INTO {TABLE} ({names}) VALUES ({marks})", row)
        (made,) = [o for o in _asked(writer.con) if o.correction_id == message.correction_id]
    _send(lake.home, made, site, signer)
    return made


def asked(lake: Lake) -> list[Asked]:
    """Every correction that was asked for, oldest first."""
    if not lake.home.catalog.exists():
        return []
    with lake.reader() as con:
        return _asked(con)


def collect(lake: Lake, site: Site, signer: Signer) -> list[str]:
    """Write unanswered corrections down again where they are missing, and take answers in.

    Returns:
        Sentences about answers that cannot be believed.
    """
    remarks, answers = list[str](), dict[str, CorrectionAnswer]()
    known = cards(lake.home)
    for one in (one for one in asked(lake) if one.outcome is None):
        _send(lake.home, one, site, signer)
        name = one.correction_id + ANSWERED
        folder = lake.home.exchange / one.site_code / FOLDER
        data = read_untrusted(folder, name, MOST_BYTES) if folder.is_dir() else None
        card = known.get(one.site_code)
        if data is None or card is None:
            continue
        try:
            found = read_answer(data, card.keys_for(data, clock.now(), name), name)
            same = (found.correction_id, found.sender, found.recipient) == (
                one.correction_id,
                one.site_code,
                site.code,
            )
            if not same:
                raise PackageError(
                    "the answer is about another correction", where=name, todo="Ask that site"
                )
            answers[one.correction_id] = found
        except CountyLakeError as error:
            remarks.append(f"{one.site_code}: {error}")
    if answers:
        _store(lake, answers)
    return remarks


def _store(lake: Lake, answers: Mapping[str, CorrectionAnswer]) -> None:
    with (
        lake.writer("store answers to corrections") as writer,
        writer.transaction("store answers to corrections", answers=len(answers)) as tx,
    ):
        for found in answers.values():
            tx.con.execute(
                f"UPDATE {TABLE} SET outcome = ?, answer = ?, answered_at = ?::TIMESTAMPTZ"
                " WHERE correction_id = ? AND outcome IS NULL",
                [found.outcome, found.answer, found.answered_at, found.correction_id],
            )


def _send(home: Home, one: Asked, site: Site, signer: Signer) -> None:
    """Make sure that the sender finds it; the same bytes every time."""
    message = Correction(
        correction_id=one.correction_id,
        sender=one.site_code,
        recipient=site.code,
        package_id=one.package_id,
        report=one.report,
        place=one.place,
        column=one.column_name,
        why=one.why,
        asked_at=utc_text(one.asked_at),
    )
    folder = home.exchange / one.site_code / FOLDER
    if folder.is_symlink() or folder.parent.is_symlink():
        return
    folder.mkdir(parents=True, exist_ok=True)
    text, name = sign_correction(message, signer), one.correction_id + ASKED
    if read_untrusted(folder, name, MOST_BYTES) != text:
        write_file(folder / name, text)


def _present(data: Path, place: Mapping[str, str], column: str, package_id: str) -> None:
    """A figure that is doubted must be in the package."""
    table = pq.read_table(data)
    for name in (*place, *([column] if column else [])):
        if name not in table.column_names:
            known = ", ".join(table.column_names)
            raise UsageError(f"{package_id} has no column {name}", todo=f"It has: {known}")
    rows = table.select(list(place)).to_pylist() if place else []
    if not any(all(str(row[name]) == value for name, value in place.items()) for row in rows):
        raise UsageError(
            f"{package_id} has no row of that key", todo="Name the row: --where town_code=…"
        )


def _plain(package_id: str) -> str:
    return "".join(one for one in package_id if one.isalnum() or one in "-_")


def _asked(con: duckdb.DuckDBPyConnection) -> list[Asked]:
    if not _exists(con):
        return []
    rows = con.execute(f"SELECT {', '.join(_COLUMNS)} FROM {TABLE} ORDER BY asked_at").fetchall()
    return [Asked(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _exists(con: duckdb.DuckDBPyConnection) -> bool:
    row = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'lake'"
        " AND schema_name = 'ops' AND table_name = 'correction_asked'"
    ).fetchone()
    return bool(row and row[0])


def _ensure(con: duckdb.DuckDBPyConnection) -> None:
    if _exists(con):
        return
    body = ", ".join(f"{name} {kind}" for name, (kind, _) in _COLUMNS.items())
    con.execute(f"CREATE TABLE {TABLE} ({body})")
    con.execute(f"COMMENT ON TABLE {TABLE} IS '更正请求：向报送单位提出的更正及其答复'")
    for name, (_, comment) in _COLUMNS.items():
        con.execute(f"COMMENT ON COLUMN {TABLE}.{name} IS '{comment}'")
