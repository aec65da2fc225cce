"""Tokens of a site's interface: made once, shown once, kept as hashes.

A token belongs to one other site and opens what is that site's, by scope, until it expires. It is
32 random bytes, so its SHA-256 needs no salt: nobody can guess what to hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import only_one, write_file
from dagster_project.protocol.manifest import Code, Hash

PREFIX = "cl_"
MODE = 0o600
_MOST_CHARACTERS = 100


class Scope(StrEnum):
    """What a token may be good for: the first four are a parent's, the others a child's."""

    READ_PACKAGES = "packages:read"
    WRITE_ACKNOWLEDGEMENTS = "acknowledgements:write"
    ASK_CORRECTIONS = "corrections:ask"
    READ_ANSWERS = "answers:read"
    WRITE_PACKAGES = "packages:write"
    READ_ACKNOWLEDGEMENTS = "acknowledgements:read"
    READ_CORRECTIONS = "corrections:read"
    WRITE_ANSWERS = "answers:write"
    WRITE_KEYS = "keys:write"


PARENT = (
    Scope.READ_PACKAGES,
    Scope.WRITE_ACKNOWLEDGEMENTS,
    Scope.ASK_CORRECTIONS,
    Scope.READ_ANSWERS,
)
CHILD = tuple(scope for scope in Scope if scope not in PARENT)


class Token(BaseModel):
    """One token as it is kept; the secret itself is nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_id: str
    site: Code
    scopes: tuple[Scope, ...]
    sha256: Hash
    created_at: AwareDatetime
    expires_at: AwareDatetime
    by: str
    why: Annotated[str, StringConstraints(max_length=2000)]
    revoked_at: AwareDatetime | None = None
    revoked_by: str = ""
    revoked_why: str = ""

    def state(self, at: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether it opens anything at an instant."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if at < self.expires_at else "expired"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["countylake-tokens/1"] = "countylake-tokens/1"
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True)
class Made:
    """A new token and its secret, which is told this once."""

    token: Token
    secret: str


class Tokens:
    """The tokens of one home; what another process changed is seen at the next question."""

    def __init__(self, home: Home) -> None:
        self._file = home.root / "tokens.json"
        self._lock = home.root / "tokens.lock"
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def all(self) -> tuple[Token, ...]:
        """Every token that was ever made, oldest first.

        Raises:
            UsageError: The file is damaged.
        """
        try:
            found = self._file.stat()
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if version != self._seen:
            try:
                kept = _Kept.model_validate_json(self._file.read_bytes())
            except (ValidationError, OSError) as error:
                raise UsageError(
                    "the tokens cannot be read, so that nobody's is accepted",
                    where=str(self._file),
                    todo="Bring the file back from a backup, or remove it and make new tokens",
                ) from error
            self._seen, self._tokens = version, kept.tokens
        return self._tokens

    def valid(self, secret: str, at: datetime) -> Token | None:
        """The token of a secret, if there is one and it opens anything now.

        Every token is compared, in a time that tells nothing of which one it was.

        Raises:
            UsageError: The file is damaged.
        """
        asked = hashlib.sha256(secret[:_MOST_CHARACTERS].encode()).hexdigest()
        found = None
        for token in self.all():
            if hmac.compare_digest(token.sha256, asked):
                found = token
        return found if found and found.state(at) == "valid" else None

    def make(
        self, site: str, scopes: tuple[Scope, ...], *, days: int, at: datetime, by: str, why: str
    ) -> Made:
        """Make a token.

        Raises:
            UsageError: The file is damaged or being changed.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        token = Token(
            token_id=f"T{secrets.token_hex(5).upper()}",
            site=site,
            scopes=scopes,
            sha256=sha256_bytes(secret.encode()),
            created_at=at,
            expires_at=at + timedelta(days=days),
            by=by,
            why=why,
        )
        with only_one(self._lock) as alone:
            self._write(alone=alone, tokens=(*self.all(), token))
        return Made(token, secret)

    def revoke(self, token_id: str, *, at: datetime, by: str, why: str) -> Token:
        """Let a token open nothing from now on; asked again, it changes nothing.

        Raises:
            UsageError: There is no such token, or the file is damaged or being changed.
        """
        with only_one(self._lock) as alone:
            known = {token.token_id: token for token in self.all()}
            if token_id not in known:
                raise UsageError(
                    f"there is no token {token_id}", todo="`countylake token list` names them"
                )
            token = known[token_id]
            if token.revoked_at is None:
                ended = {"revoked_at": at, "revoked_by": by, "revoked_why": why}
                token = known[token_id] = token.model_copy(update=ended)
                self._write(alone=alone, tokens=tuple(known.values()))
        return token

    def _write(self, *, alone: bool, tokens: tuple[Token, ...]) -> None:
        if not alone:
            raise UsageError("another process is changing the tokens", todo="Run it again")
        kept = _Kept(tokens=tokens).model_dump(mode="json")
        text = json.dumps(kept, ensure_ascii=False, indent=1) + "\n"
        write_file(self._file, text.encode(), mode=MODE)
