"""Sending bytes by the rules of HTTP (RFC 9110): conditions, one range, nothing sent twice.

What the bytes are and who may have them is decided before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse

from dagster_project.web.access.refusals import RefusedError

CACHE = "private, max-age=31536000, immutable"
"""A sealed package never changes; what is kept by the receiver alone need not be asked again."""
FRESH = "private, no-cache"
"""What may change is asked for again, with its tag."""
_RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{1,15})?|-([0-9]{1,15}))\Z")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


@dataclass(frozen=True)
class Sendable:
    """Bytes with a name; ``chunks(start, stop)`` reads a part of them."""

    sha256: str
    size: int
    media_type: str
    name: str
    chunks: Callable[[int, int], Iterator[bytes]]
    cache: str = CACHE
    in_parts: bool = True

    @property
    def etag(self) -> str:
        """The strong tag: the hash of the bytes."""
        return f'"{self.sha256}"'


def send(method: str, headers: Mapping[str, str], what: Sendable) -> Response:
    """The answer to GET or HEAD: all of it, a range, or that nothing changed.

    A range of another unit, of several parts, or not understood is answered with everything, as
    the standard allows.

    Raises:
        RefusedError: 412 where ``If-Match`` names another tag, 416 for a range beyond the end.
    """
    always = {
        "ETag": what.etag,
        "Accept-Ranges": "bytes" if what.in_parts else "none",
        "Cache-Control": what.cache,
        "Content-Disposition": f'attachment; filename="{what.name}"',
    }
    if "if-match" in headers and not _named(headers["if-match"], what.etag, weakly=False):
        raise RefusedError(412)
    if "if-none-match" in headers and _named(headers["if-none-match"], what.etag, weakly=True):
        return Response(None, 304, always)
    start, stop, status = 0, what.size, 200
    if (
        what.in_parts
        and method == "GET"
        and headers.get("if-range", what.etag).strip() == what.etag
    ):
        part = _range(headers.get("range", ""), what.size)
        if part is not None:
            (start, stop), status = part, 206
            always["Content-Range"] = f"bytes {start}-{stop - 1}/{what.size}"
    always["Content-Length"] = str(stop - start)
    if method == "HEAD":
        return Response(None, status, always, what.media_type)
    return StreamingResponse(what.chunks(start, stop), status, always, what.media_type)


def whole(data: bytes) -> Callable[[int, int], Iterator[bytes]]:
    """Small bytes as something to be sent in parts."""
    return lambda start, stop: iter((data[start:stop],))


def _range(said: str, size: int) -> tuple[int, int] | None:
    """The first byte of a range and the one after its last; None where none was understood.

    Raises:
        RefusedError: It lies beyond the end.
    """
    asked = _RANGE.match(said)
    if asked is None:
        return None
    first, last, suffix = asked.groups()
    if last and int(last) < int(first):
        return None
    if suffix is not None:
        start, stop = max(0, size - int(suffix)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    if start >= stop:
        raise RefusedError(416, headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def _named(said: str, etag: str, *, weakly: bool) -> bool:
    """Whether a list of tags names this one; ``*`` names any."""
    if said.strip() == "*":
        return True
    tags = _ETAG.findall(said)
    return etag in ([tag.removeprefix("W/") for tag in tags] if weakly else tags)
