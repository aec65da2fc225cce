"""Where a document's records are: its lines, its array, or the array inside its object.

Only what stands around the records is looked at one by one; the records are ``scan``'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.json.flat import DOT, flattened
from dagster_project.ingest.readers.json.scan import Scanner
from dagster_project.ingest.readers.json.walk import items, members, skip
from dagster_project.ingest.readers.table.header import resemblance

WRAPPED = 8
"""Records are looked for at most so many objects deep."""
SAMPLED = 50
"""So many records of an array tell what its fields are called."""

Path = tuple[str, ...]


@dataclass
class Place:
    """An array of objects; ``path`` is empty for the document itself, None for its lines."""

    path: Path | None
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)
    others: int = 0

    @property
    def worded(self) -> str:
        """The path as people write it."""
        return DOT.join(self.path or ())


LINES, ROOT = Place(None), Place(())


@dataclass
class _Survey:
    """What a document's object holds: arrays, and fields of its own."""

    scanner: Scanner
    arrays: list[Place] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)

    def object(self, path: Path) -> None:
        """Walk through an object; its first character comes next."""
        for key in members(self.scanner):
            inner, mark = (*path, key), self.scanner.peek()
            if mark == "{" and len(path) < WRAPPED:
                self.object(inner)
            elif mark == "[":
                self.arrays.append(self._array(inner))
            else:
                self.scanner.value()
                self.names[DOT.join(inner)] = None

    def _array(self, path: Path) -> Place:
        found = Place(path)
        for _ in items(self.scanner):
            value = self.scanner.value()
            if not isinstance(value, dict):
                found.others += 1
                continue
            found.count += 1
            if found.count <= SAMPLED:
                found.names |= dict.fromkeys(flattened(value))
        return found


def find_place(opened: Callable[[], Scanner], feed: Feed | None) -> Place:
    """Where the records of a document are.

    One object may be a record with arrays inside, or an envelope around records: the contract's
    names decide, and without a contract an array of objects makes it an envelope.

    Args:
        opened: Opens the document at its beginning.
        feed: The contract, if there is one.

    Raises:
        DeliveryError: It is no JSON, or holds no objects.
    """
    scanner = opened()
    mark = scanner.peek()
    if mark == "[":
        scanner.take("[")
        if scanner.peek() not in {"{", "]"}:
            raise _no_records(scanner)
        return ROOT
    if mark != "{":
        raise _no_records(scanner)
    survey = _Survey(scanner)
    survey.object(())
    after = scanner.peek()
    if after == "{":
        return LINES
    if after:
        raise scanner.wrong("something else follows the document's object")
    return _chosen(survey, feed)


def _chosen(survey: _Survey, feed: Feed | None) -> Place:
    arrays = [place for place in survey.arrays if place.count and not place.others]
    if feed is None:
        return max(arrays, key=lambda place: place.count, default=LINES)
    own = _alike([*survey.names, *(place.worded for place in survey.arrays)], feed)
    best = max(arrays, key=lambda place: (_alike(place.names, feed), place.count), default=None)
    if best is not None and (not own or _alike(best.names, feed) > own):
        return best
    empty = [place for place in survey.arrays if not (place.count or place.others)]
    return empty[0] if empty and not own else LINES


def _no_records(scanner: Scanner) -> DeliveryError:
    if not scanner.peek():
        return scanner.expected("an object")
    return DeliveryError(
        "this JSON document holds no objects, which records are",
        where=scanner.where,
        todo="Have it written as an array of objects, or as one object per line",
        reason="not_a_table",
    )


def _alike(names: Iterable[str], feed: Feed) -> float:
    return resemblance([(1, list(names))], feed)


def go_to(scanner: Scanner, path: Path) -> bool:
    """Go to the first record of an array that was found; false when the array is empty."""
    for key in path:
        for member in members(scanner):
            if member == key:
                break
            skip(scanner)
    scanner.take("[")
    return scanner.peek() != "]"
