"""Sites made from the samples, once for all tests of a process that ask for them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dagster_project.clock import now
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import feed_order
from dagster_project.paths import SAMPLES, Home
from dagster_project.settings import Site


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their parameter: archives hold the moment they were made, and ids must agree.

    Workers that collect in different seconds would otherwise collect different tests.
    """
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker makes a county that several tests read; each module's own is made once, too."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "sample_county" in names:
            item.add_marker(pytest.mark.xdist_group("sample_county"))


@dataclass(frozen=True)
class SampleCounty:
    """A county whose feeds took the samples' day; models and reports are not built."""

    workshop: Workshop
    expected: Path


@pytest.fixture(scope="session", autouse=True)
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys of test sites never meet the user's own."""
    folder = tmp_path_factory.mktemp("keys")
    before = os.environ.get("COUNTYLAKE_KEYS")
    os.environ["COUNTYLAKE_KEYS"] = str(folder)
    yield folder
    if before is None:
        del os.environ["COUNTYLAKE_KEYS"]
    else:
        os.environ["COUNTYLAKE_KEYS"] = before


def founded_county(root: Path, inbox: Path, code: str = "140321") -> Workshop:
    """A new county home whose departments deliver into ``inbox``."""
    found(Home(root), Site(code=code, name="平定县", parent="140300", inbox=str(inbox)))
    return Workshop.at(root)


def take_all(workshop: Workshop) -> None:
    """Take every new delivery of every feed, parents first."""
    occasion = Occasion(run_id=f"test-{uuid4()}", day=now().date())
    for name in feed_order(workshop.contracts):
        outcome = run_feed(workshop, name, occasion)
        assert not outcome.error, f"{name}: {outcome.error}"


@pytest.fixture(scope="session")
def sample_county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> SampleCounty:
    """The first sample county after its feeds have run; tests only read it."""
    assert keys.exists()
    workshop = founded_county(tmp_path_factory.mktemp("county"), SAMPLES / "inbox" / "140321")
    take_all(workshop)
    return SampleCounty(workshop, SAMPLES / "expected" / "140321.json")


@dataclass(frozen=True)
class Demo:
    """What ``make run`` leaves behind, and what it said, the first and the second time."""

    root: Path
    first: dict[str, Any]
    second: dict[str, Any]
    before: dict[str, str]
    after: dict[str, str]


def run_demo(root: Path) -> dict[str, Any]:
    """Run the programme of ``make run`` as a user does, in processes of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "demo", "--root", str(root), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def sealed_files(root: Path) -> dict[str, str]:
    """SHA-256 of every file of every package, at the counties and at the city."""
    folders = [*root.glob("*/outbox"), root / "city" / "exchange", root / "city" / "received"]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".ack.json", ".link.json"))
    }


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Demo:
    """Two counties and a city after two runs; ask for it under ``xdist_group("demo")`` only."""
    assert keys.exists()
    root = tmp_path_factory.mktemp("demo")
    first = run_demo(root)
    before = sealed_files(root)
    second = run_demo(root)
    return Demo(root, first, second, before, sealed_files(root))
