"""The read replica: an immutable DuckDB file per snapshot, behind ``published/current``.

What it shows comes in as a plan; old replicas are removed by ``maintenance``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.errors import UsageError
from dagster_project.lake.engine import literal, quoted
from dagster_project.lake.extensions import OFFLINE
from dagster_project.lake.failures import sentences
from dagster_project.lake.lake import Lake
from dagster_project.lake.plan import PublishColumn, PublishTable, fingerprint
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
        (home.published / SHARED).mkdir(parents=True, exist_ok=True)
        folder = _free_name(home.published, str(snapshot))
        with _aside(home.scratch) as made:
            target = _Target(writer.con, dict(parameters or {}), key_id)
            shared = target.build(made / FILE, plan, home.published.resolve() / SHARED, made)
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
            _Target(writer.con, dict(parameters or {}), "").build(made / FILE, plan)
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
            todo="Run `countylake run` or `countylake publish` first",
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


class _Target:
    """Fills one replica file from the attached lake."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, parameters: dict[str, bytes], key_id: str
    ) -> None:
        self._con = con
        self._parameters = parameters
        self._key_id = key_id

    def build(
        self,
        file: Path,
        plan: Sequence[PublishTable],
        shared: Path | None = None,
        scratch: Path | None = None,
    ) -> tuple[str, ...]:
        """Write the file; shared tables become files in ``shared`` where one is given.

        Returns:
            The names of the shared files it reads.
        """
        available = self._available()
        names: list[str] = []
        self._con.execute(f"ATTACH {literal(file)} AS replica")
        try:
            # One transaction: hundreds of comments would each wait for the disk.
            self._con.execute("BEGIN")
            for schema in dict.fromkeys(table.schema for table in plan):
                self._con.execute(f"CREATE SCHEMA replica.{quoted(schema)}")
            for table in plan:
                there = available.get((table.schema, table.from_table), [])
                columns = table.present(there, self._parameters)
                if not there or not columns:
                    continue
                if table.shared and shared and scratch:
                    names.append(self._share(table, columns, shared, scratch))
                else:
                    self._copy(table, columns)
            self._con.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                self._con.execute("ROLLBACK")
            raise
        finally:
            with contextlib.suppress(duckdb.Error):
                self._con.execute("DETACH replica")
        file.chmod(0o444)
        return tuple(sorted(names))

    def _copy(self, table: PublishTable, columns: tuple[PublishColumn, ...]) -> None:
        name = f"replica.{quoted(table.schema)}.{quoted(table.name)}"
        self._run(f"CREATE TABLE {name} AS {table.select(columns)}", columns)
        self._comment("TABLE", name, table, columns)

    def _share(
        self, table: PublishTable, columns: tuple[PublishColumn, ...], shared: Path, scratch: Path
    ) -> str:
        select = table.select(columns)
        version = self._version(table, select)
        path = shared / f"{table.name}-{version}.parquet"
        if not path.exists():
            aside = scratch / path.name
            self._run(
                f"COPY ({select}) TO {literal(aside)}"
                " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
                columns,
            )
            aside.chmod(0o444)
            aside.rename(path)
        name = f"replica.{quoted(table.schema)}.{quoted(table.name)}"
        listed = ", ".join(quoted(column.name) for column in columns)
        self._con.execute(
            f"CREATE VIEW {name} AS SELECT {listed} FROM read_parquet({literal(path)})"
        )
        self._comment("VIEW", name, table, columns)
        return path.name

    def _comment(
        self, kind: str, name: str, table: PublishTable, columns: tuple[PublishColumn, ...]
    ) -> None:
        self._con.execute(f"COMMENT ON {kind} {name} IS {literal(table.comment)}")
        for column in columns:
            if column.comment:
                self._con.execute(
                    f"COMMENT ON COLUMN {name}.{quoted(column.name)} IS {literal(column.comment)}"
                )

    def _run(self, statement: str, columns: tuple[PublishColumn, ...]) -> None:
        named = {name: self._parameters[name] for column in columns for name in column.needs}
        self._con.execute(statement, named or None)

    def _available(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in self._con.execute(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns()"
            " WHERE database_name = 'lake' ORDER BY schema_name, table_name, column_index"
        ).fetchall():
            found.setdefault((schema, table), []).append(column)
        return found

    def _version(self, table: PublishTable, select: str) -> str:
        """What the masked copy depends on: the table's live files, the masks and the key."""
        live = self._con.execute(
            "SELECT t.table_uuid,"
            " (SELECT list(data_file_id ORDER BY data_file_id)"
            "  FROM __ducklake_metadata_lake.ducklake_data_file f"
            "  WHERE f.table_id = t.table_id AND f.end_snapshot IS NULL),"
            " (SELECT list(delete_file_id ORDER BY delete_file_id)"
            "  FROM __ducklake_metadata_lake.ducklake_delete_file d"
            "  WHERE d.table_id = t.table_id AND d.end_snapshot IS NULL)"
            " FROM __ducklake_metadata_lake.ducklake_table t"
            " JOIN __ducklake_metadata_lake.ducklake_schema s USING (schema_id)"
            " WHERE s.schema_name = ? AND t.table_name = ?"
            " AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL",
            [table.schema, table.from_table],
        ).fetchall()
        text = json.dumps([live, select, self._key_id], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


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
