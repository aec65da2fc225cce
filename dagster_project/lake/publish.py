"""The read replica: an immutable DuckDB file per snapshot, behind ``published/current``.

What it shows comes in as a plan; old replicas are removed by ``maintenance``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.errors import UsageError
from dagster_project.lake.engine import literal
from dagster_project.lake.extensions import OFFLINE
from dagster_project.lake.failures import sentences
from dagster_project.lake.lake import Lake
from dagster_project.lake.plan import PublishTable, fingerprint
from dagster_project.lake.replica_file import ReplicaFile
from dagster_project.lake.snapshots import current_snapshot
from dagster_project.paths import Home

FILE = "county.duckdb"
RECORD = "replica.json"
SHARED = "silver"


@dataclass(frozen=True)
class Replica:
    """One published replica, as its ``replica.json`` tells.

    ``shared`` are the file names in ``published/silver`` that its views read; ``root`` is where
    ``published`` lay, because views hold absolute paths.
    """

    snapshot: int
    folder: str
    published_at: str
    root: str
    plan: str
    shared: tuple[str, ...]

    @property
    def instant(self) -> datetime:
        """When it was published (UTC)."""
        return datetime.fromisoformat(self.published_at)


def publish(
    lake: Lake,
    plan: Sequence[PublishTable],
    *,
    at: datetime,
    parameters: Mapping[str, bytes] | None = None,
    key_id: str = "",
    begun: Callable[[], object] | None = None,
) -> tuple[Replica, bool]:
    """Publish the newest snapshot, unless ``current`` already shows it in this form.

    The folder is made aside and appears by one rename; then ``current`` is swapped. A kill in
    between leaves the former replica current and nothing half-made in ``published``.

    Args:
        lake: The lake to publish.
        plan: The replica's tables.
        at: The present instant.
        parameters: Values that the plan's expressions refer to as ``$name``.
        key_id: Names the secret behind the parameters; another one makes other files.
        begun: Called before one is made.

    Returns:
        The current replica, and whether it was made now.

    Raises:
        LakeBusyError: A writer kept the lock too long.
        LakeError: Disk or permissions.
    """
    home = lake.home
    with lake.writer("publishing the read replica") as writer, sentences(home.published):
        snapshot = current_snapshot(writer.con)
        form = fingerprint(plan, key_id)
        root = str(home.published.resolve())
        present = current(home)
        if present and (present.snapshot, present.plan, present.root) == (snapshot, form, root):
            return present, False
        if begun is not None:
            begun()
        (home.published / SHARED).mkdir(parents=True, exist_ok=True)
        folder = _free_name(home.published, str(snapshot))
        with _aside(home.scratch) as made:
            file = ReplicaFile(writer.con, parameters or {}, key_id)
            shared = file.build(made / FILE, plan, home.published.resolve() / SHARED)
            instant = at.astimezone(UTC).isoformat()
            replica = Replica(snapshot, folder, instant, root, form, shared)
            record = json.dumps(asdict(replica), ensure_ascii=False, indent=2)
            (made / RECORD).write_text(record + "\n", encoding="utf-8")
            (made / RECORD).chmod(0o444)
            made.rename(home.published / folder)
        _point(home.published / "current", folder)
        return replica, True


def export(
    lake: Lake,
    plan: Sequence[PublishTable],
    folder: Path,
    *,
    parameters: Mapping[str, bytes] | None = None,
) -> Path:
    """Write one self-contained ``county.duckdb`` into a folder; it replaces a former one.

    Raises:
        LakeError: Disk or permissions; a former file is left as it was.
    """
    with lake.writer("exporting the read replica") as writer, sentences(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _aside(folder, ".countylake-") as made:
            ReplicaFile(writer.con, parameters or {}).build(made / FILE, plan)
            (made / FILE).replace(folder / FILE)
    return folder / FILE


def current(home: Home) -> Replica | None:
    """The replica that ``published/current`` points to, if there is one."""
    return read_record(home.published / "current")


def read_record(folder: Path) -> Replica | None:
    """What a replica's folder says of itself; None if it is no replica."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Replica(**{**found, "shared": tuple(found["shared"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def replica_path(home: Home) -> Path:
    """The current replica under its versioned name, safe to open again in the same process.

    Raises:
        UsageError: Nothing was published yet.
    """
    path = home.published / "current" / FILE
    if not path.exists():
        raise UsageError(
            "nothing has been published yet",
            where=str(home.published),
            todo="Run `countylake run` first, or `countylake city receive` at a receiving site",
        )
    return path.resolve()


def connect(home: Home) -> duckdb.DuckDBPyConnection:
    """Open the current replica read-only; its connection sees no file but the replica's own.

    Raises:
        UsageError: Nothing was published yet.
    """
    path = replica_path(home)
    con = duckdb.connect(str(path), read_only=True, config=dict(OFFLINE))
    con.execute("SET TimeZone = 'Asia/Shanghai'")
    con.execute(f"SET allowed_directories = [{literal(home.published.resolve())}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con


@contextlib.contextmanager
def _aside(parent: Path, prefix: str = "publish-") -> Iterator[Path]:
    """A folder to build in; whatever is left in it afterwards goes."""
    made = parent / f"{prefix}{os.getpid()}-{uuid.uuid4().hex}"
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _free_name(published: Path, name: str) -> str:
    """The snapshot's folder name; with a number when the same snapshot is shown anew."""
    taken, number = name, 1
    while (published / taken).exists():
        number += 1
        taken = f"{name}-{number}"
    return taken


def _point(link: Path, folder: str) -> None:
    """Swap the link by rename: readers see the old replica or the new one, never none."""
    fresh = link.with_name(f".current-{uuid.uuid4().hex}")
    fresh.symlink_to(folder)
    fresh.replace(link)
