"""A new home: what stands in it before the first delivery."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dagster_project.components.steps.founding import found
from dagster_project.paths import Home
from dagster_project.settings import Site


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of these homes lie beside them."""
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys"))


def test_the_folder_that_departments_deliver_into_is_there(tmp_path: Path) -> None:
    """``init`` names the inbox, so files can be copied into it at once."""
    home = Home(tmp_path / "county")
    site = Site(code="140321", name="平定县", parent="140300")
    assert found(home, site).site.folder(home, "inbox").is_dir()


def test_an_inbox_elsewhere_is_not_made(tmp_path: Path) -> None:
    """A share that is not mounted must not become an empty local folder."""
    inbox = tmp_path / "share" / "inbox"
    site = Site(code="140321", name="平定县", parent="140300", inbox=str(inbox))
    found(Home(tmp_path / "county"), site)
    assert not inbox.exists()


def test_what_departments_sent_is_for_nobody_else_on_the_machine(tmp_path: Path) -> None:
    """The lake, its landed files and what is on its way are closed; the replica is for readers."""
    home = Home(tmp_path / "county")
    found(home, Site(code="140321", name="平定县", parent="140300"))
    for room in (home.landing, home.catalog.parent, home.scratch, home.spool):
        assert stat.S_IMODE(room.stat().st_mode) == 0o700, room
