"""Contracts as the lake saw them at work: each wording once, what changed, and whether it says so.

A change without the version it needs stops no run: the files of the day are judged by the contract
as it stands either way, and a department's data must not wait for somebody's bookkeeping. It is a
remark of the run, stays an error of ``countylake config check`` until the version is raised, and
is kept here for whoever asks later under which wording a batch was taken. The wording that the
next one is measured by is the last whose version was right: a forgotten raise is not forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.changes import Bump, Change, changes, gravest, needed_bump
from dagster_project.contracts.versions import (
    changelog_fault,
    changelog_path,
    owed_bump,
    read_changelog,
    version_fault,
)
from dagster_project.contracts.wording import Wording, codes_of_text, codes_text
from dagster_project.errors import UsageError

_SEEN = "SELECT layer, name, arg_max(hash, first_seen_at) FROM lake.ops.contract GROUP BY 1, 2"
_WORDED = """
SELECT layer, name, text, codes
FROM lake.ops.contract
WHERE {condition}
QUALIFY row_number() OVER (PARTITION BY layer, name ORDER BY first_seen_at DESC) = 1
"""
_INSERT = (
    "INSERT INTO lake.ops.contract (layer, name, title, version, hash, first_seen_at, run_id,"
    " text, codes, previous_version, changes, grade, version_ok, message) VALUES "
)
_AT_WORK = {"collect": ("feeds", "gold", "report"), "receive": ("city",)}
"""The layers whose contracts a site works by."""
# Catalogs (path, inode) and wordings of which this process has seen every one on record.
_recorded: set[tuple[str, int, int]] = set()
_log = structlog.get_logger(__name__)
Key = tuple[str, str]


@dataclass(frozen=True)
class Standing:
    """A contract beside the last wording whose version was right; None where none is known."""

    wording: Wording
    known: Wording | None
    changes: tuple[Change, ...] = ()

    @property
    def bump(self) -> Bump:
        """What the changes are worth."""
        return needed_bump(self.changes)

    @property
    def fault(self) -> str:
        """Why the version is not right; empty when it is."""
        if self.known is None:
            return ""
        return version_fault(self.known.version, self.wording.version, owed_bump(self.changes))


def record_contracts(con: duckdb.DuckDBPyConnection, workshop: Workshop, run_id: str) -> list[str]:
    """Put every wording that the lake has not seen on record; call it inside a transaction.

    Where nothing changed it costs one small query, once for each process.

    Returns:
        What is to be remarked: contracts whose version does not say what changed.
    """
    at_work = {
        key: one for key, one in workshop.wordings.items() if key[0] in _AT_WORK[workshop.duty]
    }
    catalog = workshop.home.catalog.resolve()
    whole = hash(frozenset(one.hash for one in at_work.values()))
    mark = (str(catalog), catalog.stat().st_ino, whole)
    if mark in _recorded:
        return []
    seen = {(layer, name): kept for layer, name, kept in con.execute(_SEEN).fetchall()}
    new = {key: one for key, one in at_work.items() if seen.get(key) != one.hash}
    if not new:
        _recorded.add(mark)
        return []
    rows, remarks = [], []
    sound = _known(con, "version_ok") if seen else {}
    for key, wording in new.items():
        found = standing(wording, sound.get(key))
        message = f"{key[0]}/{key[1]}: {found.fault}." if found.fault else ""
        remarks += [message] if message else []
        rows.append(_row(found, run_id, message))
        if message:
            _log.warning("contract version", layer=key[0], contract=key[1], bump=found.bump)
    line = f"({', '.join('?' * len(rows[0]))})"
    cells = [cell for row in rows for cell in row]
    # One statement: each INSERT of its own writes a file of its own.
    con.execute(_INSERT + ", ".join([line] * len(rows)), cells)
    return remarks


def _row(found: Standing, run_id: str, message: str) -> tuple[object, ...]:
    wording, known = found.wording, found.known
    return (
        wording.layer,
        wording.name,
        wording.title,
        wording.version,
        wording.hash,
        clock.now(),
        run_id,
        wording.text,
        codes_text(wording.codes),
        known.version if known else "",
        json.dumps([change.data() for change in found.changes], ensure_ascii=False),
        gravest(found.changes),
        not message,
        message,
    )


def standing(wording: Wording, known: Wording | None) -> Standing:
    """A contract beside a wording of before."""
    return Standing(wording, known, changes(known, wording) if known else ())


def standings(workshop: Workshop) -> dict[Key, Standing]:
    """Every contract at work beside what the lake knows; it is only read."""
    sound = last_sound(workshop)
    return {key: standing(one, sound.get(key)) for key, one in workshop.wordings.items()}


def last_sound(workshop: Workshop) -> Mapping[Key, Wording]:
    """The last wording of each contract whose version was right; none before the first run."""
    if not workshop.home.catalog.exists():
        return {}
    with workshop.lake.reader() as con:
        return _known(con, "version_ok")


def known_wording(workshop: Workshop, layer: str, name: str, version: str = "") -> Wording:
    """The newest wording that the lake knows, of a version or at all.

    Raises:
        UsageError: It knows none.
    """
    found: Mapping[Key, Wording] = {}
    if workshop.home.catalog.exists():
        with workshop.lake.reader() as con:
            asked = "layer = ? AND name = ?" + (" AND version = ?" if version else "")
            found = _known(con, asked, [layer, name, *([version] if version else [])])
    if (layer, name) not in found:
        raise UsageError(
            f"the lake knows no {layer}/{name}" + (f" of version {version}" if version else ""),
            where=str(workshop.home.root),
            todo="Name a YAML file instead, or run `countylake run` once",
        )
    return found[layer, name]


def _known(
    con: duckdb.DuckDBPyConnection, condition: str, values: list[str] | None = None
) -> dict[Key, Wording]:
    rows = con.execute(_WORDED.format(condition=condition), values or []).fetchall()
    return {
        (layer, name): Wording(layer, name, text, codes_of_text(codes))
        for layer, name, text, codes in rows
    }


def changelog_faults(workshop: Workshop) -> Iterator[tuple[Wording, str, str]]:
    """Contracts whose changelog does not tell of their version: which, the file, the sentence."""
    root = workshop.schemas
    for (layer, name), wording in workshop.wordings.items():
        fault = changelog_fault(read_changelog(root, layer, name), wording.version)
        if fault:
            path = changelog_path(root, layer, name).relative_to(root.parent)
            yield wording, str(path), fault
