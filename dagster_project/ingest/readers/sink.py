"""Rows of text to one Parquet file, with provenance, written in the background.

The shape of bronze is decided here and nowhere else; who fills it does not matter.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow.parquet as pq

from dagster_project.contracts.model import Feed
from dagster_project.errors import LakeError
from dagster_project.ingest.readers.header import Layout

ROW_GROUP = 122_880
"""DuckDB's own row group size: one vectorised scan unit per group."""
COMPRESSION_LEVEL = 1
SOURCE_ROW, EXTRA, DEFECT = "_source_row", "_extra", "_defect"
RAGGED = "ragged"

Row = tuple[int, Sequence[str]]


def no_rows(feed: Feed) -> pl.DataFrame:
    """The columns of bronze, without rows."""
    texts = [*(c.name for c in feed.columns), EXTRA, DEFECT, "_sheet"]
    schema = dict.fromkeys(texts, pl.String()) | {SOURCE_ROW: pl.Int64(), "_batch_id": pl.String()}
    return pl.DataFrame(schema=schema)


class Shape:
    """From the columns of one table of a file to the columns of bronze."""

    def __init__(self, feed: Feed, layout: Layout, batch_id: str) -> None:
        self.layout = layout
        self.positions = [f"c{n}" for n in range(layout.width)]
        self.schema = dict.fromkeys(self.positions, pl.String())
        at = dict(zip(layout.names, self.positions, strict=True))
        self._contract = [
            pl.col(at[c.name]).alias(c.name)
            if c.name in at and layout.known[layout.names.index(c.name)]
            else pl.lit(None, pl.String).alias(c.name)
            for c in feed.columns
        ]
        self._provenance = [
            pl.lit(layout.sheet, pl.String).alias("_sheet"),
            pl.col(SOURCE_ROW).cast(pl.Int64),
            pl.lit(batch_id, pl.String).alias("_batch_id"),
        ]
        self._unknown = [at[name] for name in layout.unknown]
        self._unknown_cells = pl.struct(
            pl.col(at[name]).alias(name) for name in layout.unknown
        ) if layout.unknown else None  # fmt: skip

    def regular(self, cells: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
        """Rows of the right width, empty cells already NULL."""
        extra = pl.lit(None, pl.String)
        if self._unknown_cells is not None:
            filled = pl.any_horizontal(pl.col(self._unknown).is_not_null())
            extra = pl.when(filled).then(self._unknown_cells.struct.json_encode())
        defect = pl.lit(None, pl.String).alias(DEFECT)
        return cells.with_columns(rows.alias(SOURCE_ROW)).select(
            *self._contract, extra.alias(EXTRA), defect, *self._provenance
        )

    def irregular(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Rows of any width: what lacks is NULL, what is too much goes to ``_surplus``."""
        width = self.layout.width
        padded = [[*(c or None for c in cells[:width])] for _, cells in rows]
        frame = pl.DataFrame(
            [row + [None] * (width - len(row)) for row in padded], self.schema, orient="row"
        )
        regular = self.regular(frame, pl.Series([n for n, _ in rows], dtype=pl.Int64))
        extras = [self._extra(cells) for _, cells in rows]
        ragged = [RAGGED if _is_ragged(cells, width) else None for _, cells in rows]
        return regular.with_columns(
            pl.Series(EXTRA, extras, pl.String), pl.Series(DEFECT, ragged, pl.String)
        )

    def _extra(self, cells: Sequence[str]) -> str | None:
        """Cells of unknown columns and cells beyond the last column, as JSON."""
        width = self.layout.width
        known = zip(self.layout.names, self.layout.known, cells, strict=False)
        extra: dict[str, object] = {name: cell or None for name, known, cell in known if not known}
        surplus = cells[width:]
        if not any(extra.values()) and not any(surplus):
            return None
        if any(surplus):
            extra["_surplus"] = list(surplus)
        return json.dumps(extra, ensure_ascii=False)


def _is_ragged(cells: Sequence[str], width: int) -> bool:
    """Too few cells, or filled cells beyond the last column; empty surplus cells are harmless."""
    return len(cells) < width or any(cells[width:])


class Sink:
    """A Parquet file that appears under its name only when everything was written.

    Frames are encoded in a thread of their own while the next ones are read; at most two wait, so
    that memory does not grow with the file.
    """

    def __init__(self, out: Path, empty: pl.DataFrame) -> None:
        self.rows = 0
        self._out, self._part = out, out.with_name(f".{out.name}.part")
        self._schema = empty.to_arrow().schema
        self._frames: queue.Queue[pl.DataFrame | None] = queue.Queue(2)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="parquet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        if self._failure is None and frame.height:
            self.rows += frame.height
            self._frames.put(frame)
        elif self._failure is not None:
            self._raise()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._frames.put(None)
        self._thread.join()
        try:
            if kind is None:
                self._raise()
                self._part.replace(self._out)
        finally:
            self._part.unlink(missing_ok=True)

    def _raise(self) -> None:
        if isinstance(self._failure, OSError):
            raise LakeError(
                f"the rows of a delivery cannot be written ({self._failure.strerror})",
                where=str(self._out.parent),
                todo="Free space or correct the folder's permissions, then ingest it again",
            ) from self._failure
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            with pq.ParquetWriter(
                self._part,
                self._schema,
                compression="zstd",
                compression_level=COMPRESSION_LEVEL,
            ) as writer:
                for group in self._groups():
                    writer.write_table(group.to_arrow(), row_group_size=ROW_GROUP)
        except BaseException as error:  # noqa: BLE001 - handed to the reading thread
            self._failure = error
            with contextlib.suppress(queue.Empty):
                while self._frames.get(timeout=60) is not None:
                    pass

    def _groups(self) -> Iterator[pl.DataFrame]:
        """Frames joined to whole row groups."""
        held: list[pl.DataFrame] = []
        height = 0
        while (frame := self._frames.get()) is not None:
            held.append(frame)
            height += frame.height
            if height >= ROW_GROUP:
                joined = pl.concat(held, rechunk=False)
                yield joined[:ROW_GROUP]
                held, height = [joined[ROW_GROUP:]], height - ROW_GROUP
        if height:
            yield pl.concat(held, rechunk=False)
