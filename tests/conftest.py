"""Sites made from the samples, once for all tests of a process that ask for them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dagster_project.cli.main import main
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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker makes the sites that several tests read; each module's own is made once, too."""
    for item in items:
        if {"demo", "sample_county"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("demo"))


@dataclass(frozen=True)
class SampleCounty:
    """A county that took the samples' day, and what its simulator says must have come of it."""

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


@dataclass(frozen=True)
class Demo:
    """What ``make run`` leaves behind and what it said; then what one county's second run said."""

    root: Path
    first: dict[str, Any]
    second: dict[str, Any]
    before: dict[str, str]
    after: dict[str, str]


def countylake(*arguments: str) -> Any:
    """A command's answer, run as a user does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as its process does, but in this one: starting up takes longer than most."""
    printed, complained = StringIO(), StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(printed),
        redirect_stderr(complained),
        warnings.catch_warnings(),
    ):
        patch.setattr(sys, "argv", ["countylake", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code or 0
    assert isinstance(code, int)
    return subprocess.CompletedProcess(
        list(arguments), code, printed.getvalue(), complained.getvalue()
    )


def told(*arguments: str) -> Any:
    """A command's answer, asked in this process."""
    done = called(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
    """Two counties and a city after a day; then the first county and the city ran once more.

    All that ask for it run on one worker and only read it.
    """
    assert keys.exists()
    root = tmp_path_factory.mktemp("demo")
    first = countylake("demo", "--root", str(root))
    before = sealed_files(root)
    second = countylake("run", "--home", str(root / "county"))
    countylake("city", "receive", "--home", str(root / "city"))
    return Demo(root, first, second, before, sealed_files(root))


@pytest.fixture(scope="session")
def sample_county(demo: Demo) -> SampleCounty:
    """The first of the demo's counties, which every department delivers to."""
    return SampleCounty(Workshop.at(demo.root / "county"), SAMPLES / "expected" / "140321.json")
