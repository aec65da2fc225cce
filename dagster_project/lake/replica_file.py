"""Filling one replica file, and the masked Parquet copies it reads, from the attached lake.

Where the file goes, and when one is needed, is decided in ``publish``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project.lake.engine import literal, quoted
from dagster_project.lake.plan import PublishColumn, PublishTable


@dataclass(frozen=True)
class _Source:
    """A table of the lake: its columns with their types, and the files that now make it up."""

    columns: Mapping[str, str]
    uuid: str
    files: tuple[int, ...]
    deletes: tuple[int, ...]
    inlined: bool

    @property
    def is_empty(self) -> bool:
        """Whether the table has no rows because it has no data."""
        return not self.files and not self.inlined

    @property
    def nothing(self) -> str:
        """A relation with the table's columns and no rows."""
        made = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(n)}" for n, kind in self.columns.items())
        return f"(SELECT {made} WHERE false)"


class ReplicaFile:
    """Writes a replica.

    Args:
        con: A connection with the lake attached; nothing is committed to it meanwhile.
        parameters: Values that the plan's columns need.
        key_id: Names the secret behind them; it is part of the masked copies' names.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, parameters: Mapping[str, bytes], key_id: str = ""
    ) -> None:
        self._con = con
        self._parameters = parameters
        self._key_id = key_id

    def build(
        self, file: Path, plan: Sequence[PublishTable], shared: Path | None = None
    ) -> tuple[str, ...]:
        """Write the file; shared tables become files in ``shared`` where one is given.

        Tables that the lake does not hold yet are left out.

        Returns:
            The names of the shared files it reads.
        """
        sources = self._sources()
        names: list[str] = []
        self._con.execute(f"ATTACH {literal(file)} AS replica")
        try:
            # One transaction: hundreds of comments would each wait for the disk.
            self._con.execute("BEGIN")
            for schema in dict.fromkeys(table.schema for table in plan):
                self._con.execute(f"CREATE SCHEMA replica.{quoted(schema)}")
            for table in plan:
                source = sources.get((table.schema, table.from_table))
                columns = table.present(source.columns, self._parameters) if source else ()
                if source is None or not columns:
                    continue
                if table.shared and shared:
                    names.append(self._share(table, columns, source, shared, file.parent))
                else:
                    self._copy(table, columns, source)
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

    def _copy(
        self, table: PublishTable, columns: tuple[PublishColumn, ...], source: _Source
    ) -> None:
        name = f"replica.{quoted(table.schema)}.{quoted(table.name)}"
        self._run(f"CREATE TABLE {name} AS {_select(table, columns, source)}", columns)
        self._comment("TABLE", name, table, columns)

    def _share(
        self,
        table: PublishTable,
        columns: tuple[PublishColumn, ...],
        source: _Source,
        shared: Path,
        scratch: Path,
    ) -> str:
        select = _select(table, columns, source)
        version = [source.uuid, source.files, source.deletes, select, self._key_id]
        named = hashlib.sha256(json.dumps(version).encode()).hexdigest()[:16]
        path = shared / f"{table.name}-{named}.parquet"
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

    def _sources(self) -> dict[tuple[str, str], _Source]:
        """Every table of the lake as its catalog describes it now."""
        columns: dict[tuple[str, str], dict[str, str]] = {}
        for schema, table, column, kind in self._con.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE database_name = 'lake' ORDER BY schema_name, table_name, column_index"
        ).fetchall():
            columns.setdefault((schema, table), {})[column] = kind
        catalog = "__ducklake_metadata_lake.ducklake"
        rows = self._con.execute(
            f"""
            WITH files AS (
              SELECT table_id, list(data_file_id ORDER BY data_file_id) AS ids
              FROM {catalog}_data_file WHERE end_snapshot IS NULL GROUP BY table_id
            ), deletes AS (
              SELECT table_id, list(delete_file_id ORDER BY delete_file_id) AS ids
              FROM {catalog}_delete_file WHERE end_snapshot IS NULL GROUP BY table_id
            )
            SELECT s.schema_name, t.table_name, t.table_uuid,
              coalesce(files.ids, []), coalesce(deletes.ids, []),
              t.table_id IN (SELECT table_id FROM {catalog}_inlined_data_tables)
            FROM {catalog}_table AS t
            JOIN {catalog}_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
            LEFT JOIN files ON files.table_id = t.table_id
            LEFT JOIN deletes ON deletes.table_id = t.table_id
            WHERE t.end_snapshot IS NULL
            """
        ).fetchall()
        return {
            (schema, table): _Source(
                columns[schema, table], str(uuid), tuple(files), tuple(deletes), bool(inlined)
            )
            for schema, table, uuid, files, deletes, inlined in rows
            if (schema, table) in columns
        }


def _select(table: PublishTable, columns: tuple[PublishColumn, ...], source: _Source) -> str:
    # Binding a DuckLake table that never held a row takes 0.1 s: statistics are sought per column.
    return table.select(columns, source.nothing if source.is_empty else "")
