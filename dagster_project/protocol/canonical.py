"""JSON that has exactly one spelling, and a reader that trusts nothing.

It hashes bytes and files too, because every hash of the protocol is taken over such bytes.
It knows no package, key or site.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn

from cryptography.hazmat.primitives import hashes

from dagster_project.errors import PackageError

_BLOCK = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value: sorted keys, no blanks, UTF-8, no NaN.

    Raises:
        PackageError: The value holds something that JSON cannot say.
    """
    try:
        text = json.dumps(
            value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return text.encode("utf-8")
    except (TypeError, ValueError) as error:
        raise PackageError(
            f"a value cannot be written as JSON ({type(error).__name__})",
            todo="Pass only text, whole numbers, booleans, lists and mappings",
        ) from error


def parse_json(data: bytes, where: str) -> Any:
    """Read JSON strictly: UTF-8, no repeated key, no NaN, no trailing text, bounded depth.

    Args:
        data: The bytes; their size is the caller's to bound.
        where: The name used in the error.

    Raises:
        PackageError: The bytes are not such JSON.
    """
    try:
        return json.loads(
            data.decode("utf-8", errors="strict"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else _detail(error)
        raise PackageError(
            f"the file is not valid JSON ({detail})", where=where, todo="Ask its sender for a copy"
        ) from error


def parse_canonical(data: bytes, where: str) -> Any:
    """Read JSON that must also be spelled canonically, so that no byte of it is free.

    Raises:
        PackageError: The bytes are not JSON, or another spelling of it.
    """
    value = parse_json(data, where)
    if canonical_json(value) != data:
        raise PackageError(
            "the JSON is not in its canonical spelling",
            where=where,
            todo="Ask its sender for an unchanged copy",
        )
    return value


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def file_hashes(path: Path) -> tuple[str, str]:
    """SHA-256 and SM3 (GB/T 32905) of a file's bytes, each as 64 hex digits, in one reading."""
    sha256, sm3 = hashlib.sha256(), hashes.Hash(hashes.SM3())
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            sm3.update(block)
    return sha256.hexdigest(), sm3.finalize().hex()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key[:40]!r} stands twice")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _detail(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
