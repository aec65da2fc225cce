"""Two versions of a contract -> what differs, word by word, and how much each difference matters.

How a contract is taken apart is ``wording``'s work, how much a word matters stands in ``grades``;
what version a changed contract must have, and its changelog, are ``versions``' matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dagster_project.contracts.grades import GRADES, Edit, Grade, grade_of, grade_of_part
from dagster_project.contracts.wording import ORDER, Part, Wording, Words

Kind = Literal["added", "removed", "renamed", "changed"]
Bump = Literal["major", "minor", "patch", "none"]
BUMPS: dict[Grade, Bump] = {"breaking": "major", "compatible": "minor", "cosmetic": "patch"}
LONGEST = 60
"""A value is shown up to so many characters."""
_WITHIN = ("logicalTypeOptions.", "implementation.parameters.")
"""Words that are known to people by their last step."""
_MISSING = object()


@dataclass(frozen=True)
class Change:
    """One difference between two versions of a contract.

    ``place`` says where, for machines (``columns.sex.required``); ``sentence`` says it to people,
    with ``old`` and ``new`` as they were written, empty where they were not.
    """

    place: str
    kind: Kind
    old: str
    new: str
    sentence: str
    grade: Grade

    def data(self) -> dict[str, str]:
        """As JSON keeps it."""
        return asdict(self)


def changes(old: Wording, new: Wording) -> tuple[Change, ...]:
    """Everything that differs but the version, the gravest first.

    It is total: two contracts whose data differ in any word, or whose code lists do, have at least
    one change; two whose data are equal have none.
    """
    found = [*_moved(old, new)]
    return tuple(sorted(found, key=lambda one: (GRADES.index(one.grade), one.place)))


def needed_bump(found: Iterable[Change]) -> Bump:
    """Which number of the version the changes raise."""
    grades = {change.grade for change in found}
    return next((BUMPS[grade] for grade in GRADES if grade in grades), "none")


def gravest(found: Iterable[Change]) -> Grade | Literal["none"]:
    """The gravest grade; ``none`` of no changes."""
    grades = {change.grade for change in found}
    return next((grade for grade in GRADES if grade in grades), "none")


def _moved(old: Wording, new: Wording) -> Iterator[Change]:
    before, after = dict(old.parts), dict(new.parts)
    headerless = any(parts.get((), {}).get("header") == "absent" for parts in (before, after))
    for was, now in _renamed(before, after):
        name, title = was[-1], str(after[now].get("businessName", ""))
        what = f"column `{name}` ({title}) is called `{now[-1]}`"
        yield Change(_place(was), "renamed", name, now[-1], what, "breaking")
        before[now] = before.pop(was)
    for part in dict.fromkeys((*before, *after)):
        here = (part, old.is_feed or new.is_feed, headerless)
        if len(part) < 2 or (part in before and part in after):  # noqa: PLR2004
            yield from _reworded(here, before.get(part, {}), after.get(part, {}))
        elif _stands_alone(part, before, after):
            yield _whole(here, before.get(part), after.get(part))


def _stands_alone(part: Part, before: dict[Part, Words], after: dict[Part, Words]) -> bool:
    """Whether the part came or went by itself, and not with the code list that it is of."""
    return part[0] != "codes" or len(part) == 2 or (part[:2] in before and part[:2] in after)  # noqa: PLR2004


def _renamed(before: dict[Part, Words], after: dict[Part, Words]) -> list[tuple[Part, Part]]:
    """Columns that are gone and there again under another name: the same title and type."""
    gone = [part for part in before if part[:1] == ("columns",) and part not in after]
    come = [part for part in after if part[:1] == ("columns",) and part not in before]
    pairs: list[tuple[Part, Part]] = []
    for was in gone:
        same = [now for now in come if now[1:] and was[1:] and _alike(before[was], after[now])]
        if len(same) == 1:
            pairs.append((was, same[0]))
            come.remove(same[0])
    return pairs


def _alike(old: Words, new: Words) -> bool:
    return bool(old.get("businessName")) and all(
        old.get(word) == new.get(word) for word in ("businessName", "logicalType")
    )


_Here = tuple[Part, bool, bool]


def _reworded(here: _Here, before: Words, after: Words) -> Iterator[Change]:
    """The words of a part that differ."""
    part, is_feed, headerless = here
    for word in dict.fromkeys((*before, *after)):
        old, new = before.get(word, _MISSING), after.get(word, _MISSING)
        if word.rpartition(".")[2] == ORDER:
            old, new = _common_order(before.get(word), after.get(word))
        if _same(old, new):
            continue
        values = (None if old is _MISSING else old, None if new is _MISSING else new)
        edit = Edit(word, *values, before, after, is_feed, headerless)
        kind: Kind = "added" if old is _MISSING else "removed" if new is _MISSING else "changed"
        yield Change(
            _place((*part, word)),
            kind,
            "" if old is _MISSING else _shown(old),
            "" if new is _MISSING else _shown(new),
            f"{_subject(part)}{_told(word, kind, old, new)}",
            grade_of(part, edit),
        )


def _common_order(old: Any, new: Any) -> tuple[Any, Any]:
    """The order of what is in both: what came or went is told of by itself."""
    if not isinstance(old, list) or not isinstance(new, list):
        return None, None
    return [one for one in old if one in new], [one for one in new if one in old]


def _whole(here: _Here, before: Words | None, after: Words | None) -> Change:
    """A column, rule, server, code list or code that came or went."""
    part, is_feed, headerless = here
    is_added = before is None
    words = after if before is None else before
    grade = grade_of_part(
        part, words or {}, is_added=is_added, is_feed=is_feed, headerless=headerless
    )
    kind: Kind = "added" if is_added else "removed"
    title = next((str(words[w]) for w in ("businessName", "title") if words and w in words), "")
    named = f" ({title})" if title else ""
    needed = " and is required" if is_added and words and words.get("required") else ""
    what = f"{_subject(part)}{named} is {'new' if is_added else 'gone'}{needed}"
    shown = _shown(dict(words or {}))
    return Change(
        _place(part), kind, "" if is_added else shown, shown if is_added else "", what, grade
    )


def _same(old: object, new: object) -> bool:
    """Equal as written: 1, 1.0, '1' and true are four different words."""
    if old is _MISSING or new is _MISSING:
        return old is new
    return _text(old) == _text(new)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else _text(value)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _place(part: Part) -> str:
    return ".".join(part)


def _subject(part: Part) -> str:
    """What a sentence is about."""
    named = {"columns": "column", "rules": "rule", "servers": "server", "codes": "code list"}
    if not part or part == ("table",):
        return "the contract" if not part else "the table"
    if len(part) == 1:
        return f"the {part[0]}"
    if part[0] == "codes" and len(part) > 2:  # noqa: PLR2004
        return f"code `{part[2]}` of the list `{part[1]}`"
    return f"{named.get(part[0], part[0])} `{part[1]}`"


def _told(word: str, kind: Kind, old: object, new: object) -> str:
    short = word.rpartition(".")[2] if word.startswith(_WITHIN) else word
    if short == ORDER or short.endswith(f".{ORDER}"):
        stem = short.removesuffix(ORDER).rstrip(".")
        return f": the order of {stem or 'its entries'} is another"
    if isinstance(old, list) and isinstance(new, list):
        less = [one for one in old if one not in new]
        more = [one for one in new if one not in old]
        parts = [f"no longer has {_shown(less)}"] if less else []
        parts += [f"also has {_shown(more)}"] if more else []
        return f": `{short}` {' and '.join(parts) or 'stands in another order'}"
    if kind == "added":
        return f": `{short}` is now {_shown(new)}"
    if kind == "removed":
        return f": `{short}` is no longer {_shown(old)}"
    return f": `{short}` was {_shown(old)} and is {_shown(new)}"
