"""PostgreSQL, through ADBC: record batches of texts that the server itself wrote.

One session setting each fixes what a text depends on: zone, date and interval style, digits. The
order of a scan is that of the table, so that the same rows give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote, urlencode

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from dagster_project.contracts.model import Server
from dagster_project.credentials import Credential, credential
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.database.base import DatabasePull
from dagster_project.ingest.channels.database.scale import Kind
from dagster_project.ingest.channels.database.source import (
    CONNECT_S,
    LOCK_S,
    STATEMENT_S,
    SourceColumn,
    SqlSource,
)

BATCH_BYTES: Final = 8 << 20
SETTINGS: Final = {
    "TimeZone": "Asia/Shanghai",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
    "statement_timeout": f"{STATEMENT_S}s",
    "lock_timeout": f"{LOCK_S}s",
}
ALIVE: Final = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "6"}
KINDS: Final[dict[str, Kind]] = {
    "timestamptz": "zoned",
    "timestamp": "timestamp",
    "date": "date",
    **dict.fromkeys(("int2", "int4", "int8", "numeric"), "number"),
    **dict.fromkeys(("text", "varchar", "bpchar"), "text"),
}
COLUMNS: Final = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
       coalesce(nullif(b.typname, ''), t.typname)::text,
       (NOT a.attnotnull)::text,
       coalesce(array_position(k.conkey, a.attnum), 0)::text,
       coalesce(col_description(c.oid, a.attnum), '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE n.nspname = {schema} AND c.relname = {table} AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
ORDER BY a.attnum"""
SAID: Final = {
    "28": ("the user name or the password is wrong", "Correct the channel's credentials"),
    "3D000": ("there is no such database", "Correct `database` in the contract"),
    "42501": ("this user may not read the table", "Have the user granted SELECT on it"),
    "42P01": ("there is no such table", "Correct `table` (and `schema`) in the contract"),
    "42703": ("a column is not there any more", "Look at the table, then correct the contract"),
}
"""What the server's codes mean to whom; a code's first two digits are its class."""
PASSING: Final = ("08", "40", "53", "55", "57", "58", "XX")
"""Classes of codes that may be gone at the next try: cut, busy, locked, cancelled, shut down."""
_REFUSED: Final = (
    (re.compile(r"password|authenticat|认证|口令|role \"|角色", re.IGNORECASE), "28"),
    (re.compile(r"pg_hba|no encryption", re.IGNORECASE), "hba"),
    (re.compile(r"database \".*\" does not exist|数据库 .*不存在", re.IGNORECASE), "3D000"),
)


class PostgresPull(DatabasePull):
    """A table or view of PostgreSQL, or of a database that speaks its language."""

    def source(self) -> PostgresSource:
        """A new connection."""
        return PostgresSource(self.server, credential(self.server.credentials), self.where)


class PostgresSource(SqlSource):
    """One connection to PostgreSQL."""

    def __init__(self, server: Server, secret: Credential, where: str) -> None:
        super().__init__(where)
        self._schema, self._table = server.schema or "public", server.table
        self.relation = f"{self.quoted(self._schema)}.{self.quoted(self._table)}"
        self._con = self._connected(server, secret)
        pairs = ", ".join(f"set_config('{name}', '{v}', false)" for name, v in SETTINGS.items())
        try:
            list(self._rows(f"SELECT {pairs}"))
        except ChannelError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._con.close()

    def columns(self) -> tuple[SourceColumn, ...]:
        """From the catalogue: views and foreign tables, too."""
        sql = COLUMNS.format(
            schema=self.literal(self._schema, "text"), table=self.literal(self._table, "text")
        )
        return tuple(
            SourceColumn(
                name, kind, KINDS.get(base, ""), nullable == "true", int(position), comment,
                binary=base == "bytea",
            )
            for name, kind, base, nullable, position, comment in self._rows(sql)
        )  # fmt: skip

    def quoted(self, name: str) -> str:
        """Double quotes, as the standard says."""
        return '"' + name.replace('"', '""') + '"'

    def written(self, expression: str, column: SourceColumn) -> str:
        """A cast in the server; money is written as its number, bytes in hexadecimal."""
        if column.binary:
            return f"encode({expression}, 'hex')"
        return f"{expression}::numeric::text" if column.type == "money" else f"{expression}::text"

    def one(self, sql: str) -> str | None:
        """The only cell of a query's first row."""
        row = next(iter(self._rows(sql)), None)
        return None if row is None else row[0]

    def batches(
        self,
        sql: str,
        names: Sequence[str],  # noqa: ARG002 - the server says them
    ) -> Iterator[pa.RecordBatch]:
        """A COPY in the server, decoded batch by batch."""
        with self._con.cursor() as cursor:
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
            )
            try:
                cursor.execute(sql)
                reader = cursor.fetch_record_batch()
            except adbc_driver_manager.Error as error:
                raise self._sentence(error) from None
            while True:
                try:
                    batch = next(reader, None)
                except (adbc_driver_manager.Error, pa.ArrowException, OSError):
                    # Without a code: whatever it was, the rest of the rows never came.
                    raise self.lost() from None
                if batch is None:
                    return
                yield batch

    def _rows(self, sql: str) -> list[tuple[str, ...]]:
        try:
            with self._con.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        except adbc_driver_manager.Error as error:
            raise self._sentence(error) from None
        except (pa.ArrowException, OSError):
            raise self.lost() from None

    def _connected(self, server: Server, secret: Credential) -> adbc.Connection:
        options = {
            "host": server.host,
            "port": str(server.port or 5432),
            "connect_timeout": str(CONNECT_S),
            "application_name": "countylake",
            "client_encoding": "UTF8",
            **ALIVE,
        }
        who = quote(secret.user, safe="")
        uri = f"postgresql://{who}:{quote(secret.password, safe='')}@/"
        uri += f"{quote(server.database, safe='')}?{urlencode(options, quote_via=quote)}"
        try:
            return adbc.connect(uri, autocommit=True)
        except adbc_driver_manager.Error as error:
            # Before there is a session there are no codes, only sentences in some language.
            code = next((code for form, code in _REFUSED if form.search(str(error))), "08001")
        raise self._refusal(code)

    def _sentence(self, error: adbc_driver_manager.Error) -> ChannelError:
        """What a code means; the server's own words are left out, for they may hold a cell."""
        if not error.sqlstate:
            return self.lost()
        return self._refusal(error.sqlstate)

    def _refusal(self, code: str) -> ChannelError:
        if code == "08001":
            return ChannelError(
                "the database cannot be reached",
                where=self.where,
                todo="Check host and port in the contract, the network and the server",
                transient=True,
            )
        if code == "hba":
            return ChannelError(
                "the server lets nobody in from here (pg_hba.conf)",
                where=self.where,
                todo="Have this machine's address and the user entered there",
            )
        what, todo = (
            SAID.get(code)
            or SAID.get(code[:2])
            or (
                f"the server refused the query (SQLSTATE {code})",
                "Look the code up; the server's log holds its sentence",
            )
        )
        return ChannelError(what, where=self.where, todo=todo, transient=code[:2] in PASSING)
