"""A Parquet file to rows of text, in bounded memory; what is no honest table is refused.

Every row is a record: no titles or totals are looked for. What a cell is called stands in
``texts``, where columns go in ``machine``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.columnar.texts import CellError, flat, text
from dagster_project.ingest.readers.detect import PARQUET
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import COLUMNS, MIB, Limits
from dagster_project.ingest.readers.machine import SourceTable
from dagster_project.ingest.readers.sink import Ahead, write

AGAIN = "Write it again and deliver it, whole"
BATCH = 32_768
"""So many rows are decoded at a time."""
FRAME_BYTES = 16 * MIB
"""So much text is written out at a time; a short file may stand for very much of it."""
DEPTH = 8
"""Objects and lists stand in one another at most so deep."""
FOOTER = 64 * MIB
"""No honest description of a table is longer."""
_TAIL = 8
_READ_ERRORS = (
    pa.ArrowException, OSError, ValueError, LookupError, MemoryError, OverflowError,
)  # fmt: skip


@dataclass
class ParquetTable:
    """One Parquet file while it is read."""

    feed: Feed | None
    batch_id: str
    name: str
    ledger: Ledger
    limits: Limits = field(default_factory=Limits)
    lenient: bool = False
    _size: int = 0

    def read(self, path: Path, out: Path) -> int:
        """Read the file into ``out``.

        Returns:
            The number of rows written.

        Raises:
            DeliveryError: It is damaged, encrypted, far larger than it looks, has no columns,
                holds what is no text, or lacks a required column.
        """
        with self._opened(path) as file:
            names = self._names(file)
            table = SourceTable(
                self.feed, self.batch_id, where=self.name, ledger=self.ledger, names=names
            )
            table.see(names)
            table.missing(lenient=self.lenient)
            with Ahead(self._frames(file, table)) as frames:
                rows = write(frames, table.empty(), out)
            if rows != file.metadata.num_rows:
                raise self._damaged()
        table.close(rows, lenient=self.lenient)
        return rows

    def _opened(self, path: Path) -> pq.ParquetFile:
        """The file, if its description is one that can be believed."""
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - _TAIL, 0))
            tail = file.read(_TAIL)
        if tail[4:] != PARQUET:
            raise self._damaged()
        if int.from_bytes(tail[:4], "little") > FOOTER:
            raise self._too_large("its description alone is longer than 64 MiB")
        try:
            known = pq.read_metadata(path)
            self._size = path.stat().st_size
            self._measure(known)
            return pq.ParquetFile(
                path,
                pre_buffer=False,
                buffer_size=MIB,
                read_dictionary=_repeating(known),
                page_checksum_verification=True,
            )
        except _READ_ERRORS as error:
            raise self._unreadable(error) from error

    def _measure(self, known: pq.FileMetaData) -> None:
        """Hold what a file says of itself against what a table can be.

        Raises:
            DeliveryError: It is an attack or a mistake.
        """
        if known.num_columns > COLUMNS:
            raise self._too_large(f"it has {known.num_columns} columns, more than {COLUMNS}")
        deepest = max((known.schema.column(n).path.count(".") for n in range(known.num_columns)),
                      default=0)  # fmt: skip
        if deepest > DEPTH * 2:  # a list takes two steps of the path
            raise self._too_large(f"its objects and lists stand in one another {deepest} deep")
        groups = [known.row_group(n) for n in range(known.num_row_groups)]
        content = sum(group.total_byte_size for group in groups)
        self._bound(content, "bytes")
        self._bound(known.num_rows * max(known.num_columns, 1), "cells")

    def _bound(self, many: int, what: str) -> None:
        """Refuse a file that stands for far more than it is."""
        limits = self.limits
        if many > limits.unpacked_bytes:
            raise self._too_large(f"it holds {many:,} {what} or more")
        if many > limits.ratio_from and many > limits.ratio * self._size:
            raise self._too_large(
                f"its {self._size:,} bytes stand for {many:,} {what} or more, as in an attack"
            )

    def _names(self, file: pq.ParquetFile) -> list[str]:
        try:
            empty = file.schema_arrow.empty_table().combine_chunks().to_batches()
            batch = empty[0] if empty else pa.RecordBatch.from_pylist([], file.schema_arrow)
            names = [name for name, _ in flat(batch)]
        except _READ_ERRORS as error:
            raise self._unreadable(error) from error
        if not names:
            raise DeliveryError(
                "this Parquet file has no columns", where=self.name, todo=AGAIN, reason="no_text"
            )
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise DeliveryError(
                f"two columns are called {twice}",
                where=self.name,
                todo="Rename one of them and deliver the file again",
                reason="columns_ambiguous",
            )
        return names

    def _frames(self, file: pq.ParquetFile, table: SourceTable) -> Iterator[pl.DataFrame]:
        said, batches = 0, file.iter_batches(batch_size=BATCH)
        while True:
            try:
                batch = next(batches, None)
            except _READ_ERRORS as error:
                raise self._unreadable(error) from error
            if batch is None:
                return
            columns = self._flat(batch)
            said += _size(columns)
            self._bound(said, "bytes of text")
            for part in self._parts(columns, batch.num_rows):
                yield table.frame(self._texts(part))

    def _flat(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The columns of a batch, if they hold together: a damaged one leads out of memory."""
        columns = dict[str, pa.Array]()
        for name, column in flat(batch):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid as error:
                if "UTF" in str(error):
                    raise self._no_text(CellError(name, "holds text that is not UTF-8")) from error
                raise self._damaged() from error
            columns[name] = column
        return columns

    def _parts(
        self, columns: Mapping[str, pa.Array], rows: int
    ) -> Iterator[Mapping[str, pa.Array]]:
        """The batch in pieces whose texts memory can hold.

        Raises:
            DeliveryError: One record is too large.
        """
        size = _size(columns)
        if size <= FRAME_BYTES:
            yield columns
        elif rows == 1:
            if size > self.limits.record_bytes:
                raise self._too_large(f"one record holds {size:,} bytes")
            yield columns
        else:
            half = rows // 2
            for begin, length in ((0, half), (half, rows - half)):
                part = {name: c.slice(begin, length) for name, c in columns.items()}
                yield from self._parts(part, length)

    def _texts(self, columns: Mapping[str, pa.Array]) -> pl.DataFrame:
        try:
            return pl.DataFrame([text(name, column) for name, column in columns.items()])
        except CellError as error:
            raise self._no_text(error) from error
        except (*_READ_ERRORS, pl.exceptions.PolarsError) as error:
            raise self._damaged() from error

    def _no_text(self, error: CellError) -> DeliveryError:
        return DeliveryError(
            f"column {error.column} {error.what}",
            where=self.name,
            todo="Leave the column out, or write it as text, and deliver the file again",
            reason="not_a_table",
        )

    def _unreadable(self, error: Exception) -> DeliveryError:
        """A sentence for what the library could not read."""
        said = str(error).lower()
        if "encrypt" in said or "decrypt" in said:
            return DeliveryError(
                "this is an encrypted Parquet file",
                where=self.name,
                todo="Write it without encryption and deliver it again",
                reason="encrypted",
            )
        if isinstance(error, pa.ArrowNotImplementedError) or "not implemented" in said:
            return DeliveryError(
                "this Parquet file uses a type or a compression that is not read",
                where=self.name,
                todo="Write it with plain types and zstd, snappy or gzip, and deliver it again",
                reason="unsupported",
            )
        return self._damaged()

    def _damaged(self) -> DeliveryError:
        return DeliveryError(
            "this Parquet file is damaged or was uploaded only in part",
            where=self.name,
            todo=AGAIN,
            reason="damaged",
        )

    def _too_large(self, what: str) -> DeliveryError:
        return DeliveryError(
            f"this Parquet file is not read: {what}",
            where=self.name,
            todo="Deliver a plain table, in several files if it is that large",
            reason="too_large",
        )


def _repeating(known: pq.FileMetaData) -> list[str]:
    """Columns of texts that are stored once and referred to: they are never written out in one."""
    found = dict.fromkeys(
        chunk.path_in_schema
        for group in (known.row_group(n) for n in range(known.num_row_groups))
        for chunk in (group.column(n) for n in range(known.num_columns))
        if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
    )
    return [path for path in found if "." not in path]


def _size(columns: Mapping[str, pa.Array]) -> int:
    """How many bytes the texts of columns take, written out."""
    return sum(map(_bytes, columns.values()))


def _bytes(column: pa.Array) -> int:
    if pa.types.is_dictionary(column.type):
        lengths = pc.binary_length(column.dictionary)
        return pc.sum(lengths.take(column.indices)).as_py() or 0
    return int(column.nbytes)
