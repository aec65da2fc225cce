"""A small lake with a past: rows that came, changed and went, and receipts of some states."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.lake import Lake
from dagster_project.lake.compaction import Done, agenda, carry_out
from dagster_project.lake.retention import Claimant, Rule, claims
from dagster_project.lake.table_state import table_states, touched
from dagster_project.paths import Home
from dagster_project.settings import Settings
from dagster_project.transform.models.content import content_hash

NOTHING_YOUNG = Rule(young=timedelta(0))
INPUTS = ("silver.house", "ops.delivery")


KEEPER = """
import os, signal, sys, threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from keeping_kit import PastLake
from dagster_project.lake import maintenance

at, seconds, seen = int(sys.argv[3]), float(sys.argv[4]), []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def count(event, words):
    # What touches the disk; the engine's own hand is not seen here, so a clock kills, too.
    if event in {"open", "os.rename", "os.remove", "shutil.copyfile", "sqlite3.connect"}:
        if sys.argv[1] in str(words):
            seen.append(event)
            turn = seen.index("os.rename") + 1 if "os.rename" in seen else len(seen) + 1
            if len(seen) in (at, turn - at - 1):
                die()

past = PastLake(Path(sys.argv[1]))
with past.lake.reader():
    pass
sys.addaudithook(count)
if seconds:
    threading.Timer(seconds, die).start()
past.keep()
maintenance.gc(past.lake, at=datetime.now(UTC) + timedelta(days=2))
print(" ".join(seen), flush=True)
os._exit(0)
"""


@dataclass
class PastLake:
    """A lake below ``root``; ``sealed`` are the snapshots that a package was made of."""

    root: Path
    sealed: list[int] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        """The lake, opened anew."""
        return Lake(Home(self.root), Settings())

    def commit(self, *statements: str) -> int:
        """One commit; its snapshot."""
        with self.lake.writer("testing") as writer, writer.transaction("test") as tx:
            for one in statements:
                writer.con.execute(one)
        return tx.snapshot

    def live(self, commits: int, *, seal_every: int = 4, first: int = 0) -> None:
        """Commits that insert, change and delete, and a package after every few of them."""
        for number in range(first, first + commits):
            statements = [
                f"INSERT INTO silver.house SELECT range + {number * 10}, '东街', 7 FROM range(10)",
                f"INSERT INTO ops.task_run (run_id, task) VALUES ('r{number}', 'house')",
                f"INSERT INTO ops.delivery (delivery_id, feed) VALUES ('d{number}', 'house')",
            ]
            if number % 3 == 2:
                statements.append(
                    f"UPDATE silver.house SET road = '西街' WHERE id % 7 = {number % 7}"
                )
            if number % 5 == 4:
                statements.append(f"DELETE FROM silver.house WHERE id % 11 = {number % 11}")
            at = self.commit(*statements)
            if number % seal_every == seal_every - 1:
                self.seal(at)

    def seal(self, at: int) -> None:
        """A package and its receipt, made of a snapshot."""
        package = f"140321-house-{at}-r1"
        with self.lake.writer("testing") as writer:
            found = {
                name: content_hash(writer.con, f"(SELECT * FROM lake.{name} AT (VERSION => {at}))")
                for name in INPUTS
            }
            states = table_states(writer.con, INPUTS, at)
            listed = [
                {"table": name, "content_hash": digest, "rows": rows}
                for name, (digest, rows) in found.items()
            ]
            with writer.transaction("seal"):
                writer.con.execute(
                    "INSERT INTO ops.receipt (package_id, snapshot, receipt) VALUES (?, ?, ?)",
                    [package, at, json.dumps({"inputs": listed})],
                )
                writer.con.execute(
                    "INSERT INTO ops.package (package_id, snapshot, sealed_at) VALUES (?, ?, ?)",
                    [package, at, datetime.now(UTC)],
                )
                for name, (digest, rows) in found.items():
                    writer.con.execute(
                        "INSERT INTO ops.input_hash (table_name, state, content_hash, row_count)"
                        " VALUES (?, ?, ?, ?)",
                        [name, states[name], digest, rows],
                    )
        self.sealed.append(at)

    def claimant(self, rule: Rule = NOTHING_YOUNG) -> Claimant:
        """What holds snapshots of it."""
        return lambda con: claims(con, Home(self.root), rule, datetime.now(UTC))

    def keep(self, rule: Rule = NOTHING_YOUNG) -> list[Done]:
        """Every change that there is to make."""
        claimant = self.claimant(rule)
        with self.lake.reader() as con:
            found = agenda(con, claimant)
        return [carry_out(self.lake, one, claimant, content_hash) for one in found.changes]

    def rows(self, at: int) -> dict[str, list[Any]]:
        """Every row of the inputs, and of the ledger of packages, at a snapshot."""
        with self.lake.reader() as con:
            return {
                name: con.execute(
                    f"SELECT * FROM lake.{name} AT (VERSION => {at}) ORDER BY ALL"
                ).fetchall()
                for name in (*INPUTS, "ops.package")
            }

    def snapshots(self) -> list[int]:
        """The ids of all its snapshots."""
        with self.lake.reader() as con:
            found = con.execute("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall()
        return [number for (number,) in found]

    def versions(self) -> dict[str, int]:
        """The last snapshot that touched each table."""
        with self.lake.reader() as con:
            return touched(con)

    @property
    def idle(self) -> list[Path]:
        """Data files that no snapshot needed from the beginning: a commit replaced its own."""
        with contextlib.closing(sqlite3.connect(Home(self.root).catalog)) as db:
            found = db.execute("SELECT path FROM ducklake_files_scheduled_for_deletion").fetchall()
        return [self.root / "lake" / "data" / path for (path,) in found]

    def files(self, table: str = "silver.house") -> list[Path]:
        """The data files of a table that lie there."""
        return sorted((self.root / "lake" / "data" / table.replace(".", "/")).glob("*.parquet"))


def past_lake(root: Path, commits: int = 12) -> PastLake:
    """A lake that lived through some commits."""
    made = PastLake(root)
    made.commit("CREATE TABLE silver.house (id BIGINT, road VARCHAR, area DECIMAL(10, 2))")
    made.commit("CREATE TABLE silver.road (id BIGINT)", "INSERT INTO silver.road VALUES (1)")
    made.commit("INSERT INTO silver.road VALUES (2)")
    made.commit("DELETE FROM silver.road WHERE id = 2")
    made.live(commits)
    return made


def keeper(root: Path, *, at: int = 0, seconds: float = 0.0) -> list[str]:
    """Keep a lake in a process that dies at some step, or after some time.

    Args:
        root: The lake's home.
        at: At which step that touches the disk; -1 is that of the rename, -2 the one after it.
        seconds: After which time.

    Returns:
        Its steps; none if it died.
    """
    command = [sys.executable, "-c", KEEPER, str(root), str(Path(__file__).parent)]
    done = subprocess.run(
        [*command, str(at), str(seconds)], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.stdout.split()
