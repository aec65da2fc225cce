"""All of bronze held against the landed files, read once more by the contracts of that time.

Which cells differ is told by file, sheet, row and column, never by what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.components.steps.verifying.inputs import unreadable
from dagster_project.components.steps.verifying.ledger import rows
from dagster_project.components.steps.verifying.rebuilt import scratch_file
from dagster_project.components.steps.verifying.verdict import Verified
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.contracts.reader import past_feed
from dagster_project.errors import ContractError, CountyLakeError
from dagster_project.ingest.readers import read
from dagster_project.lake.engine import literal, quoted

_MOST = 5
_PLACE = ("_sheet", "_source_row")
_BATCHES = """
SELECT batch_id, feed, path, sha256, contract_version, contract_hash
FROM lake.ops.batch
WHERE source_batch_id IS NULL AND (len($feeds) = 0 OR list_contains($feeds, feed))
ORDER BY feed, committed_at, batch_id
"""
_PARTS = """
SELECT batch_id, sheet_prefix, path, sha256
FROM lake.ops.batch_file
ORDER BY batch_id, sheet_prefix
"""


class Rereader:
    """Reads landed files again; each batch has a scratch file of its own while it is looked at."""

    def __init__(self, workshop: Workshop, con: duckdb.DuckDBPyConnection, done: Verified) -> None:
        self.workshop, self.con, self.done = workshop, con, done
        self.parts: dict[str, list[dict[str, Any]]] = {}
        for row in rows(con, _PARTS):
            self.parts.setdefault(row["batch_id"], []).append(row)
        found = rows(con, "SELECT name, text FROM lake.ops.contract WHERE layer = 'feeds'")
        self.texts = {
            hashlib.sha256(one["text"].encode()).hexdigest(): (one["text"], one["name"])
            for one in found
            if one["text"]
        }
        self.feeds: dict[str, Feed] = {}

    def faults(self, feeds: Sequence[str]) -> Iterator[str]:
        """Rows of bronze that are not what the landed files say.

        Args:
            feeds: Which; every feed if empty.
        """
        found = self.con.execute(_BATCHES, {"feeds": list(feeds)})
        names = [column[0] for column in found.description or []]
        for batch in [dict(zip(names, row, strict=True)) for row in found.fetchall()]:
            try:
                yield from self._batch(batch)
            except CountyLakeError as error:
                yield f"{batch['path']} (batch {batch['batch_id']}) cannot be read again: {error}"
            except duckdb.Error as error:
                yield unreadable(f"bronze.{batch['feed']}", error)

    def _batch(self, batch: Mapping[str, Any]) -> Iterator[str]:
        feed = self._feed(batch)
        parts = self.parts.get(batch["batch_id"]) or [{**batch, "sheet_prefix": ""}]
        with ExitStack() as stack:
            selects = []
            for part in parts:
                landed = self.workshop.home.landing / part["sha256"]
                if not landed.is_file():
                    return  # that it is gone is said where landed files are looked at
                out = stack.enter_context(scratch_file(self.workshop))
                read(
                    landed,
                    feed,
                    batch["batch_id"],
                    out,
                    name=part["path"],
                    limits=self.workshop.limits,
                    lenient=True,
                )
                self.done.looked["files read again"] += 1
                selects.append(_select(out, part["sheet_prefix"]))
            yield from self._compare(batch, " UNION ALL BY NAME ".join(selects))

    def _feed(self, batch: Mapping[str, Any]) -> Feed:
        """The feed as its contract was when the batch was read."""
        digest = batch["contract_hash"]
        if digest not in self.feeds:
            if digest in self.texts:
                self.feeds[digest] = past_feed(*self.texts[digest])
            else:
                today = self.workshop.contracts.feeds.get(batch["feed"])
                if today is None or today.hash != digest:
                    raise ContractError(
                        f"its contract {batch['contract_version']} is no longer known",
                        where="ops.contract",
                        todo="Restore the newest copy of the home",
                    )
                self.feeds[digest] = today
        return self.feeds[digest]

    def _compare(self, batch: Mapping[str, Any], select: str) -> Iterator[str]:
        bronze = f"lake.bronze.{quoted(batch['feed'])}"
        given = {str(row[0]) for row in self.con.execute(f"DESCRIBE {select}").fetchall()}
        kept = [str(row[0]) for row in self.con.execute(f"DESCRIBE {bronze}").fetchall()]
        names = [name for name in kept if name not in {*_PLACE, "_batch_id"}]
        other = [
            f"CASE WHEN b.{quoted(name)} IS DISTINCT FROM"
            f" {f'f.{quoted(name)}' if name in given else 'NULL'} THEN {literal(name)} END"
            for name in names
        ]
        query = (
            f"SELECT coalesce(b._sheet, f._sheet), coalesce(b._source_row, f._source_row),"
            f" CASE WHEN f._source_row IS NULL THEN 'is not in the file'"
            f" WHEN b._source_row IS NULL THEN 'is not in bronze'"
            f" ELSE 'differs in ' || concat_ws(', ', {', '.join(other)}) END AS what"
            f" FROM (SELECT * FROM {bronze} WHERE _batch_id = ?) AS b FULL JOIN ({select}) AS f"
            f" ON f._source_row = b._source_row AND f._sheet IS NOT DISTINCT FROM b._sheet"
            f" WHERE what <> 'differs in ' ORDER BY ALL"
        )
        found = self.con.execute(query, [batch["batch_id"]]).fetchall()
        self.done.looked["batches of bronze"] += 1
        for sheet, number, what in found[:_MOST]:
            place = f" sheet {sheet}" if sheet else ""
            yield (
                f"bronze.{batch['feed']}: row {number} of {batch['path']}{place} (batch"
                f" {batch['batch_id']}) {what}. Restore the lake from a backup."
            )
        if len(found) > _MOST:
            yield (
                f"bronze.{batch['feed']}: {len(found) - _MOST:,} more rows of batch"
                f" {batch['batch_id']} are not as {batch['path']} has them."
            )


def _select(path: Path, prefix: str) -> str:
    """The rows of one file; those of several files carry the file's name before their sheet's."""
    sheet = (
        f"{literal(prefix)} || CASE WHEN _sheet = '' THEN '' ELSE '/' || _sheet END"
        if prefix
        else "_sheet"
    )
    return f"SELECT * REPLACE ({sheet} AS _sheet) FROM read_parquet({literal(path)})"
