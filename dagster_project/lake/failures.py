"""What goes wrong below the lake, as sentences without any cell's value.

Only errors of disk, permission, memory and engine are known here; broken laws and contracts
are told by whoever checks them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from dagster_project.errors import LakeError

_KNOWN = (
    (
        ("No space left", "disk is full", "File too large", "quota exceeded"),
        "the disk is full",
        "Free some space and run it again; nothing of this step was kept",
    ),
    (
        ("Permission denied", "readonly database", "Read-only file system"),
        "the folder may not be written by this user",
        "Give this user the right to write there and run it again",
    ),
    (
        ("database is locked",),
        "a program outside CountyLake holds the catalog open",
        "Close it; read from the published replica instead",
    ),
    (
        ("malformed", "not a database"),
        "the catalog is damaged",
        "Bring it back from a backup of the home",
    ),
    (
        ("Out of Memory", "failed to allocate"),
        "the memory limit is too small for this step",
        "Raise COUNTYLAKE_MEMORY_LIMIT and run it again",
    ),
)

# DuckDB writes the offending cell into these errors' texts.
_TELLING = (
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.ConstraintException,
    duckdb.InvalidInputException,
)


def without_values(text: str) -> str:
    """The first line of an engine's message with every quoted text and long number blotted out."""
    line = text.splitlines()[0] if text else ""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d{5,}", "…", line)


@contextlib.contextmanager
def sentences(where: Path) -> Iterator[None]:
    """Turn the engine's and the disk's errors into sentences.

    Raises:
        LakeError: In place of an error that is known, or whose text could hold a cell's value.
            Errors of our own and errors in the SQL itself pass unchanged.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = str(error)
        for marks, what, todo in _KNOWN:
            if any(mark in text for mark in marks):
                raise LakeError(what, where=str(where), todo=todo) from None
        if isinstance(error, _TELLING):
            raise LakeError(
                f"a value could not be processed ({without_values(text)})",
                where=str(where),
                todo="Report it: a rule should have caught this value before",
            ) from None
        if isinstance(error, duckdb.IOException | OSError):
            raise LakeError(
                f"a file could not be read or written ({without_values(text)})",
                where=str(where),
                todo="Look at the disk and the home's files, then run it again",
            ) from None
        raise
