"""Environment and ``site.yaml`` -> typed settings; secrets by reference only.

Folders are named in ``paths``; nothing here reads a contract or opens the lake.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dagster_project.errors import UsageError
from dagster_project.paths import Home


class Settings(BaseSettings):
    """What a machine decides: limits, threads, patience."""

    model_config = SettingsConfigDict(env_prefix="COUNTYLAKE_", extra="ignore", frozen=True)

    memory_limit: str = Field("2GiB", description="DuckDB's memory limit, e.g. 2GiB")
    threads: int = Field(0, ge=0, description="DuckDB's threads; 0 takes every core")
    lock_timeout_s: float = Field(600.0, gt=0, description="seconds to wait for the writer lock")
    workbook_mb: int = Field(100, gt=0, description="largest workbook that is read, in MiB on disk")
    workbook_cells: int = Field(20_000_000, gt=0, description="most cells that a workbook may hold")
    unpacked_gb: int = Field(
        16, gt=0, description="most that a gzip or zip file may unpack to, GiB"
    )


class Site(BaseModel):
    """What a home says of itself (``site.yaml``). Paths may be relative to the home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^\d{6}$", description="division code, GB/T 2260")
    name: str
    role: Literal["county", "city"] = "county"
    parent: str = Field("", description="code of the site that receives our packages")
    inbox: str = Field("inbox", description="folder that departments deliver into")
    exchange: str = Field("exchange", description="folder shared with the parent site")
    dagster_home: str = Field("dagster", description="folder of Dagster's storage")
    signing_key: str = Field("", description="id of the signing key in the keys folder")
    pseudonym_key: str = Field("", description="id of the pseudonym key in the keys folder")

    def folder(self, home: Home, name: Literal["inbox", "exchange", "dagster_home"]) -> Path:
        """A configured folder, resolved against the home."""
        return (home.root / str(getattr(self, name))).resolve()


def load_site(home: Home) -> Site:
    """Read a home's ``site.yaml``.

    Raises:
        UsageError: The home was never initialised, or the file does not hold a site.
    """
    if not home.site_file.exists():
        raise UsageError(
            "this folder is not a CountyLake home",
            where=str(home.root),
            todo="Run `countylake init` for it first, or name another with --home",
        )
    todo = "Correct it by hand"
    try:
        return described_site(
            yaml.safe_load(home.site_file.read_text(encoding="utf-8")),
            where=str(home.site_file),
            todo=todo,
        )
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise UsageError(
            f"this is not valid YAML ({first})", where=str(home.site_file), todo=todo
        ) from error


def described_site(values: object, *, where: str, todo: str) -> Site:
    """A site, from what a file or a command says of it.

    Raises:
        UsageError: A word is unknown or a value is not of its kind; the first one is named.
    """
    try:
        return Site.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(step) for step in first["loc"]) or "it"
        raise UsageError(
            f"the site's description is not valid ({name}: {first['msg']})", where=where, todo=todo
        ) from error


def save_site(home: Home, site: Site) -> None:
    """Write ``site.yaml``."""
    home.root.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(site.model_dump(), allow_unicode=True, sort_keys=False)
    home.site_file.write_text(text, encoding="utf-8")
