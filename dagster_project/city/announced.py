"""What children say of their keys: announcements in ``keys`` of their exchange folders.

What is believed is ``protocol.announcement``'s rule, the entries are ``register``'s, and what
this site says to others is ``announcing``'s matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from dagster_project.city.register import CODE, Child, changing, is_passed_on, keep
from dagster_project.clock import utc_text
from dagster_project.errors import CountyLakeError, PackageError
from dagster_project.paths import Home
from dagster_project.protocol import dsse, revocation
from dagster_project.protocol.announcement import (
    FILE_NAME,
    SUFFIX,
    Announcement,
    file_name,
    follow,
    read_announcement,
)
from dagster_project.protocol.folders import read_untrusted, write_file
from dagster_project.protocol.revocation import FILE, read_revocations
from dagster_project.protocol.site_card import MOST_BYTES, SiteCard, fingerprint

UP = "keys"
"""The folder, in a child's exchange folder, of what it announces."""
_MOST_FILES = 10_000
_MOST_NEWS = 100
"""So many announcements of one child are taken in at one look, and no more hold up the others."""
_MOST_BELOW = 200
"""So many sites one child may make known; of more, somebody decides by hand."""
_MOST_TOLD = 10
_NAME = re.compile(FILE_NAME)


def take_announcements(home: Home, at: datetime) -> list[str]:
    """Take in what children announce of their keys; call it before their packages are looked at.

    Done twice, it changes nothing.

    Returns:
        Sentences for whoever must act: what was taken in, and what is not believed.

    Raises:
        PackageError: The register is damaged, or somebody changes it at this moment.
    """
    folders = [
        path
        for path in sorted(home.exchange.glob(f"*/{UP}"))
        if CODE.match(path.parent.name) and not path.is_symlink() and not path.parent.is_symlink()
    ]
    if not any(folder.is_dir() for folder in folders):
        return []
    remarks: list[str] = []
    with changing(home) as entries:
        for folder in folders:
            if folder.parent.name in entries:
                remarks += _take(home, folder, entries, at)
    return remarks


def evidence(home: Home) -> Path:
    """The folder of the announcements that were believed, as they came."""
    return home.children / "announced"


def _take(home: Home, folder: Path, entries: dict[str, Child], at: datetime) -> list[str]:
    """One child's announcements, its own and those of sites whose packages it passes on."""
    owner, done, wrong = folder.parent.name, list[str](), list[str]()
    for name in _names(folder):
        if len(done) >= _MOST_NEWS:
            done.append(f"{owner}: more announcements of keys wait for the next look.")
            break
        data = read_untrusted(folder, name, MOST_BYTES)
        try:
            if data is None:
                raise PackageError(
                    "the file is no announcement of keys", where=name, todo="Remove it"
                )
            entry, sentence = _believed(entries, owner, data, at, name)
            if entry is not None:
                write_file(evidence(home) / file_name(entry.card), data)
                keep(home, entry)
                entries[entry.code] = entry
                done.append(sentence)
        except CountyLakeError as error:
            wrong.append(f"{owner}: {error}")
    try:
        done += _refused_by_relay(home, folder, entries, at)
    except CountyLakeError as error:
        wrong.append(f"{owner}: {error}")
    if len(wrong) > _MOST_TOLD:
        more = f"{owner}: {len(wrong) - _MOST_TOLD:,} more announcements of keys are not believed."
        wrong = [*wrong[:_MOST_TOLD], more]
    return done + wrong


def name_of(data: bytes, sender: SiteCard) -> str:
    """How a file about keys is called, by what it says; whether to believe it is not decided here.

    Args:
        data: An announcement, or a list of refused keys.
        sender: The card of the child that brings it; it may have signed a card of one below it.

    Raises:
        PackageError: It is neither, or about a site that is not below its sender.
    """
    if dsse.unverified(data, "it")[0] == revocation.PAYLOAD_TYPE:
        return FILE
    card = read_announcement(data, "it", sender.every_key).card
    if card.code != sender.code and not is_below(card.code, sender.code):
        raise PackageError(
            "it is about a site that is not below its sender",
            where=file_name(card),
            todo="Do not use it",
        )
    return file_name(card)


def _names(folder: Path) -> list[str]:
    """Announcements in the order in which they follow each other."""
    try:
        found = [path.name for path in folder.iterdir() if _NAME.match(path.name)]
    except OSError:
        return []
    split = ((name, name.removesuffix(SUFFIX).partition("-")) for name in found)
    ordered = sorted((code, int(serial), name) for name, (code, _, serial) in split)
    return [name for _, _, name in ordered][:_MOST_FILES]


def _believed(
    entries: Mapping[str, Child], owner: str, data: bytes, at: datetime, name: str
) -> tuple[Child | None, str]:
    """The entry that an announcement makes, and a sentence about it; None if it says no news.

    Raises:
        PackageError: It is not believed.
    """
    relay = entries[owner].card
    told = read_announcement(data, name, relay.keys_at(at))
    entry = entries.get(told.card.code)
    if entry is None:
        if sum(one.via == owner for one in entries.values()) >= _MOST_BELOW:
            what = f"site {owner} has made known {_MOST_BELOW} sites already"
            raise PackageError(what, where=name, todo="Register it by hand if it is right")
        return _introduced(relay.code, relay.key_id, told, at, name)
    if owner != told.card.code and not is_passed_on(entries, told.card.code, owner):
        raise PackageError(
            f"it announces keys of site {told.card.code}, whose packages come another way",
            where=name,
            todo="Nothing was changed; ask that site",
        )
    known = entry.card
    if told.card.serial <= known.serial and told.card.every_key.keys() <= known.every_key.keys():
        return None, ""
    card = follow(known, told, at, name)
    what = _news(known.key_id, card.key_id)
    made = entry.model_copy(update={"card": card}).noted(at, card.code, what, told.why)
    return made, f"{card.code} {card.name}: {what} ({told.why})."


def _news(old: str, new: str) -> str:
    if new == old:
        return "the ends of its keys have changed"
    if not new:
        return f"key {old} is revoked, and there is no other yet"
    return f"key {old or '(none)'} is followed by key {new}"


def _introduced(
    relay: str, relay_key: str, told: Announcement, at: datetime, name: str
) -> tuple[Child, str]:
    """A site that a relay makes known: it lies below it, and the relay's current key signed."""
    card = told.card
    if not is_below(card.code, relay):
        what = f"site {relay} cannot make known site {card.code}, which is not below it"
        raise PackageError(what, where=name, todo="Register it by hand if it is right")
    if not relay_key or relay_key not in told.signed_by:
        raise PackageError(
            f"site {card.code} is not registered, and the current key of {relay} did not sign it",
            where=name,
            todo="Register it by hand: `countylake city register`",
        )
    what = f"made known by {relay}"
    made = Child(card=card, via=relay).noted(at, relay, what, told.why)
    shown_key = fingerprint(card.key_id)
    return made, f"{card.code} {card.name}: {what}, with key {shown_key} ({told.why})."


def is_below(code: str, relay: str) -> bool:
    """Whether a division lies in another, by their codes (GB/T 2260, GB/T 10114)."""
    stem = relay
    while len(stem) > 6 and stem.endswith("000"):  # noqa: PLR2004 - six digits, then threes
        stem = stem[:-3]
    while len(stem) in {4, 6} and stem.endswith("00"):
        stem = stem[:-2]
    return code != relay and code.startswith(stem)


def _refused_by_relay(
    home: Home, folder: Path, entries: dict[str, Child], at: datetime
) -> Iterator[str]:
    """Keys that a relay refuses of sites whose packages it passes on; they are refused here too.

    Raises:
        PackageError: Its list is not believed.
    """
    data = read_untrusted(folder, FILE, MOST_BYTES * 16)
    if data is None:
        return
    relay = entries[folder.parent.name].card
    told = read_revocations(data, relay.keys_for(data, at, FILE), FILE)
    if told.site != relay.code:
        raise PackageError(
            f"the list is that of site {told.site}", where=FILE, todo="Ask the relay for its own"
        )
    for one in told.revoked:
        if not is_passed_on(entries, one.code, relay.code):
            continue
        entry = entries[one.code]
        key = entry.card.named(one.key_id)
        if key is None or key.revoked_at:
            continue
        card = entry.card.revoking(one.key_id, utc_text(at), one.why)
        made = entry.model_copy(update={"card": card})
        made = made.noted(at, relay.code, f"revoked key {one.key_id}", one.why)
        keep(home, made)
        entries[one.code] = made
        yield f"{one.code}: key {one.key_id} is refused, as {relay.code} does ({one.why})."
