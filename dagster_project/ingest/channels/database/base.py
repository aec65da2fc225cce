"""Pulling a table or a view: what is new by its watermark, slice by slice, or all of it.

A slice is one statement on a connection of its own: nothing is held open while the caller commits.
It ends at a mark, so rows of one mark are never parted. Rows without a mark, and with one that no
clock could have set (0000-00-00, 9999-12-31), belong to the last slice of every pull: they move no
watermark and none of them is lost. What each kind of database needs stands in its own module.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.clock import now
from dagster_project.contracts.model import Watermark
from dagster_project.errors import ChannelError, LakeError
from dagster_project.ingest.channels.base import Candidate, Origin
from dagster_project.ingest.channels.database.scale import Scale, Span
from dagster_project.ingest.channels.database.source import Source, SourceColumn
from dagster_project.ingest.channels.download import RESERVE
from dagster_project.ingest.channels.pull import Described, Extract, Memory, Pull
from dagster_project.ingest.readers.table.header import Spelled

ENDING: Final = ".parquet"
COMPRESSION_LEVEL: Final = 1
LETTERS: Final = "A"
"""Texts that begin with a digit sort before it, whatever the collation."""
_ODD = re.compile(r"[^\w.-]+")


@dataclass
class _Walk:
    """The way of one pull through the marks: from ``low`` to ``high``, a slice at a time."""

    scale: Scale
    low: str
    high: str
    since: str
    floor: str = ""
    ceiling: str = ""
    window: bool = False
    after: bool = False
    done: bool = field(default=False, init=False)

    @classmethod
    def begin(
        cls, source: Source, mark: SourceColumn, watermark: Watermark, memory: Memory
    ) -> _Walk:
        """The whole way, as the source stands at the beginning."""
        kind, example = source.kind(mark), None
        if kind == "text":
            # One row that says `none` must not tell how the others write their times.
            example = source.newest(mark, Span(high=LETTERS, before=True))
            example = example or source.newest(mark, Span())
        scale = Scale.of(kind, example)
        if memory.window:
            low, high = map(scale.checked, (memory.window.since, memory.window.until))
            return cls(scale, low, high, low, window=True)
        floor, ceiling = scale.bounds(now())
        newer = Span(low=memory.watermark, floor=floor, ceiling=ceiling)
        newest = source.newest(mark, newer)
        empty = kind == "text" and not example  # no row says how its times are written
        low = "" if empty else scale.back(memory.watermark, watermark.overlap)
        if newest is None and memory.watermark:
            # What was reached is gone: some rows were removed, or all of it is an older state.
            late, whole = (Span(low=one, floor=floor, ceiling=ceiling) for one in (low, ""))
            if source.newest(mark, late) is None and (reached := source.newest(mark, whole)):
                return cls(scale, "", reached, "", floor, ceiling)
        return cls(scale, low, newest or memory.watermark, memory.watermark, floor, ceiling)

    def next(self, source: Source, mark: SourceColumn, rows: int) -> tuple[Span, str, str]:
        """The next slice, and the marks it begins and ends with."""
        ahead = Span(
            self.low, self.high, after=self.after, before=self.window,
            floor=self.floor, ceiling=self.ceiling,
        )  # fmt: skip
        end = source.mark_at(mark, ahead, rows) if self.high else None
        self.done = end is None or end == self.high
        until = self.high if end is None else end
        span = Span(
            self.low, until, after=self.after, before=self.window and self.done,
            unplaced=self.done and not self.window, floor=self.floor, ceiling=self.ceiling,
        )  # fmt: skip
        since, self.since = self.since, until
        self.low, self.after = until, True
        return span, since, until


class DatabasePull(Pull):
    """One table or view of a department's database."""

    @abstractmethod
    def source(self) -> Source:
        """A new connection.

        Raises:
            ChannelError: It cannot be made.
            UsageError: The credentials say nothing.
        """

    @property
    def where(self) -> str:
        """The channel and the table, for sentences."""
        return f"{self.server.name}, {self.server.table}"

    def pull(self, memory: Memory) -> Generator[Extract, None, None]:
        """Bring what is new, slice by slice, or the whole table as one extract."""
        self._tidy()
        if memory.look or self.server.watermark is None:
            with self.source() as source:
                columns = self._columns(source)
                batches = source.read(columns, most=memory.look)
                extract, _ = self._extract(batches, columns, self._origin())
            yield extract
        else:
            yield from self._slices(self.server.watermark, memory)

    def describe(self) -> tuple[Described, ...]:
        """What the database says of the table's columns."""
        with self.source() as source:
            return tuple(
                Described(one.name, one.type, one.nullable, one.key_position, one.comment)
                for one in self._all_columns(source)
            )

    def _slices(self, watermark: Watermark, memory: Memory) -> Generator[Extract, None, None]:
        walk: _Walk | None = None
        while walk is None or not walk.done:
            with self.source() as source:
                columns = self._columns(source)
                mark = self._mark(source, columns, watermark.column)
                walk = walk or _Walk.begin(source, mark, watermark, memory)
                span, since, until = walk.next(source, mark, self.server.slice_rows)
                if memory.window:
                    since, until = memory.window.since, memory.window.until
                batches = source.read(columns, mark, span)
                extract, rows = self._extract(batches, columns, self._origin(since, until))
            if rows:
                yield extract
            else:
                extract.file.unlink()

    def _origin(self, since: str = "", until: str = "") -> Origin:
        return Origin(self.server.type, self.server.name, since, until)

    def _all_columns(self, source: Source) -> tuple[SourceColumn, ...]:
        found = source.columns()
        if not found:
            raise ChannelError(
                f"there is no table or view {self.server.table}, or this user may not see it",
                where=self.where,
                todo="Correct `table` (and `schema`) in the contract, or have the user granted it",
            )
        return found

    def _columns(self, source: Source) -> list[SourceColumn]:
        """Those that are read: photographs and the like only where the contract asks for them."""
        spelled = Spelled(self.feed)
        return [
            one
            for one in self._all_columns(source)
            if not one.binary or spelled.column((one.name,))[0]
        ]

    def _mark(self, source: Source, columns: Sequence[SourceColumn], name: str) -> SourceColumn:
        found = next((one for one in columns if one.name == name), None)
        if found is None:
            raise ChannelError(
                f"the watermark {name} is no column of the table; it has"
                f" {', '.join(one.name for one in columns)}",
                where=self.where,
                todo="Name one of them in the contract's `watermark`",
            )
        if not source.kind(found):
            raise ChannelError(
                f"the watermark {name} is of the type {found.type}, which has no order to follow",
                where=self.where,
                todo="Name a column of times, days, numbers or texts in the contract's `watermark`",
            )
        return found

    def _extract(
        self, batches: Iterator[pa.RecordBatch], columns: Sequence[SourceColumn], origin: Origin
    ) -> tuple[Extract, int]:
        """A complete file of the rows, and their number."""
        name = f"{_ODD.sub('_', self.server.table)}-{now():%Y%m%dT%H%M%S%fZ}{ENDING}"
        file = self.spool / name
        rows = self._write(batches, [one.name for one in columns], file)
        found = file.stat()
        candidate = Candidate(
            self.feed.name,
            f"{self.server.name}/{name}",
            found.st_size,
            found.st_mtime_ns,
            origin=origin,
        )
        return Extract(candidate, file), rows

    def _write(self, batches: Iterator[pa.RecordBatch], names: Sequence[str], file: Path) -> int:
        part, rows = file.with_name(f".{file.name}.part"), 0
        schema = pa.schema([(name, pa.string()) for name in names])
        try:
            with (
                pq.ParquetWriter(
                    part, schema, compression="zstd", compression_level=COMPRESSION_LEVEL
                ) as writer,
                ThreadPoolExecutor(1, thread_name_prefix="extract") as beside,
            ):
                written: Future[None] | None = None
                for batch in batches:  # one is written while the next is fetched
                    texts = pa.RecordBatch.from_arrays(batch.columns, schema=schema)
                    rows += batch.num_rows
                    if written is not None:
                        written.result()
                    self._spare()
                    written = beside.submit(writer.write_batch, texts)
                if written is not None:
                    written.result()
            part.replace(file)
        except OSError as error:
            raise LakeError(
                f"an extract cannot be written ({error.strerror or type(error).__name__})",
                where=str(file.parent),
                todo="Free space or correct the folder's permissions, then run it again",
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return rows

    def _spare(self) -> None:
        """Leave some of the disk to others: rows of a view may have no end."""
        if shutil.disk_usage(self.spool).free < RESERVE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _tidy(self) -> None:
        """Throw away what a killed process left: an extract is always made anew."""
        for file in (*self.spool.glob(f"*{ENDING}"), *self.spool.glob(".*.part")):
            with suppress(FileNotFoundError):
                file.unlink()
