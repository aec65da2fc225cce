"""Every other database, through the SQLAlchemy dialect and driver that are installed for it.

``url`` in the contract is SQLAlchemy's, without user and password: Oracle is
``oracle+oracledb://host:1521/?service_name=X``, SQL Server ``mssql+pymssql://host/db``, 达梦
``dm+dmPython://host:5236``, 金仓 ``kingbase+ksycopg2://host:54321/db``. A driver comes from its
maker or a package index and is not part of this project; what is tested is that every dialect is
asked alike. Values come as Python objects of the reflected types and are written here: decimals
plain, times in ISO form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc

from dagster_project.contracts.model import Server
from dagster_project.credentials import Credential, credential
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.database.base import DatabasePull
from dagster_project.ingest.channels.database.scale import Kind, Span
from dagster_project.ingest.channels.database.source import Source, SourceColumn, paced

CELLS: Final = 400_000
"""So many cells are fetched at a time, if they are not wide."""
BUFFERED: Final = 100
"""So many rows a driver may hold."""


class SqlAlchemyPull(DatabasePull):
    """A table or view of any database that SQLAlchemy has a dialect for."""

    def source(self) -> SqlAlchemySource:
        """A new connection."""
        return SqlAlchemySource(self.server, credential(self.server.credentials), self.where)


class SqlAlchemySource(Source):
    """One connection through a dialect."""

    def __init__(self, server: Server, secret: Credential, where: str) -> None:
        super().__init__(where)
        self._schema, self._name = server.schema or None, server.table
        try:
            url = sa.make_url(server.location).set(
                username=secret.user or None, password=secret.password or None
            )
            self._engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
        except (exc.ArgumentError, exc.NoSuchModuleError, ImportError):
            raise ChannelError(
                "the url names no dialect and driver that are installed here",
                where=where,
                todo="Install the driver of its maker, or correct `url` in the contract",
            ) from None
        try:
            self._con = self._engine.connect()
        except (exc.SQLAlchemyError, OSError) as error:
            raise self._sentence(error, "let us in") from None
        self._found: sa.Table | None = None

    def close(self) -> None:
        """End the connection."""
        self._con.close()
        self._engine.dispose()

    def columns(self) -> tuple[SourceColumn, ...]:
        """As the dialect reflects them."""
        try:
            table = self._table()
        except exc.NoSuchTableError:
            return ()
        except exc.SQLAlchemyError as error:
            raise self._sentence(error, "describe the table") from None
        keys = [one.name for one in table.primary_key.columns]
        return tuple(
            SourceColumn(
                one.name,
                str(one.type),
                self._kind(one.type),
                bool(one.nullable),
                keys.index(one.name) + 1 if one.name in keys else 0,
                one.comment or "",
                binary=isinstance(one.type, sa.LargeBinary | sa.types.BINARY | sa.types.VARBINARY),
            )
            for one in table.columns
        )

    def kind(self, mark: SourceColumn) -> Kind:
        """What the column's type says."""
        return mark.kind

    def newest(self, mark: SourceColumn, span: Span) -> str | None:
        """The highest mark of a range."""
        cell = self._cell(mark)
        return self._one(sa.select(sa.func.max(cell)).where(self._within(mark, span)))

    def mark_at(self, mark: SourceColumn, span: Span, rows: int) -> str | None:
        """The mark of a range's row of that number."""
        cell = self._cell(mark)
        query = sa.select(cell).where(self._within(mark, span)).order_by(cell)
        return self._one(query.limit(1).offset(rows - 1))

    def read(
        self,
        columns: Sequence[SourceColumn],
        mark: SourceColumn | None = None,
        span: Span | None = None,
        *,
        most: int = 0,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a range, or all, as texts."""
        query = sa.select(*(self._cell(one) for one in columns))
        if mark is not None and span is not None:
            keys = [one for one in columns if one.key_position and one.name != mark.name]
            keys.sort(key=lambda one: one.key_position)
            query = query.where(self._within(mark, span))
            query = query.order_by(*(self._cell(one) for one in (mark, *keys)))
        if most:
            query = query.limit(most)
        names = [one.name for one in columns]
        size = max(CELLS // max(len(names), 1), 1)
        try:
            result = self._con.execution_options(
                stream_results=True, max_row_buffer=BUFFERED
            ).execute(query)
            yield from paced(result.fetchmany, lambda rows: _batch(rows, names), size)
        except (exc.SQLAlchemyError, OSError) as error:
            raise self._sentence(error, "give the rows") from None

    def _one(self, query: sa.Select[Any]) -> str | None:
        try:
            return _text(self._con.execute(query).scalar())
        except (exc.SQLAlchemyError, OSError) as error:
            raise self._sentence(error, "answer") from None

    def _table(self) -> sa.Table:
        if self._found is None:
            self._found = sa.Table(
                self._name, sa.MetaData(), schema=self._schema, autoload_with=self._con
            )
        return self._found

    def _cell(self, column: SourceColumn) -> sa.Column[Any]:
        return self._table().columns[column.name]

    def _within(self, mark: SourceColumn, span: Span) -> sa.ColumnElement[bool]:
        """The condition of a range."""
        cell = self._cell(mark)
        low, high = span.low or span.floor, span.high or span.ceiling
        placed: list[sa.ColumnElement[bool]] = [cell.is_not(None)]
        if low:
            bound = self._value(mark, low)
            placed.append(cell > bound if span.after else cell >= bound)
        if high:
            bound = self._value(mark, high)
            placed.append(cell < bound if span.before else cell <= bound)
        parts = [sa.and_(*placed)]
        if span.unplaced:
            parts.append(cell.is_(None))
            parts += [cell < self._value(mark, span.floor)] if span.floor else []
            parts += [cell > self._value(mark, span.ceiling)] if span.ceiling else []
        return sa.or_(*parts)

    def _value(self, mark: SourceColumn, text: str) -> Any:
        """A mark as the driver takes it."""
        match mark.kind:
            case "number":
                return int(text) if text.lstrip("-").isdecimal() else Decimal(text)
            case "date":
                return date.fromisoformat(text)
            case "timestamp" | "zoned":
                return datetime.fromisoformat(text)
        return text

    @staticmethod
    def _kind(kind: sa.types.TypeEngine[Any]) -> Kind:
        if isinstance(kind, sa.DateTime):
            return "zoned" if kind.timezone else "timestamp"
        if isinstance(kind, sa.Date):
            return "date"
        if isinstance(kind, sa.Integer) or (
            isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float)
        ):
            return "number"
        return "text" if isinstance(kind, sa.String) else ""

    def _sentence(self, error: Exception, what: str) -> ChannelError:
        """A driver's own words are left out: they may hold a cell, or the url."""
        lasting = isinstance(error, exc.ProgrammingError | exc.CompileError | exc.NoSuchTableError)
        return ChannelError(
            f"the database does not {what} ({type(error).__name__})",
            where=self.where,
            todo="Check the url, the credentials, what the user may read, and the server's log",
            transient=not lasting,
        )


def _batch(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> pa.RecordBatch:
    """Rows as columns of texts."""
    cells = [
        pa.array([_text(cell) for cell in column], pa.string())
        for column in zip(*rows, strict=True)
    ]
    return pa.RecordBatch.from_arrays(cells, names=list(names))


def _text(cell: Any) -> str | None:
    """A value as text: every digit of a number, times in ISO form."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return bytes(cell).hex() if isinstance(cell, bytes | memoryview) else str(cell)
