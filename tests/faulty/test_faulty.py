"""Every faulty file is read as the table says, and every record of it is accounted for."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from dagster_project.components.steps.examination import chosen
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.ingest.readers.verdict import verdict
from dagster_project.transform.conform import (
    Plan,
    PreviewRow,
    compile_feed,
    preview,
    preview_rows,
)
from tests.faulty.count import counted
from tests.faulty.kit import KEPT
from tests.faulty.make import FOLDER, write
from tests.faulty.readme import shown
from tests.faulty.table import NOT_IN_ONE_FILE, Expected, Row, SheetExpected, expectations

pytestmark = pytest.mark.xdist_group("faulty")  # each file is read once

CASES = expectations()
READ = [case for case in CASES if case.refused is None]
REFUSED = [case for case in CASES if case.refused is not None]
VALUED = [case for case in CASES if case.values is not None]
DELIVERED = datetime(2023, 5, 31, 12, tzinfo=UTC)
PROVENANCE = ("_extra", "_defect", "_sheet", "_source_row", "_batch_id")


def titled(cases: list[Expected]) -> Any:
    """Cases as parameters with their names."""
    return pytest.mark.parametrize("case", cases, ids=[case.title for case in cases])


@dataclass(frozen=True)
class Readings:
    """Each case's file read once, however many tests look at it."""

    folder: Path
    done: dict[str, tuple[dict[str, Any], Path]] = field(default_factory=dict)

    def of(self, case: Expected) -> tuple[dict[str, Any], Path]:
        """The verdict on a case's file, and where its rows are."""
        if case.title not in self.done:
            out = self.folder / str(CASES.index(case)) / "rows.parquet"
            out.parent.mkdir(exist_ok=True)
            self.done[case.title] = (_read(case, out), out)
        return self.done[case.title]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Readings:
    """What was read so far."""
    return Readings(tmp_path_factory.mktemp("readings"))


def _read(case: Expected, out: Path) -> dict[str, Any]:
    """A file that could end its reader is read in another process."""
    if case.apart:
        return json.loads(command(case, "--out", str(out)).stdout)  # type: ignore[no-any-return]
    feed = contract(case)[1] if case.contract else None
    return verdict(FOLDER / case.file, feed, out=out)


@titled(READ)
def test_what_is_read(case: Expected, readings: Readings) -> None:
    """Format, encoding, sheets, what was dropped and put aside, and the rows, are as listed."""
    told, out = readings.of(case)
    assert told["refused"] is None
    assert (told["format"], told["container"]) == (case.format, case.container)
    assert told["encoding"] == case.encoding
    if case.dialect:
        dialect = told["dialect"]
        assert (dialect["delimiter"], dialect["quote"], dialect["line_end"]) == case.dialect
    assert bool(told["warnings"]) or not case.warns
    assert len(told["sheets"]) == len(case.sheets)
    for sheet, expected in zip(told["sheets"], case.sheets, strict=True):
        assert seen(sheet, expected) == wanted(expected)
    rows = rows_of(out)
    for sheet, expected in zip(told["sheets"], case.sheets, strict=True):
        if expected.rows is not None:
            assert rows.get(sheet["name"], []) == list(expected.rows)


@titled(READ)
def test_every_record_is_accounted_for(case: Expected, readings: Readings) -> None:
    """Data, rows put aside, dropped rows and header rows are all the records that a file has."""
    told, out = readings.of(case)
    dialect = list(case.dialect or (",", "", "LF"))
    counts = counted(FOLDER / case.file, case.format, case.container, case.encoding, dialect)
    assert [sheet["records"] for sheet in told["sheets"]] == counts
    for sheet in told["sheets"]:
        parts = sheet["data_rows"] + sheet["set_aside"] + sum(sheet["dropped"].values())
        assert parts + sheet["header_rows"] == sheet["records"]
    written = sum(sheet["data_rows"] + sheet["set_aside"] for sheet in told["sheets"])
    assert pl.scan_parquet(out).select(pl.len()).collect().item() == written


@titled(REFUSED)
def test_what_is_refused(case: Expected, readings: Readings) -> None:
    """A file that cannot be read exactly is refused by its reason, and nothing of it is written."""
    assert case.refused is not None
    told, out = readings.of(case)
    refused = told["refused"]
    assert refused is not None
    assert refused["reason"] == case.refused["reason"]
    assert refused["where"].startswith(case.file)
    for name in case.refused.get("names", ()):
        assert name in f"{refused['where']}: {refused['what']}"
    assert refused["todo"]
    assert list(out.parent.iterdir()) == []


@titled(VALUED)
def test_values(case: Expected, readings: Readings) -> None:
    """Each row becomes the listed values, with the listed repairs, or fails by the listed rules."""
    assert case.values is not None
    told, out = readings.of(case)
    plan = _plan(case.contract)
    with duckdb.connect() as con:
        found = preview_rows(con, plan, out, delivered_at=DELIVERED, units=told["units"])
        counts = preview(con, plan, out, delivered_at=DELIVERED, units=told["units"])
    assert [judged(row, entry) for row, entry in zip(found, case.values, strict=True)] == [
        (
            entry["row"],
            entry.get("values", {}),
            sorted([*entry.get("reasons", []), *entry.get("warns", [])]),
            sorted(entry.get("repairs", [])),
        )
        for entry in case.values
    ]
    assert [row.ok for row in found] == [not entry.get("reasons") for entry in case.values]
    assert counts.accepted == sum(not entry.get("reasons") for entry in case.values)
    assert counts.rejected == len(case.values) - counts.accepted
    assert counts.repeated == case.repeated


def judged(row: PreviewRow, entry: dict[str, Any]) -> tuple[Any, ...]:
    """Of a row's judgement, what the table speaks of."""
    values = {name: _text(row.values[name]) for name in entry.get("values", {})}
    return row.source_row, values, sorted(row.reasons), sorted(set(row.repairs))


@pytest.mark.parametrize(
    "name",
    [
        "E08_big5_hkscs.csv", "T12_引号未闭合.csv", "T23_末行合计_不符.csv", "W10_一镇一表.xlsx",
        "D15_金额各式.csv",
    ],
)  # fmt: skip
def test_the_command_says_the_same(name: str, readings: Readings) -> None:
    """The real command tells the verdict as JSON, and by its exit code whether it read the file."""
    case = next(case for case in CASES if case.file == name)
    done = command(case)
    told = json.loads(done.stdout)
    assert done.returncode == (0 if case.refused is None else 4)
    made = told.pop("conform", None)
    told.pop("contract", None)
    assert told == readings.of(case)[0]
    if case.values is not None:
        rejected = sum(bool(entry.get("reasons")) for entry in case.values)
        assert (made["rejected"], made["accepted"]) == (rejected, len(case.values) - rejected)


def test_a_name_with_control_characters(tmp_path: Path) -> None:
    """Such a file is read as any other, and its name changes nobody's terminal."""
    name = "a\nb\t\x1b[31mred\x7f\u202efdc.csv"
    path = tmp_path / name
    path.write_bytes((FOLDER / "E01_utf8.csv").read_bytes())
    words = [sys.executable, "-m", "dagster_project.cli", "read", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    shown = done.stdout + done.stderr
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "a\nb" not in shown
    told = verdict(path)
    assert told["file"] == name
    assert told["sheets"][0]["data_rows"] == 3


def test_the_table_and_the_folder_name_the_same_files() -> None:
    """No file without its line in the table, no line without its file, and each line says what."""
    there = {path.name for path in FOLDER.iterdir() if path.is_file()} - {"README.md"}
    assert {case.file for case in CASES} == there
    first = {case.file: case for case in reversed(CASES)}
    assert all(case.fault and case.shows for case in first.values())


def command(case: Expected, *options: str) -> subprocess.CompletedProcess[str]:
    """``countylake read`` on a case's file, as a user types it."""
    contract = ["--contract", str(FOLDER / "contracts" / f"{case.contract}.yaml")]
    words = [*(contract if case.contract else []), *options, "--json", str(FOLDER / case.file)]
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "read", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_row_of_the_table_of_dirt_is_shown() -> None:
    """Each kind of dirt has a file, or a reason why no single file can show it."""
    for number, files in shown().items():
        assert bool(files) != (number in NOT_IN_ONE_FILE), number


def test_the_files_are_as_they_are_made(tmp_path: Path) -> None:
    """Files and README come out of their makers again; packed ones by what they unpack to."""
    write(tmp_path)
    for path in tmp_path.iterdir():
        if path.name in KEPT:
            continue
        made, there = path.read_bytes(), (FOLDER / path.name).read_bytes()
        assert made == there or unpacked(made) == unpacked(there), path.name


def unpacked(data: bytes) -> list[bytes]:
    """What is in an archive: another zlib packs the same bytes differently."""
    if data.startswith(b"\x1f\x8b"):
        return [gzip.decompress(data)]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def contract(case: Expected) -> tuple[Contracts, Feed]:
    """The case's contract, with all code lists."""
    return _contract(case.contract)


@cache
def _plan(name: str) -> Plan:
    contracts, feed = _contract(name)
    return compile_feed(feed, contracts)


@cache
def _contract(name: str) -> tuple[Contracts, Feed]:
    return chosen(str(FOLDER / "contracts" / f"{name}.yaml"))


def seen(sheet: dict[str, Any], expected: SheetExpected) -> dict[str, Any]:
    """Of a sheet's verdict, what the table speaks of."""
    names = ["state", "records", "data_rows", "header_rows", "set_aside", "hidden_rows"]
    told = {name: sheet[name] for name in (*names, "columns", "dropped", "defects")}
    told["header_line"] = sheet["header_line"] or 0
    told["control_totals"] = [
        (t["row"], t["column"], t["stated"], _amount(t["computed"]), t["agrees"])
        for t in sheet["control_totals"]
    ]
    if expected.name is not None:
        told["name"] = sheet["name"]
    if expected.units is not None:
        told["units"] = sheet["units"]
    return told


def wanted(expected: SheetExpected) -> dict[str, Any]:
    """The same of the table."""
    names = ["state", "records", "data_rows", "header_rows", "set_aside", "hidden_rows"]
    told = {name: getattr(expected, name) for name in (*names, "dropped", "defects")}
    told |= {"columns": list(expected.columns), "header_line": expected.header_line}
    told["control_totals"] = [
        (row, column, stated, _amount(computed), agrees)
        for row, column, stated, computed, agrees in expected.control_totals
    ]
    if expected.name is not None:
        told["name"] = expected.name
    if expected.units is not None:
        told["units"] = expected.units
    return told


def rows_of(out: Path) -> dict[str, list[Row]]:
    """The rows that were written, by sheet."""
    rows: dict[str, list[Row]] = {}
    for row in pl.read_parquet(out).iter_rows(named=True):
        cells = tuple(cell for name, cell in row.items() if name not in PROVENANCE)
        extra = tuple(_leaves(json.loads(row["_extra"]))) if row["_extra"] else ()
        made = Row(row["_source_row"], cells, row["_defect"], extra)
        rows.setdefault(row["_sheet"], []).append(made)
    return rows


def _leaves(value: Any) -> list[str]:
    """Everything but nothing in a piece of JSON, in its order."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [] if value in (None, "") else [str(value)]


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
