"""``public.json``: what a site shows those it exchanges with: code, name, every key it ever had.

A card says which key was good when, and why one is so no longer. How a card is replaced by the
next is ``announcement``'s matter; whose card is kept is the keeper's.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from dagster_project import clock
from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json, parse_json, sha256_bytes
from dagster_project.protocol.keys import ALGORITHM, PublicKey
from dagster_project.protocol.manifest import Code, Whole

MOST_BYTES = 64 << 10
"""No card, and no announcement of one, is larger."""
MOST_KEYS = 120
_INSTANT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z)?$"


def _moment(text: str) -> str:
    if text:
        datetime.fromisoformat(text)
    return text


def plain(text: str) -> str:
    """A foreign text that steers no terminal; for validators."""
    if not all(one.isprintable() for one in text):
        raise ValueError("control characters")
    return text


MomentOrNone = Annotated[
    str, StringConstraints(pattern=_INSTANT, max_length=32), AfterValidator(_moment)
]
Words = Annotated[str, StringConstraints(max_length=400), AfterValidator(plain)]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class CardKey(BaseModel):
    """One key of a site.

    ``valid_from`` is when its owner began to use it; whoever takes the card in trusts it from
    then on, since a sender's clock may be wrong. From ``valid_until`` on it signs nothing new.
    ``revoked_at`` ends it at once, because somebody else may have it. Empty means never.
    """

    model_config = _STRICT

    key_id: str
    algorithm: Literal["ed25519"] = ALGORITHM
    public_key: str
    valid_from: MomentOrNone = ""
    valid_until: MomentOrNone = ""
    revoked_at: MomentOrNone = ""
    revoked_why: Words = ""

    @model_validator(mode="after")
    def _is_named_by_its_fingerprint(self) -> CardKey:
        try:
            named = self.public.key_id == self.key_id
        except PackageError as error:
            raise ValueError(error.what) from error
        if not named:
            raise ValueError("the key id is not the fingerprint of the public key")
        return self

    @property
    def public(self) -> PublicKey:
        """The public key."""
        return PublicKey.from_text(self.public_key)

    @property
    def is_current(self) -> bool:
        """Whether it has no end: the one key with which its site signs."""
        return not self.valid_until and not self.revoked_at

    def state(self, at: datetime) -> Literal["current", "replaced", "ended", "revoked"]:
        """In one word: the one that signs, still accepted, accepted no more, or refused."""
        if self.revoked_at:
            return "revoked"
        if self.refusal(at):
            return "ended"
        return "replaced" if self.valid_until else "current"

    def refusal(self, at: datetime) -> str:
        """Why nothing signed by it is taken at an instant, as a clause; empty when it is."""
        if self.revoked_at and at >= datetime.fromisoformat(self.revoked_at):
            why = f" ({self.revoked_why})" if self.revoked_why else ""
            return f"key {self.key_id} was revoked on {self.revoked_at}{why}"
        if self.valid_until and at >= datetime.fromisoformat(self.valid_until):
            return f"key {self.key_id} was replaced and signs nothing since {self.valid_until}"
        return ""


class SiteCard(BaseModel):
    """A site's public description; ``serial`` grows with every change of it.

    ``listed`` (``keys`` in the file) holds every key that the site ever had, oldest first. At
    most one of them has no end.
    """

    model_config = _STRICT

    format: Literal["countylake-site-card/2"] = "countylake-site-card/2"
    code: Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(plain)]
    serial: Whole = 1
    issued_at: MomentOrNone = ""
    listed: Annotated[tuple[CardKey, ...], Field(alias="keys", min_length=1, max_length=MOST_KEYS)]

    @model_validator(mode="after")
    def _holds_one_current_key(self) -> SiteCard:
        if len({key.key_id for key in self.listed}) < len(self.listed):
            raise ValueError("a key is listed twice")
        if sum(key.is_current for key in self.listed) > 1:
            raise ValueError("at most one key may be without an end")
        return self

    @property
    def current(self) -> CardKey | None:
        """The key with which the site signs now; None when all were ended."""
        return next((key for key in self.listed if key.is_current), None)

    @property
    def key_id(self) -> str:
        """The id of the current key; empty when there is none."""
        return self.current.key_id if self.current else ""

    @property
    def keys(self) -> dict[str, PublicKey]:
        """The keys that are trusted for this site now, by id."""
        return self.keys_at(clock.now())

    @property
    def every_key(self) -> dict[str, PublicKey]:
        """Every key ever, by id: to verify again what was accepted long ago."""
        return {key.key_id: key.public for key in self.listed}

    def keys_at(self, at: datetime) -> dict[str, PublicKey]:
        """The keys with which something received at an instant may be signed, by id."""
        return {key.key_id: key.public for key in self.listed if not key.refusal(at)}

    def keys_for(self, envelope: bytes, at: datetime, where: str) -> dict[str, PublicKey]:
        """The keys for opening an envelope that was received at an instant.

        Raises:
            PackageError: It names a key that the site no longer signs with; the sentence says
                since when and why. Nothing is verified here.
        """
        named = self.named(dsse.key_ids(envelope, where)[0])
        if named and (why := named.refusal(at)):
            raise PackageError(
                why,
                where=where,
                todo="Do not use it; its sender signs it anew with `countylake key resign`",
            )
        return self.keys_at(at)

    def named(self, key_id: str) -> CardKey | None:
        """The key of that id, if the site ever had it."""
        return next((key for key in self.listed if key.key_id == key_id), None)

    def revoking(self, key_id: str, at: str, why: str) -> SiteCard:
        """The card with a key revoked; it keeps its serial, which is its owner's to raise."""
        ended = {"revoked_at": at, "revoked_why": why}
        return self.model_copy(
            update={
                "listed": tuple(
                    key.model_copy(update=ended) if key.key_id == key_id else key
                    for key in self.listed
                )
            }
        )

    def place(self, key_id: str) -> int:
        """A key's place in the order of the site's keys, from 1; 0 for a foreign one.

        Whoever signed with a later key does not go back to an earlier one.
        """
        return next((n for n, key in enumerate(self.listed, 1) if key.key_id == key_id), 0)

    def trust_hash(self, at: datetime) -> str:
        """Names what is trusted at an instant: what was refused may be judged anew if it moves."""
        return sha256_bytes(canonical_json(sorted(self.keys_at(at))))

    @property
    def content(self) -> bytes:
        """The card as a file."""
        return canonical_json(self.model_dump(by_alias=True)) + b"\n"


def fingerprint(key_id: str) -> str:
    """A key's id in groups of four, to be compared over the telephone."""
    return " ".join(key_id[at : at + 4] for at in range(0, len(key_id), 4))


def read_card(path: Path) -> SiteCard:
    """Read a ``public.json``, also one of the first format, which held a single key.

    Raises:
        PackageError: Missing, not a site card, or a key id is not its key's fingerprint.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise PackageError(
            f"the site's public.json cannot be read ({error.strerror})",
            where=str(path),
            todo="Ask the site for the file that `countylake init` made in its home",
        ) from error
    return card_of(data, str(path))


def card_of(data: bytes, where: str) -> SiteCard:
    """A card from the bytes of its file.

    Raises:
        PackageError: It is none.
    """
    try:
        if len(data) > MOST_BYTES:
            raise _refusal(f"it has more than {MOST_BYTES:,} bytes", where)
        return SiteCard.model_validate_json(canonical_json(_as_second(parse_json(data, where))))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise _refusal(f"{place}: {first['msg']}", where) from error


def _as_second(value: Any) -> Any:
    """A card of the first format in the words of the second."""
    if not isinstance(value, dict) or "format" in value or "key_id" not in value:
        return value
    key = {name: value.pop(name) for name in ("key_id", "algorithm", "public_key") if name in value}
    return {**value, "format": "countylake-site-card/2", "serial": 0, "keys": [key]}


def _refusal(what: str, where: str) -> PackageError:
    return PackageError(
        f"this is not a site's public.json ({what})",
        where=where,
        todo="Ask the site for the file that `countylake init` made in its home",
    )
