"""Which code list a column's cells are of, by what they say and by what the title says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from dagster_project.contracts.codelists import spellings
from dagster_project.contracts.inference.dictionary import Dictionary, folded
from dagster_project.contracts.inference.guess import BELIEVED, EXPECTED
from dagster_project.contracts.inference.profiles import ColumnProfile
from dagster_project.contracts.model import CodeList

NAMES = re.compile(r"名称?$|name$", re.IGNORECASE)
"""A column of names beside one of codes stays text: the code is what counts."""
ALIKE = 0.6
"""A title and what a list is about are alike from this ratio on."""
MANY, LONG = 8, 4
"""So many different codes of so many digits do not fit a list by accident."""
CLEAR = 0.05
"""Two lists whose scores are nearer than this are not told apart."""
FLAGS = "yes_no"
GENERIC = frozenset(
    (
        "状态",
        "类型",
        "类别",
        "分类",
        "级别",
        "等级",
        "层级",
        "方式",
        "结果",
        "性质",
        "来源",
        "status",
        "type",
    )
)
"""Topics that many lists have: they tell none from another."""


@dataclass(frozen=True)
class Match:
    """How a column goes with a list.

    ``covered`` is the share of cells that are a spelling of it, ``worded`` the share that are
    one of its words and not just a digit, ``topic`` how alike title and list are.
    """

    codes: str
    covered: float
    worded: float
    topic: float
    kinds: int
    pad: int

    @property
    def score(self) -> float:
        """How much speaks for the list."""
        return self.topic + self.worded + self.covered / 10


def chosen(
    profile: ColumnProfile, dictionary: Dictionary, table: str
) -> tuple[Match | None, tuple[str, ...]]:
    """The list a column is of, and lists that it might be of when none is chosen.

    Args:
        profile: The column; without ``words`` it has too many different values for a list.
        dictionary: The lists.
        table: The table's title, which tells lists of one kind of thing from those of another.
    """
    if not profile.words:
        return None, ()
    known = dictionary.known(profile.spoken)
    matches = [
        match
        for name, codes in dictionary.codes.items()
        if name != FLAGS and (match := _match(profile, name, codes, dictionary, table))
    ]
    if known and known.codes:
        for match in matches:
            if match.codes == known.codes and match.covered >= EXPECTED:
                return match, ()
    if not known and NAMES.search(profile.spoken):
        return None, ()
    likely = sorted((m for m in matches if _is_told(m)), key=lambda m: -m.score)
    if likely and (len(likely) == 1 or likely[0].score - likely[1].score >= CLEAR):
        return likely[0], ()
    possible = likely or [m for m in matches if m.topic >= ALIKE / 2]
    return None, tuple(m.codes for m in sorted(possible, key=lambda m: -m.score)[:3])


def is_flag(profile: ColumnProfile, dictionary: Dictionary, *, hinted: bool) -> bool:
    """Whether nearly all cells say yes or no, in any spelling; one of them may be lacking."""
    listed = dictionary.codes.get(FLAGS)
    if not listed or not profile.words:
        return False
    found = _match(profile, FLAGS, listed, dictionary, "")
    return found is not None and found.covered >= BELIEVED and (hinted or found.kinds > 1)


def _is_told(match: Match) -> bool:
    if match.covered < EXPECTED:
        return False
    if match.topic >= ALIKE:
        return True
    if match.covered < BELIEVED:
        return False
    return (match.worded >= BELIEVED and match.kinds > 1) or match.kinds >= MANY <= LONG * 2


def _match(
    profile: ColumnProfile, name: str, codes: CodeList, dictionary: Dictionary, table: str
) -> Match | None:
    said = dict(spellings(codes))
    width = _width(codes)
    cells = profile.words
    total = sum(cells.values())
    covered = worded = 0
    pad = 0
    kinds: set[str] = set()
    for text, count in cells.items():
        padded = text.zfill(width) if width and text.isdigit() else text
        code = said.get(text) or said.get(padded)
        if code is None:
            continue
        covered += count
        kinds.add(code)
        pad = width if padded != text and text not in said else pad
        if not text.isdigit() and text in said:
            worded += count
    if not covered or covered / total < BELIEVED / 2:
        return None
    topic = _topic(profile.spoken, dictionary.topics.get(name, ()), table)
    long = len(kinds) if width >= LONG else 0
    return Match(name, covered / total, worded / total, topic, max(long, min(len(kinds), 7)), pad)


def _width(codes: CodeList) -> int:
    """The one width of a list's numeric codes; 0 where they differ."""
    widths = {len(code) for code in codes.codes if code.isdigit()}
    return widths.pop() if len(widths) == 1 and max(widths) > 1 else 0


def _topic(title: str, topics: tuple[str, ...], table: str) -> float:
    """How alike a title is to what a list is about; the table's own title counts with it."""
    asked = folded(title)
    whole = folded(table) + asked
    best = 0.0
    for topic in topics:
        if topic in GENERIC:
            continue
        ratio = SequenceMatcher(None, asked, topic).ratio()
        if len(topic) > 1 and asked.endswith(topic):
            ratio = max(ratio, 0.9)
        if asked != topic and len(asked) > 1 and topic.endswith(asked):
            # A bare 状态 is of the list that the table's title completes it to.
            shared = SequenceMatcher(None, whole, topic).ratio()
            ratio = max(ratio, min(0.85, 0.5 + shared / 2))
        best = max(best, ratio)
    return best
