"""Bodies of requests, read within bounds: small ones into memory, large ones into a file.

How long a body may take is the gate's; what it means is not known here.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from dagster_project.web.access.refusals import RefusedError

JSON = "application/json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Spooled:
    """A body in a file of ours."""

    path: Path
    size: int
    sha256: str


async def small(request: Request, most: int) -> bytes:
    """A small JSON body.

    Raises:
        RefusedError: It is larger, or of another type.
    """
    check(request, most, JSON)
    read = bytearray()
    async for block in request.stream():
        read += block
        if len(read) > most:
            raise RefusedError(413)
    return bytes(read)


@asynccontextmanager
async def spooled(
    request: Request, most: int, media_type: str, folder: Path
) -> AsyncIterator[Spooled]:
    """A body as a file of a scratch folder that is there; the file is gone after the block.

    Raises:
        RefusedError: It is larger, or of another type.
        OSError: The disk refuses.
    """
    check(request, most, media_type)
    path, whole, size = folder / f"upload-{uuid.uuid4().hex}", hashlib.sha256(), 0
    try:
        with path.open("xb") as out:
            waiting = bytearray()
            async for block in request.stream():
                size += len(block)
                if size > most:
                    raise RefusedError(413)
                waiting += block
                if len(waiting) >= _BLOCK:
                    await run_in_threadpool(out.write, bytes(waiting))
                    whole.update(waiting)
                    waiting.clear()
            whole.update(waiting)
            await run_in_threadpool(out.write, bytes(waiting))
        yield Spooled(path, size, whole.hexdigest())
    finally:
        path.unlink(missing_ok=True)


def announced(request: Request) -> int:
    """The length that a body says it has; 0 where it does not."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < len(str(1 << 62)) else 0


def check(request: Request, most: int, media_type: str) -> None:
    """What the head of a request says of its body.

    Raises:
        RefusedError: It is larger, or of another type.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise RefusedError(415)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(415)
    if announced(request) > most:
        raise RefusedError(413)
