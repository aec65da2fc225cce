"""Answers that refuse: one small form for all of them, which tells nothing of what is inside.

What belongs to somebody else and what does not exist are the same answer. ``id`` stands in the
site's access log, and in its log where something broke.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

HEADER = "x-request-id"
ASK = "Ask the site's operator; name the id"


class Refusal(BaseModel):
    """Why a request was not fulfilled, and what to do."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"title": "Refusal"})

    error: str = Field(description="what is wrong")
    todo: str = Field(description="what to do")
    id: str = Field(description="the request's number, also in the site's log")


class RefusedError(Exception):
    """A request that is not fulfilled."""

    def __init__(
        self,
        status: int,
        error: str = "",
        todo: str = "",
        *,
        retry_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        said = SENTENCES.get(status, SENTENCES[500])
        self.error, self.todo = error or said[0], todo or said[1]
        self.headers = dict(headers or {})
        if retry_s is not None:
            self.headers["Retry-After"] = str(math.ceil(max(retry_s, 1)))
        if status == 401:  # noqa: PLR2004
            self.headers["WWW-Authenticate"] = 'Bearer realm="countylake"'
        super().__init__(self.error)


SENTENCES = {
    400: ("the request is not of the form of this interface", "See /v1/openapi.json"),
    401: ("a valid token is needed", "Send Authorization: Bearer … with a token of this site"),
    403: ("nothing is here for this token", "Ask the site's operator what it opens"),
    404: ("nothing is here for this token", "Ask the site's operator what it opens"),
    405: ("this address does not know that method", "See /v1/openapi.json"),
    408: ("the body came too slowly", "Send it again over a better link"),
    409: ("other bytes lie there under the same name", "Send what was sealed first"),
    412: ("the condition of the request does not hold", "Ask for the present state first"),
    413: ("the body is larger than this interface takes", "See /v1/openapi.json"),
    415: ("the body is of another type than expected", "See /v1/openapi.json"),
    416: ("the file has no such range", "Ask for a range within its size"),
    422: ("the request is not of the form of this interface", "See /v1/openapi.json"),
    429: ("too many requests", "Wait for as long as Retry-After says"),
    500: ("something broke inside", ASK),
    503: ("the site is busy", "Wait for as long as Retry-After says"),
    507: ("there is no room for it now", ASK),
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "required": True}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "required": True}},
    416: {"Content-Range": {"schema": {"type": "string"}, "required": True}},
}


def told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation as its OpenAPI document tells them."""
    return {
        status: {
            "model": Refusal,
            "description": SENTENCES[status][0],
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status in sorted({*statuses, 429, 503})
    }


def refusal(
    error: RefusedError, request_id: str, extra: Mapping[str, str] | None = None
) -> Response:
    """The answer of a refusal."""
    body = Refusal(error=error.error, todo=error.todo, id=request_id)
    return Response(
        json.dumps(body.model_dump(), ensure_ascii=False).encode(),
        error.status,
        {**error.headers, **(extra or {}), "Cache-Control": "no-store"},
        "application/json",
    )
