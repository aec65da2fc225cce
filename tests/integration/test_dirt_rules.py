"""Every rule of the table of dirt finds what it must, and leaves alone what only looks like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagster_project.transform.conform import PreviewRow
from tests.dirt_kit import CLEAN, Examined, Example, examples, seen, tables

pytestmark = pytest.mark.xdist_group("dirt")  # each contract's examples are read once

CELLS = [example for example in examples() if "cells" in example.words]
FILES = [example for example in examples() if example.is_file]
ROOT = Path(__file__).parents[2]
ROWS = [f"D{number:02d}" for number in range(1, 32)]


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    """What was read so far."""
    return Examined(tmp_path_factory.mktemp("dirt"))


def titled(cases: list[Example]) -> pytest.MarkDecorator:
    """Examples as parameters with their names."""
    return pytest.mark.parametrize("example", cases, ids=[case.title for case in cases])


@titled(CELLS)
def test_a_cell(example: Example, examined: Examined) -> None:
    """A planted cell is repaired, warned of or rejected by name; a near miss is left alone."""
    row = examined.row(example)
    assert complaints(row) == example.judged
    assert row.ok == (not example.words.get("reasons"))
    assert {name: _text(row.values[name]) for name in example.values} == example.values


@titled(FILES)
def test_a_file(example: Example, examined: Examined) -> None:
    """A planted fault of a file is told by the reader; a near miss is read as if nothing were."""
    told, rows = examined.file(example)
    there = seen(told)
    asked = dict(example.words.get("told", {}))
    if "sample" not in example.words and "refused" not in asked:
        asked = {**CLEAN, **asked}
        found = [complaints(row) for row in rows if row.ok or not there["defects"]]
        for name, expected in example.judged.items():
            assert sorted({word for one in found for word in one[name]}) == expected
    assert {name: there[name] for name in asked} == asked
    if "rows" in example.words:
        for row, values in zip(rows, example.words["rows"], strict=True):
            assert {name: _text(row.values[name]) for name in values} == values


def test_every_rule_has_both_sides() -> None:
    """All 31 rows are there; each rule has a planted violation and a near miss, or says where."""
    assert [table.number for table in tables()] == ROWS
    for table in tables():
        for rule in table.rules:
            sides = {example.said for example in rule.examples}
            elsewhere = bool(rule.elsewhere) and (ROOT / rule.elsewhere).is_file()
            assert elsewhere or sides == {"found", "near"}, f"{table.number}: {rule.rule}"


def complaints(row: PreviewRow) -> dict[str, list[str]]:
    """Reasons and repairs of a row; what a repair trimmed only shows where nothing else does."""
    return {"reasons": sorted(row.reasons), "repairs": sorted(set(row.repairs))}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
