"""One connection to a department's database: what every kind of it can answer.

SQL is written here once for all kinds that speak it alike; names are quoted, marks are literals of
proven form. Which ranges are asked for is ``base``'s matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa

from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.database.scale import Kind, Span

CONNECT_S: Final = 15
STATEMENT_S: Final = 3600
LOCK_S: Final = 60
"""Somebody who changes the table's columns is waited for no longer."""
SILENCE_S: Final = 600
"""A server that says nothing for so long is taken for gone."""
FIRST_ROWS: Final = 16
"""So many rows tell how wide a table's rows are."""
BATCH_BYTES: Final = 16 << 20
"""So many bytes are fetched at a time, if its rows are not wider."""


@dataclass(frozen=True)
class SourceColumn:
    """A column as its database describes it; ``binary`` ones have no text but hexadecimal."""

    name: str
    type: str
    kind: Kind = ""
    nullable: bool = True
    key_position: int = 0
    comment: str = ""
    binary: bool = False


class Source(ABC):
    """One connection, reading only; use it as a context manager.

    Args:
        where: The database and the table, for sentences.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the connection."""

    @abstractmethod
    def columns(self) -> tuple[SourceColumn, ...]:
        """The table's columns in their order; none where there is no such table for this user."""

    @abstractmethod
    def kind(self, mark: SourceColumn) -> Kind:
        """What a column is as a watermark."""

    @abstractmethod
    def newest(self, mark: SourceColumn, span: Span) -> str | None:
        """The highest mark of a range."""

    @abstractmethod
    def mark_at(self, mark: SourceColumn, span: Span, rows: int) -> str | None:
        """The mark of a range's row of that number, counted from 1; None where it has fewer."""

    @abstractmethod
    def read(
        self,
        columns: Sequence[SourceColumn],
        mark: SourceColumn | None = None,
        span: Span | None = None,
        *,
        most: int = 0,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a range, or all, as texts; in the order of mark and key where there is one.

        Everything is read in one statement, so in one snapshot.
        """

    def lost(self) -> ChannelError:
        """The sentence for a connection that ended."""
        return ChannelError(
            "the connection to the database was lost",
            where=self.where,
            todo="Nothing of this extract was taken; it is read again",
            transient=True,
        )


def paced(
    fetch: Callable[[int], Sequence[Any]],
    made: Callable[[Sequence[Any]], pa.RecordBatch],
    most: int,
) -> Iterator[pa.RecordBatch]:
    """Rows in batches of bounded bytes, whatever a cell holds.

    Args:
        fetch: Gives at most so many rows, none at the end.
        made: Makes a batch of rows.
        most: No batch has more rows.
    """
    step = min(FIRST_ROWS, most)
    while rows := fetch(step):
        batch = made(rows)
        yield batch
        fit = step * BATCH_BYTES // max(batch.nbytes, 1)
        step = max(min(fit, step * 8, most), 1)


class SqlSource(Source):
    """A source that is asked in SQL text."""

    relation: str
    """The quoted table."""

    @abstractmethod
    def quoted(self, name: str) -> str:
        """A name as an identifier."""

    @abstractmethod
    def written(self, expression: str, column: SourceColumn) -> str:
        """An expression of a column's type as the database's own text of it."""

    @abstractmethod
    def one(self, sql: str) -> str | None:
        """The only cell of a query's first row."""

    @abstractmethod
    def batches(self, sql: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """A query's rows as texts, in bounded memory."""

    def literal(self, text: str, kind: Kind) -> str:
        """A mark as SQL; numbers stay numbers, for texts compare otherwise."""
        if kind == "number":
            return text
        return "'" + text.replace("'", "''") + "'"

    def kind(self, mark: SourceColumn) -> Kind:
        """What the column's type says."""
        return mark.kind

    def newest(self, mark: SourceColumn, span: Span) -> str | None:
        """One look at the end of an index, where there is one."""
        name = self._cell(mark)
        highest = self.written(f"max({name})", mark)
        return self.one(f"SELECT {highest} FROM {self.relation} t{self._where(mark, span)}")

    def mark_at(self, mark: SourceColumn, span: Span, rows: int) -> str | None:
        """A walk of so many steps along an index, where there is one."""
        name = self._cell(mark)
        return self.one(
            f"SELECT {self.written(name, mark)} FROM {self.relation} t{self._where(mark, span)}"
            f" ORDER BY {name} LIMIT 1 OFFSET {rows - 1}"
        )

    def read(
        self,
        columns: Sequence[SourceColumn],
        mark: SourceColumn | None = None,
        span: Span | None = None,
        *,
        most: int = 0,
    ) -> Iterator[pa.RecordBatch]:
        """One SELECT of every column as text."""
        cells = (
            f"{self.written(self._cell(one), one)} AS {self.quoted(one.name)}" for one in columns
        )
        sql = f"SELECT {', '.join(cells)} FROM {self.relation} t"
        if mark is not None and span is not None:
            keys = sorted((c for c in columns if c.key_position), key=lambda c: c.key_position)
            order = dict.fromkeys(self._cell(one) for one in (mark, *keys))
            sql += f"{self._where(mark, span)} ORDER BY {', '.join(order)}"
        if most:
            sql += f" LIMIT {most}"
        yield from self.batches(sql, [one.name for one in columns])

    def _cell(self, column: SourceColumn) -> str:
        return f"t.{self.quoted(column.name)}"

    def _where(self, mark: SourceColumn, span: Span) -> str:
        """The condition of a range; its parts are ranges of one column, as indexes like them."""
        name, kind = self._cell(mark), self.kind(mark)
        within = [
            f"{name} {sign} {self.literal(bound, kind)}"
            for sign, bound in (
                (">" if span.after else ">=", span.low or span.floor),
                ("<" if span.before else "<=", span.high or span.ceiling),
            )
            if bound
        ]
        placed = " AND ".join(within) or f"{name} IS NOT NULL"
        if not span.unplaced:
            return f" WHERE {placed}"
        parts = [f"({placed})", f"{name} IS NULL"]
        parts += [
            f"{name} {sign} {self.literal(bound, kind)}"
            for sign, bound in (("<", span.floor), (">", span.ceiling))
            if bound
        ]
        return f" WHERE {' OR '.join(parts)}"
