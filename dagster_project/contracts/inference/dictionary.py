"""What all contracts together know of a title: how the column is called, read and protected.

A title that a contract describes (as its header or an alias) is described alike in a new one, where
the cells agree. Words for titles that no contract knows are ``vocabulary``'s.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dagster_project.contracts.inference.titles import without_unit
from dagster_project.contracts.model import CodeList, Column, Contracts, Coordinates, Feed

_BLANKS = re.compile(r"[\s*\ufeff\u200b-\u200d\u2060]+")


def folded(title: str) -> str:
    """A title as it is compared: one width, one case, no blanks, no unit in brackets."""
    plain = _BLANKS.sub("", unicodedata.normalize("NFKC", title)).casefold()
    return without_unit(plain)[0]


@dataclass(frozen=True)
class Dictionary:
    """Known titles, code lists and what they are about, and where the county lies."""

    columns: Mapping[str, Column]
    codes: Mapping[str, CodeList]
    topics: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, str]
    departments: Mapping[str, str]
    place: Coordinates | None = None

    @classmethod
    def of(cls, contracts: Contracts, *, without: Iterable[str] = ()) -> Dictionary:
        """Everything that the contracts say.

        Args:
            contracts: All contracts.
            without: Feeds to leave out, such as the one that is about to be written again.
        """
        left_out = set(without)
        feeds = [feed for name, feed in contracts.feeds.items() if name not in left_out]
        said: dict[str, list[Column]] = defaultdict(list)
        topics: dict[str, list[str]] = {name: _about(one) for name, one in contracts.codes.items()}
        for feed in feeds:
            for column in feed.columns:
                for title in dict.fromkeys((column.title, *column.aliases)):
                    said[folded(title)].append(column)
                    if column.codes in topics:
                        topics[column.codes].append(folded(title))
        return cls(
            {title: _agreed(title, columns) for title, columns in said.items()},
            contracts.codes,
            {name: tuple(dict.fromkeys(words)) for name, words in topics.items()},
            _parents(feeds),
            {feed.department_name: feed.department_code for feed in feeds},
            next((feed.coordinates for feed in feeds if feed.coordinates), None),
        )

    def known(self, title: str) -> Column | None:
        """The column that other contracts describe under this title."""
        return self.columns.get(folded(title))


def _about(codes: CodeList) -> list[str]:
    """What a list is a list of: its title, or the Chinese words of its source."""
    if codes.title:
        return [folded(codes.title)]
    said = codes.source.partition("confidence:")[0]
    return [folded(word) for word in re.findall(r"[\u4e00-\u9fff]{2,}", said)]


def _agreed(title: str, said: list[Column]) -> Column:
    """One column for a title that several contracts describe: the strictest level of all.

    Those that have it as their title speak before those that know it as an alias. A code list or a
    reference that they do not agree on is left to the cells.
    """
    columns = [column for column in said if folded(column.title) == title] or said
    name = Counter(column.name for column in columns).most_common(1)[0][0]
    strictest = max(columns, key=lambda column: (column.level, column.mask != "none"))
    first = next(column for column in columns if column.name == name)
    lists = {column.codes for column in columns}
    parents = {column.reference for column in columns if column.reference}
    return replace(
        first,
        level=strictest.level,
        mask=strictest.mask,
        codes=first.codes if len(lists) == 1 else "",
        reference=parents.pop() if len(parents) == 1 else None,
    )


def _parents(feeds: Iterable[Feed]) -> dict[str, str]:
    """Titles of keys of one column -> ``feed.column``, as a reference is written."""
    made: dict[str, str] = {}
    for feed in feeds:
        if len(feed.key) != 1:
            continue
        column = feed.column(feed.key[0])
        for title in (column.title, *column.aliases):
            made.setdefault(folded(title), f"{feed.name}.{column.name}")
    return made
