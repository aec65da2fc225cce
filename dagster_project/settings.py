"""Environment and ``site.yaml`` -> typed settings; secrets by reference only.

A setting is what a machine decides. It comes from the first of these that names it: an environment
variable ``COUNTYLAKE_<NAME>``, the ``settings:`` section of the home's ``site.yaml``, the default
written here. There is no further file: the home has one already, which its operator knows, which
moves along with it, and whose lines can be named when a word in it is wrong.

Folders are named in ``paths``; nothing here reads a contract or opens the lake. Where each value
came from is told by ``components.steps.configuration``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.written import BY_HAND, PREFIX, Written, nearest, read_written, variables

VARIABLES = {
    "HOME": "the county's home folder, where --home is not given",
    "CITY_HOME": "the city's home folder, where --home is not given",
    "SCHEMAS": "folder of the contracts; the checkout's own if unset",
    "SQL": "folder of the SQL models; the checkout's own if unset",
    "KEYS": "folder of private keys and credentials; the user's data folder if unset",
    "DEMO": "folder of `countylake demo`",
    "DEBUG": "1 shows tracebacks, which may show cells",
}
"""What the environment says besides settings, after the prefix."""
_CODE = r"[0-9]{6}([0-9]{3}([0-9]{3})?)?"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that no network lies between."""
_SIZE = r"^\d+(\.\d+)? ?(?i:[KMGT]i?B)$"


class Settings(BaseSettings):
    """What a machine decides: limits, threads, patience."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    memory_limit: str = Field("2GiB", pattern=_SIZE, description="DuckDB's memory limit, e.g. 2GiB")
    threads: int = Field(0, ge=0, le=1024, description="DuckDB's threads; 0 takes every core")
    lock_timeout_s: float = Field(600.0, gt=0, description="seconds to wait for the writer lock")
    rule_timeout_s: float = Field(600.0, gt=0, description="seconds that one table rule may take")
    workbook_mb: int = Field(100, gt=0, description="largest workbook that is read, in MiB on disk")
    workbook_cells: int = Field(20_000_000, gt=0, description="most cells that a workbook may hold")
    unpacked_gb: int = Field(
        16, gt=0, description="most that a gzip or zip file may unpack to, GiB"
    )
    free_disk_gb: float = Field(
        2.0, ge=0, description="`config check` complains when less disk is free, GiB"
    )


Duty = Literal["collect", "receive"]
"""What a site does for whom. Which tier it is of, nobody asks: it has a parent, or children."""
Matter = Literal[
    "late", "failed", "drifted", "held", "returned", "refused", "undelivered", "recovered"
]
"""What somebody may be told of."""


class Recipient(BaseModel):
    """Who is told of what; where to is a reference, never the address with its secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str = Field(
        pattern=r"^(env:[A-Z][A-Z0-9_]*|file:[a-z0-9][a-z0-9._-]*)$",
        description="env:NAME or file:name; its token is the address as apprise writes it",
    )
    about: tuple[Matter, ...] = Field((), description="what of; everything if empty")
    departments: tuple[str, ...] = Field((), description="codes of departments; all if empty")
    feeds: tuple[str, ...] = Field((), description="names of feeds; all if empty")
    every: int = Field(1440, ge=0, description="minutes until told again; 0 tells once")


def _safe_address(text: str) -> str:
    """An address to which a token may be shown, without a slash at its end."""
    address = urlsplit(text)
    if not address.hostname or address.query or address.fragment or "@" in address.netloc:
        raise ValueError("an address is like https://city.example:8140, without user, ? and #")
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise ValueError("only https leaves this machine; http is for 127.0.0.1 alone")
    return text.rstrip("/")


class Pull(BaseModel):
    """A child that does not deliver: its packages are fetched where it shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str = Field(pattern=rf"^{_CODE}$", description="the registered child's division code")
    url: str = Field(pattern=r"^https?://", description="address of its web")
    token: str = Field(
        pattern=r"^(env:[A-Z][A-Z0-9_]*|file:[a-z0-9][a-z0-9._-]*)$",
        description="env:NAME or file:name; what it calls token is shown there",
    )
    ca: str = Field("", description="file (PEM) of the authorities that vouch for that address")

    @field_validator("url")
    @classmethod
    def _shows_no_token_in_the_open(cls, url: str) -> str:
        return _safe_address(url)


class LineageServer(BaseModel):
    """Whom OpenLineage events are handed on to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://", description="address that events are posted to")
    token: str = Field(
        "",
        pattern=r"^((env:[A-Z][A-Z0-9_]*|file:[a-z0-9][a-z0-9._-]*))?$",
        description="env:NAME or file:name; what it calls token is shown there",
    )
    ca: str = Field("", description="file (PEM) of the authorities that vouch for that address")

    @field_validator("url")
    @classmethod
    def _shows_no_token_in_the_open(cls, url: str) -> str:
        return _safe_address(url)


class Keep(BaseModel):
    """How long a lake's past states are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: int = Field(7, ge=0, le=36_500, description="days for which every snapshot is kept")
    packages_years: int = Field(
        0, ge=0, le=100, description="years for which packages can be verified; 0 is for ever"
    )


class Site(BaseModel):
    """What a home says of itself (``site.yaml``). Paths may be relative to the home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(
        pattern=rf"^{_CODE}$",
        description="division code of 6 digits (GB/T 2260), or 9 or 12 (GB/T 10114)",
    )
    name: str = Field(description="the division's name")
    collects: bool = Field(default=True, description="whether departments deliver to it")
    receives: bool = Field(default=False, description="whether other sites report to it")
    parent: str = Field(
        "", pattern=rf"^({_CODE})?$", description="code of the site that receives our packages"
    )
    inbox: str = Field("inbox", description="folder that departments deliver into")
    exchange: str = Field(
        "exchange", description="folder shared with the parent site, or the address of its web"
    )
    exchange_token: str = Field(
        "",
        pattern=r"^((env:[A-Z][A-Z0-9_]*|file:[a-z0-9][a-z0-9._-]*))?$",
        description="env:NAME or file:name; what it calls token is shown at that address",
    )
    exchange_ca: str = Field(
        "",
        description="file (PEM) of the authorities that vouch for that address; else this"
        " machine's own",
    )
    pulls: tuple[Pull, ...] = Field((), description="children whose packages are fetched")
    dagster_home: str = Field("dagster", description="folder of Dagster's storage")
    signing_key: str = Field("", description="id of the signing key in the keys folder")
    key_passphrase: str = Field(
        "",
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[A-Za-z0-9][A-Za-z0-9._-]*)?$",
        description="env:NAME or file:name; its password opens an encrypted signing key",
    )
    pseudonym_key: str = Field("", description="id of the pseudonym key in the keys folder")
    notify: tuple[Recipient, ...] = Field((), description="who is told of what; nobody if empty")
    keep: Keep = Field(Keep(), description="how long past states of the lake are kept")
    lineage: LineageServer | None = Field(
        None, description="whom OpenLineage events are handed on to; nobody if left out"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="settings of this home; the environment comes first"
    )

    @property
    def duties(self) -> tuple[Duty, ...]:
        """What the site does: collect from departments, receive from other sites, or both."""
        return (*(("collect",) if self.collects else ()), *(("receive",) if self.receives else ()))

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_home(cls, values: object) -> object:
        """A home of an older programme says ``role: city`` for one that receives, else collects."""
        if not isinstance(values, Mapping) or values.get("role") not in {"county", "city"}:
            return values
        duties = {"collects": values["role"] == "county", "receives": values["role"] == "city"}
        return duties | {name: value for name, value in values.items() if name != "role"}

    @field_validator("notify")
    @classmethod
    def _named_once(cls, recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
        if len({one.to for one in recipients}) < len(recipients):
            raise ValueError("two entries have one `to`; make one entry of them")
        return recipients

    @field_validator("pulls")
    @classmethod
    def _pulled_once(cls, pulls: tuple[Pull, ...]) -> tuple[Pull, ...]:
        if len({one.site for one in pulls}) < len(pulls):
            raise ValueError("two entries have one `site`; make one entry of them")
        return pulls

    @field_validator("exchange")
    @classmethod
    def _shows_no_token_in_the_open(cls, exchange: str) -> str:
        if urlsplit(exchange).scheme not in {"http", "https"}:
            return exchange
        return _safe_address(exchange)

    @property
    def has_address(self) -> bool:
        """Whether ``exchange`` is an address instead of a folder."""
        return urlsplit(self.exchange).scheme in {"http", "https"}

    def folder(self, home: Home, name: Literal["inbox", "exchange", "dagster_home"]) -> Path:
        """A configured folder, resolved against the home."""
        return (home.root / str(getattr(self, name))).resolve()


def load_settings(home: Home | None = None) -> Settings:
    """The settings in force: of a home, or of the machine alone.

    Raises:
        UsageError: A setting is unknown or not of its kind; all of them are named.
    """
    written = settings_section(home) if home else Written()
    if faults := setting_faults(written):
        raise _one(faults)
    return Settings(**_unless_given(written))


def setting_faults(written: Written) -> list[UsageError]:
    """Every setting of a home's section, and of the environment, that is wrong."""
    faults = [
        UsageError(
            f"`{name}` is no setting{nearest(name, Settings.model_fields)}",
            where=written.place(name),
            todo=BY_HAND,
        )
        for name in written.values
        if name not in Settings.model_fields
    ]
    try:
        Settings(**_unless_given(written))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            name = str(detail["loc"][0]).lower()
            variable = variables().get(name)
            faults.append(
                UsageError(
                    _sentence(variable or name, detail, "a setting", Settings, name),
                    where="the environment" if variable else written.place(name),
                    todo=f"Set {variable} to another value, or unset it" if variable else BY_HAND,
                )
            )
    return faults


def settings_section(home: Home) -> Written:
    """The ``settings:`` section of a home, empty when it has none.

    Raises:
        UsageError: The file is no YAML, or the section does not hold words.
    """
    if not home.site_file.exists():
        return Written()
    return read_written(home.site_file).section("settings")


def _unless_given(written: Written) -> dict[str, Any]:
    """The section's words but for those that the environment gives: arguments would go first."""
    given = variables()
    return {name: value for name, value in written.values.items() if name not in given}


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
    written = read_written(home.site_file)
    todo = f"{BY_HAND}; `countylake config check` names the lines and everything else"
    return described_site(written.values, where=str(home.site_file), todo=todo)


def described_site(values: Mapping[str, Any], *, where: str, todo: str) -> Site:
    """A site, from what a file or a command says of it.

    Raises:
        UsageError: Words are unknown or values not of their kind; all of them are named.
    """
    try:
        return Site.model_validate(values)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(str(step) for step in one['loc']) or 'it'}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)
        )
        what = f"the site's description is not valid ({told})"
        raise UsageError(what, where=where, todo=todo) from error


def site_faults(written: Written) -> list[UsageError]:
    """Every word of ``site.yaml`` that is unknown, missing or not of its kind."""
    try:
        Site.model_validate(written.values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return [
            UsageError(
                _sentence(".".join(str(step) for step in one["loc"]) or "it", one, "a site", Site),
                where=written.place(str(one["loc"][0]) if one["loc"] else ""),
                todo=BY_HAND,
            )
            for one in details
        ]
    return []


def _sentence(
    name: str, detail: ErrorDetails, owner: str, model: type[BaseModel], field: str = ""
) -> str:
    """One finding of the validation in words; the value itself is not repeated."""
    meant = model.model_fields.get(field or name)
    meaning = meant.description if meant else ""
    if detail["type"] == "extra_forbidden":
        return f"`{name}` is no word of {owner}{nearest(name, model.model_fields)}"
    if detail["type"] == "missing":
        return f"`{name}` is missing: {meaning}"
    if detail["type"] == "string_pattern_mismatch":
        return f"`{name}` is not of its form: {meaning or 'see the documentation'}"
    said = detail["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    return f"`{name}` is not valid: {said}"


def _one(faults: list[UsageError]) -> UsageError:
    """Several faults as one: the first one's place, everybody's sentence."""
    if len(faults) == 1:
        return faults[0]
    told = "; ".join(f"{fault.where}: {fault.what}" for fault in faults)
    return UsageError(
        f"{len(faults)} settings are not valid ({told})", todo="See `countylake config check`"
    )


def save_site(home: Home, site: Site) -> None:
    """Write ``site.yaml``."""
    home.root.mkdir(parents=True, exist_ok=True)
    without = {
        name for name in ("notify", "pulls", "lineage", "settings") if not getattr(site, name)
    }
    text = yaml.safe_dump(site.model_dump(exclude=without), allow_unicode=True, sort_keys=False)
    home.site_file.write_text(text, encoding="utf-8")
