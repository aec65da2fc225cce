"""The zip package of a modern workbook, its parts unpacked as streams that are bounded.

Nothing else may unpack a part before it went through here: a small file can hold gigabytes.
"""

from __future__ import annotations

import contextlib
import copy
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.grid import AS_CSV
from dagster_project.ingest.readers.detect import AGAIN, SAVE_AS
from dagster_project.ingest.readers.limits import MIB, Limits

CHUNK = 1 << 20
UNBOUNDED = 1 << 62


class Package:
    """One package, open while it is used as a context manager."""

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self._path, self._name, self._limits = path, name, limits
        self._unpacked = dict[str, int]()

    def __enter__(self) -> Self:
        try:
            self._archive = zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise self.damaged() from error
        self.parts = {entry.filename: entry for entry in self._archive.infolist()}
        if len(self.parts) < len(self._archive.infolist()):
            raise self.damaged()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def chunks(self, part: str) -> Iterator[bytes]:
        """A part's bytes, piece by piece.

        Raises:
            DeliveryError: The part lacks, is damaged, or unpacks out of all proportion.
        """
        if part not in self.parts:
            raise self.damaged()
        try:
            whole = copy.copy(self.parts[part])
            whole.file_size = UNBOUNDED  # what it claims must not hide what follows
            with self._archive.open(whole) as file:
                size = 0
                while chunk := file.read(CHUNK):
                    size += len(chunk)
                    self._bound(part, size)
                    yield chunk
                if size != self.parts[part].file_size:
                    raise self.damaged()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise self.damaged() from error
        except (NotImplementedError, RuntimeError) as error:
            raise DeliveryError(
                "this workbook is packed by a method that is not read",
                where=self._name,
                todo=SAVE_AS,
                reason="unsupported",
            ) from error

    def unpacked(self, part: str) -> int:
        """Bytes of a part so far as it was unpacked."""
        return self._unpacked.get(part, 0)

    def _bound(self, part: str, size: int) -> None:
        """Refuse what unpacks to far more than its size, a part alone or all of them."""
        self._unpacked[part] = max(size, self._unpacked.get(part, 0))
        packed = max(self.parts[part].compress_size, 1)
        total, on_disk = sum(self._unpacked.values()), self._path.stat().st_size
        ratio, least = self._limits.ratio, self._limits.ratio_from
        if (size > least and size > ratio * packed) or (total > least and total > ratio * on_disk):
            raise DeliveryError(
                f"a part of this workbook unpacks to more than {self._limits.ratio} times its "
                "size: it is taken for a decompression bomb",
                where=f"{self._name}, part {part}",
                todo=SAVE_AS,
                reason="bomb",
            )
        if total > self._limits.package_bytes:
            raise DeliveryError(
                f"this workbook unpacks to more than {self._limits.package_bytes / MIB:.0f} MiB",
                where=self._name,
                todo=AS_CSV,
                reason="too_large",
            )

    @contextlib.contextmanager
    def damage_named(self, *kinds: type[Exception]) -> Iterator[None]:
        """What goes wrong with a part that is cut short, as a sentence."""
        try:
            yield
        except kinds as error:
            raise self.damaged() from error

    def damaged(self) -> DeliveryError:
        """The refusal of a package that is not whole or contradicts itself."""
        return DeliveryError(
            "this workbook is damaged or was uploaded only in part",
            where=self._name,
            todo=AGAIN,
            reason="damaged",
        )
