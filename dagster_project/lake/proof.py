"""Proving that a reworked catalog reads as the lake does, at every snapshot that is held.

A table whose files and columns are the same at a snapshot reads the same. Where they are others,
its content is hashed in the new catalog: at every snapshot of which a receipt tells, and held
against the receipt; at the oldest, the newest and some between, and held against the lake as it is.
What is inserted and deleted from snapshot to snapshot must be the same, row by row, in both; where
that cannot be told, every snapshot is hashed. How a catalog is reworked is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from typing import NamedTuple

import duckdb

from dagster_project import clock
from dagster_project.errors import LakeError
from dagster_project.lake.engine import quoted
from dagster_project.lake.inventory import inventory
from dagster_project.lake.lake import AUTHOR
from dagster_project.lake.snapshots import current_snapshot, snapshots
from dagster_project.lake.table_state import states_at, touched
from dagster_project.paths import Home

Digest = Callable[[duckdb.DuckDBPyConnection, str], tuple[str, int]]
"""The content hash of a relation, and its rows: the one that receipts are made with."""
SAMPLE = 4
"""Snapshots that are hashed of a table for which no receipt speaks; 2 or more."""
Spot = tuple[str, str]
"""A table and a state of it."""
ADVICE = "Nothing was changed. Run `countylake verify --all`, and report it"
_RECEIPTS = """
SELECT snapshot, one ->> 'table', one ->> 'content_hash', package_id
FROM (
  SELECT snapshot, package_id, unnest(json_extract(receipt, '$.inputs[*]')) AS one
  FROM lake.ops.receipt
)
ORDER BY ALL
"""


def sealed(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, int], tuple[str, str]]:
    """Content hash and package of every input of every receipt, by table and snapshot."""
    return {
        (str(table), int(snapshot)): (str(content), str(package))
        for snapshot, table, content, package in con.execute(_RECEIPTS).fetchall()
    }


class _Changed(NamedTuple):
    """A table at a snapshot of the old catalog and at one of the new, with its states."""

    table: str
    old: int
    new: int
    before: Spot
    after: Spot


class Proof:
    """Compares two catalogs over the same data.

    Args:
        old: The lake as it is, attached as ``lake``.
        new: The reworked catalog, attached as ``lake``.
        held: The snapshots that must read as before.
        digest: Hashes content.
    """

    def __init__(
        self,
        old: duckdb.DuckDBPyConnection,
        new: duckdb.DuckDBPyConnection,
        held: tuple[int, ...],
        digest: Digest,
    ) -> None:
        self._old, self._new, self._held, self._digest = old, new, held, digest
        self._sealed = sealed(old)
        self._known = {
            (str(table), str(state)): (str(content), int(rows))
            for table, state, content, rows in old.execute(
                "SELECT table_name, state, content_hash, row_count FROM lake.ops.input_hash"
            ).fetchall()
        }
        self._was: dict[Spot, tuple[str, int]] = {}
        self._is: dict[Spot, tuple[str, int]] = {}
        self._learnt: dict[Spot, tuple[str, int]] = {}
        self._states: set[Spot] = set()

    @property
    def proven(self) -> int:
        """How many contents were hashed again in the new catalog."""
        return len(self._is)

    def prove(self, home: Home, given_up: Collection[int]) -> None:
        """Hold the new catalog against the old one.

        Args:
            home: Where the data lie.
            given_up: The snapshots that may lack.

        Raises:
            LakeError: Something held would read otherwise, or cannot be read.
        """
        for what in self._faults(home, given_up):
            raise LakeError(what, where=str(home.root), todo=ADVICE)
        for con in (self._old, self._new):
            con.execute("BEGIN")
        try:
            changed = sorted(self._changed())
            for _, some in groupby(changed, lambda one: one.table):
                for one in self._looked_at(list(some)):
                    self._equal(home, one)
        finally:
            for con in (self._old, self._new):
                con.execute("ROLLBACK")

    def remember(self) -> None:
        """Keep the hashes of inputs in their new states, and forget those of states that are gone.

        They spare reading an input again that did not change; nothing is proven by them.
        """
        gone = [spot for spot in self._known if spot not in self._states]
        if not gone and not self._learnt:
            return
        self._new.execute("BEGIN")
        self._new.execute(
            "CALL lake.set_commit_message(?, ?, extra_info => '{}')",
            [AUTHOR, "remember the hashes of inputs in their new files"],
        )
        self._new.execute(
            "DELETE FROM lake.ops.input_hash"
            " WHERE list_contains($gone, table_name || ' ' || state)",
            {"gone": [" ".join(spot) for spot in gone]},
        )
        if self._learnt:
            tables, states = zip(*self._learnt, strict=True)
            hashes, rows = zip(*self._learnt.values(), strict=True)
            self._new.execute(
                "INSERT INTO lake.ops.input_hash BY NAME SELECT unnest($tables) AS table_name,"
                " unnest($states) AS state, unnest($hashes) AS content_hash,"
                " unnest($rows) AS row_count, $now::TIMESTAMPTZ AS hashed_at",
                {
                    "tables": tables,
                    "states": states,
                    "hashes": hashes,
                    "rows": rows,
                    "now": clock.now(),
                },
            )
        self._new.execute("COMMIT")

    def _faults(self, home: Home, given_up: Collection[int]) -> Iterator[str]:
        """What the catalogs alone tell."""
        lost = {one.id for one in snapshots(self._old)} - {one.id for one in snapshots(self._new)}
        for at in sorted(lost ^ set(given_up)):
            yield f"snapshot {at} would {'be lost' if at in lost else 'not be given up'}"
        if lacking := inventory(self._new, home).lacking:
            yield f"{len(lacking)} data files are missing, the first is {lacking[0]}"
        after = touched(self._new)
        for table, at in touched(self._old).items():
            if after.get(table, -1) < at:
                yield f"{table} would no longer tell that it changed at snapshot {at}"

    def _changed(self) -> Iterator[_Changed]:
        """Tables whose files are others in the new catalog, at every snapshot that is held."""
        newest, now = current_snapshot(self._old), current_snapshot(self._new)
        before = states_at(self._old, {*self._held, newest})
        after = states_at(self._new, {*self._held, newest, now})
        self._states = {(table, one.state) for (table, _), one in after.items()}
        pairs = [(at, at) for at in sorted({*self._held, newest})]
        pairs += [(newest, now)] if now != newest else []
        for old, new in pairs:
            was = {table: one for (table, at), one in before.items() if at == old}
            found = {table: one for (table, at), one in after.items() if at == new}
            if different := was.keys() ^ found.keys():
                raise LakeError(
                    f"{min(different)} would appear or disappear at snapshot {old}", todo=ADVICE
                )
            for table, one in sorted(was.items()):
                if one.state != found[table].state:
                    yield _Changed(table, old, new, (table, one.state), (table, found[table].state))

    def _looked_at(self, some: list[_Changed]) -> list[_Changed]:
        """Of one table's snapshots those whose content is hashed: all, if its changes differ."""
        sealed = [one for one in some if (one.table, one.old) in self._sealed]
        others = [one for one in some if (one.table, one.old) not in self._sealed]
        if len(others) <= SAMPLE or not self._moves_alike(others):
            return some
        last = len(others) - 1
        return [*sealed, *(others[last * number // (SAMPLE - 1)] for number in range(SAMPLE))]

    def _moves_alike(self, some: list[_Changed]) -> bool:
        """Whether both catalogs tell the same rows inserted and deleted between the snapshots."""
        table, first, last = some[0].table, some[0].old, some[-1].old
        return self._moves(self._old, table, first, last) == self._moves(
            self._new, table, first, last
        )

    def _moves(
        self, con: duckdb.DuckDBPyConnection, table: str, first: int, last: int
    ) -> list[tuple[object, ...]] | object:
        """How many rows came and went at each snapshot, and their hashes; itself if not known."""
        layer, _, name = table.partition(".")
        words = [layer, name, first, last]
        found: list[tuple[object, ...]] = []
        for feed in ("insertions", "deletions"):
            source = f"ducklake_table_{feed}('lake', ?, ?, ?, ?)"
            try:
                columns = [
                    quoted(str(one[0]))
                    for one in con.execute(f"DESCRIBE SELECT * FROM {source}", words).fetchall()
                ]
                row = f"hash({', '.join(columns)})"
                found += con.execute(
                    f"SELECT '{feed}', snapshot_id, count(*), sum({row}), bit_xor({row})"
                    f" FROM {source} GROUP BY snapshot_id ORDER BY snapshot_id",
                    words,
                ).fetchall()
            except duckdb.Error:
                con.execute("ROLLBACK")
                con.execute("BEGIN")
                return object()
        return found

    def _equal(self, home: Home, one: _Changed) -> None:
        table, old, new, before, after = one
        if after not in self._is:
            self._is[after] = self._content(self._new, table, new)
        found = self._is[after]
        content, package = self._sealed.get((table, old), ("", ""))
        if not content and before not in self._known and before not in self._was:
            self._was[before] = self._content(self._old, table, old)
        expected = content or (self._known.get(before) or self._was[before])[0]
        if found[0] != expected:
            said = f"the receipt of {package} says" if package else "it reads now"
            what = f"{table} at snapshot {old} would not read as {said}"
            if self._content(self._old, table, old) == found:
                what = f"{table} at snapshot {old} does not read as it was hashed before ({said})"
            raise LakeError(what, where=str(home.root), todo=ADVICE)
        if before in self._known and after not in self._known:
            self._learnt[after] = found

    def _content(self, con: duckdb.DuckDBPyConnection, table: str, at: int) -> tuple[str, int]:
        layer, _, name = table.partition(".")
        source = f"lake.{quoted(layer)}.{quoted(name)} AT (VERSION => {int(at)})"
        return self._digest(con, f"(SELECT * FROM {source})")
