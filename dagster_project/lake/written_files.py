"""How many bytes and files a commit wrote of a table: what is new in the table's folder.

Only who holds the writer lock can ask, for then no other process writes. Nothing is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dagster_project.paths import Home


class NewFiles:
    """The data files that tables get from now on."""

    def __init__(self, home: Home, tables: Iterable[str]) -> None:
        self._folders = {name: home.data.joinpath(*name.split(".")) for name in tables}
        self._before = {name: _sizes(folder) for name, folder in self._folders.items()}

    def of(self, table: str) -> tuple[int, int]:
        """Bytes and files that have come to a table."""
        before = self._before[table]
        new = {n: size for n, size in _sizes(self._folders[table]).items() if n not in before}
        return sum(new.values()), len(new)


def _sizes(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as found:
            return {
                one.name: one.stat().st_size
                for one in found
                if one.name.endswith(".parquet") and "-delete" not in one.name
            }
    except FileNotFoundError:
        return {}
