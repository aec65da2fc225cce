"""The deliveries behind a receipt: their ledger rows, and the landed files, byte for byte.

What was merged from them is ``inputs``' matter.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import duckdb

from dagster_project.lake.engine import quoted
from dagster_project.lake.table_state import columns_at, table_states
from dagster_project.lineage.receipts import feeds_at
from dagster_project.paths import Home
from dagster_project.protocol.canonical import sha256_file
from dagster_project.protocol.receipt import FeedBehind, Receipt

_TODO = "Restore it from a backup."
_MOST = 5
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LEDGER = "ops.batch"
_LEDGERS = ("ops.feed", _LEDGER, "ops.batch_file", "ops.delivery", "ops.rectification")
"""What a receipt tells of feeds is read of these, and of the feeds' own tables."""
_FILES = """
SELECT b.batch_id, coalesce(f.sha256, b.sha256) AS sha256, coalesce(f.path, b.path) AS path
FROM lake.ops.batch AS b
LEFT JOIN lake.ops.batch_file AS f ON f.batch_id = coalesce(b.source_batch_id, b.batch_id)
WHERE coalesce(f.sha256, b.sha256) <> ''
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
    _files: dict[str, list[str]] | None = None
    _names: dict[str, str] = field(default_factory=dict)

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
        for feed in receipt.feeds:
            for batch in feed.batches:
                for sha256 in batch.files or (batch.sha256,):
                    yield from self._landed_file(sha256, batch.batch_id)
        ids = self._ledger(receipt.snapshot)[1]
        for feed in receipt.feeds:
            for batch_id in ids.get(feed.feed, ()):
                for sha256 in self._of_batch(batch_id):
                    yield from self._landed_file(sha256, batch_id)

    def every_file(self) -> Iterator[str]:
        """Whatever lies in the landing: each file's name is its hash."""
        folder = self.home.landing
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if _SHA256.fullmatch(path.name):
                yield from self._landed_file(path.name, "")

    def _of_batch(self, batch_id: str) -> list[str]:
        """The landed files of a batch, as the ledger knows them now."""
        if self._files is None:
            self._files = {}
            for one, sha256, path in self.con.execute(_FILES).fetchall():
                self._files.setdefault(one, []).append(sha256)
                self._names[sha256] = path
        return self._files.get(batch_id, [])

    def _landed_file(self, sha256: str, batch_id: str) -> Iterator[str]:
        if not sha256:
            return
        if sha256 not in self._landed:
            self._landed[sha256] = self._looked_at(sha256, batch_id)
        if self._landed[sha256]:
            yield self._landed[sha256]

    def _looked_at(self, sha256: str, batch_id: str) -> str:
        path, what = self.home.landing / sha256, ""
        self.looked["landed files"] += 1
        try:
            if sha256_file(path) != sha256:
                what = "its bytes are not those that were received"
            self.looked["landed bytes"] += path.stat().st_size
        except FileNotFoundError:
            what = "the landed file is gone"
        except OSError as error:
            what = f"the landed file cannot be read ({error.strerror})"
        if not what:
            return ""
        with contextlib.suppress(duckdb.Error):
            self._of_batch("")
        words = (self._names.get(sha256, ""), f"batch {batch_id}" if batch_id else "")
        told = ", ".join(one for one in words if one)
        return f"{path}: {what}{f' ({told})' if told else ''}. {_TODO}"

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
