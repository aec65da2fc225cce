"""Finding the header by the contract's names, and what each column of the file is.

Only titles are read here; what rows below the header are is ``rows``' matter, and headers of files
without a contract are ``generic``'s.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dagster_project.contracts.model import Column, Feed
from dagster_project.contracts.units import power
from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.table.headings import MOST, Chain, Span, chains, title
from dagster_project.ingest.readers.table.mojibake import unmangled

SEARCHED = 30
"""The header is looked for among this many first records."""
SHARE = 0.6
"""A header names at least this share of the contract's columns."""

_IGNORED = re.compile(r"[\s*\ufeff\u200b-\u200d\u2060]+")
_UNIT = re.compile(r"(.+?)(?:\((?:单位:)?([^()]+)\)|[/,:]([^()/,:]+))")
_PREAMBLE = re.compile(r"(?:金额|货币|计量|面积)?单位:(?:人民币)?([^\s,;:)]+)")

Records = Sequence[tuple[int, Sequence[str]]]
Titled = tuple[str, str]
"""A column's name and the unit that its title states, both may be empty."""
NUMERIC = frozenset({"integer", "decimal"})
PERCENT = "%"


@dataclass(frozen=True)
class Layout:
    """Where the header is and what each column of the table holds.

    ``feed`` is what rows are shaped by: the contract, or one made of the titles. ``lines`` are the
    header's records as they stand, the last of them at ``row`` (0 for a table without a header);
    ``titles`` are flattened. ``names`` has one entry per column of the file: the contract column's
    name, or for a column that the contract lacks its title (``_column_<n>`` when that is blank or
    taken). ``known`` says which of them are columns of ``feed``. ``units`` are units that the file
    states for its columns and that are not the contract's own. ``above`` are the records above
    the header: titles that printed pages repeat.
    """

    sheet: str
    row: int
    titles: tuple[str, ...]
    names: tuple[str, ...]
    known: tuple[bool, ...]
    missing: tuple[str, ...]
    feed: Feed
    lines: tuple[tuple[str, ...], ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    above: tuple[tuple[str, ...], ...] = ()

    @property
    def header_rows(self) -> int:
        """The number of records that the header takes."""
        return len(self.lines)

    @property
    def first_row(self) -> int:
        """The header's first record; 1 for a table without a header: nothing stands above it."""
        return self.row - len(self.lines) + 1

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
        """Those of them that have a title; columns without one are mostly a stray delimiter.

        The columns of a returned copy are ours and nobody's news.
        """
        titled = zip(self.names, self.known, self.titles, strict=True)
        return tuple(
            name
            for name, known, title in titled
            if not known and title.strip() and not title.strip().endswith(RETURN_COLUMNS)
        )


def folded(title: str) -> str:
    """A title as it is compared: one width, one case, no blanks, no mandatory-field stars."""
    return _IGNORED.sub("", unicodedata.normalize("NFKC", title)).casefold()


def find_header(
    records: Records,
    feed: Feed,
    *,
    sheet: str,
    where: str,
    merges: Sequence[Span] = (),
    lenient: bool = False,
) -> Layout:
    """The records that name enough of the contract's columns: one line of titles, or up to three.

    Args:
        records: The first records of the table with their numbers.
        feed: The contract.
        sheet: The sheet's name, empty for text files.
        where: The file, and the sheet if any, for sentences.
        merges: The sheet's merged ranges.
        lenient: A missing required column is told in ``missing`` and is no error.

    Raises:
        DeliveryError: No record is a header, a required column is missing, or two columns of the
            file are one column of the contract.
    """
    if feed.headerless:
        return _without_header(feed, sheet)
    spelled = Spelled(feed)
    first = records[:SEARCHED]
    tried = list(_spans(first, merges, spelled))
    best = max(tried, key=lambda span: span.order, default=None)
    needed = SHARE * len(feed.columns)
    good = [span for span in tried if span.count and span.count >= needed]
    if not good:
        raise _headless(best, feed, len(first), where)
    near = [span for span in good if span.row <= good[0].row + MOST - 1]
    chosen = max(near, key=lambda span: span.order)
    return _layout(chosen, first, spelled, sheet=sheet, where=where, lenient=lenient)


def resemblance(records: Records, feed: Feed) -> float:
    """The share of the contract's columns that the likest of some records names."""
    spelled = Spelled(feed)
    counts = (_count([(cell,) for cell in cells], spelled) for _, cells in records)
    return max(counts, default=0) / len(feed.columns)


class Spelled:
    """Every way in which a title may name a column of one contract."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._columns = {column.name: column for column in feed.columns}
        self._names = {
            folded(spelling): column.name
            for column in reversed(feed.columns)
            for spelling in _spellings_of(column)
        }

    def column(self, chain: Chain) -> Titled:
        """The column that a chain of titles names: by all of it, by its lowest, or not at all."""
        for text in dict.fromkeys((title(chain), *chain[-1:])):
            if found := self._column(folded(text)):
                return found
            if (meant := unmangled(text)) and (found := self._column(folded(meant))):
                return found
        return "", ""

    def _column(self, text: str) -> Titled | None:
        match = _UNIT.fullmatch(text)
        unit = (match[2] or match[3]) if match else ""
        if name := self._names.get(text):
            return name, unit if self._measures(name, unit) else ""
        name = self._names.get(match[1], "") if match else ""
        return (name, unit) if name and self._measures(name, unit) else None

    def _measures(self, name: str, unit: str) -> bool:
        """Whether a column may be counted in a unit: in the contract's by a power, or as shares."""
        column = self._columns[name]
        is_percent = bool(column.share) and unit == PERCENT
        return is_percent or power(unit, column.unit) is not None

    def preamble(self, records: Records, names: Sequence[str]) -> dict[str, str]:
        """Units that a line above the header states for the numeric columns (``单位：万元``)."""
        said: dict[str, str] = {}
        text = " ".join(folded(cell) for _, cells in records for cell in cells)
        for match in _PREAMBLE.finditer(text):
            for name in filter(None, names):
                if self._columns[name].type in NUMERIC and self._measures(name, match[1]):
                    said[name] = match[1]
        return said

    def foreign(self, units: Mapping[str, str]) -> dict[str, str]:
        """Those of the stated units that are not the contract's own, and all signs of percent.

        A bare number among percentages could be a ratio; below such a sign it could not.
        """
        return {
            name: unit
            for name, unit in units.items()
            if unit == PERCENT or power(unit, self.unit(name))
        }

    def unit(self, name: str) -> str:
        """The contract's unit of a column."""
        return self._columns[name].unit


def _spellings_of(column: Column) -> Iterator[str]:
    titles = (column.title, *column.aliases)
    if column.unit:
        yield from (f"{title}({column.unit})" for title in titles)
    yield from titles
    yield column.name


@dataclass(frozen=True)
class _Tried:
    """Some records taken as the header: what their columns are called, and how many are known."""

    row: int
    lines: tuple[tuple[str, ...], ...]
    chains: Sequence[Chain]
    count: int

    @property
    def order(self) -> tuple[int, int, int]:
        """More columns are better, then fewer lines, then an earlier place."""
        return self.count, -len(self.lines), -self.row


def _spans(records: Records, merges: Sequence[Span], spelled: Spelled) -> Iterator[_Tried]:
    for at in range(len(records)):
        for size in range(1, min(MOST, len(records) - at) + 1):
            taken = records[at : at + size]
            lines = tuple(tuple(cells) for _, cells in taken)
            if size > 1 and not _may_be_titles(lines[-1]):
                break
            made = chains(lines, first_row=taken[0][0], merges=merges)
            yield _Tried(taken[0][0], lines, made, _count(made, spelled))


def _may_be_titles(line: Sequence[str]) -> bool:
    """A line below the first one of a header holds no number."""
    return not any(re.fullmatch(r"[\s\d.,%-]+", cell) for cell in line)


def _count(made: Sequence[Chain], spelled: Spelled) -> int:
    return len({name for chain in made if (name := spelled.column(chain)[0])})


def _layout(
    span: _Tried, first: Records, spelled: Spelled, *, sheet: str, where: str, lenient: bool
) -> Layout:
    feed, names, units = spelled.feed, list[str](), dict[str, str]()
    row = span.row + len(span.lines) - 1
    for position, chain in enumerate(span.chains, start=1):
        name, unit = spelled.column(chain)
        if name and name in names:
            before = names.index(name) + 1
            raise DeliveryError(
                f"columns {before} and {position} are both {feed.column(name).title} ({name})",
                where=f"{where}, row {row}",
                todo="Remove or rename one of them and deliver the file again",
                reason="columns_ambiguous",
            )
        names.append(name)
        if name and unit:
            units[name] = unit
    absent = [column for column in feed.columns if column.name not in names]
    titles = [title(chain) for chain in span.chains]
    if not lenient and any(column.required or column.is_key for column in absent):
        raise lacks(absent, titles, names, where=f"{where}, row {row}")
    above = [record for record in first if record[0] < span.row]
    return Layout(
        sheet=sheet,
        row=row,
        titles=tuple(titles),
        names=tuple(_named(names, titles)),
        known=tuple(bool(name) for name in names),
        missing=tuple(column.name for column in absent),
        feed=feed,
        lines=span.lines,
        units=spelled.foreign(spelled.preamble(above, names) | units),
        above=tuple(tuple(cells) for _, cells in above),
    )


def _without_header(feed: Feed, sheet: str) -> Layout:
    names = tuple(column.name for column in feed.columns)
    titles = tuple(column.title for column in feed.columns)
    return Layout(sheet, 0, titles, names, (True,) * len(names), (), feed)


def _named(names: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """The names, with titles for the unknown ones; every name is used once."""
    taken = {name for name in names if name} | {"_surplus", "_flags"}
    for position, (name, cell) in enumerate(zip(names, cells, strict=True), start=1):
        title = cell.strip()
        fallback = title if title and title not in taken else f"_column_{position}"
        taken.add(fallback)
        yield name or fallback


def lacks(
    absent: Sequence[Column], titles: Sequence[str], names: Sequence[str], *, where: str
) -> DeliveryError:
    """The refusal of a table without required columns, with the titles that come close.

    Args:
        absent: The contract's columns that the table lacks.
        titles: The table's titles.
        names: For each of them the contract's column, or nothing.
        where: The file and the row, for the sentence.
    """
    required = [column for column in absent if column.required or column.is_key]
    free = [title.strip() for title, name in zip(titles, names, strict=True) if not name]
    wanted = [spelling for column in required for spelling in (column.title, *column.aliases)]
    close = {m for title in wanted for m in difflib.get_close_matches(title, free, 2, 0.4)}
    hint = f"; the closest titles found are {', '.join(sorted(close))}" if close else ""
    missing = ", ".join(f"{column.title} ({column.name})" for column in required)
    return DeliveryError(
        f"required columns are missing: {missing}{hint}",
        where=where,
        todo="Add the columns, or name a column's other title as a synonym in the contract",
        reason="columns_missing",
    )


def _headless(best: _Tried | None, feed: Feed, searched: int, where: str) -> DeliveryError:
    nearest = f"; row {best.row} holds {best.count} of them" if best and best.count else ""
    return DeliveryError(
        f"no header was found: none of the first {searched} rows holds {SHARE:.0%} of the "
        f"{len(feed.columns)} column titles of {feed.name}{nearest}",
        where=where,
        todo=f"Deliver the table with its header row ({_examples(feed)})",
        reason="no_header",
    )


def _examples(feed: Feed) -> str:
    shown = [column.title for column in feed.columns[:3]]
    return "、".join(shown) + ("…" if len(feed.columns) > len(shown) else "")
