"""What is known of each sender's chain, and the answers that lie ready for it.

Chains are read from the ledger through a kept look, answers from the child's folder.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project.city import ledger
from dagster_project.city.arrivals import ANSWER_BYTES, DOWN, Door
from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.acknowledgement import SUFFIX, Acknowledgement
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import read_untrusted
from dagster_project.protocol.manifest import PACKAGE_ID

_MOST_MISSING = 1000


@dataclass(frozen=True)
class Standing:
    """A sender's chain: its last decided package, and the numbers that are missing below others."""

    head_no: int = 0
    head_hash: str = ""
    missing: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lying:
    """One answer that lies ready."""

    package_id: str
    outcome: str
    acknowledged_at: str
    sha256: str

    @property
    def cursor(self) -> str:
        """Its place among all answers, which is in time."""
        at = datetime.fromisoformat(self.acknowledged_at)
        return f"{at:%Y%m%dT%H%M%S.%f}~{self.package_id}"


def standings(con: duckdb.DuckDBPyConnection) -> Mapping[str, Standing]:
    """Every sender's chain as the ledger has it."""
    if not ledger.complete(con):
        return {}
    rows = con.execute(
        "SELECT split_part(package_id, '-', 1), coalesce(max(package_no) FILTER (consumed), 0),"
        " coalesce(max_by(package_hash, package_no) FILTER (consumed), ''),"
        " list(DISTINCT package_no) FILTER (outcome = 'held')"
        f" FROM {ledger.TABLE} WHERE package_no IS NOT NULL GROUP BY 1"
    ).fetchall()
    return {code: Standing(head, digest, _missing(head, held)) for code, head, digest, held in rows}


def _missing(head: int, held: list[int] | None) -> tuple[int, ...]:
    waiting = {number for number in held or [] if number > head}
    found: list[int] = []
    number = head + 1
    while number < max(waiting, default=0) and len(found) < _MOST_MISSING:
        if number not in waiting:
            found.append(number)
        number += 1
    return tuple(found)


class Answers:
    """The answers in one home's exchange folders; each file is read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[tuple[int, int, int], Lying | None]] = {}
        self._guard = threading.Lock()

    def lying(self, door: Door) -> list[Lying]:
        """A child's answers in the order of their instants."""
        down = door.folder / DOWN
        found = list[Lying]()
        for path in down.iterdir() if down.is_dir() else ():
            package_id = path.name.removesuffix(SUFFIX)
            if path.name == package_id or not PACKAGE_ID.match(package_id):
                continue
            with contextlib.suppress(OSError):
                state = path.lstat()
                version = (state.st_ino, state.st_mtime_ns, state.st_size)
                one = self._known(door, package_id, version)
                if one is not None:
                    found.append(one)
        return sorted(found, key=lambda one: one.cursor)

    def _known(self, door: Door, package_id: str, version: tuple[int, int, int]) -> Lying | None:
        key = (door.code, package_id)
        with self._guard:
            kept = self._read.get(key)
        if kept is None or kept[0] != version:
            kept = (version, _read(door, package_id))
            with self._guard:
                self._read[key] = kept
        return kept[1]


def _read(door: Door, package_id: str) -> Lying | None:
    data = read_untrusted(door.folder / DOWN, package_id + SUFFIX, ANSWER_BYTES)
    if data is None:
        return None
    try:
        answer = Acknowledgement.model_validate_json(dsse.unverified(data, package_id)[1])
        datetime.fromisoformat(answer.acknowledged_at)
    except (PackageError, ValueError):
        return None
    return Lying(package_id, answer.outcome, answer.acknowledged_at, sha256_bytes(data))
