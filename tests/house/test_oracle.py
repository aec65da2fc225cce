"""The oracle is independent: it shares no code with the project, and the project none with it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORACLE = sorted((ROOT / "tests" / "oracle").glob("*.py"))


def imported(path: Path) -> set[str]:
    """The names of every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", ORACLE, ids=lambda path: path.stem)
def test_the_oracle_imports_nothing_of_the_project(path: Path) -> None:
    """Of the repository's modules only the oracle's own, and no import by name at run time."""
    own = {
        name for name in imported(path) if name.partition(".")[0] in {"dagster_project", "tests"}
    }
    assert {name for name in own if not name.startswith("tests.oracle")} == set()
    assert "importlib" not in imported(path)
    text = path.read_text(encoding="utf-8")
    assert "__import__" not in text
    assert "subprocess" not in text


def test_the_project_knows_nothing_of_the_oracle() -> None:
    """No module of the project mentions it."""
    assert len(ORACLE) > 5
    for path in (ROOT / "dagster_project").rglob("*.py"):
        assert not any(name.startswith("tests") for name in imported(path)), path
