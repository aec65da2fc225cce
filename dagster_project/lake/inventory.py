"""Our own inventory: which files a home's catalog names, which lie there, which may go.

Nothing is removed here. A file that any snapshot names is never among those that may go.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from dagster_project.paths import Home

GRACE = timedelta(days=1)
"""So long a file stays that was given up: commits and reads do not last a day."""
NAMES = (
    "SELECT path FROM {meta}.ducklake_data_file"
    " UNION ALL SELECT path FROM {meta}.ducklake_delete_file"
)
_META = "__ducklake_metadata_lake"
_COPY = re.compile(r"^reader-(\d+)-.*\.sqlite$")


@dataclass(frozen=True)
class Inventory:
    """The lake's data files.

    ``named`` are the names that a snapshot needs, ``given_up`` those that none needs any more and
    since when, ``present`` what lies in the data folder. Names are unique in the lake.
    """

    named: frozenset[str]
    given_up: dict[str, datetime]
    present: dict[str, Path]

    @property
    def lacking(self) -> list[str]:
        """Files that a snapshot needs and that are not there."""
        return sorted(self.named - self.present.keys())

    def orphans(self, at: datetime) -> list[Path]:
        """Files that the catalog does not know, older than anybody's commit can last."""
        return sorted(
            path
            for name, path in self.present.items()
            if name not in self.named and name not in self.given_up and stale(path, at)
        )

    def leavable(self, home: Home, at: datetime) -> list[Path]:
        """Files that were given up a day ago, and before every reader of an older catalog."""
        until = min([at - GRACE, *_readers_since(home)])
        return sorted(
            self.present[name]
            for name, since in self.given_up.items()
            if name in self.present and name not in self.named and since < until
        )


def inventory(con: duckdb.DuckDBPyConnection, home: Home) -> Inventory:
    """Take stock, under the lock.

    Args:
        con: A reader or writer with the lake attached.
        home: Where the data lie.
    """
    named = con.execute(NAMES.format(meta=_META)).fetchall()
    given_up = con.execute(
        "SELECT path, CAST(schedule_start AS TIMESTAMPTZ)"
        f" FROM {_META}.ducklake_files_scheduled_for_deletion"
    ).fetchall()
    return Inventory(
        named=frozenset(Path(path).name for (path,) in named),
        given_up={Path(path).name: since for path, since in given_up},
        present={path.name: path for path in home.data.rglob("*.parquet")},
    )


def alive(pid: int) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stale(path: Path, at: datetime) -> bool:
    """Whether nobody can be about to use a file that nobody names."""
    return path.stat().st_mtime < (at - GRACE).timestamp()


def _readers_since(home: Home) -> list[datetime]:
    """When each living reader copied the catalog that it reads by."""
    found = []
    for path in home.scratch.glob("reader-*.sqlite") if home.scratch.exists() else ():
        owner = _COPY.match(path.name)
        if owner and alive(int(owner.group(1))):
            found.append(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    return found
