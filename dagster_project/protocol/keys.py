"""Ed25519 keys: kept outside the repository and the homes, named by their fingerprint.

A ``Signer`` is all that the rest of the programme sees of a private key; what else can stand
behind it is told in ``docs/keys.md``. No other module opens a private key file; which key a site
uses, and when it ends, is its card's matter.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dagster_project.errors import PackageError
from dagster_project.paths import PROJECT
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import sync

ALGORITHM: Literal["ed25519"] = "ed25519"
_RAW_BYTES = 32
_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"


class Signer(Protocol):
    """Something that can sign in the name of a site."""

    @property
    def key_id(self) -> str:
        """The fingerprint of the public key."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

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


def create_key(keys_dir: Path, passphrase: str = "") -> str:
    """Make a key pair and keep the private half in ``<keys_dir>/<key_id>.pem`` (mode 0600).

    Args:
        keys_dir: The keys folder.
        passphrase: Encrypts the file if it is not empty.

    Returns:
        The key's id, to be written into ``site.yaml``.

    Raises:
        PackageError: The folder lies inside the checkout, or cannot be written.
    """
    signer = FileSigner(Ed25519PrivateKey.generate())
    _write(keys_dir, signer.key_id, signer, passphrase)
    return signer.key_id


def next_key(keys_dir: Path, name: str, passphrase: str = "") -> FileSigner:
    """The key that is to be used next; made unless an interrupted change left one.

    It stays ``<name>.next.pem`` until ``name_key``, so that no key is lost or made twice.

    Raises:
        PackageError: It cannot be made or read.
    """
    path = keys_dir / f"{name}.next.pem"
    if not path.exists():
        _write(keys_dir, path.stem, FileSigner(Ed25519PrivateKey.generate()), passphrase)
    return _read(path, passphrase)


def name_key(keys_dir: Path, name: str, key_id: str, passphrase: str = "") -> None:
    """Give the next key its own name; done before, it changes nothing.

    Raises:
        PackageError: There is no such key.
    """
    path = keys_dir / f"{name}.next.pem"
    target = keys_dir / f"{key_id}.pem"
    if not target.exists() and path.exists() and _read(path, passphrase).key_id == key_id:
        path.rename(target)
        sync(keys_dir)


def load_signer(keys_dir: Path, key_id: str, passphrase: str = "") -> FileSigner:
    """Open a site's private key.

    Args:
        keys_dir: The keys folder.
        key_id: The key's id, which is its file's name.
        passphrase: Opens an encrypted file; one that is not encrypted needs none.

    Raises:
        PackageError: No such key, open to other users, or not an Ed25519 key of that id.
    """
    path = keys_dir / f"{key_id}.pem"
    signer = _read(path, passphrase)
    if signer.key_id != key_id:
        raise _not_the_key(path)
    return signer


def is_encrypted(keys_dir: Path, key_id: str) -> bool | None:
    """Whether a private key's file is encrypted; None where it is not on this machine."""
    try:
        return _ENCRYPTED in (keys_dir / f"{key_id}.pem").read_bytes()[:80]
    except OSError:
        return None


def _write(keys_dir: Path, stem: str, signer: FileSigner, passphrase: str) -> None:
    """Write a private key, whole or not at all, for its owner alone."""
    if PROJECT in keys_dir.resolve().parents:
        raise PackageError(
            "private keys must not be kept inside the checkout",
            where=str(keys_dir),
            todo="Set COUNTYLAKE_KEYS to a folder outside it",
        )
    pem = signer.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode("utf-8"))
        if passphrase
        else serialization.NoEncryption(),
    )
    try:
        keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys_dir.chmod(0o700)
        part = keys_dir / f".{stem}.{os.getpid()}.part"
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(keys_dir / f"{stem}.pem")
        sync(keys_dir)
    except OSError as error:
        raise PackageError(
            f"the key cannot be written ({error.strerror})",
            where=str(keys_dir),
            todo="Give the programme a keys folder of its own (COUNTYLAKE_KEYS)",
        ) from error


def _read(path: Path, passphrase: str) -> FileSigner:
    try:
        mode = path.stat().st_mode & 0o077
        pem = path.read_bytes()
    except OSError as error:
        raise PackageError(
            f"the signing key cannot be read ({error.strerror})",
            where=str(path),
            todo="Restore it, set COUNTYLAKE_KEYS to the folder that holds it, or replace it with"
            " `countylake key rotate --lost`",
        ) from error
    if mode:
        raise PackageError(
            "the signing key is open to other users of this machine",
            where=str(path),
            todo="Replace it (`countylake key rotate`) if others may have read it, else run"
            " chmod 600 on the file",
        )
    encrypted = _ENCRYPTED in pem[:80]
    if encrypted and not passphrase:
        raise PackageError(
            "the signing key is encrypted and no passphrase is named",
            where=str(path),
            todo="Name it in site.yaml: `key_passphrase: env:NAME` or `file:name`",
        )
    try:
        private = serialization.load_pem_private_key(
            pem, password=passphrase.encode("utf-8") if encrypted else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise PackageError(
                "the passphrase does not open the signing key",
                where=str(path),
                todo="Correct what `key_passphrase` in site.yaml refers to",
            ) from error
        raise _not_the_key(path) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _not_the_key(path)
    return FileSigner(private)


def _not_the_key(path: Path) -> PackageError:
    return PackageError(
        "the file does not hold the Ed25519 key that its name says",
        where=str(path),
        todo="Restore the key from its backup",
    )
