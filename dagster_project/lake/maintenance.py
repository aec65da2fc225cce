"""Keeping a home tidy: old replicas, what killed processes left, files that no snapshot needs.

Removal goes by our own inventory under the writer lock, never by the engine's own clean-up.
Merging small files and giving up snapshots are ``compaction``'s work.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dagster_project.lake.failures import sentences
from dagster_project.lake.inventory import Inventory, alive, inventory, stale
from dagster_project.lake.lake import Lake
from dagster_project.lake.publish import RECORD, SHARED, read_record
from dagster_project.paths import Home

KEEP_REPLICAS = timedelta(days=7)
_OWNED = re.compile(r"^(?:reader|publish|duckdb|keep)-(\d+)\b")


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be: paths relative to the home.

    ``orphans`` are data files that the catalog does not know, ``given_up`` those that no snapshot
    needs any more; ``size`` is the bytes of everything that is named.
    """

    replicas: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    size: int = 0


def gc(lake: Lake, *, at: datetime, dry_run: bool = False) -> Removed:
    """Remove replicas older than a week, their masked copies, dead scratch and orphaned files.

    The current replica always stays. Programmes that hold a removed file open keep reading it.

    Args:
        lake: The lake to tidy.
        at: The present instant.
        dry_run: Only tell.
    """
    home = lake.home
    with lake.writer("tidying up") as writer, sentences(home.root):
        stock = inventory(writer.con, home)
        replicas, shared = _old_replicas(home, at)
        scratch = [*_dead_scratch(home, at), *_half_landed(home, at)]
        groups = (replicas, shared, scratch, stock.orphans(at), stock.leavable(home, at))
        size = sum(_size(path) for group in groups for path in group)
        if not dry_run:
            for path in [path for group in groups for path in group]:
                _remove(path, home)
            _forget(home, stock)
    names = [_named(group, home) for group in groups]
    return Removed(names[0], names[1], names[2], names[3], names[4], size)


def _forget(home: Home, stock: Inventory) -> None:
    """Strike files that were given up and have gone from the catalog's list of them.

    SQLite's own hand does it, under the lock: the engine would lock itself out.
    """
    gone = {name for name in stock.given_up if not _lies(stock, name)}
    if not gone:
        return
    with contextlib.closing(sqlite3.connect(home.catalog)) as db, db:
        listed = db.execute("SELECT path FROM ducklake_files_scheduled_for_deletion").fetchall()
        db.executemany(
            "DELETE FROM ducklake_files_scheduled_for_deletion WHERE path = ?",
            [(path,) for (path,) in listed if Path(path).name in gone],
        )


def _lies(stock: Inventory, name: str) -> bool:
    return name in stock.present and stock.present[name].exists()


def _old_replicas(home: Home, at: datetime) -> tuple[list[Path], list[Path]]:
    """Replicas past their time, and the masked copies that no other replica reads."""
    present = (home.published / "current").resolve()
    old: list[Path] = []
    wanted: set[str] = set()
    for record in sorted(home.published.glob(f"*/{RECORD}")):
        folder = record.parent
        replica = read_record(folder)
        if replica is None or folder.is_symlink():
            continue
        if folder.resolve() != present and at - replica.instant > KEEP_REPLICAS:
            old.append(folder)
        else:
            wanted |= set(replica.shared)
    copies = sorted((home.published / SHARED).glob("*.parquet"))
    return old, [path for path in copies if path.name not in wanted]


def _dead_scratch(home: Home, at: datetime) -> list[Path]:
    dead: list[Path] = []
    scratch = home.scratch.iterdir() if home.scratch.exists() else ()
    for path in sorted([*scratch, *home.catalog.parent.glob("keep-*")]):
        owner = _OWNED.match(path.name)
        gone = not alive(int(owner.group(1))) if owner else stale(path, at)
        if gone:
            dead.append(path)
    return dead


def _half_landed(home: Home, at: datetime) -> list[Path]:
    """Copies that a killed process was making of a delivered file."""
    return [path for path in sorted(home.landing.glob(".landing-*.part")) if stale(path, at)]


def _remove(path: Path, home: Home) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if path.parent != home.scratch:
        # Out of sight by one rename first: no reader sees a replica half removed.
        aside = home.scratch / f"publish-{os.getpid()}-removed-{path.name}"
        path = path.rename(aside)
    shutil.rmtree(path, ignore_errors=True)


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def _named(paths: list[Path], home: Home) -> tuple[str, ...]:
    return tuple(str(path.relative_to(home.root)) for path in paths)
