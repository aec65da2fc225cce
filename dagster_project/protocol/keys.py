"""Ed25519 keys: made once per site, kept outside the repository, named by their fingerprint.

A ``Signer`` is all that the rest of the programme sees of a private key; a hardware module or a
state-approved algorithm can stand behind it later. No other module opens a private key file.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dagster_project.errors import PackageError
from dagster_project.paths import PROJECT
from dagster_project.protocol.canonical import sha256_bytes

ALGORITHM: Literal["ed25519"] = "ed25519"
_RAW_BYTES = 32


class Signer(Protocol):
    """Something that can sign in the name of a site."""

    @property
    def key_id(self) -> str:
        """The fingerprint of the public key."""

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""


@dataclass(frozen=True)
class PublicKey:
    """A site's public key; ``raw`` is 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """The fingerprint: the first 32 hex digits of the SHA-256 of the raw key."""
        return sha256_bytes(self.raw)[:32]

    @property
    def text(self) -> str:
        """The key as it stands in ``public.json`` (base64)."""
        return base64.b64encode(self.raw).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Read a key from ``public.json``.

        Raises:
            PackageError: The text is not the base64 of 32 bytes.
        """
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _RAW_BYTES:
            raise PackageError(
                "the public key is not the base64 of 32 bytes",
                todo="Ask the site for its public.json again",
            )
        return cls(raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` was made over ``message`` with the private half of this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class FileSigner:
    """A signer whose private key is a file of the keys folder."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(
            self.private.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw
            )
        )

    @property
    def key_id(self) -> str:
        """The fingerprint of the public key."""
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature over ``message`` (64 bytes; the same each time)."""
        return self.private.sign(message)


def create_key(keys_dir: Path) -> str:
    """Make a key pair and keep the private half in ``<keys_dir>/<key_id>.pem`` (mode 0600).

    Returns:
        The key's id, to be written into ``site.yaml``.

    Raises:
        PackageError: The folder lies inside the checkout, or cannot be written.
    """
    if PROJECT in keys_dir.resolve().parents:
        raise PackageError(
            "private keys must not be kept inside the checkout",
            where=str(keys_dir),
            todo="Set COUNTYLAKE_KEYS to a folder outside it",
        )
    signer = FileSigner(Ed25519PrivateKey.generate())
    pem = signer.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys_dir.chmod(0o700)
        path = keys_dir / f"{signer.key_id}.pem"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise PackageError(
            f"the key cannot be written ({error.strerror})",
            where=str(keys_dir),
            todo="Give the programme a keys folder of its own (COUNTYLAKE_KEYS)",
        ) from error
    return signer.key_id


def load_signer(keys_dir: Path, key_id: str) -> FileSigner:
    """Open a site's private key.

    Raises:
        PackageError: No such key, open to other users, or not an Ed25519 key of that id.
    """
    path = keys_dir / f"{key_id}.pem"
    try:
        mode = path.stat().st_mode & 0o077
        pem = path.read_bytes()
    except OSError as error:
        raise PackageError(
            f"the signing key cannot be read ({error.strerror})",
            where=str(path),
            todo="Run `countylake init`, or set COUNTYLAKE_KEYS to the folder that holds it",
        ) from error
    if mode:
        raise PackageError(
            "the signing key is open to other users of this machine",
            where=str(path),
            todo="Make a new key if others may have read it, else run chmod 600 on the file",
        )
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey) or FileSigner(private).key_id != key_id:
        raise PackageError(
            "the file does not hold the Ed25519 key that its name says",
            where=str(path),
            todo="Restore the key from its backup",
        )
    return FileSigner(private)
