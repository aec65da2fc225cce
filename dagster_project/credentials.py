"""Secrets by reference: an environment variable or a file of the keys folder, never a contract.

``env:NAME`` reads ``NAME_USER``, ``NAME_PASSWORD``, ``NAME_TOKEN`` and ``NAME_KEY_FILE``;
``file:name`` reads ``credentials/name`` in the keys folder: lines ``user=…``, ``password=…``,
``token=…``, ``key_file=…``, readable by its owner alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from dagster_project.errors import UsageError
from dagster_project.paths import keys_dir


@dataclass(frozen=True)
class Credential:
    """What a channel shows its counterpart; ``repr`` tells no secret."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    key_file: str = ""


MOST = 64 << 10
_NAME = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[A-Za-z0-9][A-Za-z0-9._-]*")
WORDS = tuple(one.name for one in fields(Credential))


def credential(reference: str) -> Credential:
    """What a reference stands for; an empty one stands for nothing.

    Raises:
        UsageError: It stands for nothing, or others may read the file; the secret is never told.
    """
    if not reference:
        return Credential()
    kind, _, name = reference.partition(":")
    if not _NAME.fullmatch(reference):
        raise UsageError(
            "this is no reference to credentials",
            todo="Write env:NAME, or file:name for a file in `credentials` of the keys folder",
        )
    said = _of_environment(name) if kind == "env" else _of_file(name, reference)
    if not said:
        raise UsageError(
            f"the credentials {reference} say nothing",
            todo=f"Set one of {', '.join(f'{name}_{word.upper()}' for word in WORDS)}"
            if kind == "env"
            else f"Write lines like user=… and password=… into {_file(name)}",
        )
    return Credential(**said)


def _of_environment(name: str) -> dict[str, str]:
    found = {word: os.environ.get(f"{name}_{word.upper()}", "") for word in WORDS}
    return {word: value for word, value in found.items() if value}


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe that nobody writes to is no credentials."""
    return os.open(path, flags | os.O_NONBLOCK)


def _file(name: str) -> Path:
    return keys_dir() / "credentials" / name


def _of_file(name: str, reference: str) -> Mapping[str, str]:
    path = _file(name)
    try:
        with open(path, encoding="utf-8", opener=_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode  # of the very file that is read
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(
                    f"others may read the credentials {reference}",
                    where=str(path),
                    todo=f"Run `chmod 600 {path}`",
                )
            lines = file.read(MOST).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(
            f"the credentials {reference} cannot be read ({why})",
            where=str(path),
            todo="Write the file: lines like user=… and password=…, readable by its owner alone",
        ) from error
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    said = {word.strip(): value.strip() for word, _, value in pairs}
    if unknown := sorted(set(said) - set(WORDS)):
        raise UsageError(
            f"line {_line(lines, unknown[0])} of the credentials {reference} is none of"
            f" {', '.join(WORDS)}",
            where=str(path),
            todo="Write lines like user=… and password=…",
        )
    return said


def _line(lines: list[str], word: str) -> int:
    return next(n for n, line in enumerate(lines, 1) if line.partition("=")[0].strip() == word)
