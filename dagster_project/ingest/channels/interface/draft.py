"""An extract while it grows: records of whole pages only, and from where a killed pull goes on.

``rows.part`` holds the records, ``digests.part`` one digest of each and one of its key, and
``progress.json`` says how far both are good and what is to be asked next. What pages mean is
``paging``'s matter.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import polars as pl

from dagster_project.clock import now
from dagster_project.errors import ChannelError, CountyLakeError, LakeError
from dagster_project.ingest.channels.download import RESERVE, boot

FRESH = timedelta(hours=1)
"""What a killed pull left is continued within this time; later the source is another one."""
DIGEST = 16
ENTRY = 2 * DIGEST
"""Bytes per record in ``digests.part``: of the record, of its key."""
_NOTE = "progress.json"
_plain = json.JSONEncoder(sort_keys=True).encode


@dataclass
class Progress:
    """How far an extract is: whole pages only.

    ``position`` is what is asked next, None before the first page and where it is ``complete``;
    ``size`` is how many records are asked for; ``rows`` are the records of all pages, repeated ones
    too; ``mark`` is the greatest watermark among them.
    """

    identity: str = ""
    boot: str = ""
    at: str = ""
    position: dict[str, Any] | None = None
    complete: bool = False
    size: int = 0
    rows: int = 0
    pages: int = 0
    bytes: int = 0
    total: int | None = None
    mark: str = ""


@dataclass
class Draft:
    """An extract in its spool folder; use it as a context manager.

    Args:
        spool: The channel's folder.
        identity: What tells this extract from others: address, request, range.
    """

    spool: Path
    identity: str
    done: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._rows: BinaryIO | None = None
        self._digests: BinaryIO | None = None
        self._page, self._count = hashlib.blake2b(digest_size=DIGEST), 0

    def __enter__(self) -> Self:
        with self._named():
            for path in self.spool.iterdir():
                if path.is_file() and path.name not in {"rows.part", "digests.part", _NOTE}:
                    path.unlink(missing_ok=True)
            self.done = self._left() or self._new()
            self._rows = self._opened("rows.part", self.done.bytes)
            self._digests = self._opened("digests.part", self.done.rows * ENTRY)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        for file in (self._rows, self._digests):
            if file is not None:
                with contextlib.suppress(OSError):  # what cannot be flushed is of no whole page
                    file.close()
        passes = isinstance(error, ChannelError) and error.transient
        if isinstance(error, CountyLakeError) and not passes:
            self.drop()  # it will not go on from here, and a full disk is not filled further

    def add(self, record: Mapping[str, Any], text: str, key: Any) -> None:
        """One record of the page that is being read; blanks and fields' order tell nothing.

        Args:
            record: Its values.
            text: How it is written, in one line.
            key: What tells it from others; None when nothing but all of it does.
        """
        digest = _digest(record)
        self._page.update(digest)
        rows, digests = self._files()
        try:
            rows.write(text.encode() + b"\n")
            digests.write(digest + (digest if key is None else _digest(key)))
        except OSError as error:
            raise self._unwritable(error) from error
        self._count += 1

    @property
    def rows(self) -> int:
        """Records so far, those of the page that is being read among them."""
        return self.done.rows + self._count

    def undo(self) -> None:
        """Forget the page that is being read."""
        rows, digests = self._files()
        with self._named():
            for file, size in ((rows, self.done.bytes), (digests, self.done.rows * ENTRY)):
                file.flush()
                file.seek(size)
                file.truncate()
        self._page, self._count = hashlib.blake2b(digest_size=DIGEST), 0

    def page(self) -> str:
        """What tells the page that is being read from every other page."""
        return self._page.hexdigest()

    def keep(self, changes: Mapping[str, Any]) -> None:
        """Keep the page that was read; ``changes`` are those of the progress."""
        rows, digests = self._files()
        with self._named():
            rows.flush()
            digests.flush()
            if shutil.disk_usage(self.spool).free < RESERVE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            for name, value in {**changes, "bytes": rows.tell(), "at": now().isoformat()}.items():
                setattr(self.done, name, value)
            self.done.rows = digests.tell() // ENTRY
            fresh = self.spool / f"{_NOTE}.new"
            fresh.write_text(json.dumps(asdict(self.done)), encoding="utf-8")
            fresh.replace(self.spool / _NOTE)
        self._page, self._count = hashlib.blake2b(digest_size=DIGEST), 0

    def restart(self) -> None:
        """Throw everything away."""
        self.done = self._new()
        with self._named():
            (self.spool / _NOTE).unlink(missing_ok=True)
        self.undo()

    def distinct(self) -> tuple[int, int]:
        """How many different records there are, and how many different keys."""
        return int(self._firsts("record").sum()), int(self._firsts("key").sum())

    def fingerprint(self) -> str:
        """What tells all records in their order from every other walk's."""
        self._files()[1].flush()
        with (self.spool / "digests.part").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def finish(self, target: Path) -> None:
        """The complete file, each different record once; nothing else stays in the folder."""
        firsts = self._firsts("record")
        with self._named():
            self._files()[0].flush()
            if not self.rows:
                target.write_bytes(b"[]\n")
            elif firsts.all():
                (self.spool / "rows.part").replace(target)
            else:
                self._without_repeated(firsts, target)
            with target.open("ab") as file:
                os.fsync(file.fileno())
        self.drop()

    def drop(self) -> None:
        """Remove what belongs to an unfinished extract."""
        with self._named():
            for name in ("rows.part", "digests.part", _NOTE):
                (self.spool / name).unlink(missing_ok=True)

    def _without_repeated(self, firsts: pl.Series, target: Path) -> None:
        part = target.with_suffix(".part")
        with (self.spool / "rows.part").open("rb") as lines, part.open("wb") as out:
            out.writelines(itertools.compress(lines, firsts))
        part.replace(target)

    def _firsts(self, what: Literal["record", "key"]) -> pl.Series:
        """For each record whether it is the first of its kind, or of its key."""
        self._files()[1].flush()
        halves = np.fromfile(self.spool / "digests.part", "<u8").reshape(-1, ENTRY // 8)
        at = 0 if what == "record" else DIGEST // 8
        frame = pl.DataFrame({"a": halves[:, at].copy(), "b": halves[:, at + 1].copy()})
        return frame.select(pl.struct("a", "b").is_first_distinct()).to_series()

    def _files(self) -> tuple[BinaryIO, BinaryIO]:
        if self._rows is None or self._digests is None:
            raise AssertionError(self.spool)
        return self._rows, self._digests

    def _new(self) -> Progress:
        return Progress(identity=self.identity, boot=boot())

    def _left(self) -> Progress | None:
        """What a killed pull left of this very extract, if it can be trusted."""
        try:
            said = Progress(**json.loads((self.spool / _NOTE).read_text(encoding="utf-8")))
            age = now() - datetime.fromisoformat(said.at)
            sizes = [(self.spool / n).stat().st_size for n in ("rows.part", "digests.part")]
        except (OSError, ValueError, TypeError):
            return None
        is_ours = (said.identity, said.boot) == (self.identity, boot()) and age < FRESH
        is_whole = sizes[0] >= said.bytes and sizes[1] >= said.rows * ENTRY
        return said if is_ours and is_whole else None

    def _opened(self, name: str, size: int) -> BinaryIO:
        """A file for appending, cut to the whole pages in it."""
        path = self.spool / name
        path.touch(mode=0o600)
        file = path.open("r+b")
        file.truncate(size)
        file.seek(size)
        return file

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> LakeError:
        return LakeError(
            f"the spool folder cannot be written ({error.strerror or error})",
            where=str(self.spool),
            todo="Free space or correct the folder's permissions",
        )


def _digest(value: Any) -> bytes:
    return hashlib.blake2b(_plain(value).encode(), digest_size=DIGEST).digest()
