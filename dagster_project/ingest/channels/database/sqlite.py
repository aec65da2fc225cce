"""SQLite files below the inbox folder, read only, while their programme may be writing.

In WAL mode nobody waits; in the older modes a writer's commit waits while one extract is read.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa

from dagster_project.contracts.model import Server
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.database.base import DatabasePull
from dagster_project.ingest.channels.database.scale import Kind
from dagster_project.ingest.channels.database.source import (
    LOCK_S,
    STATEMENT_S,
    SourceColumn,
    SqlSource,
    paced,
)

CELLS: Final = 400_000
"""So many cells are fetched at a time."""
LONGEST: Final = 64 << 20
"""A cell or a row of more bytes is nobody's table."""
STEPS: Final = 1_000_000
"""So many steps of SQLite's machine pass between two looks at the clock."""
_TYPE = re.compile(r"BLOB|BINARY", re.IGNORECASE)


class SqlitePull(DatabasePull):
    """A table or view of an SQLite file."""

    def source(self) -> SqliteSource:
        """The opened file."""
        return SqliteSource(self.server, self.inbox, self.where)


class SqliteSource(SqlSource):
    """One connection to an SQLite file."""

    def __init__(self, server: Server, inbox: Path, where: str) -> None:
        super().__init__(where)
        self._table, self.relation = server.table, self.quoted(server.table)
        self._kinds = dict[str, Kind]()
        self._until = math.inf
        path = self._file(server, inbox)
        try:
            self._con = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=LOCK_S, isolation_level=None
            )
            self._con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            self._con.set_progress_handler(self._is_late, STEPS)
            self._con.execute("PRAGMA query_only = ON")
            self._con.execute("PRAGMA trusted_schema = OFF")
        except sqlite3.Error as error:
            raise self._sentence(error) from None

    def close(self) -> None:
        """Close the file."""
        self._con.close()

    def columns(self) -> tuple[SourceColumn, ...]:
        """As the table declares them; SQLite holds nobody to it, so a kind is looked up."""
        rows = self._execute(f"PRAGMA table_info({self.relation})").fetchall()
        return tuple(
            SourceColumn(name, kind, "", not notnull, key, binary=bool(_TYPE.search(kind)))
            for _, name, kind, notnull, _, key in rows
        )

    def kind(self, mark: SourceColumn) -> Kind:
        """What the column's highest cell is: numbers sort below texts."""
        if mark.name not in self._kinds:
            found = self._execute(
                f"SELECT typeof(max({self._cell(mark)})) FROM {self.relation} t"
            ).fetchone()[0]
            self._kinds[mark.name] = {"integer": "number", "real": "number", "blob": ""}.get(
                found, "text"
            )  # type: ignore[assignment]
        return self._kinds[mark.name]

    def quoted(self, name: str) -> str:
        """Double quotes, as the standard says."""
        return '"' + name.replace('"', '""') + '"'

    def written(self, expression: str, column: SourceColumn) -> str:  # noqa: ARG002
        """As it is: SQLite's own cast to text would shorten numbers."""
        return expression

    def one(self, sql: str) -> str | None:
        """The only cell of a query's first row."""
        row = self._execute(sql).fetchone()
        return None if row is None else _text(row[0])

    def batches(self, sql: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows, some thousands at a time."""
        cursor = self._execute(sql)
        size = max(CELLS // len(names), 1)

        def fetch(rows: int) -> list[Any]:
            try:
                return cursor.fetchmany(rows)
            except sqlite3.Error as error:
                raise self._sentence(error) from None

        def made(rows: Sequence[Any]) -> pa.RecordBatch:
            columns = [_column(cells) for cells in zip(*rows, strict=True)]
            return pa.RecordBatch.from_arrays(columns, names=list(names))

        yield from paced(fetch, made, size)

    def _is_late(self) -> bool:
        """Whether a statement took too long: a view of a few words may never come to its end."""
        return time.monotonic() > self._until

    def _execute(self, sql: str) -> sqlite3.Cursor:
        self._until = time.monotonic() + STATEMENT_S
        try:
            return self._con.execute(sql)
        except sqlite3.Error as error:
            raise self._sentence(error) from None

    def _file(self, server: Server, inbox: Path) -> Path:
        """The file below the inbox; a link out of it is not followed."""
        root = inbox.resolve()
        path = (root / server.path).resolve()
        if not path.is_relative_to(root):
            raise ChannelError(
                "the file leads out of the inbox and is not opened",
                where=f"{self.where}, {server.path}",
                todo="Put the file itself there",
            )
        if not path.is_file():
            raise ChannelError(
                "the file is not there",
                where=f"{self.where}, {server.path}",
                todo="Put it there, or correct `file` in the contract",
                transient=True,
            )
        return path

    def _sentence(self, error: sqlite3.Error) -> ChannelError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        what, todo, passing = SAID.get(
            code, (f"the file cannot be read (SQLite error {code})", "Look the code up", False)
        )
        if not code and "UTF-8" in str(error):
            what, todo, passing = ("a text in the table is not UTF-8", "Have it corrected", False)
        return ChannelError(what, where=self.where, todo=todo, transient=passing)


SAID: Final = {
    sqlite3.SQLITE_BUSY: ("the file is locked by its programme", "It is asked again", True),
    sqlite3.SQLITE_LOCKED: ("the file is locked by its programme", "It is asked again", True),
    sqlite3.SQLITE_SCHEMA: ("the table was changed meanwhile", "It is asked again", True),
    sqlite3.SQLITE_IOERR: ("the file cannot be read to its end", "Check the disk", True),
    sqlite3.SQLITE_CORRUPT: ("the database file is damaged", "Copy it again, closed", False),
    sqlite3.SQLITE_NOTADB: (
        "this is no SQLite database, or it is encrypted", "Name the right file", False,
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened for reading",
        "Make the file and its folder readable, beside it -wal and -shm",
        False,
    ),
    sqlite3.SQLITE_INTERRUPT: (
        "the table or view does not come to its end", "Look at the view's definition", False,
    ),
    sqlite3.SQLITE_TOOBIG: (
        f"a cell or a row is larger than {LONGEST >> 20} MiB",
        "Leave the column out with a view, or have it delivered as files",
        False,
    ),
    sqlite3.SQLITE_ERROR: (
        "the table cannot be asked so: a table or a column is not there",
        "Look at the file, then correct the contract",
        False,
    ),
}  # fmt: skip
"""What SQLite's codes mean; whether it may be gone at the next try."""


def _column(cells: Sequence[Any]) -> pa.Array:
    """The cells of a column as texts; SQLite lets each of them be of another type."""
    kinds = set(map(type, cells)) - {type(None)}
    if kinds <= {str}:
        return pa.array(cells, pa.string())
    if kinds == {int}:
        return pa.array(cells, pa.int64()).cast(pa.string())
    if kinds <= {int, float}:
        return pa.array([None if cell is None else repr(cell) for cell in cells], pa.string())
    return pa.array([_text(cell) for cell in cells], pa.string())


def _text(cell: Any) -> str | None:
    """A cell as text: numbers with every digit, bytes in hexadecimal."""
    if cell is None or isinstance(cell, str):
        return cell
    return cell.hex() if isinstance(cell, bytes) else repr(cell)
