"""Pulls from databases that are killed on the way: nothing lost, nothing kept twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.paths import PROJECT
from tests.database_kit import ledger, marked

pytestmark = [pytest.mark.xdist_group("databases"), pytest.mark.usefixtures("reader")]


PULL_ONCE = """
import json, pathlib, sys
from dagster_project.ingest.channels.pull import Memory
from dagster_project.contracts.model import Watermark
from tests import database_kit as kit
kind, host, home = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
words = dict(watermark=Watermark("at"), slice_rows=700)
if kind == "sqlite":
    from dagster_project.contracts.model import Server
    server = Server("ledger", "sqlite", "parquet", path="农经站/账.db", table="凭证 1", **words)
else:
    made = kit.Postgres(host) if kind == "postgres" else kit.MariaDb(host)
    server = made.server("marks", **words)
book = home / "book.jsonl"
lines = book.read_text().splitlines() if book.exists() else []
mark = json.loads(lines[-1])["until"] if lines else ""
for one in kit.pulled(server, home / "spool", Memory(watermark=mark), inbox=home):
    line = json.dumps({"until": one.until, "ids": [row["id"] for row in one.rows]}) + "\\n"
    part = home / "book.part"
    part.write_text((book.read_text() if book.exists() else "") + line)
    part.replace(book)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["postgres", "mariadb", "sqlite"])
def test_ten_kills_lose_and_keep_nothing_twice(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """A pulling process is killed at ten random points; what was committed is whole."""
    host, (dice, rows) = "", (random.Random(10), 20_000)  # noqa: S311
    values = ", ".join(f"({n}, 0, '2026-01-01 {n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}')"
                       for n in range(rows))  # fmt: skip
    if kind == "sqlite":
        ledger(tmp_path, 'CREATE TABLE "凭证 1" (id INTEGER PRIMARY KEY, v, at TEXT)',
               f'INSERT INTO "凭证 1" VALUES {values}')  # fmt: skip
    else:
        database = request.getfixturevalue(kind)
        marked(database)
        database.run(f"INSERT INTO marks VALUES {values}")
        host = database.host
    (tmp_path / "spool").mkdir()
    command = [sys.executable, "-c", PULL_ONCE, kind, host, str(tmp_path)]
    for _ in range(10):
        child = subprocess.Popen(command, cwd=PROJECT)
        try:
            child.wait(1.0 + dice.random() * 2.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    assert subprocess.run(command, cwd=PROJECT, check=False).returncode == 0
    book = [json.loads(one) for one in (tmp_path / "book.jsonl").read_text().splitlines()]
    seen = [int(one) for part in book for one in part["ids"]]
    assert sorted(set(seen)) == list(range(rows))
    # A pull begins at the last mark itself: only rows of such marks may come again.
    assert len(seen) - rows <= len(book)
    assert list((tmp_path / "spool").iterdir()) == []
