"""Keeping a site's lake as people and Dagster do it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from keeping_kit import PastLake
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.components.lake_keeping import JOB, LakeKeeping, keeping_job
from dagster_project.components.site import SiteResource
from dagster_project.components.steps.founding import found
from dagster_project.paths import Home
from dagster_project.settings import Keep, Site

pytestmark = pytest.mark.thorough


@pytest.fixture
def past(tmp_path: Path, keys: Path) -> PastLake:
    """A founded site whose lake lived through some commits, and which keeps nothing for its age."""
    assert keys.exists()
    site = Site(code="140321", name="平定县", inbox=str(tmp_path / "inbox"), keep=Keep(days=0))
    found(Home(tmp_path / "home"), site)
    past = PastLake(tmp_path / "home")
    past.commit("CREATE TABLE silver.house (id BIGINT, road VARCHAR, area DECIMAL(10, 2))")
    past.live(12)
    return past


def asked(*words: str) -> dict[str, object]:
    """What a command answers in JSON."""
    done = CliRunner().invoke(app, ["lake", *words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_people_are_told_and_then_it_is_done(past: PastLake) -> None:
    """A dry run tells what the run then does; each held snapshot has its package's name."""
    home = ("--home", str(past.root))
    listed = asked("snapshots", *home)
    packages = {
        one["snapshot"]: by["name"]
        for one in listed["held"]  # type: ignore[attr-defined]
        for by in one["by"]
        if by["kind"] == "package"
    }
    assert packages == {at: f"140321-house-{at}-r1" for at in past.sealed}
    before = {at: past.rows(at) for at in past.sealed}
    told = asked("gc", "--dry-run", *home)
    assert told["expired"] == []
    count = len(past.snapshots())
    done = asked("gc", *home)
    assert done["expired"] == told["unclaimed"]
    assert done["proven"]
    assert len(past.snapshots()) < count
    assert {at: past.rows(at) for at in past.sealed} == before


def test_dagster_keeps_it_once_a_week(past: PastLake) -> None:
    """The job keeps the lake of its site and says in numbers what it did; its schedule runs."""
    site = SiteResource(home=str(past.root))
    done = keeping_job().execute_in_process(
        resources={"site": site}, instance=dg.DagsterInstance.ephemeral()
    )
    assert done.success
    assert set(past.sealed) <= set(past.snapshots())
    assert len(past.snapshots()) < 20
    schedule = LakeKeeping().build_defs(None).schedules  # type: ignore[arg-type]
    assert [one.name for one in schedule or ()] == [JOB]


def test_a_package_whose_state_is_gone_is_named(past: PastLake) -> None:
    """A package that names a snapshot that the lake does not have is complained of."""
    past.commit(
        "INSERT INTO ops.package (package_id, snapshot, sealed_at)"
        f" VALUES ('140321-lost-r1', 9999, TIMESTAMPTZ '{datetime.now(UTC).isoformat()}')"
    )
    words = ["lake", "gc", "--dry-run", "--home", str(past.root)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "140321-lost-r1 was made of snapshot 9999, which is gone" in " ".join(
        done.output.split()
    )
