"""Finding the header by the contract's names, and what each column of the file is.

Only titles are read here; what rows below the header are is ``rows``' matter.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dagster_project.contracts.model import Column, Feed
from dagster_project.errors import DeliveryError

SEARCHED = 30
"""The header is looked for among this many first records."""
SHARE = 0.6
"""A header names at least this share of the contract's columns."""

_IGNORED = re.compile(r"[\s*\ufeff\u200b-\u200d\u2060]+")


@dataclass(frozen=True)
class Layout:
    """Where the header is and what each column of the table holds.

    ``names`` has one entry per column of the file: the contract column's name, or for a column
    that the contract lacks its title (``_column_<n>`` when that is blank or taken).
    ``known`` says which of them are contract columns.
    """

    sheet: str
    row: int
    titles: tuple[str, ...]
    names: tuple[str, ...]
    known: tuple[bool, ...]
    missing: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of cells that a record has."""
        return len(self.names)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the columns that the contract lacks."""
        return tuple(n for n, known in zip(self.names, self.known, strict=True) if not known)

    @property
    def unknown_titled(self) -> tuple[str, ...]:
        """Those of them that have a title; columns without one are mostly a stray delimiter."""
        titled = zip(self.names, self.known, self.titles, strict=True)
        return tuple(name for name, known, title in titled if not known and title.strip())


def folded(title: str) -> str:
    """A title as it is compared: one width, one case, no blanks, no mandatory-field stars."""
    return _IGNORED.sub("", unicodedata.normalize("NFKC", title)).casefold()


def find_header(
    records: Sequence[tuple[int, Sequence[str]]], feed: Feed, *, sheet: str, where: str
) -> Layout:
    """The first record that names enough of the contract's columns.

    Args:
        records: The first records of the table with their numbers.
        feed: The contract.
        sheet: The sheet's name, empty for text files.
        where: The file, and the sheet if any, for sentences.

    Raises:
        DeliveryError: No record is a header, a required column is missing, or two columns of the
            file are one column of the contract.
    """
    titles_of = _spellings(feed)
    found = [(row, cells, _count(cells, titles_of)) for row, cells in records[:SEARCHED]]
    needed = SHARE * len(feed.columns)
    for row, cells, count in found:
        if count and count >= needed:
            return _layout(row, cells, feed, sheet=sheet, where=where)
    row, _, best = max(found, key=lambda entry: entry[2], default=(0, (), 0))
    nearest = f"; row {row} holds {best} of them" if best else ""
    raise DeliveryError(
        f"no header was found: none of the first {len(found)} rows holds {SHARE:.0%} of the "
        f"{len(feed.columns)} column titles of {feed.name}{nearest}",
        where=where,
        todo=f"Deliver the table with its header row ({_examples(feed)})",
    )


def resemblance(records: Sequence[tuple[int, Sequence[str]]], feed: Feed) -> float:
    """The share of the contract's columns that the likest of some records names."""
    titles_of = _spellings(feed)
    best = max((_count(cells, titles_of) for _, cells in records), default=0)
    return best / len(feed.columns)


def _spellings(feed: Feed) -> dict[str, str]:
    """Every spelling of a header, folded, with the column it names."""
    return {
        folded(spelling): column.name
        for column in reversed(feed.columns)
        for spelling in _spellings_of(column)
    }


def _spellings_of(column: Column) -> Iterator[str]:
    titles = (column.title, *column.aliases)
    if column.unit:
        yield from (f"{title}({column.unit})" for title in titles)
    yield from titles
    yield column.name


def _count(cells: Sequence[str], titles_of: dict[str, str]) -> int:
    return len({name for cell in cells if (name := titles_of.get(folded(cell)))})


def _layout(row: int, cells: Sequence[str], feed: Feed, *, sheet: str, where: str) -> Layout:
    titles_of, names = _spellings(feed), list[str]()
    for position, cell in enumerate(cells, start=1):
        name = titles_of.get(folded(cell), "")
        if name and name in names:
            first = names.index(name) + 1
            raise DeliveryError(
                f"columns {first} and {position} are both {feed.column(name).title} ({name})",
                where=f"{where}, row {row}",
                todo="Remove or rename one of them and deliver the file again",
            )
        names.append(name)
    absent = [column for column in feed.columns if column.name not in names]
    if any(column.required or column.is_key for column in absent):
        raise _lacks(absent, cells, names, where=f"{where}, row {row}")
    return Layout(
        sheet=sheet,
        row=row,
        titles=tuple(cells),
        names=tuple(_named(names, cells)),
        known=tuple(bool(name) for name in names),
        missing=tuple(column.name for column in absent),
    )


def _named(names: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """The names, with titles for the unknown ones; every name is used once."""
    taken = {name for name in names if name} | {"_surplus"}
    for position, (name, cell) in enumerate(zip(names, cells, strict=True), start=1):
        title = cell.strip()
        fallback = title if title and title not in taken else f"_column_{position}"
        taken.add(fallback)
        yield name or fallback


def _lacks(
    absent: Sequence[Column], cells: Sequence[str], names: Sequence[str], *, where: str
) -> DeliveryError:
    required = [column for column in absent if column.required or column.is_key]
    free = [cell.strip() for cell, name in zip(cells, names, strict=True) if not name]
    wanted = [spelling for column in required for spelling in (column.title, *column.aliases)]
    close = {m for title in wanted for m in difflib.get_close_matches(title, free, 2, 0.4)}
    hint = f"; the closest titles found are {', '.join(sorted(close))}" if close else ""
    missing = ", ".join(f"{column.title} ({column.name})" for column in required)
    return DeliveryError(
        f"required columns are missing: {missing}{hint}",
        where=where,
        todo="Add the columns, or name a column's other title as a synonym in the contract",
    )


def _examples(feed: Feed) -> str:
    shown = [column.title for column in feed.columns[:3]]
    return "、".join(shown) + ("…" if len(feed.columns) > len(shown) else "")
