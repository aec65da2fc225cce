"""One answer of an interface: its records as they are written, and what stands around them.

Records go on one by one, so that an answer may be as large as the source. Nothing is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_project.errors import DeliveryError
from dagster_project.ingest.channels.interface.client import NO_RECORDS
from dagster_project.ingest.readers.json.scan import Number, Scanner
from dagster_project.ingest.readers.json.walk import items, members, skip

Path = tuple[str, ...]
Take = Callable[[dict[str, Any], str], None]
"""Takes one record and how it is written, in one line."""

_COUNT = re.compile(r"[0-9]{1,18}")
_BREAKS = re.compile(r'("(?:[^"\\]|\\.)*")|\s*[\r\n]\s*', re.DOTALL)


def path_of(dotted: str) -> Path:
    """``data.items`` as steps; nothing for an empty text."""
    return tuple(dotted.split(".")) if dotted else ()


def inside(value: Any, path: Path) -> Any:
    """What stands at a path of a record; None where it is not there."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


@dataclass(frozen=True)
class Places:
    """Where an answer holds what: the list of records, their number, and how to go on."""

    records: Path = ()
    total: Path = ()
    cursor: Path = ()
    next: Path = ()

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Places:
        """What a contract says of an interface's answers."""
        paging = request.get("paging", {})
        return cls(
            path_of(request.get("records", "")),
            path_of(request.get("total", "")),
            path_of(paging.get("cursor", "")),
            path_of(paging.get("next", "")),
        )


@dataclass
class Answer:
    """What stands around the records; ``rows`` counts them."""

    rows: int = 0
    total: int | None = None
    cursor: str = ""
    next: str = ""


def read_answer(
    chunks: Iterator[bytes], places: Places, take: Take, *, where: str, longest: int
) -> Answer:
    """Read an answer to its end.

    Raises:
        DeliveryError: It is no JSON, cut, or its records are not where they should be.
    """
    walk = _Walk(Scanner(chunks, where=where, longest=longest), places, take)
    walk.value(())
    if walk.scanner.peek():
        raise walk.scanner.wrong("something follows the answer")
    return walk.answer()


@dataclass
class _Walk:
    """The way through one answer."""

    scanner: Scanner
    places: Places
    take: Take
    rows: int = 0
    seen: bool = False
    said: dict[Path, Any] = field(default_factory=dict)

    def value(self, path: Path) -> None:
        """Go through the value that stands at a path."""
        mark = self.scanner.peek()
        scalars = (self.places.total, self.places.cursor, self.places.next)
        if path == self.places.records and mark == "[":
            self._records()
        elif mark == "{" and self._leads_on(path):
            for key in members(self.scanner):
                self.value((*path, key))
        elif (path and path in scalars) or (path == self.places.records and mark == "n"):
            self.said[path] = self.scanner.value()
        else:
            skip(self.scanner)

    def _leads_on(self, path: Path) -> bool:
        wanted = (
            self.places.records, self.places.total, self.places.cursor, self.places.next,
        )  # fmt: skip
        return any(len(one) > len(path) and one[: len(path)] == path for one in wanted)

    def _records(self) -> None:
        self.seen = True
        for _ in items(self.scanner):
            if self.scanner.peek() != "{":
                raise self.scanner.expected("a record (an object)")
            record, text = self.scanner.value_and_text()
            self.rows += 1
            self.scanner.record = self.rows
            self.take(record, _one_line(text))

    def answer(self) -> Answer:
        """What was found.

        Raises:
            DeliveryError: There is no list of records, or no number where one is stated.
        """
        total = self._total()
        is_null = self.places.records in self.said and total is not None
        if not self.seen and not is_null:
            place = ".".join(self.places.records)
            at = f"at `{place}`" if place else "of records; `request.records` says where it is"
            raise DeliveryError(
                f"there is no list {at}", where=self.scanner.where, reason=NO_RECORDS
            )
        return Answer(
            self.rows,
            total,
            self._text(self.places.cursor),
            self._text(self.places.next),
        )

    def _total(self) -> int | None:
        """The stated number of records."""
        if not self.places.total:
            return None
        said = self.said.get(self.places.total)
        if isinstance(said, str) and _COUNT.fullmatch(said):
            return int(said)
        raise DeliveryError(
            f"there is no number of records at `{'.'.join(self.places.total)}`",
            where=self.scanner.where,
            reason=NO_RECORDS,
        )

    def _text(self, path: Path) -> str:
        said = self.said.get(path) if path else None
        return str(said) if isinstance(said, (str, Number)) else ""


def _one_line(text: str) -> str:
    """A record as it is written, without the line breaks between its parts."""
    if "\n" not in text and "\r" not in text:
        return text
    return _BREAKS.sub(lambda found: found[1] or "", text)
