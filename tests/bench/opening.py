"""Opening figures of a county: whole processes of ``trace`` and ``verify``, against bare DuckDB.

What a bare reader does for the same figure is to find its rows in the published copy, and no more:
it opens no file, proves nothing, and knows no level above. The loading of contracts and models is
part of every process of the programme.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.timing import Timed, timed

GOAL_S = 3.0
BARE = """\
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print(len(con.execute(sys.argv[2]).fetchall()))
"""


@dataclass(frozen=True)
class Figure:
    """A figure of a report, and the SELECT that finds its rows in silver."""

    report: str
    where: tuple[str, ...]
    column: str
    rows: str


TOWN = "140321100000"
FIGURES = (
    Figure(
        "population_by_town",
        (f"town_code={TOWN}", "sex=all", "age_band=all"),
        "resident_cnt",
        "SELECT _batch_id, _source_row FROM silver.population WHERE NOT _is_deleted"
        " AND status = '1' AND is_resident AND village_code LIKE '140321100%'",
    ),
    Figure(
        "house_by_town",
        (f"town_code={TOWN}", "usage=10"),
        "area_sqm",
        "SELECT _batch_id, _source_row FROM silver.house WHERE NOT _is_deleted"
        " AND usage = '10' AND village_code LIKE '140321100%'",
    ),
    Figure(
        "three_assets",
        (f"town_code={TOWN}",),
        "payment_yuan",
        "SELECT p._batch_id, p._source_row FROM silver.payment AS p"
        " JOIN silver.collective_org AS o USING (org_code) WHERE NOT p._is_deleted"
        " AND p.status = '50' AND NOT o._is_deleted AND o.town_code LIKE '140321100%'",
    ),
)


def measure(home: Path, env: dict[str, str], rounds: int) -> None:
    """Print what it takes to open figures of a county, and to prove its packages.

    Args:
        home: A county's home after a run.
        env: What its processes are told.
        rounds: How often each is measured.
    """
    programme = [sys.executable, "-m", "dagster_project.cli"]
    replica = str(home / "published" / "current" / "county.duckdb")
    sys.stdout.write(f"one figure opened, and packages proven, {rounds} rounds, medians\n")
    for one in FIGURES:
        bare = _median([sys.executable, "-c", BARE, replica, one.rows], env, rounds)
        where = [word for each in one.where for word in ("--where", each)]
        asked = ["trace", one.report, *where, "--column", one.column, "--home", str(home), "--json"]
        for what, more in (("", []), (", without what if", ["--quick"])):
            name = f"{one.report}.{one.column}{what}"
            _tell(name, _median([*programme, *asked, *more], env, rounds), bare)
    _tell("verify --all", _median([*programme, "verify", "--all", "--home", str(home)], env, 1))
    sys.stdout.write(f"  goal of one figure   {GOAL_S:.0f} s\n")


def _median(command: list[str], env: dict[str, str], rounds: int) -> Timed:
    done = sorted((timed(command, env) for _ in range(rounds)), key=lambda one: one.wall)
    middle = median(one.wall for one in done)
    return min(done, key=lambda one: abs(one.wall - middle))


def _tell(name: str, took: Timed, bare: Timed | None = None) -> None:
    ratio = f"   bare {bare.wall:.2f} s, ratio {took.wall / bare.wall:.1f}" if bare else ""
    sys.stdout.write(
        f"  {name:52s} {took.wall:6.2f} s   peak {took.peak:5.0f} MiB   CPU {took.cpu:5.1f} s"
        f"{ratio}\n"
    )
