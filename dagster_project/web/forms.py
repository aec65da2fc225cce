"""Forms that both groups of addresses use: names in paths, and what every operation answers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from dagster_project.protocol.manifest import CODE, PACKAGE_ID
from dagster_project.web.bodies import JSON

ID = f"^{PACKAGE_ID.pattern.removesuffix(chr(92) + 'Z')}$"
PackageId = Annotated[
    str, Path(pattern=ID, description="package_id: `<sender>-<report>-<period>-r<revision>`")
]
SiteCode = Annotated[str, Path(pattern=rf"^{CODE}$", description="the child's division code")]
_HASH = {"type": "string", "pattern": '^"[0-9a-f]{64}"$'}
SENT_HEADERS: dict[str, Any] = {
    "ETag": {"schema": _HASH, "required": True, "description": "SHA-256 of the bytes"},
    "Accept-Ranges": {"schema": {"type": "string", "enum": ["bytes", "none"]}, "required": True},
    "Content-Length": {"schema": {"type": "integer"}, "required": True},
    "Cache-Control": {"schema": {"type": "string"}, "required": True},
}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


def sent(media_type: str, *, whole: str) -> dict[int | str, dict[str, Any]]:
    """The answers that hold a file: all of it, a part, or that nothing changed.

    Signed messages are small and come whole.
    """
    if media_type == JSON:
        held = {JSON: {"schema": {"type": "object"}}}
        return {
            200: {"description": whole, "content": held, "headers": SENT_HEADERS},
            304: {"description": "not changed"},
        }
    held = {media_type: BINARY}
    ranged = {**SENT_HEADERS, "Content-Range": {"schema": {"type": "string"}, "required": True}}
    return {
        200: {"description": whole, "content": held, "headers": SENT_HEADERS},
        206: {
            "description": "the range that was asked for",
            "content": {media_type: BINARY},
            "headers": ranged,
        },
        304: {"description": "not changed"},
    }


def asked(*, ranges: bool = True) -> dict[str, Any]:
    """The headers that a request for a file may hold, for OpenAPI."""
    names = ["If-None-Match", "If-Match", *(["Range", "If-Range"] if ranges else [])]
    return {
        "parameters": [
            {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
            for name in names
        ]
    }


def body(media_type: str, description: str) -> dict[str, Any]:
    """A body that is read as a stream, for OpenAPI."""
    schema = BINARY if media_type != JSON else {"schema": {"type": "object"}}
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {media_type: schema},
        }
    }
