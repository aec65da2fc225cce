"""MySQL and MariaDB, through PyMySQL: the server's texts, cut out of its packets in bulk.

The text protocol already sends every value as the server writes it, so nothing is cast but bits and
bytes. The session is in UTF-8 (four bytes, for rare names), at +08:00, reads only, and takes no
lock: InnoDB answers from a snapshot.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, cast

import pyarrow as pa
import pymysql
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from dagster_project.contracts.model import Server
from dagster_project.credentials import Credential, credential
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.database import packets
from dagster_project.ingest.channels.database.base import DatabasePull
from dagster_project.ingest.channels.database.scale import Kind
from dagster_project.ingest.channels.database.source import (
    CONNECT_S,
    LOCK_S,
    SILENCE_S,
    STATEMENT_S,
    SourceColumn,
    SqlSource,
)

SETTINGS: Final = (
    # No backslash is an escape, and days of zeros may be compared.
    "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "SET SESSION time_zone = '+08:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    f"SET SESSION lock_wait_timeout = {LOCK_S}",
    f"SET SESSION net_write_timeout = {SILENCE_S}",
)
KINDS: Final[dict[str, Kind]] = {
    "timestamp": "timestamp",
    "datetime": "timestamp",
    "date": "date",
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"), "number"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text"), "text"),
}
BINARY: Final = frozenset({
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point",
    "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
    "geomcollection", "vector",
})  # fmt: skip
COLUMNS: Final = """
SELECT c.COLUMN_NAME, c.COLUMN_TYPE, lower(c.DATA_TYPE), c.IS_NULLABLE,
       coalesce(s.SEQ_IN_INDEX, 0), c.COLUMN_COMMENT
FROM information_schema.COLUMNS c
LEFT JOIN information_schema.STATISTICS s
  ON s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME
  AND s.COLUMN_NAME = c.COLUMN_NAME AND s.INDEX_NAME = 'PRIMARY'
WHERE c.TABLE_SCHEMA = {database} AND c.TABLE_NAME = {table}
ORDER BY c.ORDINAL_POSITION"""
FAILURES: Final = (
    pymysql.Error, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, struct.error,
)  # fmt: skip
"""PyMySQL's own errors, and what it raises at packets that no server should send."""
IN_THE_CLEAR: Final = 2059
LOGIN = ("the user name or the password is wrong", "Correct the channel's credentials")
GRANT = ("this user may not read the table", "Have the user granted SELECT on it")
SAID: Final = {
    1045: LOGIN,
    1698: LOGIN,
    1044: ("this user may not use the database", "Have the user granted SELECT on its table"),
    1049: ("there is no such database", "Correct `database` in the contract"),
    1142: GRANT,
    1143: GRANT,
    1146: ("there is no such table", "Correct `table` in the contract"),
    1356: ("the view cannot be read: what it stands on is gone", "Tell the view's owner"),
    1054: ("a column is not there any more", "Look at the table, then correct the contract"),
    1130: ("the server lets nobody in from here", "Have this machine's address allowed there"),
    IN_THE_CLEAR: (
        "the server asks for the password in the clear, and was not given it",
        "Have the user identified by caching_sha2_password or mysql_native_password",
    ),
    3159: ("the server wants an encrypted connection", "Have the user exempted, or ask the lead"),
}
LASTING: Final = frozenset(SAID) | {1064, 1227, 1267, 1370, 1449}
"""Codes that say the same at the next try; all others are taken for passing."""
UNREACHABLE: Final = frozenset({2002, 2003, 2005})


class _NeverInTheClear:
    """What is done when a server asks for the password itself: whoever it is, it gets none."""

    def __init__(self, _con: object) -> None:
        """Nothing is kept of the connection."""

    def authenticate(self, _packet: object) -> None:
        """Refuse."""
        raise pymysql.OperationalError(IN_THE_CLEAR, "")


class MySqlPull(DatabasePull):
    """A table or view of MySQL or MariaDB."""

    def source(self) -> MySqlSource:
        """A new connection."""
        return MySqlSource(self.server, credential(self.server.credentials), self.where)


class MySqlSource(SqlSource):
    """One connection to MySQL or MariaDB."""

    def __init__(self, server: Server, secret: Credential, where: str) -> None:
        super().__init__(where)
        self._database, self._table = server.database, server.table
        self.relation = f"{self.quoted(self._database)}.{self.quoted(self._table)}"
        try:
            self._con = pymysql.connect(
                host=server.host,
                unix_socket=server.host if server.host.startswith("/") else None,
                port=server.port or 3306,
                user=secret.user,
                password=secret.password,
                database=self._database,
                charset="utf8mb4",
                conv=dict(encoders),
                autocommit=True,
                connect_timeout=CONNECT_S,
                read_timeout=SILENCE_S,
                write_timeout=SILENCE_S,
                program_name="countylake",
                auth_plugin_map={"mysql_clear_password": _NeverInTheClear},
                local_infile=False,
            )
        except FAILURES as error:
            code = self._code(error)
        else:
            code = 0
        if code:
            raise self._refusal(code)
        self._set()

    def close(self) -> None:
        """End the connection; an unfinished answer is not waited for."""
        self._con._force_close()  # noqa: SLF001 - a polite end would read all rows that are left

    def columns(self) -> tuple[SourceColumn, ...]:
        """From the information schema: what this user may see."""
        sql = COLUMNS.format(
            database=self.literal(self._database, "text"), table=self.literal(self._table, "text")
        )
        return tuple(
            SourceColumn(
                name, kind, KINDS.get(base, ""), nullable == "YES", int(position), comment,
                binary=base in BINARY,
            )
            for name, kind, base, nullable, position, comment in self._rows(sql)
        )  # fmt: skip

    def quoted(self, name: str) -> str:
        """Backticks, which are quotes in every mode."""
        return "`" + name.replace("`", "``") + "`"

    def written(self, expression: str, column: SourceColumn) -> str:
        """As it is: the protocol writes text; bits as their number, bytes in hexadecimal."""
        if column.binary:
            return f"HEX({expression})"
        return f"({expression} + 0)" if column.type.startswith("bit") else expression

    def one(self, sql: str) -> str | None:
        """The only cell of a query's first row."""
        rows = self._rows(sql)
        return rows[0][0] if rows else None

    def batches(self, sql: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows' packets, cut as they arrive."""
        cursor = self._execute(sql, SSCursor)
        read = self._con._rfile.read1  # noqa: SLF001 - its cursors are too slow
        # From here on the packets are ours: the cursor must not look for their end.
        cursor._result.unbuffered_active = False  # noqa: SLF001
        try:
            for arrays in packets.batches(read, len(names)):
                texts = [array.cast(pa.string()) for array in arrays]
                yield pa.RecordBatch.from_arrays(texts, names=list(names))
        except pa.ArrowInvalid:
            raise ChannelError(
                "a text in the table is not UTF-8",
                where=self.where,
                todo="Have the column's character set corrected",
            ) from None
        except (packets.BrokenStreamError, OSError, ValueError):
            raise self.lost() from None
        finally:
            self.close()

    def _rows(self, sql: str) -> list[tuple[str, ...]]:
        return cast("list[tuple[str, ...]]", list(self._execute(sql).fetchall()))

    def _execute(self, sql: str, kind: type | None = None) -> pymysql.cursors.Cursor:
        try:
            cursor = self._con.cursor(kind)
            cursor.execute(sql)
        except FAILURES as error:
            code = self._code(error)
        else:
            return cursor
        raise self._refusal(code)

    def _set(self) -> None:
        """Fix what texts and times of a session depend on."""
        maria = "mariadb" in self._con.get_server_info().lower()
        longest = (
            f"SET SESSION max_statement_time = {STATEMENT_S}"
            if maria
            else f"SET SESSION max_execution_time = {STATEMENT_S * 1000}"
        )
        try:
            for setting in (*SETTINGS, longest):
                self._execute(setting)
        except ChannelError:
            self.close()
            raise

    def _code(self, error: Exception) -> int:
        code = error.args[0] if error.args else 0
        return code if isinstance(code, int) and code else 2013

    def _refusal(self, code: int) -> ChannelError:
        """What a code means; the server's own words are left out, for they may hold a cell."""
        if code in UNREACHABLE:
            what, todo = (
                "the database cannot be reached",
                "Check host and port in the contract, the network and the server",
            )
        else:
            what, todo = SAID.get(code) or (
                f"the server refused the query or ended it (error {code})",
                "Look the code up; the server's log holds its sentence",
            )
        return ChannelError(what, where=self.where, todo=todo, transient=code not in LASTING)
