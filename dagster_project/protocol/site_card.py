"""``public.json``: what a site shows the sites it exchanges with (code, name, public key).

A register of such cards is the whole basis of trust; keeping one is the site's business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from dagster_project.errors import PackageError
from dagster_project.protocol.canonical import canonical_json, parse_json
from dagster_project.protocol.keys import ALGORITHM, PublicKey
from dagster_project.protocol.manifest import Code


class SiteCard(BaseModel):
    """A site's public description."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    code: Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    algorithm: Literal["ed25519"] = ALGORITHM
    key_id: str
    public_key: str

    @property
    def key(self) -> PublicKey:
        """The public key."""
        return PublicKey.from_text(self.public_key)

    @property
    def keys(self) -> dict[str, PublicKey]:
        """The keys that are trusted for this site, by id."""
        return {self.key_id: self.key}

    @property
    def content(self) -> bytes:
        """The card as a file."""
        return canonical_json(self.model_dump()) + b"\n"


def read_card(path: Path) -> SiteCard:
    """Read a ``public.json``.

    Raises:
        PackageError: Missing, not a site card, or its key id is not its key's fingerprint.
    """
    try:
        card = SiteCard.model_validate(parse_json(path.read_bytes(), str(path)))
    except OSError as error:
        raise PackageError(
            f"the site's public.json cannot be read ({error.strerror})",
            where=str(path),
            todo="Ask the site for the file that `countylake init` made in its home",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PackageError(
            f"this is not a site's public.json ({place}: {first['msg']})",
            where=str(path),
            todo="Ask the site for the file that `countylake init` made in its home",
        ) from error
    if card.key.key_id != card.key_id:
        raise PackageError(
            "the key id is not the fingerprint of the public key",
            where=str(path),
            todo="Ask the site for its public.json again",
        )
    return card
