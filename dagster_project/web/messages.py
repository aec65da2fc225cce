"""Small signed files of an exchange folder, shown and taken; what they mean is not known here.

The folder is shared with another site: nothing in it is followed, and nothing read whole that is
large.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from dagster_project.errors import PackageError
from dagster_project.protocol import revocation
from dagster_project.protocol.canonical import parse_json, sha256_bytes
from dagster_project.protocol.correction import ANSWERED, ASKED, MOST_BYTES
from dagster_project.protocol.folders import read_untrusted, write_file
from dagster_project.protocol.manifest import CODE
from dagster_project.protocol.site_card import MOST_BYTES as CARD_BYTES
from dagster_project.web.access.refusals import RefusedError
from dagster_project.web.bodies import JSON
from dagster_project.web.sending import FRESH, Sendable, send, whole

CORRECTION = rf"^{CODE}-JZ[0-9A-F]{{12}}"
KEYS_BYTES = 16 * CARD_BYTES
"""The largest file about keys."""
_MOST_LISTED = 20_000
MOST_FILES = 5_000
"""So many files may lie in a folder whose names the other site chooses."""
FULL_S = 3600.0


def pattern(*suffixes: str) -> str:
    """The names of corrections or of their answers, as a pattern of OpenAPI."""
    return f"{CORRECTION}({'|'.join(re.escape(one) for one in suffixes)})$"


def names(folder: Path, suffixes: Iterable[str] = (ASKED, ANSWERED)) -> list[str]:
    """The files of corrections that lie in a folder."""
    if is_odd(folder):
        return []
    wanted = re.compile(pattern(*suffixes).removesuffix("$") + r"\Z")
    found = sorted(path.name for path in folder.iterdir() if wanted.match(path.name))
    return found[:_MOST_LISTED]


@contextlib.contextmanager
def only(what: str) -> Iterator[None]:
    """Refuse what cannot be read or believed, without telling more than that it is no ``what``."""
    try:
        yield
    except PackageError as error:
        raise RefusedError(422, f"this is no {what}") from error


class Left(BaseModel):
    """What was taken and now waits to be looked at."""

    name: str


class Message(BaseModel):
    """A signed file that can be fetched."""

    name: str
    sha256: str


class Corrections(BaseModel):
    """Corrections that were asked for, and answers to them."""

    corrections: list[Message]


def listed(folder: Path) -> Corrections:
    """The corrections and answers of a folder, each with the hash of its file."""
    read = ((name, read_untrusted(folder, name, MOST_BYTES)) for name in names(folder))
    return Corrections(
        corrections=[Message(name=name, sha256=sha256_bytes(data)) for name, data in read if data]
    )


def show(request: Request, folder: Path, name: str, most: int = MOST_BYTES) -> Response:
    """The answer that holds one file.

    Raises:
        RefusedError: There is no such file.
    """
    data = None if is_odd(folder) else read_untrusted(folder, name, most)
    if data is None:
        raise RefusedError(404)
    what = Sendable(sha256_bytes(data), len(data), JSON, name, whole(data), FRESH, in_parts=False)
    return send(request.method, request.headers, what)


def take(
    folder: Path,
    name: str,
    data: bytes,
    most: int = MOST_BYTES,
    *,
    most_files: int | None = MOST_FILES,
) -> bool:
    """Put a file into a folder; False if these very bytes lie there already.

    Raises:
        RefusedError: The folder is a link, or full.
        OSError: The disk refuses.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        raise RefusedError(404)
    lying = {path.name for path in folder.iterdir()} if folder.is_dir() else set[str]()
    if name in lying and read_untrusted(folder, name, most) == data:
        return False
    if name not in lying and most_files is not None and len(lying) >= most_files:
        raise RefusedError(429, "too many files wait to be read", retry_s=FULL_S)
    write_file(folder / name, data)
    return True


class Announcements(BaseModel):
    """What a site says of keys: signed announcements in their order, then refused keys."""

    announcements: list[dict[str, Any]]


def announced(folder: Path) -> Announcements:
    """The files of a folder about keys, announcements by their serials and the others after."""
    found = list[dict[str, Any]]()
    if is_odd(folder):
        return Announcements(announcements=found)
    lying = (path.name for path in folder.glob("*.json"))
    for name in sorted(lying, key=lambda name: (name == revocation.FILE, len(name), name)):
        data = read_untrusted(folder, name, KEYS_BYTES)
        with contextlib.suppress(PackageError):
            told = parse_json(data or b"", name)
            if isinstance(told, dict):
                found.append(told)
    return Announcements(announcements=found)


def is_odd(folder: Path) -> bool:
    """Whether a folder is missing or leads elsewhere."""
    return folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir()
