"""The sealed packages of a county as whoever receives them reads them: Parquet below the outbox."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

NAME = re.compile(r"(\d{6})-([a-z_]+)-(\d{6,8})-r(\d+)")


@dataclass(frozen=True, eq=False)
class Package:
    """One package: its report, period and revision, and its rows."""

    name: str
    report: str
    period: str
    revision: int
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]


def packages(outbox: Path) -> list[Package]:
    """Every package of an outbox, by report, period and revision."""
    found = []
    for folder in sorted(outbox.iterdir()):
        if named := NAME.fullmatch(folder.name):
            (file,) = folder.glob("data/*.parquet")
            table = pl.read_parquet(file)
            _, report, period, revision = named.groups()
            rows = tuple(table.iter_rows(named=True))
            columns = tuple(table.columns)
            found.append(Package(folder.name, report, period, int(revision), columns, rows))
    return sorted(found, key=lambda one: (one.report, one.period, one.revision))


def newest(found: Sequence[Package]) -> list[Package]:
    """The last revision of each report and period."""
    return list({(one.report, one.period): one for one in found}.values())
