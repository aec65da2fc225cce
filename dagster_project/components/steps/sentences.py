"""What the department that must correct a row may see of it: reasons as sentences, cells masked."""

from __future__ import annotations

import json

from dagster_project.contracts.model import Feed
from dagster_project.transform.conform import Plan

PLAIN_LEVELS = {"L1", "L2"}


def reason_sentence(plan: Plan, rule_id: str) -> str:
    """What is wrong, for the person who corrects it."""
    for rule in plan.feed.table_rules:
        if rule.id == rule_id and rule_id not in plan.slots:
            return rule.message
    try:
        return plan.rule(rule_id).message
    except KeyError:
        return rule_id


def masked_cells(feed: Feed, raw: str | None) -> dict[str, str]:
    """The row's cells as they may be shown: personal ones as their length only.

    A rejected cell is often malformed, so that a mask made for well-formed values could show too
    much of it; the department finds the cell by file, sheet and row.
    """
    try:
        cells = json.loads(raw or "{}")
    except json.JSONDecodeError:
        return {}
    columns = {column.name: column for column in feed.columns}
    shown = {}
    for name, value in cells.items():
        column = columns.get(name)
        if value is None or column is None:
            continue
        text = str(value)
        plain = column.level in PLAIN_LEVELS and not column.textual and column.mask == "none"
        shown[column.title] = text if plain else f"＊（{len(text)} 个字符）"
    return shown
