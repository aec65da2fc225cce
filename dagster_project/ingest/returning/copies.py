"""One copy on disk: written beside its place under the owner's eyes only, then moved there.

What a copy holds is made next door; which file is copied how is decided by its kind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from dagster_project.contracts.model import Feed
from dagster_project.errors import CountyLakeError, LakeError
from dagster_project.ingest.readers.container import unwrapped
from dagster_project.ingest.readers.detect import detect
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.returning.delimited import annotate_text
from dagster_project.ingest.returning.findings import Cases, Copy
from dagster_project.ingest.returning.table import Row, Titled, write_table
from dagster_project.ingest.returning.workbook import annotate_workbook, fits

Named = Callable[[Literal["csv", "xlsx"]], str]
"""What a copy is called, by its kind."""


class NotAnnotatedError(Exception):
    """The delivered file cannot be copied as it is; its rows can be written instead."""


def annotated(
    source: Path,
    folder: Path,
    named: Named,
    feed: Feed,
    cases: Cases,
    *,
    name: str,
    limits: Limits,
) -> tuple[Path, Copy]:
    """Copy a delivered file with its cases marked.

    Args:
        source: The landed file, perhaps in a gzip or zip file.
        folder: Where the copy goes; it appears whole or not at all.
        named: The copy's name, by whether it is ``csv`` or ``xlsx``.
        feed: The contract.
        cases: Open cases by sheet and record number.
        name: How the file is called in sentences.
        limits: How much is unpacked at most.

    Raises:
        NotAnnotatedError: The kind, the size or the file itself does not allow it.
        LakeError: The copy cannot be written.
    """
    if feed.headerless or not source.exists():
        raise NotAnnotatedError

    def write(out: BinaryIO) -> Copy:
        try:
            with unwrapped(source, name=name, limits=limits, scratch=folder) as table:
                kind = detect(table.path, name=name)
                if kind == "csv":
                    return annotate_text(table.path, out, feed, cases, name=name)
                if kind == "xlsx" and fits(table.path):
                    return annotate_workbook(table.path, out, feed, cases, name=name)
        except (LakeError, OSError):
            raise
        except Exception as error:
            # The file was read once; whatever a second library makes of it, rows are returned.
            raise NotAnnotatedError from error
        raise NotAnnotatedError

    return _written(folder, named, write)


def rewritten(
    folder: Path,
    named: Named,
    table: Titled,
    rows: Iterable[Row],
    cases: Cases,
) -> tuple[Path, Copy]:
    """Write rows as they were read into a new workbook with their cases marked.

    Raises:
        LakeError: The copy cannot be written.
    """
    return _written(folder, named, lambda out: write_table(out, table, rows, cases))


def _written(folder: Path, named: Named, write: Callable[[BinaryIO], Copy]) -> tuple[Path, Copy]:
    """A file of mode 0600 that takes its place only when it is whole and on disk."""
    part = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=".returning-", suffix=".part", dir=folder)
        part = Path(name)
        with os.fdopen(handle, "w+b") as out:
            copy = write(out)
            out.flush()
            os.fsync(out.fileno())
        target = folder / named(copy.kind)
        part.replace(target)
    except OSError as error:
        raise _unwritable(error, folder) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return target, copy


def _unwritable(error: OSError, folder: Path) -> CountyLakeError:
    return LakeError(
        f"a copy for the department cannot be written ({error.strerror})",
        where=str(folder),
        todo="Free space or correct the folder's permissions, then ask for it again",
    )
