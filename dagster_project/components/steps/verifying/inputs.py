"""What the figures rest on, as it was at a snapshot: content hashes, record hashes, bronze rows.

Each state of a table is looked at once, however many packages were made of it. Which file a row
came in, and whether that file is still the same, is ``sources``' matter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from dagster_project.lake.engine import quoted
from dagster_project.lake.failures import without_values
from dagster_project.lake.table_state import columns_at, table_states
from dagster_project.protocol.receipt import Receipt
from dagster_project.transform.conform.tables import SEPARATOR, SILVER_COLUMNS
from dagster_project.transform.models import at
from dagster_project.transform.models.content import content_hash

_MOST = 3
_HASH = "_record_hash"
_FILE = re.compile(r"[^\s\"']+\.parquet")
_TODO = "Restore the lake from a backup."
# A batch that was read again has no rows of its own in bronze, but its source's.
_HOMELESS = """
WITH standing AS (
  SELECT _batch_id, _sheet, _source_row
  FROM lake.silver.{feed} AT (VERSION => {n})
  WHERE NOT _is_deleted
),
sent AS (
  SELECT _batch_id, _sheet, _source_row, COUNT(*) AS times
  FROM lake.bronze.{feed} AT (VERSION => {n})
  GROUP BY ALL
)
SELECT s._batch_id, s._sheet, s._source_row, COALESCE(r.times, 0)
FROM standing AS s
LEFT JOIN lake.ops.batch AS b AT (VERSION => {n}) ON b.batch_id = s._batch_id
LEFT JOIN sent AS r
  ON r._batch_id = COALESCE(b.source_batch_id, b.batch_id)
  AND r._sheet IS NOT DISTINCT FROM s._sheet AND r._source_row = s._source_row
WHERE r.times IS DISTINCT FROM 1
ORDER BY ALL
"""


# Every row that was read and not dropped is in bronze, under the batch that came with it.
_COUNTED = """
SELECT b.batch_id, b.read - b.dropped AS told, COALESCE(r.found, 0)
FROM lake.ops.batch AS b AT (VERSION => {n})
LEFT JOIN (
  SELECT _batch_id, COUNT(*) AS found
  FROM lake.bronze.{feed} AT (VERSION => {n})
  GROUP BY _batch_id
) AS r ON r._batch_id = b.batch_id
WHERE b.feed = '{feed_name}' AND b.source_batch_id IS NULL
  AND COALESCE(r.found, 0) IS DISTINCT FROM told
ORDER BY ALL
"""


@dataclass
class Grounds:
    """Looks at states of tables, each once."""

    con: duckdb.DuckDBPyConnection
    newest: int
    looked: Counter[str]
    _states: dict[tuple[str, int], str] = field(default_factory=dict)
    _first: dict[tuple[str, str], int] = field(default_factory=dict)
    _hashes: dict[tuple[str, str], tuple[str, int] | str] = field(default_factory=dict)
    _sound: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)

    def snapshots(self, receipt: Receipt) -> dict[str, int]:
        """For each input the first snapshot asked for at which it was as at the receipt's."""
        names = [one.table for one in receipt.inputs]
        self._know(names, receipt.snapshot)
        return {
            name: self._spot(name, receipt.snapshot)
            for name in names
            if (name, receipt.snapshot) in self._states
        }

    def contents(self, receipt: Receipt) -> Iterator[str]:
        """Inputs whose content is not the one that the receipt names."""
        self._know([one.table for one in receipt.inputs], receipt.snapshot)
        for one in receipt.inputs:
            state = self._states.get((one.table, receipt.snapshot))
            if state is None:
                yield f"{one.table} does not exist at snapshot {receipt.snapshot}. {_TODO}"
                continue
            spot = self._spot(one.table, receipt.snapshot)
            found = self._hashed(one.table, state, spot)
            if isinstance(found, str):
                yield found
            elif found != (one.content_hash, one.rows):
                counts = f" ({one.rows:,} rows then, {found[1]:,} now)"
                yield (
                    f"{one.table} as it was at snapshot {spot}: its content is not the one that the"
                    f" receipt names{counts if found[1] != one.rows else ''}. {_TODO}"
                )

    def rows(self, receipt: Receipt) -> Iterator[str]:
        """Rows of the feeds behind a report that are not what was merged, then and now."""
        names = [f"silver.{one.feed}" for one in receipt.feeds]
        below = [f"bronze.{one.feed}" for one in receipt.feeds]
        for snapshot in dict.fromkeys((receipt.snapshot, self.newest)):
            self._know([*names, *below], snapshot)
            for silver, bronze in zip(names, below, strict=True):
                spots = [self._states.get((one, snapshot)) for one in (silver, bronze)]
                if spots[0] is None:
                    continue
                if spots[1] is None:
                    yield f"{bronze} does not exist at snapshot {snapshot}. {_TODO}"
                    continue
                known = (silver, spots[0], spots[1])
                if known not in self._sound:
                    self._sound[known] = tuple(self._unsound(silver, snapshot))
                yield from self._sound[known]

    def _know(self, tables: Sequence[str], snapshot: int) -> None:
        """Ask for the states of tables that were not asked for yet."""
        lacking = [one for one in tables if (one, snapshot) not in self._states]
        for name, state in table_states(self.con, lacking, snapshot).items() if lacking else ():
            self._states[name, snapshot] = state
            self._first.setdefault((name, state), snapshot)

    def _spot(self, table: str, snapshot: int) -> int:
        return self._first[table, self._states[table, snapshot]]

    def _hashed(self, table: str, state: str, spot: int) -> tuple[str, int] | str:
        known = (table, state)
        if known not in self._hashes:
            try:
                self._hashes[known] = content_hash(self.con, f"({at(table, spot)})")
                self.looked["states of inputs"] += 1
            except duckdb.Error as error:
                self._hashes[known] = unreadable(f"{table} as it was at snapshot {spot}", error)
        return self._hashes[known]

    def _unsound(self, silver: str, snapshot: int) -> Iterator[str]:
        try:
            yield from self._retouched(silver, snapshot)
            yield from self._homeless(silver, snapshot)
            yield from self._miscounted(silver, snapshot)
        except duckdb.Error as error:
            yield unreadable(f"{silver} or its bronze rows at snapshot {snapshot}", error)

    def _retouched(self, silver: str, snapshot: int) -> Iterator[str]:
        """Rows whose own hash is not over their cells: somebody changed a cell."""
        names = columns_at(self.con, [silver], snapshot).get(silver, [])
        if _HASH not in names:
            return
        own = f", chr({SEPARATOR}), ".join(
            quoted(name) for name in sorted(set(names) - set(SILVER_COLUMNS))
        )
        source = f"lake.silver.{quoted(silver.partition('.')[2])} AT (VERSION => {int(snapshot)})"
        wrong = f"{_HASH} IS DISTINCT FROM md5(concat({own}))"
        row = self.con.execute(
            f"SELECT count(*), count(*) FILTER ({wrong}) FROM {source}"
        ).fetchone()
        every, bad = row or (0, 0)
        self.looked["silver rows"] += every
        if bad:
            found = self.con.execute(
                f"SELECT _batch_id, _sheet, _source_row, filename FROM {source} WHERE {wrong}"
                f" ORDER BY ALL LIMIT {_MOST}"
            ).fetchall()
            files = sorted({Path(row[3]).name for row in found})
            yield (
                f"{silver} at snapshot {snapshot}: {bad:,} of {every:,} rows do not agree with"
                f" their own hash, so a cell of them was changed: {_places(found)}"
                f" (file {', '.join(files)}). {_TODO}"
            )

    def _homeless(self, silver: str, snapshot: int) -> Iterator[str]:
        """Live rows whose row of the delivered file is not in bronze, or is there twice."""
        feed = silver.partition(".")[2]
        query = _HOMELESS.format(feed=quoted(feed), n=int(snapshot))
        found = self.con.execute(query).fetchall()
        for words, rows in (
            ("have no row in", [row for row in found if not row[3]]),
            ("have two rows in", [row for row in found if row[3]]),
        ):
            if rows:
                yield (
                    f"{silver} at snapshot {snapshot}: {len(rows):,} live rows {words}"
                    f" bronze.{feed}: {_places(rows)}. {_TODO}"
                )

    def _miscounted(self, silver: str, snapshot: int) -> Iterator[str]:
        """Batches of which bronze does not hold as many rows as were read."""
        feed = silver.partition(".")[2]
        query = _COUNTED.format(feed=quoted(feed), feed_name=feed, n=int(snapshot))
        for batch_id, told, found in self.con.execute(query).fetchall():
            yield (
                f"bronze.{feed} at snapshot {snapshot}: it holds {found:,} rows of batch"
                f" {batch_id}, of which {told:,} were read. {_TODO}"
            )


def _places(rows: Sequence[tuple[object, ...]]) -> str:
    """The first rows by batch, sheet and number."""
    named = [
        f"{batch}{f' sheet {sheet}' if sheet else ''} row {number}"
        for batch, sheet, number, *_ in rows[:_MOST]
    ]
    return ", ".join(named) + (" …" if len(rows) > _MOST else "")


def unreadable(what: str, error: duckdb.Error) -> str:
    """That something of the lake cannot be read, with the file if the engine names one."""
    named = _FILE.search(str(error))
    file = f"{named.group(0)}: " if named else ""
    return f"{file}{what} cannot be read ({without_values(str(error)).rstrip('.')}). {_TODO}"
