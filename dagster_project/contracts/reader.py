"""Read everything below ``schemas/``. One bad contract never keeps the others from loading.

Folders of the same name and content are read once in a process, wherever they lie.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from dagster_project.contracts.build import build_feed, build_table
from dagster_project.contracts.calendar_file import read_calendar
from dagster_project.contracts.catalogue import repeated_codes
from dagster_project.contracts.checks import feed_problems, overlapping, table_problems
from dagster_project.contracts.codelists import read_codes
from dagster_project.contracts.document import Document, read, understood
from dagster_project.contracts.items import read_items
from dagster_project.contracts.model import CodeList, Contracts, Feed, Layer, Problem, Table
from dagster_project.contracts.own_suites import read_own_suites
from dagster_project.contracts.policy import Policy
from dagster_project.contracts.policy_file import read_policy, threshold_problems
from dagster_project.contracts.profile import form_problems
from dagster_project.contracts.references import Refused, settle
from dagster_project.contracts.rowsql import expression_fault
from dagster_project.contracts.table_checks import settle_rules
from dagster_project.errors import ContractError

_LAYERS: Final[tuple[Layer, ...]] = ("gold", "report", "city")
_FOLDERS: Final = ("", "codes", "feeds", *_LAYERS)
_MOST_LOADED = 8
"""So many contents of folders are remembered, those that were asked for last."""
_loaded: dict[str, Contracts] = {}


def load(root: Path) -> Contracts:
    """Every contract and code list below a folder.

    Args:
        root: The ``schemas`` folder; problems name files relative to its parent.

    Returns:
        What could be read, and in ``problems`` why the rest could not. It never raises for a
        contract.
    """
    content = _content(root)
    contracts = _loaded.pop(content, None) or _load(root)
    # A file that was written meanwhile may or may not have been read: nothing is remembered.
    if content and content == _content(root):
        _loaded[content] = contracts
        while len(_loaded) > _MOST_LOADED:
            _loaded.pop(next(iter(_loaded)))
    return contracts


def _content(root: Path) -> str:
    """A hash over the folder's name and all that ``load`` reads; empty if a file cannot be read."""
    told = hashlib.sha256(root.name.encode())
    try:
        for folder in _FOLDERS:
            for path in sorted((root / folder).glob("*.*")):
                data = path.read_bytes()
                told.update(f"\n{folder}/{path.name} {len(data)}\n".encode())
                told.update(data)
    except OSError:
        return ""
    return told.hexdigest()


def _load(root: Path) -> Contracts:
    codes, problems = read_codes(root / "codes", f"{root.name}/codes")
    policy = read_policy(root, problems)
    calendar = read_calendar(root, problems)
    feeds, refused = _feeds(root, codes, policy, problems)
    feeds = {
        name: replace(feed, sla=replace(feed.sla, workdays=calendar))
        for name, feed in feeds.items()
    }
    drafts = {name: feeds.pop(name) for name, feed in list(feeds.items()) if feed.status == "draft"}
    sound, unsound = settle(feeds, refused)
    refused |= {name: Refused(feed.path, feed) for name, feed in feeds.items() if name not in sound}
    feeds, unfit = settle_rules(sound, refused, drafts)
    unsound += unfit
    unsound += threshold_problems(policy, root)
    tables = _tables(root, codes, problems)
    items = read_items(root, feeds, codes, problems)
    entries: tuple[Feed | Table, ...] = (*feeds.values(), *drafts.values(), *tables.values())
    unsound += (problem for _, problem in repeated_codes(entries))
    suites, odd = read_own_suites(root, feeds)
    unsound += odd
    ordered = sorted((*problems, *unsound), key=lambda p: (p.path, p.line, p.sentence))
    return Contracts(feeds, tables, codes, tuple(ordered), drafts, items, policy, calendar, suites)


def load_one(path: Path, root: Path) -> Contracts:
    """One contract that need not lie below ``schemas/``, as the only feed.

    Args:
        path: The contract's YAML file.
        root: The ``schemas`` folder whose code lists it may use.

    Returns:
        The feed with every code list, or why it was refused. References are not followed.
    """
    codes, problems = read_codes(root / "codes", f"{root.name}/codes")
    document = _document(path, path.parent, "feed", problems)
    feeds: dict[str, Feed] = {}
    if document:
        feed = build_feed(document, read_policy(root, problems))
        faults = list(feed_problems(feed, document, codes))
        problems += faults
        if not faults:
            feeds[feed.name] = feed
    return Contracts(feeds, {}, codes, tuple(problems))


def _feeds(
    root: Path, codes: Mapping[str, CodeList], policy: Policy, problems: list[Problem]
) -> tuple[dict[str, Feed], dict[str, Refused]]:
    feeds: dict[str, Feed] = {}
    refused: dict[str, Refused] = {}
    files = sorted((root / "feeds").glob("*.yaml"))
    if not files:
        what = "the folder holds no contracts; point COUNTYLAKE_SCHEMAS at a schemas folder"
        problems.append(Problem(f"{root.name}/feeds", 0, what))
    for path in files:
        document = _document(path, root, "feed", problems)
        feed = build_feed(document, policy) if document else None
        faults = list(feed_problems(feed, document, codes)) if feed and document else []
        problems += faults
        if feed and not faults:
            feeds[feed.name] = feed
        else:
            refused[path.stem] = Refused(f"{root.name}/feeds/{path.name}", feed)
    for feed, problem in list(overlapping(feeds)):
        problems.append(problem)
        refused[feed.name] = Refused(feed.path, feed)
        feeds.pop(feed.name, None)
    return feeds, refused


def _tables(
    root: Path, codes: Mapping[str, CodeList], problems: list[Problem]
) -> dict[tuple[Layer, str], Table]:
    tables: dict[tuple[Layer, str], Table] = {}
    for layer in _LAYERS:
        for path in sorted((root / layer).glob("*.yaml")):
            document = _document(path, root, "table", problems)
            if document is None:
                continue
            table = build_table(document, layer)
            faults = list(table_problems(table, document, codes))
            problems += faults
            if not faults:
                tables[layer, table.name] = table
    return tables


def past_table(text: str, layer: Layer, name: str) -> Table:
    """The table that a contract's text of some time ago describes.

    Raises:
        ContractError: It is no contract of today's form.
    """
    document = understood(text.encode("utf-8"), name, f"schemas/{layer}/{name}.yaml")
    faults = [document] if isinstance(document, Problem) else list(form_problems(document, "table"))
    if isinstance(document, Problem) or faults:
        raise ContractError(
            f"a former wording of {layer}/{name} cannot be read ({faults[0].sentence.rstrip('.')})",
            todo="Ask with a release of the programme that can read it",
        )
    table = build_table(document, layer)
    _sound_rules(table, f"{layer}/{name}")
    return table


def past_feed(text: str, name: str) -> Feed:
    """The feed that a contract's text of some time ago describes; for reading its files again.

    Raises:
        ContractError: It is no contract of today's form.
    """
    document = understood(text.encode("utf-8"), name, f"schemas/feeds/{name}.yaml")
    faults = [document] if isinstance(document, Problem) else list(form_problems(document, "feed"))
    if isinstance(document, Problem) or faults:
        raise ContractError(
            f"a former wording of feeds/{name} cannot be read ({faults[0].sentence.rstrip('.')})",
            todo="Ask with a release of the programme that can read it",
        )
    feed = build_feed(document, Policy())
    _sound_rules(feed, f"feeds/{name}")
    return feed


def _sound_rules(contract: Feed | Table, name: str) -> None:
    """Refuse a former wording whose rules are more than conditions over a row: they are run.

    Raises:
        ContractError: Such a rule.
    """
    columns = tuple(column.name for column in contract.columns)
    for rule in contract.rules:
        if fault := expression_fault(rule.expression, columns):
            raise ContractError(
                f"a former wording of {name} cannot be used (rule `{rule.id}`: {fault})",
                todo="Restore the newest copy of the home",
            )


def _document(path: Path, root: Path, kind: str, problems: list[Problem]) -> Document | None:
    """A file whose form is right; otherwise its problems are noted and there is nothing."""
    document = read(path, f"{root.name}/{path.parent.name}/{path.name}")
    if isinstance(document, Problem):
        problems.append(document)
        return None
    faults = list(form_problems(document, kind))
    problems += faults
    return None if faults else document
