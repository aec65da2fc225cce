"""Is one data item collected by two departments?

Decree 809 (政务数据共享条例, §19) wants each item collected once, by its source department. Two
feeds of different departments that keep rows of the same thing, and that both have a column of the
same title, format or code list, collect it twice, unless ``items.yaml`` says who is the source or
that the two columns are different things. It is told, with both departments and what to do; it
stops nothing.

A feed keeps rows of an entity when the entity's key is its whole business key, or when it is the
first source of one of the entity's items. A feed that merely mentions a person does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from dagster_project.contracts.entities import DataItems
from dagster_project.contracts.model import Column, Contracts, Feed, Problem

IDENTITIES = ("resident_id", "uscc")
"""Formats that name the same thing wherever they stand."""
REMEDY = (
    "name both under one item of items.yaml, the source department's first, and let the other"
    " department take it from there, or name the pair under `separate` if they are different things"
)
"""What is to be done about every pair."""
COMMON = ("yes_no",)
"""Code lists that say nothing of what a column is about."""


def repeated(contracts: Contracts) -> list[Problem]:
    """One problem per pair of columns that are collected twice."""
    settled = _settled(contracts.items)
    found: dict[tuple[str, str, str, str], Problem] = {}
    for keys in _described(contracts).values():
        for first, second in combinations(keys, 2):
            one, other = contracts.feeds[first], contracts.feeds[second]
            if one.department_code == other.department_code:
                continue
            for left, right in _alike(one, keys[first], other, keys[second]):
                pair = frozenset({f"{first}.{left.name}", f"{second}.{right.name}"})
                if not any(pair <= group for group in settled):
                    place = (first, left.name, second, right.name)
                    found[place] = _problem(one, left, other, right)
    return [found[place] for place in sorted(found)]


def _settled(items: DataItems) -> list[frozenset[str]]:
    """Columns of which it is said that they are one item, or that they are different things."""
    declared = [
        frozenset(str(source) for source in item.sources)
        for entity in items.entities.values()
        for item in entity.items
    ]
    return [*declared, *items.separate]


def _described(contracts: Contracts) -> Mapping[str, dict[str, str]]:
    """By thing: the feeds that keep rows of it, with the column of its key."""
    groups: dict[str, dict[str, str]] = {}
    owner: dict[tuple[str, str], str] = {}
    for entity in contracts.items.entities.values():
        firsts = {item.sources[0].feed for item in entity.items}
        for name, column in entity.feeds.items():
            owner[name, column] = entity.name
            if name in firsts or contracts.feeds[name].key == (column,):
                groups.setdefault(entity.name, {})[name] = column
    by_format = {
        contracts.feeds[name].column(column).format: thing
        for (name, column), thing in owner.items()
    }
    for feed in contracts.feeds.values():
        if len(feed.key) != 1 or (feed.name, feed.key[0]) in owner:
            continue
        thing = _thing(feed, owner, by_format)
        if thing:
            groups.setdefault(thing, {})[feed.name] = feed.key[0]
    return groups


def _thing(feed: Feed, owner: Mapping[tuple[str, str], str], by_format: Mapping[str, str]) -> str:
    """What a feed keeps rows of by its own key, if another feed could keep rows of it too."""
    key = feed.column(feed.key[0])
    if key.reference:
        parent = key.reference.feed, key.reference.column
        return owner.get(parent, ".".join(parent))
    if key.format in IDENTITIES:
        return by_format.get(key.format, key.format)
    return f"{feed.name}.{key.name}"


def _alike(one: Feed, own_key: str, other: Feed, other_key: str) -> Iterator[tuple[Column, Column]]:
    for left in one.columns:
        for right in other.columns:
            technical = left.name in {own_key, one.order_by} or right.name in {
                other_key,
                other.order_by,
            }
            if not technical and _same(left, right):
                yield left, right


def _same(left: Column, right: Column) -> bool:
    titles = {left.title, *left.aliases} & {right.title, *right.aliases}
    lists = left.codes == right.codes and left.codes and left.codes not in COMMON
    return bool(titles or lists or (left.format and left.format == right.format))


def _problem(one: Feed, left: Column, other: Feed, right: Column) -> Problem:
    first, second = f"{one.name}.{left.name}", f"{other.name}.{right.name}"
    return Problem(
        other.path,
        right.line,
        f"{left.title} is collected twice: by {one.department_name} as `{first}` and by"
        f" {other.department_name} as `{second}` ({right.title}); {REMEDY}",
    )
