"""Opening a home's lake: for the one writer, or for readers of a copy of the catalog.

What the tables hold is the business of other rooms; the ops tables' form is in ``ops``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from dagster_project.errors import LakeError, UsageError
from dagster_project.lake import engine, ops
from dagster_project.lake.engine import literal
from dagster_project.lake.failures import sentences
from dagster_project.lake.lock import OnWait, lock_for
from dagster_project.lake.snapshots import current_snapshot
from dagster_project.paths import Home
from dagster_project.settings import Settings

AUTHOR = "countylake"

# Catalogs whose ops tables this process has seen in order: (path, inode).
_checked: set[tuple[str, int]] = set()


@dataclass
class Transaction:
    """An open transaction; ``snapshot`` is set by its commit."""

    con: duckdb.DuckDBPyConnection
    snapshot: int = -1


@dataclass
class Writer:
    """The one writer: its connection has the catalog attached as ``lake`` and in use."""

    con: duckdb.DuckDBPyConnection
    home: Home
    _open: bool = field(default=False, repr=False)

    @contextlib.contextmanager
    def transaction(self, message: str, **extra: object) -> Iterator[Transaction]:
        """One commit: all of the block, or nothing of it.

        Args:
            message: What the commit is for, as the snapshot list will show it.
            **extra: Kept as JSON with the snapshot: run_id, feed, batch_id, contract_version.

        Yields:
            The transaction. After the block its ``snapshot`` is the snapshot that holds the
            block's changes (the newest one if the block changed nothing).

        Raises:
            LakeError: Disk, permissions, memory; the transaction is rolled back.
        """
        if self._open:
            raise LakeError(
                "a transaction is open already", where=message, todo="Report it: a fault in code"
            )
        tx = Transaction(self.con)
        with sentences(self.home.root):
            self.con.execute("BEGIN")
            self._open = True
            try:
                yield tx
                self.con.execute(
                    "CALL lake.set_commit_message(?, ?, extra_info => ?)",
                    [AUTHOR, message, json.dumps(extra, ensure_ascii=False, default=str)],
                )
                self.con.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    self.con.execute("ROLLBACK")
                raise
            finally:
                self._open = False
            tx.snapshot = current_snapshot(self.con)


# The open writer of each lock file; read and changed under that lock only.
_writers: dict[Path, Writer] = {}

# The instance that still has a catalog attached, and which; read and changed under the lock.
_parked: dict[Path, tuple[tuple[int, int, str] | None, duckdb.DuckDBPyConnection]] = {}
# A forked child must neither use nor close its parent's instances.
os.register_at_fork(after_in_child=lambda: engine.abandon(_parked))


class Lake:
    """A home's lake. Making the object opens nothing.

    Args:
        home: Where the lake lies; the home may be moved as a whole between uses.
        settings: Limits and patience.
        on_wait: Called with a sentence when another holder of the lock must be waited for.
    """

    def __init__(self, home: Home, settings: Settings, on_wait: OnWait | None = None) -> None:
        self.home = home
        self.settings = settings
        self.on_wait = on_wait

    @contextlib.contextmanager
    def locked(self, why: str, on_wait: OnWait | None = None) -> Iterator[None]:
        """Hold the writer lock without opening the lake.

        Raises:
            LakeBusyError: Another holder kept it longer than ``lock_timeout_s``.
        """
        lock = lock_for(self.home.lock)
        with lock.hold(why, self.settings.lock_timeout_s, on_wait or self.on_wait):
            yield

    @contextlib.contextmanager
    def writer(self, why: str, on_wait: OnWait | None = None) -> Iterator[Writer]:
        """Hold the lock over read, decide and commit. Within the block it may be asked for again.

        Args:
            why: What is being done, as a waiting process will read it.
            on_wait: Instead of the lake's own.

        Yields:
            The writer; inside a nested call the outer one.

        Raises:
            LakeBusyError: Another holder kept the lock longer than ``lock_timeout_s``.
            LakeError: The lake cannot be opened.
        """
        with self.locked(why, on_wait):
            place = self.home.lock.resolve()
            if place in _writers:
                yield _writers[place]
                return
            with self._attached(place) as con:
                writer = Writer(con, self.home)
                try:
                    self._ensure_ops(writer)
                    _writers[place] = writer
                    yield writer
                finally:
                    _writers.pop(place, None)

    @contextlib.contextmanager
    def reader(self, snapshot: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Read without holding the lock: from a copy of the catalog, made under it.

        Args:
            snapshot: The snapshot to read; None reads the newest.

        Yields:
            A connection with the copy attached read-only as ``lake`` and in use.

        Raises:
            UsageError: The home has no lake yet, or no such snapshot.
            LakeBusyError: A writer kept the lock longer than ``lock_timeout_s``.
        """
        if not self.home.catalog.exists():
            raise UsageError(
                "this home has no lake yet",
                where=str(self.home.root),
                todo="Run `countylake run` first",
            )
        copy = self.home.scratch / f"reader-{os.getpid()}-{uuid.uuid4().hex}.sqlite"
        with self._session() as con:
            try:
                with self.locked("copying the catalog"), sentences(self.home.root):
                    self.copy_catalog(copy)
                with sentences(self.home.root):
                    self._attach(con, copy, snapshot)
                if snapshot is None and self._mark() not in _checked:
                    self._complete(con, copy)
                yield con
            finally:
                with contextlib.suppress(duckdb.Error):
                    con.execute("USE memory")
                    con.execute("DETACH lake")
                copy.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _attached(self, place: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """The catalog, read-write, under the lock; it stays attached for the next writer here.

        An idle attachment holds no lock and no open file, and sees what others committed since.
        """
        with sentences(self.home.root):
            self.home.scratch.mkdir(parents=True, exist_ok=True)
            identity, base = _parked.pop(place, (None, None))
            if base is None or identity != self._identity():
                if base is not None:
                    engine.take_back(base)
                base = engine.lend(self.settings, self.home.scratch)
                self._attach(base)
            con = engine.cursor(base)
            con.execute("USE lake")
        try:
            yield con
        except BaseException:
            con.close()
            engine.take_back(base)
            raise
        con.close()
        _parked[place] = (self._identity(), base)

    def _identity(self) -> tuple[int, int, str] | None:
        """Which catalog lies in the home now, and what a DuckDB instance must be set to."""
        try:
            catalog, data = self.home.catalog.stat(), self.home.data.stat()
        except FileNotFoundError:
            return None
        return catalog.st_ino, data.st_ino, self.settings.model_dump_json()

    @contextlib.contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with sentences(self.home.root):
            self.home.scratch.mkdir(parents=True, exist_ok=True)
        with engine.session(self.settings, self.home.scratch) as con:
            yield con

    def _attach(
        self,
        con: duckdb.DuckDBPyConnection,
        copy: Path | None = None,
        snapshot: int | None = None,
        *,
        writable: bool = False,
    ) -> None:
        # The home may have been moved: its data lie where the home is, not where they were.
        options = [
            f"DATA_PATH {literal(self.home.data.resolve())}",
            "OVERRIDE_DATA_PATH true",
            "DATA_INLINING_ROW_LIMIT 0",
        ]
        if copy is None:
            self.home.data.mkdir(parents=True, exist_ok=True)
        elif not writable:
            options.append("READ_ONLY")
        if snapshot is not None:
            options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
        catalog = literal(f"ducklake:sqlite:{(copy or self.home.catalog).resolve()}")
        try:
            con.execute(f"ATTACH {catalog} AS lake ({', '.join(options)})")
            con.execute("USE lake")
        except duckdb.InvalidInputException as error:
            if snapshot is None:
                raise
            raise UsageError(
                f"the lake has no snapshot {snapshot}",
                where=str(self.home.root),
                todo="`countylake status` names the newest",
            ) from error

    @property
    def is_written(self) -> bool:
        """Whether a writer of this process has the lake open; ask under the lock."""
        return self.home.lock.resolve() in _writers

    def attach(
        self, con: duckdb.DuckDBPyConnection, catalog: Path, *, writable: bool = False
    ) -> None:
        """Attach a catalog, or a copy of it, as ``lake`` over the home's data, under the lock.

        Who may write to a copy, and what becomes of it, is ``rework``'s matter.
        """
        self._attach(con, catalog, writable=writable)

    def copy_catalog(self, copy: Path) -> None:
        """Copy the catalog as it was last committed, under the lock."""
        catalog = self.home.catalog
        if catalog.with_name(catalog.name + "-journal").exists():
            # A killed writer left a hot journal: SQLite rolls it back for whoever opens the file.
            with contextlib.closing(sqlite3.connect(catalog)) as db:
                db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        shutil.copyfile(catalog, copy)

    def _complete(self, con: duckdb.DuckDBPyConnection, copy: Path) -> None:
        """Before the first look at a lake: make what an older programme did not know of."""
        if not ops.missing(con):
            _checked.add(self._mark())
            return
        con.execute("USE memory")
        con.execute("DETACH lake")
        with self.writer("making new tables"), sentences(self.home.root):
            self.copy_catalog(copy)
        with sentences(self.home.root):
            self._attach(con, copy)

    def _mark(self) -> tuple[str, int]:
        return str(self.home.catalog.resolve()), self.home.catalog.stat().st_ino

    def _ensure_ops(self, writer: Writer) -> None:
        mark = self._mark()
        if mark in _checked:
            return
        if ops.missing(writer.con):
            with writer.transaction("make the tables that say what happened"):
                ops.ensure(writer.con)
        _checked.add(mark)
