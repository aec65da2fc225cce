"""The deliveries behind a receipt: their ledger rows, and the landed files, byte for byte.

What was merged from them is ``inputs``' matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from dagster_project.components.steps.verifying.ledger import rows
from dagster_project.lake.engine import quoted
from dagster_project.lake.table_state import columns_at, table_states
from dagster_project.lineage.receipts import feeds_at
from dagster_project.paths import Home
from dagster_project.protocol.canonical import sha256_file
from dagster_project.protocol.receipt import FeedBehind, Receipt

_TODO = "Restore it from a backup."
_MOST = 5
_LEDGER = "ops.batch"
_LEDGERS = ("ops.feed", _LEDGER, "ops.batch_file", "ops.delivery", "ops.rectification")
"""What a receipt tells of feeds is read of these, and of the feeds' own tables."""
_FILES = """
SELECT b.batch_id, b.feed, coalesce(f.path, b.path) AS path, coalesce(f.sha256, b.sha256) AS sha256
FROM lake.ops.batch AS b
LEFT JOIN lake.ops.batch_file AS f ON f.batch_id = coalesce(b.source_batch_id, b.batch_id)
"""


@dataclass
class Sources:
    """Looks at deliveries and landed files, each once."""

    con: duckdb.DuckDBPyConnection
    home: Home
    looked: Counter[str]
    _told: dict[tuple[tuple[str, str], ...], tuple[FeedBehind, ...]] = field(default_factory=dict)
    _ledgers: dict[str, tuple[tuple[str, ...], Mapping[str, list[str]]]] = field(
        default_factory=dict
    )
    _landed: dict[str, str] = field(default_factory=dict)
    _files: dict[str, list[dict[str, Any]]] | None = None

    def batches(self, receipt: Receipt) -> Iterator[str]:
        """What the ledger says otherwise of the batches than the receipt does."""
        names = tuple(one.feed for one in receipt.feeds)
        read = [*_LEDGERS, *(f"silver.{name}" for name in names)]
        state = tuple(sorted(table_states(self.con, read, receipt.snapshot).items()))
        if state not in self._told:
            self._told[state] = feeds_at(self.con, names, receipt.snapshot)
        found = {one.feed: one for one in self._told[state]}
        for said in receipt.feeds:
            where = f"receipt of {receipt.package_id}: feed {said.feed}"
            if said.feed not in found:
                yield f"{where} is not in ops.feed at snapshot {receipt.snapshot}."
                continue
            yield from _otherwise(where, said, found[said.feed])
        yield from self._ledger(receipt.snapshot)[0]

    def landing(self, receipt: Receipt) -> Iterator[str]:
        """Landed files that are gone or changed, of every batch of the feeds behind it."""
        if self._files is None:
            self._files = {}
            for row in rows(self.con, _FILES):
                self._files.setdefault(row["batch_id"], []).append(row)
        ids = self._ledger(receipt.snapshot)[1]
        for feed in receipt.feeds:
            for batch_id in ids.get(feed.feed, ()):
                for row in self._files.get(batch_id, ()):
                    if row["sha256"] and (fault := self._landed_file(row["sha256"], row)):
                        yield fault

    def _landed_file(self, sha256: str, row: Mapping[str, Any]) -> str:
        if sha256 not in self._landed:
            path = self.home.landing / sha256
            what = ""
            try:
                if sha256_file(path) != sha256:
                    what = "its bytes are not those that were received"
                self.looked["landed bytes"] += path.stat().st_size
            except FileNotFoundError:
                what = "the landed file is gone"
            except OSError as error:
                what = f"the landed file cannot be read ({error.strerror})"
            self.looked["landed files"] += 1
            self._landed[sha256] = (
                f"{path}: {what} ({row['path']}, batch {row['batch_id']}). {_TODO}" if what else ""
            )
        return self._landed[sha256]

    def _ledger(self, snapshot: int) -> tuple[tuple[str, ...], Mapping[str, list[str]]]:
        """What of the ledger of batches was changed since, and the batches of each feed then."""
        state = table_states(self.con, [_LEDGER], snapshot).get(_LEDGER, "")
        if state not in self._ledgers:
            self._ledgers[state] = self._compared(snapshot) if state else ((), {})
        return self._ledgers[state]

    def _compared(self, snapshot: int) -> tuple[tuple[str, ...], Mapping[str, list[str]]]:
        names = columns_at(self.con, [_LEDGER], snapshot)[_LEDGER]
        columns = ", ".join(quoted(name) for name in names)
        then = f"lake.ops.batch AT (VERSION => {int(snapshot)})"
        ids: dict[str, list[str]] = {}
        for batch_id, feed in self.con.execute(
            f"SELECT batch_id, feed FROM {then} ORDER BY ALL"
        ).fetchall():
            ids.setdefault(feed, []).append(batch_id)
        changed = self.con.execute(
            f"SELECT DISTINCT batch_id FROM (SELECT {columns} FROM {then}"
            f" EXCEPT ALL SELECT {columns} FROM lake.ops.batch) ORDER BY batch_id"
        ).fetchall()
        return tuple(
            f"ops.batch tells batch {batch_id} otherwise now than when it was committed."
            " Restore the newest copy of the home."
            for (batch_id,) in changed
        ), ids


def _otherwise(where: str, said: FeedBehind, found: FeedBehind) -> Iterator[str]:
    """What differs between a receipt's words of a feed and the ledgers'."""
    one, other = _flat(said), _flat(found)
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    for name in names[:_MOST]:
        yield (
            f"{where}: {name} is {one.get(name, 'nothing')} in the receipt and"
            f" {other.get(name, 'nothing')} in the ledgers."
        )
    if len(names) > _MOST:
        yield f"{where}: {len(names) - _MOST:,} more facts differ from the ledgers."


def _flat(feed: FeedBehind) -> dict[str, object]:
    """Every fact by its name; batches are named by their ids."""
    told = feed.model_dump(mode="json")
    found: dict[str, object] = {}
    for batch in told.pop("batches"):
        counts = {f"counts {name}": n for name, n in batch.pop("counts").items()}
        name = batch.pop("batch_id")
        found |= {f"batch {name} {fact}": is_so for fact, is_so in {**batch, **counts}.items()}
    others = told.pop("others")
    counts = others.pop("counts")
    found |= {f"other batches {fact}": is_so for fact, is_so in {**others, **counts}.items()}
    return {**told, **found}
