"""A receiver's signed list of the keys that it refuses, for those below and above it to use.

Whoever reads it decides what it means for him; what is refused is the register's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from dagster_project.protocol.keys import PublicKey, Signer
from dagster_project.protocol.manifest import Code
from dagster_project.protocol.signed import read_form, sign_form
from dagster_project.protocol.site_card import MomentOrNone, Words

PAYLOAD_TYPE = "application/vnd.countylake.revocations+json"
FILE = "revoked.json"
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Revoked(BaseModel):
    """A key of a site that is refused since an instant."""

    model_config = _STRICT

    code: Code
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    revoked_at: MomentOrNone
    why: Words


class Revocations(BaseModel):
    """Every key that ``site`` refuses, in the order of codes and ids."""

    model_config = _STRICT

    format: Literal["countylake-revocations/1"] = "countylake-revocations/1"
    site: Code
    revoked: tuple[Revoked, ...]


def sign_revocations(told: Revocations, signer: Signer) -> bytes:
    """The bytes of ``revoked.json``; the same for the same list and key."""
    return sign_form(told, PAYLOAD_TYPE, signer)


def read_revocations(data: bytes, keys: Mapping[str, PublicKey], where: str) -> Revocations:
    """Verify a list and read it.

    Raises:
        PackageError: The signature does not hold, or the signed text is no such list.
    """
    return read_form(Revocations, PAYLOAD_TYPE, data, keys, where)
