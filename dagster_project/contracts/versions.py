"""What version a changed contract must have, and the changelog that says why it has it.

A changelog is ``schemas/changes/<layer>/<name>.md``, for people: the newest version first, with its
day, who raised it and why, and a line for each change. Nothing here decides what a change is worth
(see ``grades``), and nothing knows the lake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dagster_project.contracts.amend import bumped
from dagster_project.contracts.changes import BUMPS, Bump, Change, changes, needed_bump
from dagster_project.contracts.wording import Wording
from dagster_project.errors import ContractError

FIRST_WHY = "第一版。"
UNTOLD_WHY = "此前的版本没有更新记录。"
_PARTS: dict[Bump, int] = {"major": 0, "minor": 1, "patch": 2}
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_HEADING = re.compile(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)$", re.MULTILINE)


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, for comparison.

    Raises:
        ContractError: It is not major.minor.patch.
    """
    if not _VERSION.fullmatch(version):
        raise ContractError(f"`{version}` is no version", todo="Write it like 1.2.0")
    return tuple(int(number) for number in version.split("."))


def raised(version: str, bump: Bump) -> str:
    """The next version."""
    return version if bump == "none" else bumped(version, _PARTS[bump])


def owed_bump(found: Iterable[Change]) -> Bump:
    """Which number of the contract's own version the changes raise.

    What is only added to a code list is the list's: it has a note of its own, and several contracts
    may share it. Whatever a list loses, each contract that uses it owes.
    """
    owed = [c for c in found if not (c.place.startswith("codes.") and c.grade == "cosmetic")]
    return needed_bump(owed)


def version_fault(old: str, new: str, bump: Bump) -> str:
    """Why a version is not the right one after these changes; empty when it is."""
    was, now = numbers(old), numbers(new)
    if now < was:
        return f"the version went back from {old} to {new}; raise it to {raised(old, bump)}"
    if bump == "none" or now[: _PARTS[bump] + 1] > was[: _PARTS[bump] + 1]:
        return ""
    so_far = f"is still {old}" if old == new else f"went from {old} to {new} only"
    return f"the version {so_far}, these changes need {raised(old, bump)} ({bump})"


@dataclass(frozen=True)
class Entry:
    """One version in a changelog."""

    version: str
    day: str
    why: str
    by: str = ""
    lines: tuple[str, ...] = ()

    def text(self) -> str:
        """As the file has it."""
        who = f" ({self.by})" if self.by else ""
        listed = "".join(f"- {line}\n" for line in self.lines)
        return f"## {self.version} ({self.day})\n\n{self.why.strip()}{who}\n" + (
            f"\n{listed}" if listed else ""
        )


def lines_of(found: Iterable[Change]) -> tuple[str, ...]:
    """Changes as a changelog tells them."""
    return tuple(f"{BUMPS[change.grade]}: {change.sentence}" for change in found)


def changelog_path(root: Path, layer: str, name: str) -> Path:
    """A contract's changelog below the ``schemas`` folder."""
    return root / "changes" / layer / f"{name}.md"


def read_changelog(root: Path, layer: str, name: str) -> str:
    """A contract's changelog; empty when it has none."""
    path = changelog_path(root, layer, name)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def versions_in(changelog: str) -> tuple[str, ...]:
    """The versions that a changelog tells of, as they stand: the newest first."""
    return tuple(found[1] for found in _HEADING.finditer(changelog))


def changelog_fault(changelog: str, version: str) -> str:
    """Why a changelog does not go with its contract's version; empty when it does."""
    told = versions_in(changelog)
    if not told:
        return "the changelog is missing or has no entry"
    if told[0] != version:
        return f"the changelog's newest entry is {told[0]}, the contract is {version}"
    return ""


def with_entry(changelog: str, title: str, entry: Entry) -> str:
    """The changelog with one more entry on top; an entry of the same version gets the new lines."""
    head = changelog or f"# {title}\n"
    found = _HEADING.search(head)
    at = found.start() if found else len(head)
    before, after = head[:at].rstrip("\n") + "\n\n", head[at:]
    if found and found[1] == entry.version:
        following = _HEADING.search(after, 1)
        end = following.start() if following else len(after)
        return f"{before}{after[:end].rstrip()}\n\n{_same_version(entry)}" + (
            f"\n{after[end:]}" if following else ""
        )
    return f"{before}{entry.text()}" + (f"\n{after}" if after else "")


def _same_version(entry: Entry) -> str:
    """What a second change under one version adds: its reason and its lines."""
    return entry.text().split("\n", 2)[2]


def write_entry(root: Path, wording: Wording, entry: Entry) -> Path:
    """Put an entry into a contract's changelog.

    Returns:
        The file.

    Raises:
        ContractError: It cannot be written here.
    """
    path = changelog_path(root, wording.layer, wording.name)
    told = read_changelog(root, wording.layer, wording.name)
    title = f"{wording.title} {wording.layer}/{wording.name}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.new")
        made.write_text(with_entry(told, title, entry), encoding="utf-8")
        made.replace(path)
    except OSError as error:
        raise ContractError(
            f"the changelog cannot be written here ({error.strerror})",
            where=f"{root.name}/changes/{wording.layer}/{wording.name}.md",
            todo="Write the entry where the site's contracts are kept",
        ) from error
    return path


def entry_between(old: Wording, new: Wording, *, day: str, why: str, by: str) -> Entry:
    """The entry for what changed from one wording to another."""
    return Entry(new.version, day, why, by, lines_of(changes(old, new)))


def first_entry(wording: Wording, *, day: str, by: str = "") -> Entry:
    """The entry of a contract that nobody told anything of yet."""
    why = FIRST_WHY if wording.version == "1.0.0" else UNTOLD_WHY
    return Entry(wording.version, day, why, by)
