"""Packages that were refused, kept with the reasons, so that somebody can look at them.

Of each sender the newest few are kept whole; of older ones nothing but the signature of those that
used up a number, by which a site above can be shown why the number is missing. Of strangers only
the reasons are kept. Nothing in here is ever merged.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.city.ledger import Entry
from dagster_project.paths import Home
from dagster_project.protocol.folders import place, write_file
from dagster_project.protocol.manifest import PACKAGE_ID, SIGNATURE

REASONS = "reasons.json"
KEPT = 50
"""How many refused packages of one sender are kept whole."""
KEPT_BYTES = 1 << 30
"""How much of one sender is kept whole."""
_SHORT = 8


@dataclass(frozen=True)
class Refused:
    """One refused package: where it lies, and what ``reasons.json`` says."""

    folder: Path
    told: dict[str, Any]

    @property
    def files(self) -> list[str]:
        """What is still there of it."""
        found = (p for p in self.folder.rglob("*") if p.is_file() and p.name != REASONS)
        return sorted(str(path.relative_to(self.folder)) for path in found)


def folder_of(home: Home, entry: Entry) -> Path:
    """Where a refused package lies: under the code of whoever brought it, whatever it is called."""
    known, code = PACKAGE_ID.match(entry.package_id), f"{entry.site_code}-"
    name = entry.package_id if known and entry.package_id.startswith(code) else f"{code}unnamed"
    return home.rejected / f"{name}-{entry.received_hash[:_SHORT]}"


def keep(home: Home, copy: Path, entry: Entry, *, is_known: bool) -> Path:
    """Put our copy aside with the reasons.

    Args:
        home: The receiving site's home.
        copy: Our copy; it is moved.
        entry: The decision.
        is_known: Whether the sender is registered.

    Returns:
        Where it lies now.
    """
    target = folder_of(home, entry)
    if is_known and copy != target and copy.exists():
        shutil.rmtree(target, ignore_errors=True)
        place(copy, target)
    told = {
        "package_id": entry.package_id,
        "site_code": entry.site_code,
        "via": entry.via,
        "received_at": entry.received_at.isoformat(timespec="seconds"),
        "package_no": entry.package_no,
        "number_used": entry.consumed,
        "reasons": list(entry.reasons),
    }
    text = json.dumps(told, ensure_ascii=False, indent=2)
    write_file(target / REASONS, text.encode("utf-8"))
    return target


def prune(home: Home, senders: Sequence[str]) -> None:
    """Keep only the newest refused packages of these senders whole."""
    wanted = set(senders)
    by_sender: dict[str, list[Path]] = {}
    for folder in home.rejected.iterdir() if home.rejected.exists() else ():
        sender = folder.name.partition("-")[0]
        if sender in wanted:
            by_sender.setdefault(sender, []).append(folder)
    for folders in by_sender.values():
        room = KEPT_BYTES
        for number, folder in enumerate(sorted(folders, key=_decided_at, reverse=True)):
            room -= sum(one.lstat().st_size for one in folder.rglob("*"))
            if number >= KEPT or room < 0:
                _shrink(folder)


def refused(home: Home) -> list[Refused]:
    """Every refused package that is kept, newest first."""
    folders = [path for path in home.rejected.glob("*") if (path / REASONS).is_file()]
    newest = sorted(folders, key=_decided_at, reverse=True)
    return [Refused(one, json.loads((one / REASONS).read_text("utf-8"))) for one in newest]


def _decided_at(folder: Path) -> int:
    """When the reasons were written, which never change."""
    try:
        return (folder / REASONS).stat().st_mtime_ns
    except OSError:
        return 0


def _shrink(folder: Path) -> None:
    """Remove an old one, but for the proof of a used number."""
    try:
        is_used = bool(json.loads((folder / REASONS).read_text("utf-8")).get("number_used"))
    except (OSError, ValueError, AttributeError):
        is_used = False
    if not is_used:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in sorted(folder.iterdir()):
        if path.name in {SIGNATURE, REASONS}:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
