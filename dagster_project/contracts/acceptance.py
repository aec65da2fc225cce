"""Accepted findings -> changed contracts: proposed as texts, proven to load, then written.

What differs was found by ``drift``, how a text is changed is ``amend``'s work. Who decided and why
is kept by the caller: the lake is not known here.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.contracts import amend
from dagster_project.contracts.changes import changes, needed_bump
from dagster_project.contracts.codelists import spellings
from dagster_project.contracts.drift import Finding
from dagster_project.contracts.model import Column, Contracts, Feed
from dagster_project.contracts.reader import load
from dagster_project.contracts.units import power
from dagster_project.contracts.versions import raised
from dagster_project.contracts.wording import Wording
from dagster_project.errors import ContractError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BLANKS = re.compile(r"\s+")
_UNIT = re.compile(r"(.+)[(（]([^()（）]+)[)）]")


@dataclass(frozen=True)
class Change:
    """One file as it is and as it shall be; ``name`` is how sentences call it."""

    path: Path
    name: str
    before: str
    after: str

    def diff(self) -> str:
        """What changes, as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            self.name,
            self.name,
            n=2,
        )
        return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


@dataclass(frozen=True)
class Proposal:
    """What accepting would do: files that change, and in words what no file can say."""

    feed: str
    version: str
    version_after: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def diff(self) -> str:
        """The whole change; empty when no contract changes."""
        return "".join(change.diff() for change in self.changes)


@dataclass
class _Draft:
    """The contract's text while findings are worked into it."""

    root: Path
    contracts: Contracts
    feed: Feed
    day: str
    text: str
    notes: list[str] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)


def propose(
    root: Path,
    contracts: Contracts,
    feed: Feed,
    findings: Sequence[Finding],
    choices: Mapping[str, str],
    *,
    day: str,
) -> Proposal:
    """The change of the contract that accepts some findings.

    Args:
        root: The ``schemas`` folder.
        contracts: As they are loaded from it.
        feed: The contract to change.
        findings: What is accepted.
        choices: Title in the file -> column of the contract: a known column gets the title as a
            synonym, an unknown name becomes a new column.
        day: The day of the decision, for the code list's note.

    Raises:
        UsageError: The choices do not fit, or one is needed.
        ContractError: The contract cannot be read or changed.
    """
    path = root.parent / feed.path
    before = _text(path, feed.path)
    draft = _Draft(root, contracts, feed, day, before)
    for title, name in choices.items():
        _chosen(draft, title, name, findings)
    for finding in findings:
        _STEPS[finding.kind](draft, finding, choices)
    changed = tuple(_code_changes(draft))
    bump = needed_bump(changes(_worded(feed, before), _worded(feed, draft.text)))
    # What a code list gains leaves every table as it was.
    after = raised(feed.version, "patch" if changed and bump == "none" else bump)
    if after != feed.version:
        draft.text = amend.with_version(draft.text, after)
        changed = (*changed, Change(path, feed.path, before, draft.text))
    return Proposal(feed.name, feed.version, after, changed, tuple(draft.notes))


def _worded(feed: Feed, text: str) -> Wording:
    return Wording("feeds", feed.name, text)


def prove(root: Path, contracts: Contracts, proposal: Proposal) -> Contracts:
    """Load the contracts as they would be.

    Raises:
        ContractError: They would have a problem that they do not have now; nothing was written.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / root.name
        shutil.copytree(root, copy, copy_function=shutil.copyfile)
        for change in proposal.changes:
            _write(copy / change.path.relative_to(root), change.after)
        after = load(copy)
    known = {str(problem) for problem in contracts.problems}
    for problem in after.problems:
        if str(problem) not in known:
            raise ContractError(
                f"the changed contract would not load: {problem.sentence.rstrip('.')}",
                where=f"{problem.path}:{problem.line}",
                todo="Nothing was changed; choose otherwise, or change the contract by hand",
            )
    return after


def apply(proposal: Proposal) -> None:
    """Replace the files, each at once: code lists first, so that no contract is ahead of its list.

    Raises:
        ContractError: A file was changed meanwhile, or cannot be written here.
    """
    for change in proposal.changes:
        if _text(change.path, change.name) != change.before:
            raise ContractError(
                "the file was changed by somebody else meanwhile",
                where=change.name,
                todo="Nothing was changed; look at it and decide again",
            )
    for change in proposal.changes:
        try:
            _replace(change.path, change.after)
        except OSError as error:
            raise ContractError(
                f"the file cannot be changed here ({error.strerror})",
                where=change.name,
                todo="Make this change where the site's contracts are kept (the diff is above),"
                " install them, and accept again",
            ) from error


def _chosen(draft: _Draft, title: str, name: str, findings: Sequence[Finding]) -> None:
    """A title that somebody said the column of."""
    titles = {one.title for one in findings if one.kind == "added"}
    titles |= {one.candidate for one in findings if one.candidate}
    if title not in titles:
        shown = "、".join(sorted(titles)) or "none"
        raise UsageError(f"the file has no unknown column {title}", todo=f"There are: {shown}")
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no column name", todo="Write it in lower_snake")
    if any(column.name == name for column in draft.feed.columns):
        alias = alias_of(draft.feed.column(name), title)
        draft.text = amend.with_alias(draft.text, name, alias)
    else:
        draft.text = amend.with_column(draft.text, name, _BLANKS.sub("", title))


def _renamed(draft: _Draft, finding: Finding, choices: Mapping[str, str]) -> None:
    if finding.column in choices.values() or _spelled(draft.feed, finding):
        return
    if finding.evidence.get("rivals") or finding.candidate in choices:
        raise UsageError(
            f"several titles may be {finding.title} ({finding.column})",
            todo=f"Say which: --column {finding.candidate}={finding.column}",
        )
    alias = alias_of(draft.feed.column(finding.column), finding.candidate)
    draft.text = amend.with_alias(draft.text, finding.column, alias)


def _spelled(feed: Feed, finding: Finding) -> bool:
    """Whether the contract was changed by hand already."""
    column, title = feed.column(finding.column), finding.candidate
    known = {column.title, *column.aliases}
    return bool({_BLANKS.sub("", title), alias_of(column, title)} & known)


def alias_of(column: Column, title: str) -> str:
    """A file's title as a synonym: in one line, and without a unit that readers know anyway."""
    plain = _BLANKS.sub("", title)
    found = _UNIT.fullmatch(plain)
    return found[1] if found and power(found[2], column.unit) is not None else plain


def _missing(draft: _Draft, finding: Finding, choices: Mapping[str, str]) -> None:
    if finding.column in choices.values() or not finding.evidence.get("required"):
        return
    column = draft.feed.column(finding.column)
    if column.is_key:
        raise UsageError(
            f"{column.title} ({column.name}) is part of the key and cannot be missing",
            where=draft.feed.path,
            todo=f"Say which title it has now (--column TITLE={column.name}), or refuse the file",
        )
    draft.text = amend.with_optional(draft.text, column.name)


def _added(draft: _Draft, finding: Finding, choices: Mapping[str, str]) -> None:
    if finding.title in choices:
        return
    taken = {column.name for column in draft.feed.columns} | set(choices.values())
    number = len(draft.feed.columns) + 1
    while f"column_{number}" in taken or f"- name: column_{number}\n" in draft.text:
        number += 1
    spelled = _BLANKS.sub("", finding.title)
    draft.text = amend.with_column(draft.text, f"column_{number}", spelled)


def _narrowed(draft: _Draft, finding: Finding, _: Mapping[str, str]) -> None:
    kind = str(finding.evidence["rule"]).rpartition(".")[2]
    longest = int(finding.evidence.get("longest", 0))
    if kind == "length" and longest > draft.feed.column(finding.column).max_length:
        draft.text = amend.with_length(draft.text, finding.column, longest)
        return
    draft.notes.append(
        f"{finding.title} ({finding.column}): the file is taken as it is; cells that fail"
        f" {finding.evidence['rule']} stay in quarantine. To admit them, change the column's"
        f" {kind} in {draft.feed.path} by hand and run `countylake rebuild {draft.feed.name}`."
    )


def _codes(draft: _Draft, finding: Finding, _: Mapping[str, str]) -> None:
    name = draft.feed.column(finding.column).codes
    known = {spelling for spelling, _ in spellings(draft.contracts.codes[name])}
    new = [code for code in finding.evidence.get("codes", ()) if code not in known]
    if not new:
        draft.notes.append(
            f"{finding.title} ({finding.column}): no code can be added from here; write it into"
            f" schemas/codes/{name}.csv by hand if it is one."
        )
        return
    path = draft.root / "codes" / f"{name}.csv"
    text = draft.codes.get(name) or _text(path, path.name)
    note = f"added {draft.day}, seen in {draft.feed.name}, title still to be written:"
    draft.codes[name] = amend.with_codes(text, new, f"{note} {', '.join(new)}")
    others = [
        feed.name
        for feed in draft.contracts.feeds.values()
        if feed.name != draft.feed.name and any(c.codes == name for c in feed.columns)
    ]
    if others:
        draft.notes.append(f"The code list {name} is also that of {', '.join(others)}.")


def _as_sent(draft: _Draft, finding: Finding, _: Mapping[str, str]) -> None:
    what = f"{finding.title} ({finding.column})" if finding.column else draft.feed.title
    draft.notes.append(
        f"{what}: the file is taken as it is and no contract changes. If its numbers are in another"
        " unit, refuse it and have it delivered with the unit in the column's title."
        if finding.kind == "unit"
        else f"{what}: the file is taken as it is; rows of another width stay in quarantine."
    )


_Step = Callable[[_Draft, Finding, Mapping[str, str]], None]
_STEPS: Mapping[str, _Step] = {
    "renamed": _renamed,
    "missing": _missing,
    "added": _added,
    "narrowed": _narrowed,
    "codes": _codes,
    "unit": _as_sent,
    "width": _as_sent,
}


def _code_changes(draft: _Draft) -> Iterator[Change]:
    for name, text in draft.codes.items():
        path = draft.root / "codes" / f"{name}.csv"
        shown = f"{draft.root.name}/codes/{path.name}"
        yield Change(path, shown, _text(path, shown), text)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(
            "the file cannot be read", where=name, todo="Save it as UTF-8 text"
        ) from error


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def _replace(path: Path, text: str) -> None:
    """The new text in place of the old, complete or not at all, with the old one's rights."""
    made = path.with_name(f".{path.name}.new")
    try:
        _write(made, text)
        shutil.copymode(path, made)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
