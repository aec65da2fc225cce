"""No person's data leave the county: every simulated value is searched for in all that others see.

Landing and the lake's own files are the county's; everything else is read here as a stranger
would, Parquet and DuckDB unpacked.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from dagster_project.paths import SAMPLES
from tests.conftest import Demo

pytestmark = pytest.mark.xdist_group("demo")
PRIVATE = {"landing", "lake"}
DIGITS = re.compile(r"[0-9]{7,}[Xx]?")
HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff·]{2,}")


@pytest.fixture(scope="module")
def personal() -> frozenset[str]:
    """Every id, phone, name and account that the simulator invented."""
    lists = sorted((SAMPLES / "expected").glob("*.personal.txt"))
    values = {line for path in lists for line in path.read_text(encoding="utf-8").splitlines()}
    assert len(values) > 10_000
    return frozenset(values)


def visible(root: Path) -> list[Path]:
    """Every file that leaves the county's private rooms."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not (PRIVATE & set(path.relative_to(root).parts) and "city" not in path.parts)
    ]


def texts(path: Path) -> Iterator[str]:
    """A file's content as text, unpacked."""
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            yield " ".join(str(cell) for cell in column.to_pylist())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            for schema, table in con.execute(
                "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal UNION ALL"
                " SELECT schema_name, table_name FROM duckdb_tables()"
            ).fetchall():
                rows = con.execute(f'SELECT COLUMNS(*)::VARCHAR FROM "{schema}"."{table}"')
                while batch := rows.fetchmany(10_000):
                    yield " ".join(cell for row in batch for cell in row if cell)
    elif path.read_bytes()[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
            yield from base.iterdump()
    else:
        yield path.read_bytes().decode("utf-8", errors="replace")


def found_in(text: str, personal: frozenset[str], lengths: set[int]) -> set[str]:
    """The personal values that stand anywhere in a text, also inside longer runs."""
    hits = set()
    for run in (*DIGITS.findall(text), *HAN.findall(text)):
        for length in lengths:
            for start in range(len(run) - length + 1):
                piece = run[start : start + length]
                if piece in personal:
                    hits.add(piece)
    return hits


def test_the_search_finds_what_is_there(personal: frozenset[str]) -> None:
    """A name inside a sentence and an id inside a longer number are found."""
    name = next(value for value in personal if HAN.fullmatch(value) and len(value) == 3)
    number = next(value for value in personal if value.isdigit() and len(value) == 18)
    lengths = {len(value) for value in personal}
    assert found_in(f"经办人{name}签收", personal, lengths) == {name}
    assert number in found_in(f"00{number}9", personal, lengths)


def test_no_personal_value_leaves_the_county(demo: Demo, personal: frozenset[str]) -> None:
    """Replicas, packages, logs, events, Data Docs, Dagster's storage and the whole city."""
    lengths = {len(value) for value in personal}
    files = visible(demo.root)
    kinds = {path.suffix for path in files}
    assert {".parquet", ".duckdb", ".ndjson", ".json", ".html", ".db"} <= kinds
    hits = {
        f"{path.relative_to(demo.root)}: {len(found)} values"
        for path in files
        for text in texts(path)
        if (found := found_in(text, personal, lengths))
    }
    assert hits == set()
