"""The house rules of the architecture: who may import whom, and how large a room may grow."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from dagster_project.paths import PACKAGE, PROJECT

FLOOR = {"errors", "paths", "settings", "clock", "credentials", "written"}
LOWER = {"contracts", "lake", "protocol"}
MIDDLE = {"ingest", "transform", "quality", "lineage", "privacy", "reporting", "city"}
DAGSTER_ROOMS = {"components", "defs", "definitions"}
SERVERS = {"fastapi", "starlette", "uvicorn", "prometheus_client"}
SOURCES = sorted(p for p in PACKAGE.rglob("*.py"))
ROOMS = sorted({path.relative_to(PACKAGE).parts[0] for path in SOURCES})


def modules(name: str) -> list[Path]:
    """The modules of a room, or a module that stands alone."""
    return [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] == name]


def room(path: Path) -> str:
    """The top-level room of a module; the two front doors count as `definitions`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "definitions" if parts[-1] == "definitions" else parts[0]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, late imports included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def rooms_imported(path: Path) -> set[str]:
    """The rooms of this project that a file imports from."""
    own = (name.split(".") for name in imports(path) if name.startswith("dagster_project."))
    return {
        parts[1]
        for parts in own
        if (PACKAGE / parts[1]).exists() or (PACKAGE / f"{parts[1]}.py").exists()
    }


def allowed(source: str) -> set[str] | None:
    """The rooms a room may import; None means all."""
    if source in FLOOR:
        return FLOOR
    if source in {"contracts", "lake", "protocol"}:
        return FLOOR | {source}
    if source == "simulate":
        return FLOOR | {"contracts", "simulate"}
    if source in MIDDLE:
        return FLOOR | LOWER | {source}
    if source in DAGSTER_ROOMS | {"web"}:
        own = {"components", "web"} if source == "web" else DAGSTER_ROOMS
        return FLOOR | LOWER | MIDDLE | own
    return None


@pytest.mark.parametrize("name", ROOMS)
def test_imports_go_one_way(name: str) -> None:
    """A room imports only rooms below it; siblings meet in components."""
    for path in modules(name):
        permitted = allowed(room(path))
        if permitted is not None:
            assert rooms_imported(path) <= permitted, f"{path} reaches out of its floor"


@pytest.mark.parametrize("name", ROOMS)
def test_only_the_front_rooms_import_dagster(name: str) -> None:
    """Dagster is known to components, defs, the front doors, and late to the command line."""
    for path in modules(name):
        if room(path) not in DAGSTER_ROOMS | {"cli"}:
            known = {one.split(".")[0] for one in imports(path)}
            assert "dagster" not in known, f"{path} knows Dagster"


@pytest.mark.parametrize("name", ROOMS)
def test_only_the_web_serves(name: str) -> None:
    """What answers over HTTP is known to one room; the rest works without it."""
    for path in modules(name):
        if room(path) != "web":
            known = {one.split(".")[0] for one in imports(path)}
            assert not SERVERS & known, f"{path} serves"


@pytest.mark.parametrize("name", ROOMS)
def test_no_room_outgrows_its_page(name: str) -> None:
    """A module stays below 400 lines and a function below 60."""
    for path in modules(name):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                assert size <= 60, f"{path}:{node.lineno} {node.name} has {size} lines"


def test_the_top_level_holds_only_the_agreed_folders() -> None:
    """Source lives in the agreed folders; nothing else grows beside them."""
    agreed = {"dagster_project", "sql", "schemas", "data_samples", "tests", "docs"}
    passing = {"var", "dist"}
    found = {p.name for p in PROJECT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    assert found - passing - {"__pycache__"} <= agreed


def test_no_two_test_modules_share_a_name() -> None:
    """Pytest imports test modules by their bare name: a second one of a name is not collected."""
    names = Counter(path.name for path in (PROJECT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
