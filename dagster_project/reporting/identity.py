"""The site's own identity: its signer, the card it shows, the card of its parent.

Keys themselves are ``protocol.keys``; how they are changed is ``rotation``; whom a parent trusts
is the parent's register.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from dagster_project import clock
from dagster_project.credentials import credential
from dagster_project.errors import PackageError
from dagster_project.paths import Home, keys_dir
from dagster_project.protocol import dsse, revocation
from dagster_project.protocol.announcement import follow, merged, read_announcement
from dagster_project.protocol.canonical import canonical_json, parse_json
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.keys import FileSigner, create_key, load_signer
from dagster_project.protocol.site_card import CardKey, SiteCard, card_of, read_card
from dagster_project.settings import Site, load_site, save_site

_MOST_HEARD, _MOST_TOLD = 1_000, 10
"""Whoever shares the folder may write there: so many are looked at, and so many complained of."""


def give_key(home: Home, folder: Path | None = None) -> Site:
    """Make sure that a site has a signing key and a ``public.json``; keep the key it has.

    Args:
        home: An initialised home.
        folder: The keys folder, if not the machine's own.

    Returns:
        The site, with its ``signing_key`` set.

    Raises:
        PackageError: The key cannot be made or read.
    """
    site, folder = load_site(home), folder or keys_dir()
    if not site.signing_key and not home.public_file.exists():
        made = create_key(folder, passphrase_of(site))
        site = site.model_copy(update={"signing_key": made})
        save_site(home, site)
    signer = signer_of(site, folder)
    if not home.public_file.exists():
        write_file(home.public_file, first_card(site, signer).content)
    card = own_card(home)
    if card.key_id == site.signing_key and (card.name != site.name or not card.serial):
        renamed = {"name": site.name, "serial": card.serial + 1, "issued_at": _now()}
        write_file(home.public_file, card.model_copy(update=renamed).content)
    return site


def first_card(site: Site, signer: FileSigner) -> SiteCard:
    """The card of a site with one key, which begins now."""
    key = CardKey(key_id=signer.key_id, public_key=signer.public.text, valid_from=_now())
    return SiteCard(code=site.code, name=site.name, issued_at=_now(), listed=(key,))


def own_card(home: Home) -> SiteCard:
    """The card that the site shows.

    Raises:
        PackageError: It is missing or damaged.
    """
    return read_card(home.public_file)


def passphrase_of(site: Site) -> str:
    """What opens the site's encrypted key; empty if its file is not encrypted.

    Raises:
        UsageError: ``key_passphrase`` refers to nothing.
    """
    return credential(site.key_passphrase).password


def signer_of(site: Site, folder: Path | None = None) -> FileSigner:
    """The site's signer.

    Raises:
        PackageError: The site has no key, or it cannot be read.
        UsageError: ``key_passphrase`` refers to nothing.
    """
    if not site.signing_key:
        raise PackageError(
            "the site has no signing key",
            where=f"site {site.code}",
            todo="Run `countylake init` for this home again, or `countylake key rotate --lost` if"
            " its key was revoked",
        )
    return load_signer(folder or keys_dir(), site.signing_key, passphrase_of(site))


def trust_parent(home: Home, card_file: Path, *, replace: bool = False) -> SiteCard:
    """Keep the parent site's card, so that its answers can be verified.

    Args:
        home: The home of the site below it.
        card_file: The parent's ``public.json``, brought by hand.
        replace: Whether another key is meant, after its fingerprint was compared.

    Raises:
        PackageError: Not a site's card, or a key that is not the one trusted so far.
    """
    card, known = read_card(card_file), parent_card(home)
    if known and known.code == card.code:
        if known.named(card.key_id) is None and not replace:
            raise PackageError(
                f"site {card.code} shows another key than the one trusted so far",
                where=str(card_file),
                todo="Compare the fingerprint over the telephone, then run `countylake key trust"
                " --replace --why …`",
            )
        if not replace and card.serial < known.serial:
            return known
        card = merged(known, card, clock.now())
    elif known and not replace:
        raise PackageError(
            f"the parent that is trusted so far is {known.code}, the card is that of {card.code}",
            where=str(card_file),
            todo="If the site has another parent now, run `countylake key trust --replace --why …`",
        )
    write_file(home.parent_file, card.content)
    return card


def parent_card(home: Home) -> SiteCard | None:
    """The parent's card, if it is known."""
    return read_card(home.parent_file) if home.parent_file.exists() else None


def hear_parent(home: Home, data: bytes, where: str = "the parent's keys") -> str:
    """Take in what the parent says of keys: its own next one, or the refusal of ours.

    Args:
        home: The home of the site below it.
        data: An announcement, a list of revocations, a card, or ``{"announcements": […]}``.
        where: The name used in errors.

    Returns:
        A sentence for whoever must act; empty if there is nothing to do.

    Raises:
        PackageError: It is nothing of the kind, or it is not believed; what is trusted stays.
    """
    known = parent_card(home)
    if known is None:
        return ""
    value = parse_json(data, where)
    if isinstance(value, dict) and set(value) == {"announcements"}:
        return _heard_all(home, value["announcements"], where)
    if not isinstance(value, dict) or "payloadType" not in value:
        return _shown(known, card_of(data, where))
    at = clock.now()
    if dsse.unverified(data, where)[0] == revocation.PAYLOAD_TYPE:
        return _refused_here(home, known, data, at, where)
    told_card = read_announcement(data, where)
    if told_card.card.serial <= known.serial and told_card.card.code == known.code:
        return ""
    card = follow(known, told_card, at, where)
    write_file(home.parent_file, card.content)
    return f"The parent site {card.code} signs with key {card.key_id} now ({told_card.why})."


def _heard_all(home: Home, told: object, where: str) -> str:
    """Several things that the parent says, in their order; one that is not believed stops none."""
    heard = list[str]()
    said = told if isinstance(told, list) else []
    envelopes = [one for one in said if isinstance(one, dict) and "payloadType" in one]
    for one in envelopes[:_MOST_HEARD]:
        try:
            heard.append(hear_parent(home, canonical_json(one), where))
        except PackageError as error:
            heard.append(str(error))
    return " ".join([one for one in heard if one][:_MOST_TOLD])


def _shown(known: SiteCard, shown: SiteCard) -> str:
    """A card without a signature is believed in nothing; that it differs is worth a word."""
    if shown.code != known.code or not shown.key_id or known.named(shown.key_id):
        return ""
    return (
        f"The parent site {known.code} shows key {shown.key_id}, which no trusted key announced. "
        "Compare its fingerprint over the telephone and run `countylake key trust --replace`."
    )


def _refused_here(home: Home, known: SiteCard, data: bytes, at: datetime, where: str) -> str:
    """Whether the parent refuses a key of ours that we still use."""
    own = own_card(home)
    told = revocation.read_revocations(data, known.keys_for(data, at, where), where)
    if told.site != known.code:
        raise PackageError(
            f"the list is that of site {told.site}", where=where, todo="Ask the parent site"
        )
    for one in told.revoked:
        key = own.named(one.key_id) if one.code == own.code else None
        if key and not key.revoked_at:
            todo = "rotate --lost" if key.is_current else f"revoke {one.key_id}"
            return (
                f"The parent site {known.code} refuses our key {one.key_id} since "
                f"{one.revoked_at} ({one.why}). Run `countylake key {todo}`."
            )
    return ""


def _now() -> str:
    return clock.utc_text(clock.now())
