"""Frames of rows to one Parquet file, in bounded memory, while the next ones are being read.

What the frames hold is ``shape``'s matter.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl
from polars.io.plugins import register_io_source

from dagster_project.errors import LakeError

ROW_GROUP = 122_880
"""DuckDB's own row group size: one vectorised scan unit per group."""
COMPRESSION_LEVEL = 1
AHEAD = 2
"""So many items are made before they are asked for; more would only cost memory."""

T = TypeVar("T")


def write(frames: Iterable[pl.DataFrame], empty: pl.DataFrame, out: Path) -> int:
    """Write frames of one schema to a Parquet file that appears complete or not at all.

    Returns:
        The number of rows written.

    Raises:
        LakeError: The file cannot be written.
    """
    part = out.with_name(f".{out.name}.part")
    source = _Source(frames)
    rows = register_io_source(lambda *_: source.frames(), schema=empty.schema)
    try:
        rows.sink_parquet(
            part,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            row_group_size=ROW_GROUP,
            engine="streaming",
        )
        source.raise_failure()
        part.replace(out)
    except (OSError, pl.exceptions.ComputeError) as error:  # the engine's own name for a full disk
        source.raise_failure()
        raise LakeError(
            f"the rows of a delivery cannot be written ({str(error).splitlines()[0]})",
            where=str(out.parent),
            todo="Free space or correct the folder's permissions, then ingest it again",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return source.rows


class _Source:
    """Frames for the engine; a reader's error ends them and is raised when the engine is done."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self.rows = 0
        self._frames = frames
        self._failure: Exception | None = None

    def frames(self) -> Iterator[pl.DataFrame]:
        try:
            for frame in self._frames:
                self.rows += frame.height
                yield frame
        except Exception as error:  # noqa: BLE001 - the engine would wrap it; raised below
            self._failure = error

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _End:
    """What ends a queue."""


class Ahead(Generic[T]):
    """An iterator whose items are made in a thread of their own, a few before they are asked for.

    The work must spend its time outside Python (decoding, parsing, files) for this to help. Use it
    as a context manager: leaving it ends the thread.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._made: queue.Queue[T | Exception | _End] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._make, name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while not isinstance(item := self._made.get(), _End):
            if isinstance(item, Exception):
                raise item
            yield item

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(queue.Empty):
            while True:  # room for what the thread may be about to put: one item at most
                self._made.get_nowait()
        self._thread.join()

    def _make(self) -> None:
        try:
            for item in self._items:
                if self._stop.is_set():
                    return
                self._made.put(item)
        except Exception as error:  # noqa: BLE001 - raised where the items are used
            self._made.put(error)
        finally:
            if not self._stop.is_set():
                self._made.put(_End())
