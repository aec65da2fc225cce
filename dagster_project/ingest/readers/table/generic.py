"""Finding the header of a table without a contract: by shape, and by contrast with what is below.

Nothing is guessed silently: where no record reads like titles, the file is refused. The titles
become the columns of an ad-hoc feed of texts, so that rows are shaped and counted as always.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.table.header import SEARCHED, Layout, Records
from dagster_project.ingest.readers.table.headings import (
    MOST,
    Chain,
    Span,
    chains,
    spells_parents,
    title,
)
from dagster_project.ingest.readers.table.marks import (
    NUMBERED,
    QUERY,
    is_blank,
    is_footnote,
    is_ruler,
    is_total,
)
from dagster_project.ingest.readers.table.mojibake import unmangled

SHARE = 0.6
"""A header fills at least this share of the table's usual width."""
LONGEST = 120
"""Titles are shorter than this."""

_VALUE = re.compile(
    r"[-+(￥¥]?[\d０-９][\d０-９,，.\s]*[%％)]?|[\d０-９]{4}[-/.年][\d０-９]{1,2}[-/.月][\d０-９]{0,2}日?.*|"
    r"\d{15}|\d{17}[\dXx]|1[3-9]\d{9}|(?i:true|false|null)"
)
MONTHS = frozenset(str(month) for month in range(1, 13))
"""Titles of months without a word; figures below them may well be the same."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](?:(\d{1,2})日?)?")
RUN = 3
"""So many months or days at even steps are titles; two can be the ends of a period."""
_STATED = re.compile(r"(?!\s*其中)(?:[^:：()（）]|[(（][^:：()（）]*[)）]){1,12}[:：]\s*\S")
"""``填报单位：财政局``: a line of the preamble; ``其中：男`` and ``性别(1:男 2:女)`` are titles."""
_UNIT = re.compile(r"[(（](?:单位[:：])?([^()（）]*(?:元|㎡|平方米|m²|亩|公顷))[)）]\s*$")
_PREAMBLE = re.compile(
    r"(?:金额|货币|计量|面积)?单位\s*[:：]\s*((?:人民币)?[^\s,，;；)）]{0,20}(?:元|亩|㎡|平方米))"
)


def find_table(records: Records, *, sheet: str, where: str, merges: Sequence[Span] = ()) -> Layout:
    """The first record that reads like the titles of what is below it.

    Args:
        records: The first records of the table with their numbers.
        sheet: The sheet's name, empty for text files.
        where: The file, and the sheet if any, for sentences.
        merges: The sheet's merged ranges.

    Raises:
        DeliveryError: No record reads like titles.
    """
    first = records[:SEARCHED]
    usual = _usual_width([cells for _, cells in first])
    for at, (_, cells) in enumerate(first):
        if _is_data(cells, usual):
            break
        if _reads_like_titles(cells, usual):
            if _recurs(cells, [c for _, c in first[at + 1 :]]):
                break
            begin, size = _extent(first, at, merges)
            return _layout(first, begin, size, sheet=sheet, merges=merges)
    raise DeliveryError(
        f"no header was found: none of the first {len(first)} rows reads like column titles",
        where=where,
        todo="Deliver the table with its header row, or name its contract (--contract)",
        reason="no_header",
    )


def united(layouts: Sequence[Layout]) -> Feed:
    """One ad-hoc feed for several sheets: every title once, in the order of appearance."""
    names = dict.fromkeys(c.name for layout in layouts for c in layout.feed.columns)
    return ad_hoc(list(names))


def ad_hoc(names: Sequence[str]) -> Feed:
    """A feed of texts, named by titles; it has no key and refuses nothing."""
    return Feed(
        name="",
        title="",
        version="",
        department_code="",
        department_name="",
        columns=tuple(Column(name, name, "string") for name in names),
        rules=(),
        delivery="incremental",
        servers=(),
        sla=Sla(),
        sheets="all",
    )


def _usual_width(records: Sequence[Sequence[str]]) -> int:
    """How many cells the table's records fill; sparse lines above it count for nothing."""
    counts = Counter(filled for cells in records if (filled := _filled(cells)))
    wide = {filled: n for filled, n in counts.items() if filled > 1} or counts
    if not wide:
        return 0
    return max(wide, key=lambda filled: (wide[filled] * filled, -filled))


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if not is_blank(cell))


def _reads_like_titles(cells: Sequence[str], usual: int) -> bool:
    said = [cell.strip() for cell in cells if not is_blank(cell)]
    if not said or len(said) < SHARE * usual or (usual > 1 and len(said) < 2):  # noqa: PLR2004
        return False
    if QUERY.search(said[0]) or any(is_ruler(cell) for cell in said):
        return False
    if (is_footnote(said[0]) or is_total(said[0])) and len(said) < usual:
        return False
    if _values(said) or not all(_may_be_title(cell) for cell in said):
        return False
    return len(said) == 1 or len(set(said)) >= max(len(said) / 2, 2)


def _is_data(cells: Sequence[str], usual: int) -> bool:
    """Whether a record holds values in the table's full width: no header can be below it."""
    return bool(_values(cells)) and _filled(cells) >= SHARE * usual and not QUERY.search(cells[0])


def _recurs(cells: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether one of these texts stands again in its column, or a day over days: values do."""
    others = [list(line) for line in below if list(line) != list(cells)]
    return any(
        not (is_blank(cell) or cell.strip() in MONTHS)
        and any(n < len(line) and _alike(line[n], cell) for line in others)
        for n, cell in enumerate(cells)
    )


def _alike(value: str, cell: str) -> bool:
    return value == cell or bool(_DAY.fullmatch(value) and _DAY.fullmatch(cell))


def _may_be_title(cell: str) -> bool:
    return len(cell) <= LONGEST and not _STATED.match(cell)


def _values(cells: Sequence[str]) -> list[str]:
    """The cells that are values, not titles; a run of years, months or days is one of titles."""
    found = [cell.strip() for cell in cells if _VALUE.fullmatch(cell.strip())]
    years = [int(cell) for cell in found if _YEAR.fullmatch(cell)]
    ordered = years in (sorted(set(years)), sorted(set(years), reverse=True))
    if len(found) > 1 and len(years) == len(found) and ordered:
        return []
    if len(found) >= NUMBERED and found == [str(n + 1) for n in range(len(found))]:
        return [] if len(found) < _filled(cells) else found
    return [] if _is_calendar(found) else found


def _is_calendar(cells: Sequence[str]) -> bool:
    """Whether all of these are months or days at even steps, as titles of a year's figures are."""
    dates = [match for cell in cells if (match := _DAY.fullmatch(cell))]
    if len(dates) < RUN or len(dates) < len(cells):
        return False
    try:
        days = [date(int(d[1]), int(d[2]), int(d[3] or 1)) for d in dates]
    except ValueError:
        return False
    months = {(b.year - a.year) * 12 + b.month - a.month for a, b in itertools.pairwise(days)}
    steps = {(b - a).days for a, b in itertools.pairwise(days)}
    monthly = len({day.day for day in days}) == 1 and len(months) == 1 and 0 not in months
    return monthly or (len(steps) == 1 and 0 not in steps)


def _extent(records: Records, at: int, merges: Sequence[Span]) -> tuple[int, int]:
    """Where the header begins and how many records it takes."""
    begin, size = at, _depth(records, at, merges)
    while begin and size < MOST and _is_parent_line(records, begin - 1, merges):
        begin, size = begin - 1, size + 1
    return begin, min(size, MOST)


def _depth(records: Records, at: int, merges: Sequence[Span]) -> int:
    row, cells = records[at]
    spans = [span for span in merges if span.top == row]
    lines = 1
    if any(span.right > span.left for span in spans):
        lines = 2
    lines = max([lines, *(span.bottom - row + 1 for span in spans)])
    below = [list(cells) for _, cells in records[at + 1 : at + MOST]]
    if lines > 1:
        more = _titles_on_top(below[: lines - 1])
        return 1 + more
    return 2 if _titles_on_top(below[:1]) and spells_parents(cells, below[0]) else 1


def _titles_on_top(lines: Sequence[Sequence[str]]) -> int:
    """How many of these lines hold titles only."""
    count = 0
    for line in lines:
        if _values(line) or not all(_may_be_title(cell.strip()) for cell in line):
            break
        count += 1
    return count


def _is_parent_line(records: Records, at: int, merges: Sequence[Span]) -> bool:
    """Whether a sparse record holds titles over the groups of the full line below it."""
    row, cells = records[at]
    said = [cell.strip() for cell in cells if not is_blank(cell)]
    if len(said) < 2 or not all(_may_be_title(cell) for cell in said):  # noqa: PLR2004
        return False
    if QUERY.search(said[0]) or is_footnote(said[0]) or is_total(said[0]):
        return False
    if any(span.top == row and span.right > span.left for span in merges):
        return True
    return spells_parents(cells, records[at + 1][1])


def _layout(
    records: Records, begin: int, size: int, *, sheet: str, merges: Sequence[Span]
) -> Layout:
    taken = records[begin : begin + size]
    lines = tuple(tuple(cells) for _, cells in taken)
    made = chains(lines, first_row=taken[0][0], merges=merges)
    titles = [unmangled(text) or text for text in map(title, made)]
    known = _known(made)
    names = tuple(_named(titles, known))
    return Layout(
        sheet=sheet,
        row=taken[-1][0],
        titles=tuple(t if is_known else "" for t, is_known in zip(titles, known, strict=True)),
        names=names,
        known=tuple(known),
        missing=(),
        feed=ad_hoc([name for name, is_known in zip(names, known, strict=True) if is_known]),
        lines=lines,
        units=_units(names, titles, known, records[:begin]),
        above=tuple(tuple(cells) for _, cells in records[:begin]),
    )


def _known(made: Sequence[Chain]) -> list[bool]:
    """Columns with a title, up to a block of totals that stands apart to the right."""
    known, gap, beside = list[bool](), False, False
    for chain in made:
        beside = beside or (gap and bool(chain) and bool(is_total(chain[0])))
        known.append(bool(chain) and not beside)
        gap = not chain
    return known


def _named(titles: Sequence[str], known: Sequence[bool]) -> Iterator[str]:
    """Titles as names; a title that comes again is numbered, one that is lacking is made."""
    taken = {"_surplus", "_flags"}
    for position, (text, is_known) in enumerate(zip(titles, known, strict=True), start=1):
        base = text.lstrip("_") or f"column_{position}"
        name, number = (base if is_known else f"_column_{position}"), 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        yield name


def _units(
    names: Sequence[str], titles: Sequence[str], known: Sequence[bool], above: Records
) -> dict[str, str]:
    """Units as the titles state them, and the one that a line above states for the whole table."""
    said = {
        name: match[1]
        for name, text, is_known in zip(names, titles, known, strict=True)
        if is_known and (match := _UNIT.search(text))
    }
    text = " ".join(cell for _, cells in above for cell in cells)
    return ({"*": match[1]} if (match := _PREAMBLE.search(text)) else {}) | said
