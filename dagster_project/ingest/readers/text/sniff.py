"""Which delimiter a text table is written with: the one that gives its header, or a table at all.

Cells are cut by ``records``; what the header means is ``header``'s matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dagster_project.contracts.model import DELIMITERS, Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.table.header import SEARCHED, SHARE, resemblance
from dagster_project.ingest.readers.table.marks import is_blank
from dagster_project.ingest.readers.text.records import leading
from dagster_project.ingest.readers.text.tidy import FULL_WIDTH, STAND_INS

SNIFFED = 64 << 10
"""So many bytes of UTF-8 at a file's beginning tell its delimiter."""
MOST = 200
"""At most so many records are compared."""
NAMES = {
    ",": "commas",
    "\t": "tabs",
    ";": "semicolons",
    "|": "bars",
    FULL_WIDTH: "full-width commas",
}

Records = Sequence[Sequence[str]]


def sniff(head: bytes, feed: Feed | None, *, whole: bool, name: str) -> str:
    """The delimiter of a text table.

    Args:
        head: The beginning of the text in UTF-8.
        feed: The contract, if there is one: its titles tell more than any count.
        whole: Whether ``head`` is all of the text.
        name: The file, for sentences.

    Raises:
        DeliveryError: The contract does not accept the delimiter.
    """
    accepted = DELIMITERS if feed is None else feed.delimiters
    cut = {d: _records(head, d, whole=whole) for d in DELIMITERS if d.encode() in head}
    if not cut:
        return accepted[0]
    best = max(cut, key=lambda d: _rank(cut[d], feed, accepted=d in accepted))
    if best not in accepted and feed is not None and _header_share(cut[best], feed) >= SHARE:
        raise DeliveryError(
            f"the cells are separated by {NAMES[best]}, and the contract of {feed.name} accepts "
            f"only {', '.join(NAMES[delimiter] for delimiter in accepted)}",
            where=name,
            todo="Export it with one of them, or extend the contract's accepts.delimiters",
            reason="delimiter_not_accepted",
        )
    return best if best in accepted else accepted[0]


def _records(head: bytes, delimiter: str, *, whole: bool) -> Records:
    if delimiter == FULL_WIDTH:
        delimiter = next((c for c in STAND_INS if c.encode() not in head), STAND_INS[0])
        head = head.replace(FULL_WIDTH.encode(), delimiter.encode())
    records = leading(head, delimiter=delimiter, whole=whole, most=MOST)
    return [cells for cells in records if not all(map(is_blank, cells))]


def _rank(records: Records, feed: Feed | None, *, accepted: bool) -> tuple[float, bool, float]:
    """A header of the contract is best, then an accepted delimiter, then an even table."""
    named = 0.0 if feed is None else _header_share(records, feed)
    return named, accepted, _evenness(records, feed)


def _header_share(records: Records, feed: Feed) -> float:
    if feed.headerless:
        return 0.0
    return resemblance(list(enumerate(records[:SEARCHED], start=1)), feed)


def _evenness(records: Records, feed: Feed | None) -> float:
    """How wide and how regular the table is that a delimiter gives."""
    widths = Counter(len(cells) for cells in records if len(cells) > 1)
    if not widths:
        return 0.0
    width = max(widths, key=lambda w: (widths[w] * w, w))
    score = width * widths[width] / len(records)
    if feed is not None and feed.headerless:
        return score + 1000 * (width == len(feed.columns))
    first = next(cells for cells in records if len(cells) == width)
    numbered = sum(1 for cell in first if any(map(str.isdecimal, cell)))
    return score / 2 if numbered > len(first) / 2 else score
