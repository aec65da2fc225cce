"""The site's file of OpenLineage events: one growing NDJSON, and the runs that have no end yet.

What an event says is ``events``' matter. A run that has begun has a marker beside the file, locked
by its process: the kernel drops the lock of one that was killed, and the next run closes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from dagster_project.paths import Home

FILE = "events.ndjson"
RUNNING = "running"
"""Folder of the markers of runs that have begun."""
_BLOCK = 1 << 16
# How far back a search goes: what lies further up is years old.
_MOST = 128 << 20
_UNMADE = ("landing.", "landing/", "ops.")
_SNAPSHOT = "snapshot "
_ENDS = (b'"eventType":"COMPLETE"', b'"eventType":"FAIL"', b'"eventType":"ABORT"')
_START = b'"eventType":"START"'


def append(home: Home, events: Iterable[str]) -> None:
    """Add events to the site's file with one write, so that parallel runs do not mix lines."""
    text = "".join(event + "\n" for event in events).encode("utf-8")
    if not text:
        return
    home.lineage.mkdir(parents=True, exist_ok=True)
    handle = os.open(home.lineage / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        torn = size and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, b"\n" + text if torn else text)
    finally:
        os.close(handle)


@contextlib.contextmanager
def marked(home: Home, run_id: str, start: str) -> Iterator[None]:
    """Tell the START of a run, and keep its marker while the block runs.

    The marker names the place in the file from which the run's events are looked for. It appears
    locked, so that nobody takes it for that of a killed run.
    """
    folder = home.lineage / RUNNING
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run_id}.json"
    aside = folder / f".{run_id}"
    handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        place = size_of(home)
        os.write(handle, json.dumps({"place": place, "start": start}).encode("utf-8"))
        aside.rename(path)
        append(home, [start])
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def close_killed(home: Home, aborted: Callable[[str], str]) -> list[str]:
    """End every run whose process was killed before it told how the run had ended.

    Args:
        home: The site's home.
        aborted: Makes the ABORT event of a START event; both are JSON lines.

    Returns:
        The events that were added.
    """
    closed = []
    for path in sorted((home.lineage / RUNNING).glob("*.json")):
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            start = _unended(home, path)
            if start:
                closed.append(aborted(start))
                append(home, closed[-1:])
            path.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
    return closed


def size_of(home: Home) -> int:
    """How long the file is."""
    try:
        return (home.lineage / FILE).stat().st_size
    except FileNotFoundError:
        return 0


def _unended(home: Home, marker: Path) -> str:
    """The START event of a run that has no end; empty if it never told it, or has told its end."""
    try:
        told = json.loads(marker.read_bytes())
        place, start = int(told["place"]), str(told["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    own, begun = f'"runId":"{marker.stem}"'.encode(), False
    with contextlib.suppress(FileNotFoundError), (home.lineage / FILE).open("rb") as stream:
        stream.seek(place)
        for line in stream:
            if own in line and any(end in line for end in _ENDS):
                return ""
            begun = begun or (own in line and _START in line)
    return start if begun else ""


def upstream(home: Home, table: str, version: str = "") -> Iterator[str]:
    """The COMPLETE events that made a table and, step by step, everything below it.

    The file is read backwards and only as far as needed. An input is matched by its version, so a
    table that was built again meanwhile does not stand in for the one that was read: a snapshot
    is that of the newest event until then. A feed's table is what its newest merge until then
    left, which is told of that merge alone: all batches stand in the receipt. Ledgers (``ops``)
    are the programme's own and made by no event.

    Args:
        home: The site's home.
        table: The table, with its layer.
        version: Which of its versions; the newest if empty.

    Yields:
        JSON lines, newest first; nothing if no event of the table is there.
    """
    wanted = {(table, version)}
    for line in _backwards(home.lineage / FILE):
        if not wanted:
            return
        named = (f'"name":"{name}"'.encode() for name, _ in wanted)
        if _ENDS[0] not in line or not any(name in line for name in named):
            continue
        try:
            event = json.loads(line)
            made = {one["name"]: _version(one) for one in event["outputs"]}
            read = {
                (one["name"], _version(one)) for one in event["inputs"] if _followed(event, one)
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        hits = {pair for pair in wanted if pair[0] in made and _is_of(made[pair[0]], pair[1])}
        if hits:
            wanted -= hits
            wanted |= read
            yield line.decode("utf-8")


def _followed(event: dict[str, Any], one: dict[str, Any]) -> bool:
    """Whether the search goes on to an input that is made by events.

    Of a feed only its own rows are followed: the registers that its references were held against
    have deliveries of their own.
    """
    job, table = str(event["job"]["name"]), str(one["name"])
    layer, _, feed = job.partition(".")
    own = layer != "feed" or table.partition(".")[2] == feed
    return own and not table.startswith(_UNMADE)


def _is_of(made: str, wanted: str) -> bool:
    """Whether a version is the wanted one, or the newest before it of a table that grows.

    Events of an older programme name a model's table by its content: the newest of them is the
    one that was read by all that came after.
    """
    if wanted in {"", made}:
        return True
    if not wanted.startswith(_SNAPSHOT):
        return False
    if made.startswith(_SNAPSHOT):
        return int(made[len(_SNAPSHOT) :]) <= int(wanted[len(_SNAPSHOT) :])
    return bool(made)


def _version(dataset: dict[str, Any]) -> str:
    facets = dataset.get("facets") or {}
    return str((facets.get("version") or {}).get("datasetVersion", ""))


def _backwards(path: Path) -> Iterator[bytes]:
    """The lines of a file from its end; a last line without an end was torn and is left out."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        place = stream.seek(0, os.SEEK_END)
        start = max(0, place - _MOST)
        rest = b""
        whole = False
        while place > start:
            size = min(_BLOCK, place)
            place -= size
            stream.seek(place)
            lines = (stream.read(size) + rest).split(b"\n")
            rest = lines[0]
            for line in reversed(lines[1:]):
                if whole and line:
                    yield line
                whole = True
        if rest and whole and not start:
            yield rest
