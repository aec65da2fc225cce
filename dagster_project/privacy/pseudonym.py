"""Keyed pseudonyms: masked tables still join, nobody without the key finds the person.

HMAC-SHA256 (RFC 2104) over ``domain:value``, computed by DuckDB itself. An unkeyed hash would be
no pseudonym: the 18-digit space of resident ids can be enumerated. The key is bound as parameters
and never becomes part of a statement's text. Which columns get one is decided in ``replica``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.errors import UsageError

_BLOCK = 64

INNER, OUTER = "pseudonym_inner", "pseudonym_outer"


@dataclass(frozen=True)
class Secret:
    """A pseudonym key; its bytes are not shown when it is printed."""

    key_id: str
    key: bytes = field(repr=False)

    @property
    def parameters(self) -> dict[str, bytes]:
        """The padded keys that ``expression`` refers to, to be bound."""
        block = (
            self.key.ljust(_BLOCK, b"\0")
            if len(self.key) <= _BLOCK
            else hashlib.sha256(self.key).digest().ljust(_BLOCK, b"\0")
        )
        return {
            INNER: bytes(byte ^ 0x36 for byte in block),
            OUTER: bytes(byte ^ 0x5C for byte in block),
        }

    def of(self, domain: str, value: str) -> str:
        """The pseudonym of one value, 64 hexadecimal digits."""
        return hmac.new(self.key, f"{domain}:{value}".encode(), hashlib.sha256).hexdigest()


def expression(name: str, domain: str) -> str:
    """The pseudonym of a column as DuckDB SQL with the parameters of ``Secret.parameters``.

    Args:
        name: The column's name, unquoted. NULL stays NULL.
        domain: Equal for all columns that hold the same key, so that their pseudonyms join.
    """
    column = '"' + name.replace('"', '""') + '"'
    prefix = f"{domain}:".replace("'", "''")
    message = f"encode('{prefix}' || CAST({column} AS VARCHAR))"
    return f"sha256(${OUTER} || unhex(sha256(${INNER} || {message})))"


def create_secret(keys_dir: Path) -> str:
    """Make a key of 256 random bits, readable by this user alone.

    Returns:
        The key's id; the file is ``<id>.secret``.
    """
    key = secrets.token_bytes(32)
    key_id = f"pseudonym-{hashlib.sha256(b'id:' + key).hexdigest()[:12]}"
    keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys_dir.chmod(0o700)
    opened = os.open(keys_dir / f"{key_id}.secret", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="ascii") as file:
        file.write(key.hex())
    return key_id


def load_secret(keys_dir: Path, key_id: str) -> Secret:
    """Read a key.

    Raises:
        UsageError: There is no such key, it can be read by others, or it is not a key.
    """
    path = keys_dir / f"{key_id}.secret"
    if not key_id or not path.is_file():
        raise UsageError(
            f"there is no pseudonym key {key_id!r}",
            where=str(keys_dir),
            todo="Set COUNTYLAKE_KEYS to the folder that holds it, or run `countylake init`",
        )
    if path.stat().st_mode & 0o077:
        raise UsageError(
            "other users may read the pseudonym key", where=str(path), todo=f"chmod 600 {path}"
        )
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) < 32:  # noqa: PLR2004
        raise UsageError(
            "the pseudonym key is not 256 bits of hexadecimal text",
            where=str(path),
            todo="Bring the file back from its backup",
        )
    return Secret(key_id, key)
