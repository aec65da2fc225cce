"""A JSON document to rows, in bounded memory: ``place`` finds the records, here they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.json.flat import FlatteningError, flattened, refusal, texts
from dagster_project.ingest.readers.json.place import Place, find_place, go_to
from dagster_project.ingest.readers.json.scan import Run, Scanner
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import COLUMNS, MIB, Limits
from dagster_project.ingest.readers.machine import SourceTable
from dagster_project.ingest.readers.sink import write
from dagster_project.ingest.readers.text import decode
from dagster_project.ingest.readers.text.tidy import Tidy

CHUNK = MIB
ROWS, SIZE = 16_384, 8 * MIB
"""A frame holds about so many records, or records of so many characters."""
CELLS = 1 << 22
"""A frame has at most so many cells; records of many different fields make smaller ones."""


@dataclass
class JsonTable:
    """One JSON document while it is read."""

    feed: Feed | None
    batch_id: str
    name: str
    ledger: Ledger
    limits: Limits = field(default_factory=Limits)
    lenient: bool = False

    def read(self, path: Path, out: Path, *, chunk: int = CHUNK) -> int:
        """Read the document into ``out``.

        Returns:
            The number of rows written.

        Raises:
            DeliveryError: It cannot be decoded, is no JSON, holds no records, or lacks a required
                column.
        """
        text = decode.judge(path, self.feed, name=self.name, chunk=chunk)
        self.ledger.encoding, self.ledger.evidence = text.encoding, text.evidence
        place = find_place(lambda: self._opened(text), self.feed)
        if place.path and place.count:
            self.ledger.warnings.append(
                f"{self.name}: the records are those at {place.worded} ({place.count}); what "
                "stands around them was left alone."
            )
        names = list[str]() if self.feed else self._names(text, place)
        table = SourceTable(
            self.feed, self.batch_id, where=self.name, ledger=self.ledger, names=names
        )
        rows = write(self._frames(text, place, table), table.empty(), out)
        table.close(rows, lenient=self.lenient)
        return rows

    def _opened(self, text: decode.Text) -> Scanner:
        chunks = Tidy().chunks(replace(text).chunks())
        return Scanner(chunks, where=self.name, longest=self.limits.record_bytes)

    def _runs(self, text: decode.Text, place: Place) -> Iterator[Run]:
        """Every record of the document, flattened, to the document's end."""
        scanner, done = self._opened(text), 0
        if place.path is None:
            scanner.peek()
        elif not go_to(scanner, place.path):
            scanner.take("]")
            self._end(scanner, place)
            return
        for run in scanner.runs(in_array=place.path is not None):
            yield replace(run, objects=self._flat(run, done)) if run.nested else run
            done += len(run.objects)
        self._end(scanner, place)

    def _end(self, scanner: Scanner, place: Place) -> None:
        """Refuse what follows an array; around an inner one ``place`` looked already."""
        if not place.path and scanner.peek():
            raise scanner.wrong("something else follows the document's array")

    def _flat(self, run: Run, done: int) -> list[dict[str, Any]]:
        made = list[dict[str, Any]]()
        try:
            made.extend(map(flattened, run.objects))
        except FlatteningError as error:
            raise refusal(error, where=self.name, record=done + len(made) + 1) from error
        return made

    def _names(self, text: decode.Text, place: Place) -> list[str]:
        """The names of all fields, of a document without a contract.

        Raises:
            DeliveryError: There are none, or too many.
        """
        names: dict[str, None] = {}
        for run in self._runs(text, place):
            for one in run.objects:
                names.update(dict.fromkeys(one))
            if len(names) > COLUMNS:
                break
        if not names:
            raise DeliveryError(
                "this JSON document holds no records with fields",
                where=self.name,
                todo="Export it again and deliver it",
                reason="no_text",
            )
        return list(names)

    def _frames(
        self, text: decode.Text, place: Place, table: SourceTable
    ) -> Iterator[pl.DataFrame]:
        held, size = list[dict[str, Any]](), 0
        for run in self._runs(text, place):
            held += run.objects
            size += run.size
            if len(held) >= ROWS or size >= SIZE:
                yield from self._framed(held, table)
                held, size = [], 0
        yield from self._framed(held, table)
        table.missing(lenient=self.lenient)

    def _framed(self, held: list[dict[str, Any]], table: SourceTable) -> Iterator[pl.DataFrame]:
        """The records as frames of bronze, of a size that memory bears."""
        if not held:
            return
        widest = len({name for record in held for name in record})
        size = max(CELLS // max(widest, 1), 1)
        for begin in range(0, len(held), size):
            part = held[begin : begin + size]
            try:
                frame = texts(part)
            except FlatteningError as error:
                raise refusal(error, where=self.name, record=table.records + 1) from error
            yield table.frame(frame)
