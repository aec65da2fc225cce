"""What a machine and a home must have: folders, keys, disk, clock. Contracts are not known here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster_project import clock
from dagster_project.components.steps.configuration.fault import Fault, of_error
from dagster_project.errors import CountyLakeError
from dagster_project.paths import PROJECT, Home, keys_dir
from dagster_project.privacy.pseudonym import load_secret
from dagster_project.reporting.identity import own_card, parent_card, signer_of
from dagster_project.settings import Settings, Site

SYNCED = (
    "dropbox", "onedrive", "nutstore", "坚果云", "icloud", "mobile documents", "google drive",
    "googledrive", "wps云盘", "wpsdrive", "百度网盘", "baidunetdisk", "nextcloud", "owncloud",
    "seafile",
)  # fmt: skip
"""How folders are called that a program copies to other machines behind our back."""
SYNC_MARKS = (".dropbox", ".stfolder", ".nextcloudsync.log", ".owncloudsync.log", ".seafile-data")
_GIB = 1024**3
_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)


def folder_faults(home: Home, site: Site) -> Iterator[Fault]:
    """Folders that are not there, cannot be used, or lie where they must not."""
    yield from _home_faults(home)
    dagster = site.folder(home, "dagster_home")
    for folder in dict.fromkeys((home.root, dagster)):
        if not _is_writable(folder):
            what, todo = "the folder cannot be written", "Give it to the user of the programme"
            yield Fault("folders", what, str(folder), todo)
    if site.collects:
        yield from _inbox_faults(home, site)
        yield from _exchange_faults(home, site)


def _home_faults(home: Home) -> Iterator[Fault]:
    for folder in home.root.parents:
        if (folder / "site.yaml").exists():
            what = f"the home lies in another site's home ({folder})"
            yield Fault("folders", what, str(home.root), "Move it beside that one")
        marks = [mark for mark in SYNC_MARKS if (folder / mark).exists()]
        if marks or any(name in folder.name.casefold() for name in SYNCED):
            what = f"the home lies in a folder that is copied to other machines ({folder})"
            todo = "Move it: a copy in the midst of a commit is no lake"
            yield Fault("folders", what, str(home.root), todo)
    if any((home.root / mark).exists() for mark in SYNC_MARKS):
        what, todo = "the home is copied to other machines", "Take it out of the program's list"
        yield Fault("folders", what, str(home.root), todo)


def _inbox_faults(home: Home, site: Site) -> Iterator[Fault]:
    inbox = site.folder(home, "inbox")
    if not inbox.is_dir():
        what = "the inbox is no folder" if inbox.exists() else "the inbox is not there"
        yield Fault("folders", what, str(inbox), "Make it, or correct `inbox` in site.yaml")
    elif not os.access(inbox, os.R_OK | os.X_OK):
        yield Fault("folders", "the inbox cannot be read", str(inbox), "Give the programme leave")
    own = (home.landing, home.catalog.parent, home.published, home.outbox, home.returns)
    if home.root.is_relative_to(inbox) or any(
        inbox.is_relative_to(folder) or folder.is_relative_to(inbox) for folder in own
    ):
        what = "the inbox holds folders that are the programme's own"
        yield Fault("folders", what, str(inbox), "Name a folder of its own in site.yaml")


def _exchange_faults(home: Home, site: Site) -> Iterator[Fault]:
    if site.has_address:
        yield from _address_faults(home, site)
        return
    exchange = site.folder(home, "exchange")
    if not site.parent or exchange.is_dir():
        return
    what = "the exchange folder is no folder" if exchange.exists() else "it is not there"
    if not exchange.exists():
        what = "the exchange folder is not there; packages are kept until it is"
    todo = "Make or mount it, or correct `exchange` in site.yaml"
    # A share or a stick may be away for days; a name of nothing at all is a slip.
    yield Fault("folders", what, str(exchange), todo, is_warning=not exchange.exists())


def _address_faults(home: Home, site: Site) -> Iterator[Fault]:
    """What the parent's web is shown and trusted by; whether it answers is asked elsewhere."""
    if not site.exchange_token:
        what, todo = "the parent's web is shown no token", "Name it as `exchange_token`"
        yield Fault("site", what, site.exchange, todo)
    if site.exchange_ca and not (home.root / site.exchange_ca).is_file():
        what = "the file of certificate authorities is not there"
        todo = "Correct `exchange_ca` in site.yaml, or put the file there"
        yield Fault("site", what, str(home.root / site.exchange_ca), todo)


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or made where it is not there yet."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def key_faults(home: Home, site: Site) -> Iterator[Fault]:
    """Keys that are missing or that others may read, and whom the site trusts."""
    folder = keys_dir()
    if PROJECT in folder.resolve().parents:
        what, todo = "private keys lie inside the checkout", "Set COUNTYLAKE_KEYS to another folder"
        yield Fault("keys", what, str(folder), todo)
    if folder.is_dir() and folder.stat().st_mode & 0o077:
        what = "others may look into the keys folder"
        yield Fault("keys", what, str(folder), f"Run `chmod 700 {folder}`", is_warning=True)
    try:
        signer_of(site)
        shown = own_card(home).key_id
    except CountyLakeError as error:
        yield of_error("keys", error)
    else:
        if shown != site.signing_key:
            what = "`signing_key` in site.yaml is not the current key of public.json"
            todo = (
                "Correct it, or run `countylake key rotate`, which finishes an interrupted change"
            )
            yield Fault("keys", what, str(home.public_file), todo)
    if site.collects:
        try:
            load_secret(folder, site.pseudonym_key)
        except CountyLakeError as error:
            yield of_error("keys", error)
        yield from _parent_faults(home, site)


def _parent_faults(home: Home, site: Site) -> Iterator[Fault]:
    """The card by which the answers of the site above are verified."""
    try:
        card = parent_card(home)
    except CountyLakeError as error:
        yield of_error("keys", error)
        return
    if card is None and site.parent:
        what = f"the card of the parent site {site.parent} is missing; its answers are not verified"
        todo = "Ask it for its public.json and keep it as parent.json in the home"
        yield Fault("keys", what, str(home.parent_file), todo, is_warning=True)
    elif card is not None and card.code != site.parent:
        what = f"the card is that of {card.code}, the parent site is {site.parent or 'none'}"
        todo = "Correct `parent` in site.yaml, or ask for the right card"
        yield Fault("keys", what, str(home.parent_file), todo)


def machine_faults(home: Home, settings: Settings) -> Iterator[Fault]:
    """Disk and clock."""
    there = next((one for one in (home.root, *home.root.parents) if one.exists()), Path("/"))
    free = shutil.disk_usage(there).free / _GIB
    if free < settings.free_disk_gb:
        what = f"{free:.1f} GiB of disk are free, at least {settings.free_disk_gb:g} are wanted"
        todo = "Make room, or lower the setting free_disk_gb"
        yield Fault("machine", what, str(home.root), todo)
    now = clock.now()
    if now < _EARLIEST:
        what = f"the machine's clock says {now:%Y-%m-%d %H:%M} UTC"
        yield Fault("machine", what, todo="Set the clock; dates of deliveries depend on it")
    if clock.SHANGHAI.utcoffset(datetime(2026, 1, 1)) != timedelta(hours=8):  # noqa: DTZ001
        what = "the machine's time zones are wrong: Asia/Shanghai is not UTC+8"
        yield Fault("machine", what, todo="Install the system's tzdata anew")
    for file in (home.site_file, home.catalog):
        if file.exists() and file.stat().st_mtime > now.timestamp() + 3600:
            what = "the file was written in the future, or the machine's clock is behind"
            yield Fault("machine", what, str(file), "Set the clock before the next run")
