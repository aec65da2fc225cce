"""Some of the checkout's contracts in a folder of their own, for tests that spoil or change them.

Rules that ask other feeds' records are cut out where those feeds are not copied too; what a rule
says is not changed here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from dagster_project.contracts.model import Contracts, Problem
from dagster_project.paths import PROJECT

SCHEMAS = PROJECT / "schemas"
UNTOUCHED = {"division", "collective_org", "bank_account"}
OTHERS = ("grid", "std_address", "house", "population", "asset", "resource", "payment", "contract")
FEEDS = (*UNTOUCHED, *OTHERS)
_RULE = re.compile(r"^      - id: .*\n(?:       .*\n)*", re.MULTILINE)
_READS = re.compile(r"\bsilver\.(\w+)")


def copy_feeds(root: Path, feeds: Collection[str]) -> Path:
    """Some feeds and every code list below ``root/schemas``; gives that folder."""
    folder = root / "schemas"
    shutil.copytree(SCHEMAS / "codes", folder / "codes")
    (folder / "feeds").mkdir()
    for feed in feeds:
        text = (SCHEMAS / "feeds" / f"{feed}.yaml").read_text("utf-8")
        alone = _RULE.sub(
            lambda rule: rule[0] if set(_READS.findall(rule[0])) <= {*feeds} else "", text
        )
        (folder / "feeds" / f"{feed}.yaml").write_text(alone, "utf-8")
    return folder


class Wrong(NamedTuple):
    """One mistake: ``old`` becomes ``new``; the problem stands at the line of ``at``."""

    feed: str
    old: str
    new: str
    at: str
    says: str


def spoil(schemas: Path, wrong: Wrong) -> int:
    """Make the mistake; gives the line where the problem is expected."""
    path = schemas / "feeds" / f"{wrong.feed}.yaml"
    text = path.read_text("utf-8")
    assert wrong.old in text
    text = text.replace(wrong.old, wrong.new, 1)
    path.write_text(text, "utf-8")
    return text[: text.index(wrong.at)].count("\n") + 1


def problems_of(contracts: Contracts, feed: str) -> list[Problem]:
    """The problems of one feed."""
    return [problem for problem in contracts.problems if f"/{feed}.yaml" in problem.path]
