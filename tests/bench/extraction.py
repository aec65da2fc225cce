"""Extraction alone: a table of a real database to an extract, against bare libraries in one run.

The same table (12 columns) lies in PostgreSQL, MariaDB and SQLite. Bare connectorx and ADBC fetch
the typed rows and write them to Parquet; our channel writes every value as its source's own text.
Then 1,000 rows change, and an increment is pulled. Each is a process of its own: seconds are those
of fetching and writing, peak memory is the operating system's.
Usage: ``python -m tests.bench.extraction one WAY KIND HOST FOLDER [MARK]`` runs one of them.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import cast

from dagster_project.contracts.model import Server, ServerType, Watermark
from dagster_project.ingest.channels.pull import CHANNELS, Memory, pull_channel
from tests.bench.timing import Timed, timed
from tests.database_kit import PASSWORD, MariaDb, Postgres, feed, running_mariadb, running_postgres

ENV = {"DEPARTMENT_READER_USER": "reader", "DEPARTMENT_READER_PASSWORD": PASSWORD}
CHANGED = 1000
COLUMNS = (
    "id bigint PRIMARY KEY, id_no varchar(18), name varchar(20), sex smallint, birth date,"
    " address varchar(60), income decimal(18, 2), is_poor smallint, updated_at {time},"
    " note varchar(40), score double precision, phone varchar(20)"
)
CELLS = (
    "{n}, {pad14}, {name}, {n} % 2 + 1, '1980-01-01', {address}, {n} % 100000 / 100.0,"
    " {n} % 3 / 2, {at}, {note}, {n} * 1.5, {phone}"
)


def fill(database: Postgres | MariaDb, rows: int) -> None:
    """Make the table on a server."""
    if isinstance(database, Postgres):
        kind, source = "timestamp", f"generate_series(1, {rows}) s(seq)"
        at = "timestamp '2026-01-01' + seq * interval '1 second'"
        number = "lpad((seq % 10000)::text, 4, '0')"
        note = "md5(seq::text)"
    else:
        kind, source = "datetime(6)", f"seq_1_to_{rows} s"
        at = "timestamp '2026-01-01 00:00:00' + interval seq second"
        number, note = "lpad(seq % 10000, 4, '0')", "md5(seq)"
    cells = CELLS.format(
        n="seq",
        pad14=f"concat('14032119800101', {number})",
        name="concat('王小', seq % 1000)",
        address="concat('幸福路', seq % 300, '号')",
        at=at,
        note=note,
        phone=f"concat('1390000', {number})",
    )
    database.run(
        f"CREATE TABLE people ({COLUMNS.format(time=kind)})",
        f"INSERT INTO people SELECT {cells} FROM {source}",
        "CREATE INDEX people_at ON people (updated_at)",
        "ANALYZE people" if isinstance(database, Postgres) else "ANALYZE TABLE people",
    )


def fill_sqlite(path: Path, rows: int) -> None:
    """Make the table in a file."""
    cells = CELLS.format(
        n="n",
        pad14="'14032119800101' || printf('%04d', n % 10000)",
        name="'王小' || n % 1000",
        address="'幸福路' || n % 300 || '号'",
        at="datetime('2026-01-01', n || ' seconds')",
        note="hex(n * 7919) || hex(n)",
        phone="'1390000' || printf('%04d', n % 10000)",
    )
    with contextlib.closing(sqlite3.connect(path)) as con, con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute(f"CREATE TABLE people ({COLUMNS.format(time='text')})")
        con.execute(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?)"
            f" INSERT INTO people SELECT {cells} FROM c",
            (rows,),
        )
        con.execute("CREATE INDEX people_at ON people (updated_at)")


def one(way: str, kind: str, host: str, folder: Path, mark: str = "") -> None:
    """Extract once; print rows and seconds."""
    import adbc_driver_postgresql.dbapi  # noqa: F401, PLC0415 - modules count for nobody
    import connectorx  # noqa: F401, PLC0415
    import pyarrow.parquet  # noqa: F401, PLC0415

    module, _ = CHANNELS[cast("ServerType", kind)]
    importlib.import_module(f"dagster_project.ingest.channels.{module}")
    began = time.monotonic()
    if way == "ours":
        rows = _ours(kind, host, folder, mark)
    else:
        rows = _bare(way, kind, host, folder / "bare.parquet")
    sys.stdout.write(json.dumps({"rows": rows, "seconds": time.monotonic() - began}))


def _ours(kind: str, host: str, folder: Path, mark: str) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 - each way imports its own

    watermark = Watermark("updated_at") if mark else None
    server = Server("ledger", "sqlite", "parquet", path=host, table="people", watermark=watermark)
    if kind != "sqlite":
        made = Postgres(host) if kind == "postgresql" else MariaDb(host)
        server = made.server("people", watermark=watermark)
    channel = pull_channel(feed("id"), server, folder, inbox=folder)
    rows = 0
    for extract in channel.pull(Memory(watermark=mark)):
        rows += pq.read_metadata(extract.file).num_rows
        extract.file.unlink()
    return rows


def _bare(way: str, kind: str, host: str, out: Path) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 - each way imports its own

    sql = "SELECT * FROM people"
    if way == "adbc":
        import adbc_driver_postgresql.dbapi as adbc  # noqa: PLC0415

        con = adbc.connect(Postgres(host).uri)
        cursor = con.cursor()
        cursor.execute(sql)
        reader = cursor.fetch_record_batch()
    else:
        import connectorx  # noqa: PLC0415

        uri = {
            "postgresql": f"postgresql://postgres@{host.replace('/', '%2F')}/postgres",
            "mysql": f"mysql://root@localhost/civil?socket={host}",
            "sqlite": f"sqlite://{host}",
        }[kind]
        reader = connectorx.read_sql(uri, sql, return_type="arrow_stream", batch_size=20_000)
    rows = 0
    with pq.ParquetWriter(out, reader.schema, compression="zstd", compression_level=1) as writer:
        for batch in reader:
            rows += batch.num_rows
            writer.write_batch(batch)
    return rows


def _run(way: str, kind: str, host: str, folder: Path, mark: str = "") -> tuple[Timed, float, int]:
    command = [sys.executable, "-m", "tests.bench.extraction", "one", way, kind, host]
    took = timed([*command, str(folder), *([mark] if mark else [])], ENV)
    told = json.loads(took.printed)
    return took, told["seconds"], told["rows"]


def measure(rows: int, rounds: int) -> None:
    """Print rows per second, ratios and peaks of every kind of database."""
    sys.stdout.write(f"extraction, {rows:,} rows of 12 columns, {rounds} rounds, medians\n")
    with contextlib.ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="clbench-")))
        postgres = servers.enter_context(running_postgres())
        fill(postgres, rows)
        _compare("postgresql", postgres.host, folder, rounds, ("connectorx", "adbc"))
        _increment("postgresql", postgres, postgres.host, folder, rows)
        mariadb = servers.enter_context(running_mariadb())
        fill(mariadb, rows)
        _compare("mysql", mariadb.host, folder, rounds, ("connectorx",))
        _increment("mysql", mariadb, mariadb.host, folder, rows)
        fill_sqlite(folder / "people.db", rows)
        _compare("sqlite", "people.db", folder, rounds, ("connectorx",))


def _compare(kind: str, host: str, folder: Path, rounds: int, bare: tuple[str, ...]) -> None:
    ways = ("ours", *bare)
    place = {"ours": host} | {way: str(folder / host) if kind == "sqlite" else host for way in bare}
    runs = {way: [_run(way, kind, place[way], folder) for _ in range(rounds)] for way in ways}
    ours = median(seconds for _, seconds, _ in runs["ours"])
    for way in ways:
        seconds = median(s for _, s, _ in runs[way])
        peak = max(took.peak for took, _, _ in runs[way])
        cpu = median(took.cpu for took, _, _ in runs[way])
        ratio = "" if way == "ours" else f"   ours runs at {seconds / ours:.2f} of its speed"
        sys.stdout.write(
            f"  {kind:10} {way:10} {runs[way][0][2] / seconds:10,.0f} rows/s   peak {peak:5.0f} MiB"
            f"   CPU {cpu:5.1f} s{ratio}\n"
        )


def _increment(kind: str, database: Postgres | MariaDb, host: str, folder: Path, rows: int) -> None:
    day = "2026-11-01"
    step = "interval '1 second'" if kind == "postgresql" else "interval 1 second"
    database.run(
        f"UPDATE people SET updated_at = timestamp '{day} 00:00:00' + {step}"
        f" WHERE id % {max(rows // CHANGED, 1)} = 0"
    )
    took, seconds, found = _run("ours", kind, host, folder, f"{day} 00:00:00")
    sys.stdout.write(
        f"  {kind:10} increment of {found:,} rows: {seconds:.2f} s   peak {took.peak:.0f} MiB\n"
    )


if __name__ == "__main__":
    os.environ |= ENV
    way, kind, host, folder, *mark = sys.argv[2:]
    one(way, kind, host, Path(folder), *mark)
