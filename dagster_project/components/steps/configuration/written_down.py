"""What is written down for a site: settings, the words of ``site.yaml``, environment variables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from dagster_project.components.steps.configuration.fault import Fault, of_error
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import (
    VARIABLES,
    Settings,
    Site,
    load_settings,
    setting_faults,
    settings_section,
    site_faults,
)
from dagster_project.written import PREFIX, Written, nearest, read_written, variables


def settings_in_force(home: Home) -> Settings:
    """The settings, and the defaults where one of them is wrong: a check goes on."""
    try:
        return load_settings(home)
    except UsageError:
        return Settings.model_construct(**_right_settings(home))


def _right_settings(home: Home) -> dict[str, Any]:
    """The settings that are right, each looked at by itself."""
    raw: dict[str, Any] = {}
    with suppress(UsageError):
        raw |= settings_section(home).values
    raw |= {name: os.environ[variable] for name, variable in variables().items()}
    right: dict[str, Any] = {}
    for name in Settings.model_fields.keys() & raw.keys():
        kind = Settings.model_fields[name]
        alone: TypeAdapter[Any] = TypeAdapter(
            Annotated[(kind.annotation, *kind.metadata)]  # type: ignore[arg-type]
        )
        with suppress(ValidationError):
            right[name] = alone.validate_python(raw[name])
    return right


def site_in_force(home: Home) -> Site:
    """The site as far as its words are right; a check goes on with the rest."""
    stand_in = {"code": "000000", "name": "?"}
    try:
        written = read_written(home.site_file)
    except UsageError:
        return Site.model_validate(stand_in)
    wrong = _wrong_words(written)
    kept = {name: value for name, value in written.values.items() if name not in wrong}
    return Site.model_validate({**stand_in, **kept})


def _wrong_words(written: Written) -> set[str]:
    try:
        Site.model_validate(written.values)
    except ValidationError as error:
        return {str(one["loc"][0]) for one in error.errors(include_url=False) if one["loc"]}
    return set()


def written_faults(home: Home, referred: Collection[str]) -> Iterator[Fault]:
    """Everything that is wrong in the environment and in ``site.yaml``.

    Args:
        home: The home, initialised or not.
        referred: Names of the environment that references to credentials begin with.
    """
    yield from _variable_faults(referred)
    written = Written()
    if not home.site_file.exists():
        what, todo = "this folder is not a CountyLake home", "Run `countylake init` for it first"
        yield Fault("site", what, str(home.root), todo)
    else:
        try:
            written = read_written(home.site_file)
        except UsageError as error:
            yield of_error("site", error)
        else:
            yield from (of_error("site", fault) for fault in site_faults(written))
    try:
        section = written.section("settings")
    except UsageError as error:
        section = Written()
        if not isinstance(written.values.get("settings"), dict):
            yield of_error("settings", error)
    yield from (of_error("settings", fault) for fault in setting_faults(section))


def _variable_faults(referred: Collection[str]) -> Iterator[Fault]:
    """Variables that nobody reads: most often a slip."""
    known = {name.lower() for name in (*Settings.model_fields, *VARIABLES)}
    for name, variable in sorted(variables().items()):
        if name not in known and not any(variable.startswith(f"{one}_") for one in referred):
            like = nearest(name.upper(), [one.upper() for one in known])
            what = f"`{variable}` is no variable of ours" + like.replace("`", f"`{PREFIX}", 1)
            todo = "Correct the name, or unset it"
            yield Fault("settings", what, "the environment", todo)
