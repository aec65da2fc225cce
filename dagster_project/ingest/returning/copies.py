"""One copy on disk: written beside its place under the owner's eyes only, then moved there.

What a copy holds is made next door; which file is copied how is decided by its kind.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dagster_project.contracts.model import Feed
from dagster_project.errors import CountyLakeError, LakeError
from dagster_project.ingest.readers.container import unwrapped
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.returning.delimited import annotate_text
from dagster_project.ingest.returning.findings import Cases, Copy
from dagster_project.ingest.returning.table import Row, write_table
from dagster_project.ingest.returning.workbook import annotate_workbook, fits


class NotAnnotatedError(Exception):
    """The delivered file cannot be copied as it is; its rows can be written instead."""


def annotated(
    source: Path,
    target: Path,
    feed: Feed,
    cases: Cases,
    *,
    kind: str,
    encoding: str,
    name: str,
    limits: Limits,
) -> Copy:
    """Copy a delivered file with its cases marked.

    Args:
        source: The landed file, perhaps in a gzip or zip file.
        target: Where the copy goes; it appears whole or not at all.
        feed: The contract.
        cases: Open cases by sheet and record number.
        kind: The format that the reader found.
        encoding: Python's name of a text's encoding.
        name: How the file is called in sentences.
        limits: How much is unpacked at most.

    Raises:
        NotAnnotatedError: The kind, the size or the file itself does not allow it.
        LakeError: The copy cannot be written.
    """
    if kind not in {"csv", "xlsx"} or feed.headerless or not source.exists():
        raise NotAnnotatedError
    with _written(target) as out:
        try:
            with unwrapped(source, name=name, limits=limits, scratch=target.parent) as table:
                if kind == "csv":
                    return annotate_text(table.path, out, feed, cases, encoding=encoding, name=name)
                if fits(table.path):
                    return annotate_workbook(table.path, out, feed, cases, name=name)
        except LakeError:
            raise
        except OSError as error:
            raise _unwritable(error, target) from error
        except Exception as error:
            # The file was read once; whatever a second library makes of it, rows are returned.
            raise NotAnnotatedError from error
        raise NotAnnotatedError


def rewritten(
    target: Path,
    names: Sequence[str],
    titles: Sequence[str],
    rows: Iterable[Row],
    cases: Cases,
) -> Copy:
    """Write rows as they were read into a new workbook with their cases marked.

    Raises:
        LakeError: The copy cannot be written.
    """
    with _written(target) as out:
        try:
            return write_table(out, names, titles, rows, cases)
        except OSError as error:
            raise _unwritable(error, target) from error


@contextlib.contextmanager
def _written(target: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that takes its place only when it is whole and on disk."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=".returning-", suffix=".part", dir=target.parent)
    except OSError as error:
        raise _unwritable(error, target) from error
    part = Path(name)
    try:
        with os.fdopen(handle, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _unwritable(error: OSError, target: Path) -> CountyLakeError:
    return LakeError(
        f"a copy for the department cannot be written ({error.strerror})",
        where=str(target.parent),
        todo="Free space or correct the folder's permissions, then ask for it again",
    )
