"""Working on a copy of the catalog, which takes the catalog's place only when asked to.

Whatever happens before that, the lake is as it was: data files are never changed or removed here,
and those that were written for the copy are named by nobody else. What is done to the copy, and
whether it may be adopted, is the caller's decision.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project.errors import LakeError
from dagster_project.lake import engine
from dagster_project.lake.failures import sentences
from dagster_project.lake.inventory import NAMES
from dagster_project.lake.lake import Lake

PREFIX = "keep-"
_META = "__ducklake_metadata_lake"


@dataclass
class Rework:
    """The lake as it is (``old``, read-only) and the copy that is worked on (``new``).

    Both are attached as ``lake`` in their connections.
    """

    old: duckdb.DuckDBPyConnection
    new: duckdb.DuckDBPyConnection
    adopted: bool = False

    def adopt(self) -> None:
        """Let the copy take the catalog's place when the block ends without an error."""
        self.adopted = True


@contextlib.contextmanager
def reworking(lake: Lake, why: str) -> Iterator[Rework]:
    """Hold the lock over a copy of the catalog; see ``Rework.adopt``.

    A kill before the replacement leaves the lake as it was, and data files that no snapshot knows;
    the replacement is one rename.

    Args:
        lake: The lake; no writer of this thread has it open.
        why: What is being done, as a waiting process will read it.

    Raises:
        LakeError: The lake is open here, or the disk refuses.
    """
    home = lake.home
    with lake.locked(why), sentences(home.root):
        if lake.is_written:
            raise LakeError(
                "a writer has the lake open", where=why, todo="Report it: a fault in code"
            )
        home.scratch.mkdir(parents=True, exist_ok=True)
        copy = home.catalog.with_name(f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex}.sqlite")
        made: set[str] = set()
        try:
            lake.copy_catalog(copy)
            with (
                engine.session(lake.settings, home.scratch) as old,
                engine.session(lake.settings, home.scratch) as new,
            ):
                lake.attach(old, home.catalog)
                lake.attach(new, copy, writable=True)
                work = Rework(old, new)
                try:
                    yield work
                finally:
                    made = _names(new) - _names(old)
                    _let_go(old, new)
            if work.adopted:
                _replace(copy, home.catalog)
        finally:
            # The rename alone decides: a copy that lies here still did not become the catalog.
            if copy.exists():
                _discard(made, home.data)
            for left in (copy, copy.with_name(f"{copy.name}-journal")):
                left.unlink(missing_ok=True)


def _names(con: duckdb.DuckDBPyConnection) -> set[str]:
    with contextlib.suppress(duckdb.Error):
        con.execute("ROLLBACK")
    try:
        return {Path(path).name for (path,) in con.execute(NAMES.format(meta=_META)).fetchall()}
    except duckdb.Error:
        return set()


def _let_go(*cons: duckdb.DuckDBPyConnection) -> None:
    for con in cons:
        con.execute("USE memory")
        con.execute("DETACH lake")


def _replace(copy: Path, catalog: Path) -> None:
    """One rename, after the copy is whole and on the disk."""
    for path in (copy, catalog):
        journal = path.with_name(f"{path.name}-journal")
        if journal.exists() and journal.stat().st_size:
            raise LakeError(
                "a catalog has a journal that nobody rolled back",
                where=str(path),
                todo="Run it again; nothing was changed",
            )
    with contextlib.closing(sqlite3.connect(copy)) as db:
        if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise LakeError(
                "the new catalog is damaged", where=str(copy), todo="Run it again; check the disk"
            )
        (pages,), (free,) = (
            db.execute(f"PRAGMA {word}").fetchone() for word in ("page_count", "freelist_count")
        )
        if free * 4 > pages:
            db.execute("VACUUM")
    # One of no length is no journal, and would lie beside another catalog now.
    catalog.with_name(f"{catalog.name}-journal").unlink(missing_ok=True)
    copy.chmod(catalog.stat().st_mode & 0o777)
    _sync(copy)
    copy.replace(catalog)
    _sync(catalog.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _discard(made: set[str], data: Path) -> None:
    """Files that were written for a copy that is no more."""
    if not made:
        return
    for path in data.rglob("*.parquet"):
        if path.name in made:
            path.unlink(missing_ok=True)
