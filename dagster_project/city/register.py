"""Whose packages are accepted: one entry per child with its card, every key it had, and reasons.

Entries are changed by hand here, and by announcements in ``announced``. Nothing of a package is
verified here; a package's own key is never trusted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_project import clock
from dagster_project.clock import utc_text
from dagster_project.errors import PackageError, UsageError
from dagster_project.paths import Home
from dagster_project.protocol import manifest
from dagster_project.protocol.announcement import merged, read_announcement
from dagster_project.protocol.canonical import canonical_json, parse_json
from dagster_project.protocol.correction import words_fault
from dagster_project.protocol.folders import only_one, write_file
from dagster_project.protocol.manifest import Code, CodeOrNone
from dagster_project.protocol.site_card import (
    MOST_BYTES,
    MomentOrNone,
    SiteCard,
    Words,
    card_of,
    fingerprint,
)

CODE = re.compile(rf"{manifest.CODE}\Z")
_MOST_NOTES = 200
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Note(BaseModel):
    """Something that was done to an entry."""

    model_config = _STRICT

    at: MomentOrNone
    by: Words
    what: Words
    why: Words


class Child(BaseModel):
    """A site that reports to this one; ``via`` is the child that passes its packages on."""

    model_config = _STRICT

    format: Literal["countylake-register/1"] = "countylake-register/1"
    card: SiteCard
    via: CodeOrNone = ""
    notes: tuple[Note, ...] = ()

    @property
    def code(self) -> Code:
        """Its division code."""
        return self.card.code

    def noted(self, at: datetime, by: str, what: str, why: str) -> Child:
        """The entry with one more note; the oldest of very many are left to the evidence."""
        note = Note(at=utc_text(at), by=by, what=what, why=why)
        kept = self.notes[-_MOST_NOTES:] if len(self.notes) > _MOST_NOTES else self.notes
        return self.model_copy(update={"notes": (*kept, note)})


def register(
    home: Home,
    card_file: Path,
    *,
    via: str = "",
    replace: bool = False,
    why: str = "",
    by: str = "",
) -> SiteCard:
    """Register a site by its ``public.json``, or by an announcement of it, and make its folders.

    Registering the same card again changes nothing.

    Args:
        home: The receiving site's home.
        card_file: Brought by hand.
        via: The registered child that passes its packages on; empty if it delivers itself.
        replace: Whether another key is meant, after its fingerprint was compared.
        why: The reason of a replacement.
        by: Who decides.

    Raises:
        PackageError: Not a site's card, or the site is registered with another key.
        UsageError: ``via`` is nobody, or a replacement has no reason.
    """
    card = _card(home, card_file)
    if replace and (fault := words_fault(why)):
        raise UsageError(f"the key cannot be replaced: {fault}", todo="Give the reason with --why")
    with changing(home) as entries:
        if via and via not in entries:
            raise UsageError(f"the relay {via} is not registered", todo="Register it first")
        if via == card.code:
            raise UsageError("a site does not pass its own packages on", todo="Leave --via out")
        old = entries.get(card.code)
        new = _entered(old, card, via, replace=replace, where=str(card_file), why=why, by=by)
        if new != old:
            keep(home, new)
    if not new.via:
        for name in ("up", "down"):
            (home.exchange / card.code / name).mkdir(parents=True, exist_ok=True)
    return new.card


def door_of(children: Mapping[str, Child], code: str) -> str:
    """Through whose folder a registered site's packages come; empty for a stranger's."""
    seen = set[str]()
    while code not in seen and (child := children.get(code)):
        if not child.via:
            return code
        seen.add(code)
        code = child.via
    return ""


def is_passed_on(children: Mapping[str, Child], code: str, relay: str) -> bool:
    """Whether another site passes on what a registered one says, itself or through further ones."""
    return code != relay and door_of(children, code) == relay


def _entered(
    old: Child | None, card: SiteCard, via: str, *, replace: bool, where: str, why: str, by: str
) -> Child:
    now = clock.now()
    if old is None:
        made = Child(card=card, via=via)
        return made.noted(now, by, f"registered with key {card.key_id}", why)
    known = old.card
    moved = {"via": via} if via else {}
    if replace:
        new = old.model_copy(update={"card": merged(known, card, now), **moved})
        if not new.card.key_id:
            raise PackageError(
                f"the card of site {card.code} holds no key that was not ended here already",
                where=where,
                todo="Ask the site for a new key (`countylake key rotate --lost`)",
            )
        return new.noted(now, by, f"replaced by key {card.key_id}", why)
    if any(known.named(key.key_id) is None for key in card.listed):
        raise PackageError(
            f"site {card.code} is registered with another key",
            where=where,
            todo=f"Compare the fingerprint {fingerprint(card.key_id)} over the telephone, then"
            " run it again with --replace --why …",
        )
    if card.serial <= known.serial and known.issued_at:
        return old.model_copy(update=moved)
    return old.model_copy(update={"card": merged(known, card, now), **moved})


def revoke(home: Home, code: str, key_id: str, *, why: str, by: str) -> Child:
    """Refuse from now on everything that is signed with a key; what was accepted stays.

    Raises:
        UsageError: No such site or key, it was revoked before, or there is no reason.
    """
    if fault := words_fault(why):
        raise UsageError(f"the key cannot be revoked: {fault}", todo="Give the reason with --why")
    with changing(home) as entries:
        if code not in entries:
            raise UsageError(f"site {code} is not registered", todo="`countylake city keys` tells")
        card = entries[code].card
        key = card.named(key_id)
        if key is None:
            known = ", ".join(one.key_id for one in card.listed)
            raise UsageError(f"site {code} has no key {key_id}", todo=f"It has {known}")
        if key.revoked_at:
            raise UsageError(f"{key.refusal(clock.now())} already", todo="Nothing was changed")
        now = clock.now()
        entry = entries[code].model_copy(
            update={"card": card.revoking(key_id, utc_text(now), why.strip())}
        )
        entry = entry.noted(now, by, f"revoked key {key_id}", why.strip())
        keep(home, entry)
    return entry


def children(home: Home) -> dict[str, Child]:
    """The registered sites by code, in the order of their codes.

    Raises:
        PackageError: An entry is damaged.
    """
    found = {}
    for path in sorted(_folder(home).glob("[0-9]*.json")):
        child = _read(path)
        if path.stem != child.code:
            raise PackageError(
                f"the card is that of site {child.code} but is filed under another code",
                where=str(path),
                todo="Remove it and register the site again",
            )
        found[child.code] = child
    return found


def cards(home: Home) -> dict[str, SiteCard]:
    """The cards of the registered sites by code.

    Raises:
        PackageError: An entry is damaged.
    """
    return {code: child.card for code, child in children(home).items()}


@contextlib.contextmanager
def changing(home: Home) -> Iterator[dict[str, Child]]:
    """The entries, to be changed by nobody else meanwhile.

    Raises:
        PackageError: Somebody else changes them at this moment, or one is damaged.
    """
    with only_one(_folder(home) / ".changing") as alone:
        if not alone:
            raise PackageError(
                "the register is being changed by another process",
                where=str(home.children),
                todo="Do it again in a moment",
            )
        yield children(home)


def keep(home: Home, child: Child) -> None:
    """Write an entry; call it while ``changing``."""
    write_file(
        _folder(home) / f"{child.code}.json",
        canonical_json(child.model_dump(by_alias=True)) + b"\n",
    )


def _folder(home: Home) -> Path:
    """Where entries are; a register of the time when every child was a county is taken over."""
    earlier = home.root / "counties"
    if not home.children.exists() and earlier.is_dir():
        with contextlib.suppress(FileNotFoundError):
            earlier.rename(home.children)
    return home.children


def _card(home: Home, file: Path) -> SiteCard:
    """A card, or the one that an announcement holds: trusted is the hand that brings it."""
    try:
        data = file.read_bytes()[: MOST_BYTES + 1]
    except OSError as error:
        raise PackageError(
            f"the site's public.json cannot be read ({error.strerror})",
            where=str(file),
            todo="Ask the site for the file that `countylake init` made in its home",
        ) from error
    if b'"payloadType"' in data:
        endorsers = [card.every_key for card in cards(home).values()]
        known = {key_id: key for keys in endorsers for key_id, key in keys.items()}
        return read_announcement(data, str(file), known).card
    return card_of(data, str(file))


def _read(path: Path) -> Child:
    data = path.read_bytes()
    value = parse_json(data, str(path))
    if not isinstance(value, dict) or value.get("format") != "countylake-register/1":
        return Child(card=card_of(data, str(path)))
    try:
        return Child.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise PackageError(
            f"the entry of the register is damaged ({place}: {first['msg']})",
            where=str(path),
            todo="Restore it from a backup, or remove it and register the site again",
        ) from error
