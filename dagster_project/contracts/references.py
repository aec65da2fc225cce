"""References between feeds: are they sound, do they reject, and in which order feeds come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from dagster_project.contracts.model import Column, Contracts, Feed, Problem, Reference


@dataclass(frozen=True)
class Refused:
    """A contract that was refused; ``feed`` as far as it could be read."""

    path: str
    feed: Feed | None = None


def settle(
    feeds: Mapping[str, Feed], refused: Mapping[str, Refused]
) -> tuple[dict[str, Feed], list[Problem]]:
    """Decide for every reference whether it rejects, and refuse feeds with an unsound one.

    A feed goes on while the contract of its parent is refused: a rejecting reference is checked
    against what the lake holds of the parent, one that would only warn is left out.

    Args:
        feeds: Feeds that are sound by themselves.
        refused: The others, by name.
    """
    kept, gone, problems = dict(feeds), dict(refused), list[Problem]()
    while faults := [fault for feed in kept.values() for fault in _faults(feed, kept, gone)]:
        problems += faults
        paths = {fault.path for fault in faults}
        gone |= {f.name: Refused(f.path, f) for f in kept.values() if f.path in paths}
        kept = {name: feed for name, feed in kept.items() if feed.path not in paths}
    settled = {name: _settled(feed, kept, gone) for name, feed in kept.items()}
    looped = list(_loops(settled))
    paths = {problem.path for problem in looped}
    return {n: f for n, f in settled.items() if f.path not in paths}, problems + looped


def feed_order(contracts: Contracts) -> list[str]:
    """The feeds' names, parents of rejecting references first, otherwise by name."""
    order = TopologicalSorter(_parents(contracts.feeds)).static_order()
    return [name for name in order if name in contracts.feeds]


def _parents(feeds: Mapping[str, Feed]) -> dict[str, list[str]]:
    return {
        name: sorted({r.feed for r in _references(feeds[name]) if r.rejects})
        for name in sorted(feeds)
    }


def _references(feed: Feed) -> list[Reference]:
    return [column.reference for column in feed.columns if column.reference]


def _faults(
    feed: Feed, feeds: Mapping[str, Feed], gone: Mapping[str, Refused]
) -> Iterator[Problem]:
    for column in feed.columns:
        if column.reference and (sentence := _fault(feed, column, column.reference, feeds, gone)):
            yield Problem(feed.path, column.line, f"column `{column.name}`: {sentence}")


def _fault(
    feed: Feed,
    column: Column,
    reference: Reference,
    feeds: Mapping[str, Feed],
    gone: Mapping[str, Refused],
) -> str:
    if reference.feed == feed.name:
        return "it refers to its own feed; remove the relationship"
    parent = feeds.get(reference.feed)
    if parent is not None:
        return _target_fault(column, reference, parent)
    if reference.feed in gone:
        return ""
    return f"it refers to `{reference.feed}`, but there is no such feed; correct or remove it"


def _target_fault(column: Column, reference: Reference, parent: Feed) -> str:
    target = f"{reference.feed}.{reference.column}"
    other = next((c for c in parent.columns if c.name == reference.column), None)
    if other is None:
        return f"it refers to `{target}`, but {reference.feed} has no such column; correct it"
    if parent.key != (reference.column,):
        return f"it refers to `{target}`, which is not the key of {reference.feed}; name the key"
    if other.type != column.type:
        return f"it is {column.type} but `{target}` is {other.type}; make the types equal"
    return ""


def _settled(feed: Feed, feeds: Mapping[str, Feed], gone: Mapping[str, Refused]) -> Feed:
    columns = tuple(_decided(column, feed, feeds, gone) for column in feed.columns)
    return replace(feed, columns=columns)


def _decided(
    column: Column, feed: Feed, feeds: Mapping[str, Feed], gone: Mapping[str, Refused]
) -> Column:
    reference = column.reference
    if reference is None:
        return column
    parent = feeds.get(reference.feed)
    if parent is not None:
        rejects = _rejects(feed, parent)
        return replace(column, reference=replace(reference, rejects=rejects, title=parent.title))
    refused = gone[reference.feed]
    if refused.feed and not _rejects(feed, refused.feed):
        return replace(column, reference=None)
    return replace(column, reference=replace(reference, rejects=True))


def _rejects(feed: Feed, parent: Feed) -> bool:
    return parent.is_reference or parent.department_code == feed.department_code


def _loops(feeds: Mapping[str, Feed]) -> Iterator[Problem]:
    """Feeds that wait for one another: none of them could ever be merged first."""
    try:
        TopologicalSorter(_parents(feeds)).prepare()
    except CycleError as error:
        loop = error.args[1]
        what = f"feeds refer to one another in a circle ({' → '.join(reversed(loop))})"
        for name in dict.fromkeys(loop):
            yield Problem(feeds[name].path, 1, f"{what}; remove one of the relationships")
