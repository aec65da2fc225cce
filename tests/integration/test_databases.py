"""Tables of real databases: exact texts, increments without a lost row, and sentences."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.contracts.model import Server, Watermark
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.database import sqlite
from dagster_project.ingest.channels.pull import Memory, Window, pull_channel
from tests.database_kit import (
    PASSWORD,
    MariaDb,
    Postgres,
    feed,
    ids,
    ledger,
    marked,
    pulled,
)

pytestmark = [pytest.mark.xdist_group("databases"), pytest.mark.usefixtures("reader")]


def test_slices_lose_no_row_and_part_no_tie(database: Postgres | MariaDb, tmp_path: Path) -> None:
    """Rows of one mark stay together; rows without one come with the last slice."""
    marked(database)
    rows = [f"({n}, 0, '2026-01-01 00:00:{n // 10:02d}')" for n in range(100)]
    rows += ["(200, 0, NULL)", "(201, 0, '9999-12-31 00:00:00')"]
    if isinstance(database, MariaDb):
        rows.append("(202, 0, '0000-00-00 00:00:00')")
    database.run(f"INSERT INTO marks VALUES {', '.join(rows)}")
    server = database.server("marks", watermark=Watermark("at"), slice_rows=25)
    taken = list(pulled(server, tmp_path))
    assert sorted(ids([row for one in taken for row in one.rows])) == sorted(
        [*range(100), *(n for n in (200, 201, 202) if n < 200 + len(rows) - 100)]
    )
    assert [len(one.rows) for one in taken[:-1]] == [30, 30, 30]
    assert taken[-1].until.startswith("2026-01-01 00:00:09")
    assert [one.since for one in taken[1:]] == [one.until for one in taken[:-1]]
    assert [ids(one.rows) for one in taken[:1]] == [list(range(30))]


def test_an_increment_holds_what_changed_and_the_overlap(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    """What was changed, inserted at the same mark, or committed late is fetched, no more."""
    marked(database)
    rows = (f"({n}, 0, '2026-01-01 00:{n:02d}:00')" for n in range(60))
    database.run(f"INSERT INTO marks VALUES {', '.join(rows)}")
    server = database.server("marks", watermark=Watermark("at", 90))
    (first,) = pulled(server, tmp_path)
    database.run(
        "UPDATE marks SET v = 1, at = '2026-01-01 02:00:00' WHERE id = 5",
        "INSERT INTO marks VALUES (70, 0, '2026-01-01 00:59:00'), (71, 0, '2026-01-01 00:58:30')",
    )
    (second,) = pulled(server, tmp_path, Memory(watermark=first.until))
    assert ids(second.rows) == [58, 71, 59, 70, 5]
    assert (second.since, second.until[:19]) == (first.until, "2026-01-01 02:00:00")
    (third,) = pulled(server, tmp_path, Memory(watermark=second.until))
    assert ids(third.rows) == [5]


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        ("date", ["'2026-01-01'", "'2026-01-02'", "'2026-01-03'"]),
        ("bigint", ["-5", "9007199254740993", "9007199254740994"]),
        (
            "varchar(30)",
            ["'2026-01-01 00:00:00'", "'2026-01-02 00:00:00'", "'2026-01-03 00:00:00'"],
        ),
        ("varchar(30)", ["'A-1'", "'A-2'", "'A-3'"]),
    ],
)
def test_days_numbers_and_texts_are_watermarks(
    database: Postgres | MariaDb, tmp_path: Path, kind: str, marks: list[str]
) -> None:
    """The order of the source's own type is followed, to the last digit."""
    marked(database, kind)
    database.run(f"INSERT INTO marks VALUES (1, 0, {marks[0]}), (2, 0, {marks[1]})")
    server = database.server("marks", watermark=Watermark("at"))
    (first,) = pulled(server, tmp_path)
    database.run(f"INSERT INTO marks VALUES (3, 0, {marks[2]})")
    (second,) = pulled(server, tmp_path, Memory(watermark=first.until))
    assert (ids(first.rows), ids(second.rows)) == ([1, 2], [2, 3])
    assert second.until == marks[2].strip("'")


def test_a_window_is_fetched_again(database: Postgres | MariaDb, tmp_path: Path) -> None:
    """From its beginning up to, not with, its end; nothing without a mark."""
    marked(database)
    rows = (f"({n}, 0, '2026-01-{n:02d} 00:00:00')" for n in range(1, 20))
    database.run(f"INSERT INTO marks VALUES {', '.join(rows)}, (99, 0, NULL)")
    server = database.server("marks", watermark=Watermark("at", 300), slice_rows=4)
    memory = Memory(watermark="2026-01-19 00:00:00", window=Window("2026-01-03", "2026-01-09"))
    taken = list(pulled(server, tmp_path, memory))
    assert [ids(one.rows) for one in taken] == [[3, 4, 5, 6], [7, 8]]
    assert {(one.since, one.until) for one in taken} == {("2026-01-03", "2026-01-09")}


def test_views_looks_and_descriptions(database: Postgres | MariaDb, tmp_path: Path) -> None:
    """A view is read like a table; a look takes few rows; comments and keys are told."""
    marked(database)
    database.run(
        "INSERT INTO marks VALUES (1, 0, NULL), (2, 0, NULL), (3, 0, NULL)",
        "DROP VIEW IF EXISTS v_marks",
        "CREATE VIEW v_marks AS SELECT id FROM marks WHERE id > 1",
        "COMMENT ON COLUMN marks.v IS '状态'" if isinstance(database, Postgres)
        else "ALTER TABLE marks MODIFY v int COMMENT '状态'",
    )  # fmt: skip
    (taken,) = pulled(database.server("v_marks"), tmp_path)
    assert ids(taken.rows) == [2, 3]
    (look,) = pulled(database.server("marks"), tmp_path, Memory(look=2))
    assert len(look.rows) == 2
    channel = pull_channel(feed("id"), database.server("marks"), tmp_path, inbox=tmp_path)
    said = {one.name: one for one in channel.describe()}
    assert (said["id"].key_position, said["id"].nullable) == (1, False)
    assert said["v"].comment == "状态"


def test_an_empty_table_is_a_snapshot_of_nothing(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    """A whole table without rows is delivered; an increment without rows is not."""
    marked(database)
    (taken,) = pulled(database.server("marks"), tmp_path)
    assert taken.rows == []
    assert not list(pulled(database.server("marks", watermark=Watermark("at")), tmp_path))


REFUSALS: list[tuple[dict[str, Any], str, bool]] = [
    ({"table": "nowhere"}, "there is no table or view nowhere", False),
    ({"watermark": Watermark("nope")}, "nope is no column", False),
    ({"credentials": "env:COUNTYLAKE_TEST_WRONG"}, "the password is wrong", False),
    ({"database": "nobase"}, "database", False),
    ({"host": "127.0.0.1", "port": 1}, "cannot be reached", True),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: next(iter(case[0])))
def test_refusals_are_sentences_without_a_secret(
    database: Postgres | MariaDb,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[dict[str, Any], str, bool],
) -> None:
    """What is wrong is told to whom it concerns; what may pass is marked so."""
    words, sentence, passing = case
    monkeypatch.setenv("COUNTYLAKE_TEST_WRONG_USER", "reader")
    monkeypatch.setenv("COUNTYLAKE_TEST_WRONG_PASSWORD", "s3cr3t")
    marked(database)
    with pytest.raises(ChannelError) as caught:
        list(pulled(database.server(**({"table": "marks"} | words)), tmp_path))
    assert sentence in str(caught.value)
    assert caught.value.transient is passing
    assert not {"s3cr3t", PASSWORD} & set(str(caught.value).split())
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_may_not_be_read(database: Postgres | MariaDb, tmp_path: Path) -> None:
    """A missing privilege is told as what to grant."""
    database.run("DROP TABLE IF EXISTS secret_t", "CREATE TABLE secret_t (id int)")
    if isinstance(database, Postgres):
        database.run("REVOKE ALL ON secret_t FROM reader")
        server = database.server("secret_t")
    else:
        server = database.server("user", database="mysql")
    with pytest.raises(ChannelError, match=r"may not|SELECT"):
        list(pulled(server, tmp_path))


def test_a_cut_connection_is_resumed_without_a_lost_or_doubled_row(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    """The server ends the session between two slices and within one; the next pull goes on."""
    marked(database)
    rows = (f"({n}, 0, '2026-01-01 00:00:00')" for n in range(10))
    database.run(f"INSERT INTO marks VALUES {', '.join(rows)}")
    many = (
        "CREATE VIEW v_slow AS SELECT m.id, a.n, repeat('x', 999) AS x, m.at"
        " FROM marks m, generate_series(1, 10000) a(n)"
        if isinstance(database, Postgres)
        else "CREATE VIEW v_slow AS SELECT m.id, a.seq AS n, repeat('x', 999) AS x, m.at"
        " FROM marks m, seq_1_to_10000 a"
    )
    database.run("DROP VIEW IF EXISTS v_slow", many)
    channel = pull_channel(feed("id"), database.server("v_slow"), tmp_path, inbox=tmp_path)
    with channel.source() as source:  # type: ignore[attr-defined]
        batches = source.read(source.columns())
        next(batches)
        database.run(*_endings(database))
        with pytest.raises(ChannelError) as caught:
            for _ in batches:
                pass
    assert caught.value.transient
    (taken,) = pulled(database.server("v_slow"), tmp_path)
    assert len({(row["id"], row["n"]) for row in taken.rows}) == len(taken.rows) == 100_000


def _endings(database: Postgres | MariaDb) -> list[str]:
    if isinstance(database, MariaDb):
        return ["KILL USER reader"]
    ends = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity"
    return [f"{ends} WHERE usename = 'reader'"]


def test_reading_takes_no_lock_that_a_writer_waits_for(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    """Rows are written and changed while an extract is read; it shows one moment."""
    marked(database)
    rows = (f"({n}, 0, '2026-01-01 00:00:00')" for n in range(20_000))
    database.run(f"INSERT INTO marks VALUES {', '.join(rows)}")
    channel = pull_channel(feed("id"), database.server("marks"), tmp_path, inbox=tmp_path)
    with channel.source() as source:  # type: ignore[attr-defined]
        batches = source.read(source.columns())
        first = next(batches)
        database.run("UPDATE marks SET v = 1", "DELETE FROM marks WHERE id >= 19990")
        found = [first, *batches]
    assert sum(batch.num_rows for batch in found) == 20_000
    assert {cell for batch in found for cell in batch.column(1).to_pylist()} == {"0"}


def test_sqlite_keeps_every_digit_and_lets_writers_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are whole, and a writer in WAL mode commits while the table is read."""
    monkeypatch.setattr(sqlite, "CELLS", 4)
    server = ledger(
        tmp_path,
        'CREATE TABLE "凭证 1" (id INTEGER PRIMARY KEY, 金额, 备注 TEXT, 图 BLOB)',
        "INSERT INTO \"凭证 1\" VALUES (1, 0.1, '王𠀀', x'ff'), (2, 9007199254740993, NULL, NULL),"
        " (3, '1.50', '', NULL), (4, 123456789.123456789, 'a', NULL)",
    )
    spool = tmp_path / "spool"
    spool.mkdir()
    channel = pull_channel(feed("id"), server, spool, inbox=tmp_path)
    with channel.source() as source:  # type: ignore[attr-defined]
        batches = source.read(source.columns())
        first = next(batches)
        writer = sqlite3.connect(tmp_path / server.path, timeout=0.1)
        with writer:
            writer.execute('DELETE FROM "凭证 1"')
        writer.close()
        found = [row for batch in (first, *batches) for row in batch.to_pylist()]
    said = [row["金额"] for row in found]
    assert said == ["0.1", "9007199254740993", "1.50", "123456789.12345679"]
    assert (found[0]["备注"], [row["id"] for row in found]) == ("王𠀀", ["1", "2", "3", "4"])


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_sqlite_increments(tmp_path: Path, mode: str) -> None:
    """Times as text and whole numbers are watermarks; odd ones come every time."""
    rows = ", ".join(f"({n}, '2026-01-{n:02d} 00:00:00')" for n in range(1, 10))
    server = ledger(
        tmp_path,
        'CREATE TABLE "凭证 1" (id INTEGER PRIMARY KEY, at TEXT)',
        f"INSERT INTO \"凭证 1\" VALUES {rows}, (20, NULL), (21, ''), (22, '9999-12-31 00:00:00')",
        mode=mode,
    )
    spool = tmp_path / "spool"
    spool.mkdir()
    times = replace(server, watermark=Watermark("at", 86400), slice_rows=4)
    taken = list(pulled(times, spool, inbox=tmp_path))
    assert sorted(ids([row for one in taken for row in one.rows])) == [*range(1, 10), 20, 21, 22]
    assert taken[-1].until == "2026-01-09 00:00:00"
    (again,) = pulled(times, spool, Memory(watermark=taken[-1].until), inbox=tmp_path)
    assert sorted(ids(again.rows)) == [8, 9, 20, 21, 22]
    numbers = replace(server, watermark=Watermark("id"), slice_rows=5)
    taken = list(pulled(numbers, spool, Memory(watermark="8"), inbox=tmp_path))
    assert [(ids(one.rows), one.until) for one in taken] == [([8, 9, 20, 21, 22], "22")]


def test_sqlite_files_stay_in_the_inbox(tmp_path: Path) -> None:
    """A link out of the inbox, a file that is none and one that is missing are refused."""
    server = ledger(tmp_path / "elsewhere", 'CREATE TABLE "凭证 1" (id)')
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "农经站").symlink_to(tmp_path / "elsewhere" / "农经站")
    with pytest.raises(ChannelError, match="leads out"):
        list(pulled(server, tmp_path, inbox=inbox))
    (inbox / "a.db").write_bytes(b"no database" * 100)
    with pytest.raises(ChannelError, match="no SQLite"):
        list(pulled(replace(server, path="a.db"), tmp_path, inbox=inbox))
    with pytest.raises(ChannelError, match="not there"):
        list(pulled(replace(server, path="b.db"), tmp_path, inbox=inbox))


def test_the_hook_asks_other_dialects_alike(mariadb: MariaDb, tmp_path: Path) -> None:
    """Slices, odd marks, texts and sentences through SQLAlchemy, here with PyMySQL's dialect."""
    marked(mariadb, "datetime(6)")
    rows = [f"({n}, 0, '2026-01-01 00:00:{n // 10:02d}')" for n in range(100)]
    mariadb.run(f"INSERT INTO marks VALUES {', '.join(rows)}, (200, 0, NULL)")
    url = f"mysql+pymysql:///civil?unix_socket={mariadb.host}&charset=utf8mb4"
    server = Server(
        "legacy", "sqlalchemy", "parquet", location=url, table="marks",
        credentials="env:DEPARTMENT_READER", watermark=Watermark("at"), slice_rows=25,
    )  # fmt: skip
    taken = list(pulled(server, tmp_path))
    assert [len(one.rows) for one in taken] == [30, 30, 30, 11]
    assert taken[-1].until == "2026-01-01 00:00:09"
    (again,) = pulled(server, tmp_path, Memory(watermark=taken[-1].until))
    assert sorted(ids(again.rows)) == [*range(90, 100), 200]
    with pytest.raises(ChannelError, match="no table or view"):
        list(pulled(replace(server, table="nowhere"), tmp_path))
    with pytest.raises(ChannelError, match="dialect and driver"):
        list(pulled(replace(server, location="dm+dmPython://h:5236"), tmp_path))


def test_the_hook_writes_plain_texts(tmp_path: Path) -> None:
    """Decimals, days and truths of reflected types, here with SQLite's dialect."""
    ledger(
        tmp_path,
        'CREATE TABLE "凭证 1" (id INTEGER PRIMARY KEY, 金额 NUMERIC(18, 2), 日 DATE, 是 BOOLEAN)',
        "INSERT INTO \"凭证 1\" VALUES (1, 1.5, '2026-01-02', 1)",
    )
    server = Server(
        "legacy", "sqlalchemy", "parquet", table="凭证 1",
        location=f"sqlite+pysqlite:///{tmp_path / '农经站' / '账.db'}",
    )  # fmt: skip
    (taken,) = pulled(server, tmp_path)
    assert taken.rows == [{"id": "1", "金额": "1.50", "日": "2026-01-02", "是": "true"}]
