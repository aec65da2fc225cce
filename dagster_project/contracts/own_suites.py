"""The county's own expectations: ``schemas/feeds/<feed>.expectations.json`` beside the contract.

The file is a suite in Great Expectations' own form. It is no part of the contract: it changes
neither its hash nor its version, and never keeps a row out. What may stand in it is a closed list:
nothing that runs SQL or code, that keeps cells in its result, or that may take for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dagster_project.contracts.document import Document, read
from dagster_project.contracts.model import Column, Feed, Problem
from dagster_project.contracts.own_expectation import OwnExpectation
from dagster_project.contracts.own_words import (
    ANY,
    COMMON,
    KINDS,
    Argument,
    Kind,
    argument_fault,
    condition_fault,
)

SUFFIX: Final = ".expectations.json"
MOST: Final = 200
"""So many expectations of one feed: more belong into the contract."""
LONGEST: Final = 200
SEVERITIES: Final = {"critical": "fail", "warning": "warn", "info": "warn"}


@dataclass
class _Reading:
    """One file while it is read."""

    document: Document
    feed: Feed
    found: list[OwnExpectation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, number: int, sentence: str, *path: str | int) -> None:
        """Note what is wrong with an expectation."""
        at = self.document.line("expectations", number, *path)
        self.problems.append(Problem(self.document.path, at, sentence))


def read_own_suites(
    root: Path, feeds: Mapping[str, Feed]
) -> tuple[dict[str, tuple[OwnExpectation, ...]], list[Problem]]:
    """Every own suite below ``feeds``; one with a problem is left out as a whole.

    Args:
        root: The ``schemas`` folder.
        feeds: The contracts that could be read.

    Returns:
        Expectations by feed, and why the others were refused.
    """
    suites: dict[str, tuple[OwnExpectation, ...]] = {}
    problems: list[Problem] = []
    for path in sorted((root / "feeds").glob(f"*{SUFFIX}")):
        name = f"{root.name}/feeds/{path.name}"
        feed = feeds.get(path.name.removesuffix(SUFFIX))
        if feed is None:
            what = "there is no sound contract of that name beside it; mend or rename one of them"
            problems.append(Problem(name, 0, what))
            continue
        found, wrong = _read(path, name, feed)
        problems += wrong
        if not wrong:
            suites[feed.name] = tuple(found)
    return suites, problems


def _read(path: Path, name: str, feed: Feed) -> tuple[list[OwnExpectation], list[Problem]]:
    document = read(path, name)
    if isinstance(document, Problem):
        return [], [document]
    try:
        data = json.loads(path.read_bytes(), parse_float=Decimal, parse_constant=_no_constant)
    except ValueError:
        return [], [Problem(name, 1, "this is not valid JSON; save it as Great Expectations does")]
    entries = data.get("expectations") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        what = "there is no list `expectations`; write a suite as Great Expectations saves it"
        return [], [Problem(name, 1, what)]
    reading = _Reading(document, feed)
    if len(entries) > MOST:
        reading.refuse(MOST, f"more than {MOST} expectations; put row rules into the contract")
        return [], reading.problems
    for number, entry in enumerate(entries):
        _take(reading, number, entry)
    return reading.found, reading.problems


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _take(reading: _Reading, number: int, entry: object) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kwargs"), dict):
        reading.refuse(number, "an expectation is an object with `type` and `kwargs`; write both")
        return
    kind = KINDS.get(str(entry.get("type")))
    if kind is None:
        reading.refuse(
            number,
            f"`{str(entry.get('type'))[:LONGEST]}` may not be used here: it is unknown, runs SQL or"
            f" code, or keeps cells; use one of {', '.join(sorted(KINDS))}",
            "type",
        )
        return
    said = {name: value for name, value in entry["kwargs"].items() if value is not None}
    faults = list(_faults(kind, said, reading.feed))
    for name, sentence in faults:
        reading.refuse(number, f"`{name}`: {sentence}", "kwargs", name)
    if faults:
        return
    condition = said.pop("row_condition", None)
    said.pop("condition_parser", None)
    columns = tuple(_columns(kind, said))
    made = OwnExpectation(
        id=_id(str(entry["type"]), columns, reading.found),
        type=str(entry["type"]),
        name=kind.name,
        arguments=said,
        named=kind.columns,
        columns=columns,
        sentence=_sentence(entry, kind, columns, reading.feed),
        severity=SEVERITIES.get(str(entry.get("severity", "warning")), "warn"),
        condition=condition,
    )
    reading.found.append(made)


def _columns(kind: Kind, said: Mapping[str, Any]) -> Iterator[str]:
    for name in kind.columns:
        yield from said[name] if isinstance(said[name], list) else [said[name]]


def _faults(kind: Kind, said: Mapping[str, Any], feed: Feed) -> Iterator[tuple[str, str]]:
    """What is wrong with the arguments of one expectation: the argument, and the sentence."""
    columns: list[Column] = []
    for name in kind.columns:
        yield from _column_faults(kind, name, said.get(name), feed, columns)
    for name in kind.needs:
        if name not in said:
            yield name, "it is missing; write it"
    if kind.one_of and not any(name in said for name in kind.one_of):
        yield kind.one_of[0], f"at least one of {', '.join(kind.one_of)} is needed; write it"
    allowed: dict[str, Argument] = {**kind.arguments, **COMMON}
    named = {column.name: column for column in feed.columns}
    for name, value in said.items():
        if name in kind.columns:
            continue
        if name == "row_condition":
            fault = condition_fault(value, named)
        elif name in allowed:
            fault = argument_fault(allowed[name], value, columns[0] if columns else None)
        else:
            fault = "it is no argument of this expectation that may be used; leave it out"
        if fault:
            yield name, fault


def _column_faults(
    kind: Kind, name: str, value: object, feed: Feed, found: list[Column]
) -> Iterator[tuple[str, str]]:
    """What is wrong with an argument that names columns; those that are right are noted."""
    is_list = name.endswith("_list")
    listed = value if isinstance(value, list) and is_list else [value]
    if is_list and (not isinstance(value, list) or len(value) < len(("one", "other"))):
        yield name, "write a list of two or more columns"
        return
    for one in listed:
        known = [column for column in feed.columns if column.name == one]
        if not known:
            yield name, f"`{str(one)[:LONGEST]}` is no column of {feed.name}; correct it"
        elif kind.types != ANY and known[0].type not in kind.types:
            asked = " or ".join(sorted(kind.types))
            is_a = f"`{one}` is a {known[0].type}"
            yield name, f"{is_a}, and this is asked of {asked}; use another column"
        else:
            found += known


def _id(kind: str, columns: Sequence[str], found: Sequence[OwnExpectation]) -> str:
    """A name that stays the same from run to run: what it asks of which column."""
    plain = f"own.{'_'.join(columns) or 'table'}.{kind.removeprefix('expect_')}"
    same = sum(one.id == plain or one.id.startswith(f"{plain}.") for one in found)
    return f"{plain}.{same + 1}" if same else plain


def _sentence(entry: Mapping[str, Any], kind: Kind, columns: Sequence[str], feed: Feed) -> str:
    """The county's own description, or what the expectation says by itself."""
    meta = entry.get("meta")
    written = entry.get("description") or (meta.get("notes") if isinstance(meta, dict) else "")
    if isinstance(written, str) and written.strip():
        return written.strip()[:LONGEST]
    return f"{'、'.join(feed.column(name).title for name in columns)}{kind.title}"
