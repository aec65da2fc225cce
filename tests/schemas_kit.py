"""Some of the checkout's contracts in a folder of their own, for tests that spoil or change them.

Rules that ask other feeds' records are cut out where those feeds are not copied too; what a rule
says is not changed here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from dagster_project.paths import PROJECT

SCHEMAS = PROJECT / "schemas"
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
