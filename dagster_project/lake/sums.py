"""The SHA-256 of each data file of the lake as it was written, so that a changed byte has a name.

A data file is written once. The list is what ``sha256sum -c`` reads, relative to the data folder.
It finds what decayed or was touched; that a whole state is true is proved by content hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from dagster_project.lake.failures import sentences
from dagster_project.lake.lake import Lake
from dagster_project.paths import Home

_NAMED = """
SELECT path FROM __ducklake_metadata_lake.ducklake_data_file
UNION ALL SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file
"""


def note(lake: Lake) -> int:
    """Write down the hashes of files that came since, and forget those that are gone.

    Returns:
        How many came.

    Raises:
        LakeError: Disk or permissions.
        LakeBusyError: A writer kept the lock too long.
    """
    home = lake.home
    with lake.locked("hashing new data files"), sentences(home.root):
        known = read(home)
        present = {p.relative_to(home.data).as_posix(): p for p in home.data.rglob("*.parquet")}
        new = {name: _sum(path) for name, path in present.items() if name not in known}
        if new or known.keys() - present.keys():
            kept = {name: digest for name, digest in known.items() if name in present} | new
            lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(kept.items()))
            part = home.sums.with_name(f".{home.sums.name}.part")
            part.write_text(lines, encoding="utf-8")
            part.replace(home.sums)
    return len(new)


def read(home: Home) -> dict[str, str]:
    """SHA-256 of each file by its path in the data folder; empty where nothing was noted yet."""
    try:
        lines = home.sums.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def differences(
    con: duckdb.DuckDBPyConnection, home: Home, folders: tuple[str, ...] = ()
) -> Iterator[tuple[Path, str]]:
    """Each file that some snapshot reads, and what is wrong with it; empty where nothing is.

    Args:
        con: A connection with the lake attached.
        home: The lake's home.
        folders: Only files below these, as ``silver/house``; all files if empty.
    """
    known = read(home)
    present = {path.name: path for path in home.data.rglob("*.parquet")}
    for name in sorted({Path(path).name for (path,) in con.execute(_NAMED).fetchall()}):
        path = present.get(name)
        if path is None:
            if not folders:
                yield home.data / name, "the file is gone"
            continue
        place = path.relative_to(home.data).as_posix()
        if folders and not place.startswith(tuple(f"{one}/" for one in folders)):
            continue
        digest = known.get(place)
        yield path, "" if digest in {None, _sum(path)} else "the file was changed"


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
