"""Files to deliveries: those of one manifest, and parts named 1of3, 2of3, 3of3, belong together.

A delivery that lacks a file waits. What the bytes are is found out when they are landed; here only
names, sizes and what manifests state are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.channels.base import Candidate, Mark, Part, Remark
from dagster_project.ingest.channels.manifests import ENDING, Manifest, same

NAMED = 5
"""So many lacking files are named in a sentence; the others are counted."""

_PART_NAMES = (
    re.compile(r"(?P<name>.+?)[_\-. ]?(?P<number>\d{1,3})of(?P<all>\d{1,3})", re.IGNORECASE),
    re.compile(r"(?P<name>.+?)[_\-. ]?[(（](?P<number>\d{1,3})[-/](?P<all>\d{1,3})[)）]"),
    re.compile(r"(?P<name>.+?)[_\-. ]?第(?P<number>\d{1,3})部分共(?P<all>\d{1,3})部分"),
)


@dataclass
class Grouped:
    """Deliveries, and the files that wait or that nobody can take."""

    candidates: list[Candidate] = field(default_factory=list)
    unfinished: list[Remark] = field(default_factory=list)
    refused: list[Remark] = field(default_factory=list)


def grouped(
    found: Iterable[Candidate],
    manifests: Sequence[Manifest],
    feeds: Mapping[str, Feed],
    claim: Callable[[str], Sequence[str]],
    known: Collection[Mark],
) -> Grouped:
    """The deliveries that these files are.

    Args:
        found: Every file that exactly one feed claims.
        manifests: Every manifest of the channel.
        feeds: Contracts by name.
        claim: The names of the feeds that claim a path, whether or not the file is there.
        known: What the lake remembers.
    """
    made, alone = Grouped(), {same(one.path): one for one in found}
    listed: set[str] = set()
    for manifest in manifests:
        names = {same(stated.path) for stated in manifest.files}
        if manifest.fault:
            _hold_back(made, manifest, alone)
        elif again := sorted(names & listed):
            made.refused.append(_remark(manifest.file.path, f"{again[0]} {TWICE[0]}", TWICE[1]))
            _keep(made, alone, names)
        else:
            _by_manifest(made, manifest, alone, claim, known)
        listed |= names
    parts: dict[tuple[str, str, int], list[tuple[int, Candidate]]] = {}
    for candidate in alone.values():
        feed = feeds[candidate.feed]
        place = _part_of(candidate.path) if feed.parts else None
        if feed.manifest and not candidate.is_known(known):
            made.unfinished.append(_remark(candidate.path, *UNLISTED))
        elif place is None:
            made.candidates.append(candidate)
        else:
            name, number, whole = place
            parts.setdefault((candidate.feed, name, whole), []).append((number, candidate))
    for (_, name, whole), members in parts.items():
        _by_parts(made, name, whole, members, known)
    made.candidates.sort(key=lambda one: (one.path, one.feed))
    return made


def _hold_back(made: Grouped, manifest: Manifest, alone: dict[str, Candidate]) -> None:
    """A manifest that cannot be read keeps back the files that it is named after."""
    made.refused.append(Remark(manifest.file.path, manifest.fault))
    name = same(manifest.file.path)[: -len(ENDING)]
    _keep(made, alone, [one for one in alone if one == name or str(_stem(one)) == name])


def _keep(made: Grouped, alone: dict[str, Candidate], paths: Iterable[str]) -> None:
    """Files that wait until somebody corrects their manifest."""
    for path in sorted(paths):
        if alone.pop(path, None) is not None:
            made.unfinished.append(_remark(path, *UNREADABLE))


def _stem(path: str) -> PurePosixPath:
    return PurePosixPath(path).with_suffix("")


def _by_manifest(
    made: Grouped,
    manifest: Manifest,
    alone: dict[str, Candidate],
    claim: Callable[[str], Sequence[str]],
    known: Collection[Mark],
) -> None:
    """One delivery per feed of the manifest's files, if they are all there."""
    groups: dict[str, list[Part]] = {}
    lacking = []
    for stated in manifest.files:
        candidate = alone.pop(same(stated.path), None)
        if candidate is None and len(claim(stated.path)) == 1:
            lacking.append(f"{stated.path} (not there)")
        elif candidate is not None and candidate.size < stated.bytes:
            lacking.append(f"{stated.path} ({candidate.size:,} of {stated.bytes:,} bytes)")
        elif candidate is not None:
            part = Part(
                candidate.path,
                candidate.size,
                candidate.mtime_ns,
                stated.bytes,
                stated.sha256,
                stated.rows,
            )
            groups.setdefault(candidate.feed, []).append(part)
    if not lacking:
        made.candidates += [
            _delivery(feed, manifest.file.path, parts, (manifest.file,))
            for feed, parts in groups.items()
        ]
    elif manifest.file.mark not in known:
        what = f"{len(lacking)} of {len(manifest.files)} files of this manifest are not complete"
        made.unfinished.append(_incomplete(manifest.file.path, what, lacking))


def _by_parts(
    made: Grouped,
    name: str,
    whole: int,
    members: list[tuple[int, Candidate]],
    known: Collection[Mark],
) -> None:
    """One delivery of all parts, if they are all there, each once."""
    members.sort(key=lambda one: (one[0], one[1].path))
    numbers = [number for number, _ in members]
    common = f"{name}{PurePosixPath(members[0][1].path).suffix}"
    lacking = [f"part {n}" for n in range(1, whole + 1) if n not in numbers]
    if lacking:
        if not all(one.is_known(known) for _, one in members):
            what = f"{len(lacking)} of {whole} parts of this delivery are not there"
            made.unfinished.append(_incomplete(common, what, lacking))
    elif len(numbers) > whole:
        twice = sorted({f"part {n}" for n in numbers if numbers.count(n) > 1})
        what = f"{'、'.join(twice)} of this delivery is there twice"
        made.refused.append(_remark(common, what, "Leave one file for each part"))
    else:
        files = [part for _, one in members for part in one.files]
        made.candidates.append(_delivery(members[0][1].feed, common, files, ()))


def _delivery(feed: str, path: str, parts: Sequence[Part], manifest: tuple[Part, ...]) -> Candidate:
    """A single file keeps its own name, with or without a manifest."""
    return Candidate(
        feed,
        path if len(parts) > 1 else parts[0].path,
        sum(part.size for part in parts),
        max(part.mtime_ns for part in (*parts, *manifest)),
        tuple(parts),
        manifest,
    )


def _part_of(path: str) -> tuple[str, int, int] | None:
    """Common path without its ending, number and count of a file that is named as a part."""
    file = PurePosixPath(path)
    for pattern in _PART_NAMES:
        if match := pattern.fullmatch(file.stem):
            number, whole = int(match["number"]), int(match["all"])
            if 1 <= number <= whole and whole > 1:
                return file.with_name(match["name"]).as_posix(), number, whole
    return None


UNREADABLE = (
    "this file waits, because its manifest is not in order",
    "Correct the manifest, or take it away if the feed does not ask for one",
)
UNLISTED = (
    "no manifest names this file, and its feed is taken by manifest only",
    f"Put <name>{ENDING} with its size and SHA-256 beside it",
)
TWICE = (
    "stands in another manifest too, which counts",
    "Take the file out of one of the two manifests",
)
COMPLETE = "Nothing to do if the upload goes on; otherwise deliver what lacks, or correct the list"


def _incomplete(path: str, what: str, lacking: Sequence[str]) -> Remark:
    rest = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    return _remark(path, f"{what}: {'、'.join(lacking[:NAMED])}{rest}", COMPLETE)


def _remark(path: str, what: str, todo: str) -> Remark:
    return Remark(path, str(DeliveryError(what, where=path, todo=todo)))
