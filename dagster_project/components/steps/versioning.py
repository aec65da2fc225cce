"""Comparing, judging and raising the versions of contracts: what the ``feed`` commands do.

What differs and what it is worth is the contract room's; what the lake knows is kept by
``contract_versions``. Here a person's question is put to both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project import clock
from dagster_project.components.steps.contract_versions import (
    Key,
    Standing,
    known_wording,
    last_sound,
    standing,
)
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import acceptance, amend
from dagster_project.contracts.changes import Change, changes, needed_bump
from dagster_project.contracts.model import Problem
from dagster_project.contracts.versions import (
    Entry,
    changelog_fault,
    entry_between,
    first_entry,
    raised,
    read_changelog,
    write_entry,
)
from dagster_project.contracts.wording import Wording, wording_of_file
from dagster_project.errors import ContractError, UsageError

_ASKED = re.compile(r"(?:(?P<layer>feeds|gold|report|city)/)?(?P<name>[a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Compared:
    """Two wordings of a contract and what differs."""

    old: Wording
    new: Wording
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Checked:
    """What is to be said of one contract: problems that refuse it, faults of its bookkeeping."""

    place: str
    version: str
    known: str
    problems: tuple[Problem, ...] = ()
    faults: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Raised:
    """A contract whose version, changelog or both were brought up to date."""

    place: str
    before: str
    after: str
    entry: Entry
    changelog: Path


def compare(workshop: Workshop, old: str, new: str = "") -> Compared:
    """What differs between two wordings.

    Args:
        workshop: Whose contracts and lake names mean.
        old: A YAML file, ``NAME`` for the contract as it is now, or ``NAME@1.2.0`` for a version
            that the lake knows; ``NAME`` may be ``gold/town``.
        new: The same; empty to compare the contract ``old`` with what the lake knows of it.

    Raises:
        UsageError: No such file, contract or version.
        ContractError: A file is no YAML.
    """
    if new:
        before, after = _wording(workshop, old), _wording(workshop, new)
    else:
        after = _wording(workshop, old)
        before = known_wording(workshop, after.layer, after.name)
    return Compared(before, after, changes(before, after))


def check(workshop: Workshop, names: Sequence[str] = ()) -> list[Checked]:
    """Contracts with their problems, and whether version and changelog say what changed.

    Raises:
        UsageError: No such contract.
    """
    sound = last_sound(workshop)
    keys = [_key(workshop, name) for name in names] or sorted(
        {*workshop.wordings, *(_key_of(problem) for problem in workshop.contracts.problems)}
    )
    return [_checked(workshop, key, sound.get(key)) for key in dict.fromkeys(keys)]


def bump(workshop: Workshop, names: Sequence[str], *, why: str, by: str) -> list[Raised]:
    """Raise contracts' versions as far as their changes need, and write the changelogs.

    A contract that nobody told anything of gets its first entry. One whose version is right
    already gets the entry that is missing; one of which all is said is left alone.

    Raises:
        UsageError: No such contract, or no reason is given.
        ContractError: A contract does not load, or a file cannot be written here.
    """
    if not why.strip():
        raise UsageError("no version is raised without a reason", todo="Add --why")
    sound = last_sound(workshop)
    done = []
    for name in names:
        key = _key(workshop, name)
        wording = _loaded(workshop, key)
        found = _bump(workshop, standing(wording, sound.get(key)), why=why, by=by)
        done += [found] if found else []
    return done


def _bump(workshop: Workshop, found: Standing, *, why: str, by: str) -> Raised | None:
    wording, known = found.wording, found.known
    told = read_changelog(workshop.schemas, wording.layer, wording.name)
    day = clock.local_day(clock.now()).isoformat()
    after = wording
    if known is not None and found.fault:
        version = raised(known.version, needed_bump(found.changes))
        after = _rewritten(workshop, wording, version)
    elif not changelog_fault(told, wording.version):
        return None
    if not told and known is None:
        entry = first_entry(after, day=day, by=by)
    elif known is None:
        entry = Entry(after.version, day, why, by)
    else:
        entry = entry_between(known, after, day=day, why=why, by=by)
    path = write_entry(workshop.schemas, after, entry)
    return Raised(f"{after.layer}/{after.name}", wording.version, after.version, entry, path)


def _rewritten(workshop: Workshop, wording: Wording, version: str) -> Wording:
    """The contract under another version, written into its file; every other byte stays."""
    text = amend.with_version(wording.text, version)
    path = workshop.schemas / wording.layer / f"{wording.name}.yaml"
    name = f"{workshop.schemas.name}/{wording.layer}/{wording.name}.yaml"
    change = acceptance.Change(path, name, wording.text, text)
    acceptance.apply(acceptance.Proposal(wording.name, wording.version, version, (change,)))
    return Wording(wording.layer, wording.name, text, wording.codes)


def _checked(workshop: Workshop, key: Key, known: Wording | None) -> Checked:
    place = "/".join(key)
    problems = tuple(p for p in workshop.contracts.problems if _key_of(p) == key)
    wording = workshop.wordings.get(key)
    before = known.version if known else ""
    if wording is None:
        return Checked(place, "", before, problems)
    found = standing(wording, known)
    told = changelog_fault(read_changelog(workshop.schemas, *key), wording.version)
    faults = tuple(fault for fault in (found.fault, told) if fault)
    return Checked(place, wording.version, before, problems, faults, found.changes)


def _wording(workshop: Workshop, asked: str) -> Wording:
    """A wording by what somebody typed."""
    if asked.endswith((".yaml", ".yml")):
        return wording_of_file(Path(asked), workshop.schemas)
    name, _, version = asked.partition("@")
    key = _key(workshop, name)
    return known_wording(workshop, *key, version) if version else _loaded(workshop, key)


def _loaded(workshop: Workshop, key: Key) -> Wording:
    """The contract as it is now.

    Raises:
        ContractError: It does not load.
    """
    if key in workshop.wordings:
        return workshop.wordings[key]
    problem = next(p for p in workshop.contracts.problems if _key_of(p) == key)
    raise ContractError(problem.sentence.rstrip("."), where=f"{problem.path}:{problem.line}")


def _key(workshop: Workshop, name: str) -> Key:
    """Layer and name of a contract: feeds first, else the one table of that name.

    Raises:
        UsageError: There is none, or several layers have one.
    """
    known = {*workshop.wordings, *(_key_of(problem) for problem in workshop.contracts.problems)}
    found = _ASKED.fullmatch(name)
    keys = sorted(
        key
        for key in known
        if found and key[1] == found["name"] and found["layer"] in {None, key[0]}
    )
    feeds = [key for key in keys if key[0] == "feeds"]
    if len(feeds or keys) == 1:
        return (feeds or keys)[0]
    if keys:
        shown = ", ".join("/".join(key) for key in keys)
        raise UsageError(f"several contracts are named {name}", todo=f"Say which: {shown}")
    raise UsageError(
        f"there is no contract {name}",
        where=str(workshop.schemas),
        todo="See `countylake feeds`, or name a YAML file",
    )


def _key_of(problem: Problem) -> Key:
    """The contract that a problem is about."""
    path = Path(problem.path)
    return path.parent.name, path.stem
