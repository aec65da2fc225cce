"""``init``: a site's home, its keys and Dagster's storage. Done twice, it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster_project.errors import UsageError
from dagster_project.paths import Home, keys_dir
from dagster_project.privacy.pseudonym import create_secret
from dagster_project.reporting.identity import give_key
from dagster_project.settings import Site, save_site

DAGSTER_YAML = """\
# Written by `countylake init`. Dagster's stock SQLite storage with engines that are kept.
storage:
  custom:
    module: dagster_project.components.storage
    class: KeptSqliteStorage
    config:
      base_dir:
        env: DAGSTER_HOME
telemetry:
  enabled: false
# No invitation to a newsletter over a county's data.
nux:
  enabled: false
run_queue:
  # One writer per lake: runs of one site wait for each other anyway.
  max_concurrent_runs: 1
"""

PRIVATE = 0o700
"""Rows as departments sent them are for nobody else; ``published`` is for readers."""


@dataclass(frozen=True)
class Founded:
    """A site after ``init``; ``is_new`` is false when it was there before."""

    home: Home
    site: Site
    is_new: bool


def found(home: Home, wanted: Site) -> Founded:
    """Make a home of it, with keys outside the repository; an existing home is kept as it is.

    Raises:
        UsageError: The folder is another site's home.
    """
    if home.site_file.exists():
        site = give_key(home)
        if site.code != wanted.code:
            raise UsageError(
                f"this folder is already the home of {site.code} {site.name}",
                where=str(home.root),
                todo="Choose another folder with --home",
            )
        ready_dagster(site.folder(home, "dagster_home"))
        return Founded(home, site, is_new=False)
    secret = create_secret(keys_dir()) if wanted.collects else ""
    save_site(home, wanted.model_copy(update={"pseudonym_key": secret}))
    site = give_key(home)
    for room in (home.landing, home.catalog.parent, home.scratch, home.spool):
        room.mkdir(exist_ok=True, mode=PRIVATE)
    ready_dagster(site.folder(home, "dagster_home"))
    inbox = site.folder(home, "inbox")
    if site.collects and inbox.is_relative_to(home.root.resolve()):
        inbox.mkdir(parents=True, exist_ok=True)  # one elsewhere is its owner's to make
    return Founded(home, site, is_new=True)


def ready_dagster(folder: Path) -> None:
    """Dagster's folder with its settings, unless somebody wrote other ones."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(DAGSTER_YAML, encoding="utf-8")
