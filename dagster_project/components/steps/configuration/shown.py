"""Every setting and word of a site, with its value, where it comes from, and what it means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dagster_project.components.steps.configuration.sources import references
from dagster_project.contracts.model import Contracts
from dagster_project.credentials import credential
from dagster_project.errors import UsageError
from dagster_project.paths import Home, keys_dir, schemas_dir, sql_dir
from dagster_project.settings import VARIABLES, Settings, Site, load_settings, load_site
from dagster_project.written import PREFIX, Written, read_written, variables

DEFAULT = "default"


@dataclass(frozen=True)
class Word:
    """One value of the configuration.

    ``source`` is ``default``, ``file:line``, or the environment variable. A secret has no value
    here: its reference is told, and whether it stands for anything.
    """

    kind: str
    name: str
    value: Any
    source: str
    meaning: str


def words(home: Home, site: Site, contracts: Contracts) -> list[Word]:
    """Everything that the site goes by.

    Raises:
        UsageError: A setting or the site's description is wrong; see ``check``.
    """
    return [*_settings(home), *_site(home), *_folders(), *_credentials(contracts, site)]


def _settings(home: Home) -> Iterator[Word]:
    settings, given = load_settings(home), variables()
    section = _written(home).section("settings")
    for name, field in Settings.model_fields.items():
        source = given.get(name) or section.place(name) if name in section.values else DEFAULT
        source = given.get(name, source)
        yield Word("settings", name, getattr(settings, name), source, field.description or "")


def _site(home: Home) -> Iterator[Word]:
    if not home.site_file.exists():
        return
    site, written = load_site(home), _written(home)
    for name, field in Site.model_fields.items():
        if name != "settings":
            value = site.model_dump(mode="json")[name]
            source = written.place(name) if name in written.values else DEFAULT
            yield Word("site", name, value, source, field.description or "")


def _written(home: Home) -> Written:
    return read_written(home.site_file) if home.site_file.exists() else Written()


def _folders() -> Iterator[Word]:
    """What only the environment says."""
    found = {"SCHEMAS": schemas_dir(), "SQL": sql_dir(), "KEYS": keys_dir()}
    for name, meaning in VARIABLES.items():
        variable = f"{PREFIX}{name}"
        given = os.environ.get(variable, "")
        value = str(found[name]) if name in found else given
        yield Word("environment", variable, value, variable if given else DEFAULT, meaning)


def _credentials(contracts: Contracts, site: Site) -> Iterator[Word]:
    for reference, users in references(contracts, site).items():
        try:
            credential(reference)
            state = "resolves"
        except UsageError as error:
            state = f"does not resolve: {error.what}"
        meaning = f"credentials of {', '.join(users)}"
        yield Word("credentials", reference, state, ", ".join(users), meaning)
