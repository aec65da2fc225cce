"""Changing the site's own key: the next one with an overlap, revocation, signing anew.

The announcement in the outbox is what decides: it is written whole or not at all, and a killed
change is finished from it by the next. Who believes it is its receivers' matter.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from dagster_project import clock
from dagster_project.clock import utc_text
from dagster_project.errors import CountyLakeError, PackageError, UsageError
from dagster_project.lake import Lake
from dagster_project.paths import Home, keys_dir
from dagster_project.protocol import dsse, manifest
from dagster_project.protocol.announcement import (
    SUFFIX,
    Announcement,
    announce,
    file_name,
    read_announcement,
)
from dagster_project.protocol.correction import words_fault
from dagster_project.protocol.folders import SEALED_MODE, only_one, write_file
from dagster_project.protocol.keys import FileSigner, Signer, load_signer, name_key, next_key
from dagster_project.protocol.site_card import MOST_KEYS, CardKey, SiteCard
from dagster_project.reporting.identity import own_card, passphrase_of, signer_of
from dagster_project.settings import Site, load_site

MOST_OVERLAP = timedelta(days=366)


def announced(home: Home) -> Path:
    """The folder of everything that the site announced of its keys, which goes to other sites."""
    return home.outbox / "keys"


def rotate(
    home: Home, *, overlap: timedelta, why: str, lost: bool = False, folder: Path | None = None
) -> SiteCard:
    """Make the next key and announce it; the key until now is accepted for the overlap.

    A change that was killed on its way is finished, and is the change that was asked for.

    Args:
        home: The site's home.
        overlap: For how long packages that were signed before are still accepted.
        why: The reason, which goes to the other sites.
        lost: Whether the key until now cannot sign or must not be believed: it is revoked, and
            the next one must be taken to the other sites by hand.
        folder: The keys folder, if not the machine's own.

    Raises:
        PackageError: A key cannot be made or read.
        UsageError: No reason, or an overlap that is no time.
    """
    if fault := words_fault(why):
        raise UsageError(f"the key cannot be changed: {fault}", todo="Give the reason with --why")
    if not timedelta(0) <= overlap <= MOST_OVERLAP:
        raise UsageError("the overlap must be of 0 to 366 days", todo="Write it like 30d")
    folder = folder or keys_dir()
    with _changing(home, folder) as (site, card, finished):
        if finished and card.key_id and not lost:
            return card
        if not lost and card.key_id != site.signing_key:
            raise PackageError(
                "the key in site.yaml is not the current one of public.json",
                where=str(home.site_file),
                todo="Correct `signing_key`, or make a new key with `countylake key rotate --lost`",
            )
        if len(card.listed) >= MOST_KEYS:
            raise PackageError(
                f"a card holds at most {MOST_KEYS} keys",
                where=str(home.public_file),
                todo="Keep the key, or let the site begin anew with another home and card",
            )
        now = clock.now()
        signer = next_key(folder, site.code, passphrase_of(site))
        signers = [signer] if lost else [signer_of(site, folder), signer]
        end = (
            {"revoked_at": utc_text(now), "revoked_why": why}
            if lost
            else {"valid_until": utc_text(now + overlap)}
        )
        new = CardKey(key_id=signer.key_id, public_key=signer.public.text, valid_from=utc_text(now))
        listed = (*(_ended(key, end) for key in card.listed), new)
        _commit(home, _next(card, site, listed), why, signers)
        settle(home, folder)
    return own_card(home)


def revoke(home: Home, key_id: str, *, why: str, folder: Path | None = None) -> SiteCard:
    """Declare one of the site's keys to be in other hands, and announce it.

    Every key that is here signs it, the revoked one too: whoever has it can but end it. If it
    was the current key, the site signs nothing until ``rotate`` with ``lost``.

    Raises:
        UsageError: No such key, it was revoked before, or there is no reason.
        PackageError: No key is here that could sign the announcement.
    """
    if fault := words_fault(why):
        raise UsageError(f"the key cannot be revoked: {fault}", todo="Give the reason with --why")
    folder = folder or keys_dir()
    with _changing(home, folder) as (site, card, _):
        key, now = card.named(key_id), clock.now()
        if key is None:
            known = ", ".join(one.key_id for one in card.listed)
            raise UsageError(f"the site has no key {key_id}", todo=f"It has {known}")
        if key.revoked_at:
            raise UsageError(f"{key.refusal(now)} already", todo="Nothing was changed")
        signers = list(_held(card, site, folder))
        if not signers:
            raise PackageError(
                "no key of the site is here that could sign the announcement",
                where=str(folder),
                todo="Make a new one with `countylake key rotate --lost`, and ask the other sites"
                " to run `countylake city revoke`",
            )
        told = _next(card, site, card.revoking(key_id, utc_text(now), why.strip()).listed)
        _commit(home, told, why, signers)
        settle(home, folder)
    return own_card(home)


def settle(home: Home, folder: Path | None = None) -> bool:
    """Finish what a killed change began: the newest announcement is the card of the site.

    Returns:
        Whether there was anything to finish.

    Raises:
        PackageError: The announcement or the card is damaged.
    """
    folder, site, card = folder or keys_dir(), load_site(home), own_card(home)
    newest = max(own_announcements(home), key=lambda one: one.card.serial, default=None)
    if newest is None or newest.card.serial <= card.serial:
        return False
    if newest.card.key_id:
        name_key(folder, site.code, newest.card.key_id, passphrase_of(site))
    _name_in_site(home, newest.card.key_id)
    write_file(home.public_file, newest.card.content)
    return True


def own_announcements(home: Home) -> list[Announcement]:
    """What the site announced of its own keys.

    Raises:
        PackageError: One of them is damaged.
    """
    code = load_site(home).code
    found = sorted(announced(home).glob(f"{code}-*{SUFFIX}"))
    told = [read_announcement(path.read_bytes(), str(path)) for path in found]
    return [one for one in told if one.card.code == code]


def resign(lake: Lake, site: Site, signer: Signer) -> list[str]:
    """Sign every package anew that waits to be accepted and bears an earlier key's signature.

    Its content, its hash and its place in the chain stay.

    Returns:
        The packages' ids.

    Raises:
        PackageError: A package in the outbox is not what the site sealed.
        LakeError, LakeBusyError: The lake cannot be read.
    """
    card, done = own_card(lake.home), []
    for name in _waiting(lake):
        path = lake.home.outbox / name / manifest.SIGNATURE
        data = path.read_bytes()
        if dsse.key_ids(data, str(path)) == (signer.key_id,):
            continue
        sealed = manifest.read_manifest(data, card.every_key)
        if sealed.header.package_id != name or sealed.header.sender != site.code:
            raise PackageError(
                "the outbox holds another package under this name",
                where=str(path.parent),
                todo="Restore the outbox from a backup",
            )
        write_file(path, manifest.sign_manifest(sealed, signer))
        path.chmod(SEALED_MODE)
        done.append(name)
    return done


def waiting_with(lake: Lake, key_id: str) -> int:
    """How many packages wait to be accepted that another key than this one signed."""
    paths = [lake.home.outbox / name / manifest.SIGNATURE for name in _waiting(lake)]
    return sum(dsse.key_ids(path.read_bytes(), str(path)) != (key_id,) for path in paths)


def _waiting(lake: Lake) -> list[str]:
    """Sealed packages that the parent did not accept yet, in their order."""
    if not lake.home.catalog.exists():
        return []
    with lake.reader() as con:
        rows = con.execute(
            "SELECT package_id FROM lake.ops.package ANTI JOIN (SELECT package_id FROM"
            " lake.ops.acknowledgement WHERE outcome = 'accepted') USING (package_id)"
            " ORDER BY package_no"
        ).fetchall()
    return [name for (name,) in rows if (lake.home.outbox / name / manifest.SIGNATURE).is_file()]


@contextlib.contextmanager
def _changing(home: Home, folder: Path) -> Iterator[tuple[Site, SiteCard, bool]]:
    """The site and its card while nobody else changes them, and whether a change was finished."""
    with only_one(home.outbox / ".changing-keys") as alone:
        if not alone:
            raise PackageError(
                "another process is changing the site's keys",
                where=str(home.root),
                todo="Do it again in a moment",
            )
        finished = settle(home, folder)
        yield load_site(home), own_card(home), finished


def _ended(key: CardKey, end: dict[str, str]) -> CardKey:
    return key.model_copy(update=end) if key.is_current else key


def _next(card: SiteCard, site: Site, listed: tuple[CardKey, ...]) -> SiteCard:
    return SiteCard(
        code=site.code,
        name=site.name,
        serial=card.serial + 1,
        issued_at=utc_text(clock.now()),
        listed=listed,
    )


def _commit(home: Home, card: SiteCard, why: str, signers: list[FileSigner]) -> None:
    write_file(announced(home) / file_name(card), announce(card, why.strip(), signers))


def _held(card: SiteCard, site: Site, folder: Path) -> Iterator[FileSigner]:
    """The signers of all keys that are still trusted and whose files are here."""
    for key_id in card.keys_at(clock.now()):
        with contextlib.suppress(CountyLakeError):
            yield load_signer(folder, key_id, passphrase_of(site))


def _name_in_site(home: Home, key_id: str) -> None:
    """Set ``signing_key`` in ``site.yaml``; every other line stays as somebody wrote it."""
    text = home.site_file.read_text(encoding="utf-8")
    line = f"signing_key: {key_id}" if key_id else "signing_key: ''"
    changed, found = re.subn(r"(?m)^signing_key:.*$", line, text, count=1)
    if not found:
        changed = f"{text.rstrip()}\n{line}\n"
    if changed != text:
        write_file(home.site_file, changed.encode("utf-8"))
