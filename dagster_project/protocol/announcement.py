"""How a site's card is followed by the next: an announcement, signed by an old key and the new one.

Taking one in needs no hand, so it never needs less trust than a package. What is known is never
forgotten: keys stay listed with their ends, and no announcement takes back an end. Where cards
and announcements are kept is their keeper's matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from dagster_project.clock import utc_text
from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json, parse_canonical
from dagster_project.protocol.keys import PublicKey, Signer
from dagster_project.protocol.manifest import CODE
from dagster_project.protocol.site_card import MOST_BYTES, MOST_KEYS, SiteCard, Words

PAYLOAD_TYPE = "application/vnd.countylake.keys+json"
SUFFIX = ".card.json"
FILE_NAME = rf"{CODE}-[0-9]{{1,9}}\.card\.json\Z"
_Why = Annotated[Words, StringConstraints(min_length=1)]


class _Signed(BaseModel):
    """What is signed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["countylake-keys/1"] = "countylake-keys/1"
    card: SiteCard
    why: _Why


@dataclass(frozen=True)
class Announcement:
    """A card that is to follow the known one; every signature of it holds.

    ``signed_by`` are the ids of keys that signed it: some of the card, some of a relay's.
    """

    card: SiteCard
    why: str
    signed_by: frozenset[str]


def file_name(card: SiteCard) -> str:
    """How an announcement's file is called; the name is only a name."""
    return f"{card.code}-{card.serial}{SUFFIX}"


def announce(card: SiteCard, why: str, signers: Sequence[Signer]) -> bytes:
    """The bytes of an announcement.

    Args:
        card: The new card.
        why: The reason, which goes to other sites.
        signers: The holders of a trusted key and of every new one.

    Raises:
        PackageError: The reason cannot be sent.
    """
    try:
        signed = _Signed(card=card, why=why)
    except ValidationError as error:
        raise PackageError(
            "the reason must be a line of 1 to 400 characters", where="why", todo="Write it anew"
        ) from error
    payload = canonical_json(signed.model_dump(by_alias=True))
    return dsse.sign_together(signers, PAYLOAD_TYPE, payload)


def read_announcement(
    data: bytes, where: str, endorsers: Mapping[str, PublicKey] | None = None
) -> Announcement:
    """Read an announcement and verify each of its signatures with the key that it names.

    That says who made it, not whether to believe it: see ``follow``.

    Args:
        data: The file's bytes.
        where: The name used in errors.
        endorsers: Trusted keys of another site that may have signed it too, by id.

    Raises:
        PackageError: Not an announcement, or one of its signatures does not hold.
    """
    if len(data) > MOST_BYTES:
        raise _refused(f"the announcement has more than {MOST_BYTES:,} bytes", where)
    _, claimed = dsse.unverified(data, where)
    parse_canonical(claimed, where)
    try:
        said = _Signed.model_validate_json(claimed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise _refused(f"the announcement is not valid ({place}: {first['msg']})", where) from error
    keys = {**(endorsers or {}), **said.card.every_key}
    _, signed_by = dsse.open_together(data, PAYLOAD_TYPE, keys, where)
    return Announcement(said.card, said.why, frozenset(signed_by))


def follow(known: SiteCard, told: Announcement, at: datetime, where: str) -> SiteCard:
    """The card that is trusted after an announcement was believed.

    It is believed when the site's current key signed it, and each new key signed it too. A key
    that is being replaced may take trust away and give none: who stole it cannot bring in a key
    of his own.

    Args:
        known: The card that is trusted until now.
        told: The announcement, whose signatures hold.
        at: The instant of its reception; no end lies later than that for being told late.
        where: The name used in errors.

    Raises:
        PackageError: It is not believed; the known card stays.
    """
    card = told.card
    if card.code != known.code:
        raise _refused(f"it announces keys of site {card.code}, not of {known.code}", where)
    if card.serial <= known.serial:
        raise _refused(
            f"its serial {card.serial} is not above {known.serial}, which is known", where
        )
    signing = [key for key in known.listed if key.key_id in told.signed_by]
    trusted = [key for key in signing if not key.refusal(at)]
    if not trusted:
        ended = "; ".join(key.refusal(at) for key in signing)
        raise _refused(ended or "no key that is trusted for this site signed it", where)
    added = [key for key in card.listed if known.named(key.key_id) is None]
    fully = any(key.is_current for key in trusted)
    if added and not fully:
        raise _refused("a key that is being replaced cannot bring in another key", where)
    for key in added:
        if key.key_id not in told.signed_by:
            raise _refused(f"the new key {key.key_id} did not sign it", where)
    name = card.name if fully else known.name
    return merged(known, card.model_copy(update={"name": name}), at)


def merged(known: SiteCard, card: SiteCard, at: datetime) -> SiteCard:
    """The next card with everything that was known of the last: keys stay, and ends stay.

    Args:
        known: The card that was trusted until now.
        card: The card that is trusted from now on.
        at: The instant at which a key ends that the new card does not list.

    Raises:
        PackageError: They would be more keys than a site may have.
    """
    now = utc_text(at)
    kept = []
    for old in known.listed:
        new = card.named(old.key_id)
        until = new.valid_until if new else now
        revoked, why = (new.revoked_at, new.revoked_why) if new else ("", "")
        kept.append(
            old.model_copy(
                update={
                    "valid_from": old.valid_from or (new.valid_from if new else ""),
                    "valid_until": _first(old.valid_until, until),
                    "revoked_at": old.revoked_at or _first(revoked, now if revoked else ""),
                    "revoked_why": old.revoked_why if old.revoked_at else why,
                }
            )
        )
    added = [key for key in card.listed if known.named(key.key_id) is None]
    if len(kept) + len(added) > MOST_KEYS:
        raise _refused(f"a site has at most {MOST_KEYS} keys", f"site {card.code}")
    return card.model_copy(update={"listed": (*kept, *added)})


def _first(*instants: str) -> str:
    """The earliest of instants; empty ones never come."""
    return min((one for one in instants if one), key=datetime.fromisoformat, default="")


def _refused(what: str, where: str) -> PackageError:
    return PackageError(
        what,
        where=where,
        todo="Compare the fingerprint with the site over the telephone; nothing was changed",
    )
