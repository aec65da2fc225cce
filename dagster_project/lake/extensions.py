"""DuckDB's extensions, loaded from the installed wheels; nothing is downloaded at run time.

Which databases are attached is not decided here (``engine``, ``lake``).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb

from dagster_project.errors import LakeError

# sqlite_scanner first: DuckLake opens its catalog through it.
NAMES = ("sqlite_scanner", "ducklake")

OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


def path(name: str) -> Path:
    """The signed binary of an extension inside its wheel.

    Raises:
        LakeError: The wheel is not installed or belongs to another DuckDB.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        binary = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if binary.exists():
            return binary
    raise LakeError(
        f"DuckDB {duckdb.__version__} has no installed extension {name} of its own version",
        todo="Run `make setup` again, so that duckdb and its extension wheels match",
    )


def load(con: duckdb.DuckDBPyConnection) -> None:
    """Load every extension the lake needs into the connection's database (0.1-0.2 s)."""
    for name in NAMES:
        binary = str(path(name)).replace("'", "''")
        con.execute(f"LOAD '{binary}'")
