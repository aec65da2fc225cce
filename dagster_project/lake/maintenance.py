"""Keeping a home tidy: old replicas, what killed processes left, files no snapshot knows.

Removal goes by our own inventory under the writer lock, never by the engine's own clean-up.
Merging small files and expiring snapshots are not done here.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dagster_project.lake.failures import sentences
from dagster_project.lake.lake import Lake
from dagster_project.lake.publish import RECORD, SHARED, read_record
from dagster_project.paths import Home

KEEP_REPLICAS = timedelta(days=7)
_STALE_AFTER = timedelta(days=1)
_OWNED = re.compile(r"^(?:reader|publish|duckdb)-(\d+)\b")


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be: paths relative to the home."""

    replicas: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()


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
        known = {
            Path(path).name
            for (path,) in writer.con.execute(
                "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file"
                " UNION ALL SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
                " UNION ALL SELECT path"
                " FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
            ).fetchall()
        }
        replicas, shared = _old_replicas(home, at)
        scratch = [*_dead_scratch(home, at), *_half_landed(home, at)]
        orphans = [
            path
            for path in sorted(home.data.rglob("*.parquet"))
            if path.name not in known and _stale(path, at)
        ]
        if not dry_run:
            for path in [*replicas, *shared, *scratch, *orphans]:
                _remove(path, home)
    return Removed(*(_named(group, home) for group in (replicas, shared, scratch, orphans)))


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
    if not home.scratch.exists():
        return []
    dead: list[Path] = []
    for path in sorted(home.scratch.iterdir()):
        owner = _OWNED.match(path.name)
        gone = not _alive(int(owner.group(1))) if owner else _stale(path, at)
        if gone:
            dead.append(path)
    return dead


def _half_landed(home: Home, at: datetime) -> list[Path]:
    """Copies that a killed process was making of a delivered file."""
    return [path for path in sorted(home.landing.glob(".landing-*.part")) if _stale(path, at)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stale(path: Path, at: datetime) -> bool:
    """Whether nobody can be about to use it: commits and reads do not last a day."""
    return path.stat().st_mtime < (at - _STALE_AFTER).timestamp()


def _remove(path: Path, home: Home) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if path.parent != home.scratch:
        # Out of sight by one rename first: no reader sees a replica half removed.
        aside = home.scratch / f"publish-{os.getpid()}-removed-{path.name}"
        path = path.rename(aside)
    shutil.rmtree(path, ignore_errors=True)


def _named(paths: list[Path], home: Home) -> tuple[str, ...]:
    return tuple(str(path.relative_to(home.root)) for path in paths)
