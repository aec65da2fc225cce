"""The gate before ``/v1``: who asks, may they now, and a line in the access log in any case.

It works before anything of a body is read. Which scope an address needs is said by the address
itself (``opens``); what a request means is not known here.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagster_project.clock import now, utc_text
from dagster_project.components.steps.faults import sentence_of
from dagster_project.errors import LakeBusyError, UsageError
from dagster_project.paths import Home
from dagster_project.protocol.manifest import CODE, PACKAGE_ID
from dagster_project.web.access import tokens
from dagster_project.web.access.audit import Access, Audit
from dagster_project.web.access.bounds import Bounds, Buckets
from dagster_project.web.access.refusals import HEADER, RefusedError, refusal
from dagster_project.web.access.tokens import Token, Tokens

PUBLIC = {"/v1/site", "/v1/openapi.json"}
"""What needs no token: a card that is meant for everybody, and the description of the rest."""
BUSY_S = 15.0
GONE = 499
"""In the access log: whoever asked was gone before the answer."""
_SMALL_BODY = 1 << 20
_IPV6 = 6
_METHODS = {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"}
_CODE = re.compile(rf"{CODE}\Z")
_log = structlog.get_logger(__name__)
bearer = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of this site: `countylake token`."
)


@dataclass
class Visit:
    """One request on its way through; of a flood that is refused not each is written down."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    token: Token | None = None
    began: float = field(default_factory=time.monotonic)
    at: str = field(default_factory=lambda: utc_text(now()))
    status: int = 0
    is_noise: bool = False
    sent: int = 0
    received: int = 0


class Gate:
    """ASGI middleware around the interface.

    Args:
        app: What answers.
        home: Whose tokens and whose access log.
        bounds: How much anybody may ask for.
        audit: Where accesses are written.
    """

    def __init__(self, app: ASGIApp, *, home: Home, bounds: Bounds, audit: Audit) -> None:
        self._app, self._bounds, self._audit = app, bounds, audit
        self._tokens = Tokens(home)
        self._known = Buckets(bounds.per_s, bounds.burst)
        self._strange = Buckets(bounds.strange_per_s, bounds.strange_burst)
        self._noise = Buckets(bounds.strange_per_s, bounds.strange_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it; then write it down."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1"):
            await self._app(scope, receive, send)
            return
        visit = Visit()
        scope["visit"] = visit
        heard, told = _counted(visit, receive, send, self._bounds)
        try:
            refused = await self._passed(scope, heard, told, visit)
            if refused is not None and not visit.status:
                await refusal(refused, visit.id, _parting(scope))(scope, heard, told)
        finally:
            if not visit.is_noise:
                self._audit.add(_access(scope, visit))

    async def _passed(
        self, scope: Scope, heard: Receive, told: Send, visit: Visit
    ) -> RefusedError | None:
        """Let the request through; what it comes back with if it was not fulfilled.

        Where an answer had begun already, it stays torn: the server closes the connection.
        """
        try:
            async with asyncio.timeout(self._bounds.answer_s):
                self._admit(scope, visit)
                await self._app(scope, heard, told)
        except RefusedError as refused:
            return refused
        except TimeoutError:
            return RefusedError(408)
        except ClientDisconnect:
            visit.status = visit.status or GONE
        except Exception as error:  # noqa: BLE001 - whatever broke, the answer tells nothing of it
            _log.error("request_failed", id=visit.id, what=sentence_of(error))
            if isinstance(error, LakeBusyError):
                return RefusedError(503, retry_s=BUSY_S)
            return RefusedError(500)
        return None

    def _admit(self, scope: Scope, visit: Visit) -> None:
        """Know who asks, and whether they may ask now.

        Raises:
            RefusedError: They may not.
        """
        if not self._audit.ready():
            _log.error("access_log_not_written", id=visit.id)
            raise RefusedError(503, retry_s=BUSY_S)
        try:
            visit.token = self._tokens.valid(_secret(scope), now())
        except UsageError as error:
            _log.error("tokens_not_read", id=visit.id, what=str(error))
            raise RefusedError(503, retry_s=BUSY_S) from error
        bucket, key = self._strange, _address(scope)
        if visit.token is not None:
            bucket, key = self._known, visit.token.token_id
        if wait_s := bucket.wait_s(key):
            # Whoever holds no token must not be able to fill the disk with lines.
            visit.is_noise = visit.token is None and bool(self._noise.wait_s(key))
            raise RefusedError(429, retry_s=wait_s)
        if visit.token is None and scope["path"] not in PUBLIC:
            raise RefusedError(401)


def opens(scope: tokens.Scope, whose: Literal["parent", "child"]) -> Any:
    """What an address asks of a token, as a dependency: its site first, then its scope.

    A child's token opens the addresses below its own code and no others; the parent's opens what
    this site seals. Whether another site's address exists is not told.
    """

    def check(request: Request, _: Annotated[object, Depends(bearer)]) -> Token:
        token: Token | None = request.scope["visit"].token
        site = request.path_params.get("code") if whose == "child" else request.app.state.parent
        if token is None or not site or token.site != site:
            raise RefusedError(404)
        if scope not in token.scopes:
            raise RefusedError(403)
        # A misspelt filter that is passed over would answer something else than was asked.
        known = {one.alias for one in request.scope["route"].dependant.query_params}
        if not request.query_params.keys() <= known:
            raise RefusedError(422)
        return token

    return Depends(check)


def request_id(request: Request) -> str:
    """The number of a request, as answers and logs name it."""
    visit: Visit | None = request.scope.get("visit")
    return visit.id if visit else secrets.token_hex(8)


def _secret(scope: Scope) -> str:
    """The token that a request shows; empty if there is none, or more than one."""
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    kind, _, secret = shown[0].decode("latin-1").partition(" ") if len(shown) == 1 else ("", "", "")
    return secret.strip() if kind.lower() == "bearer" else ""


def _address(scope: Scope) -> str:
    """Where a request comes from; of an IPv6 network, which one owner has, all is one."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        known = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((known, 64), strict=False)) if known.version == _IPV6 else host


def _parting(scope: Scope) -> dict[str, str]:
    """A large body that nobody wants is not read to its end: the connection is."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    large = b"transfer-encoding" in headers or not length.isdigit() or int(length) > _SMALL_BODY
    return {"Connection": "close"} if large else {}


def _counted(visit: Visit, receive: Receive, send: Send, bounds: Bounds) -> tuple[Receive, Send]:
    """Both ways of a request with what passes counted, and without patience for slow bodies."""
    more = True

    async def heard() -> Message:
        nonlocal more
        if not more:
            return await receive()
        left = visit.began + bounds.body_s - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, min(bounds.idle_s, left)))
        except TimeoutError:
            raise RefusedError(408) from None
        visit.received += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            visit.status = message["status"]
            message["headers"] = [*message["headers"], *_always(visit)]
        else:
            visit.sent += len(message.get("body", b""))
        await send(message)

    return heard, told


def _always(visit: Visit) -> list[tuple[bytes, bytes]]:
    return [(HEADER.encode(), visit.id.encode()), (b"x-content-type-options", b"nosniff")]


def _access(scope: Scope, visit: Visit) -> Access:
    route, named = _asked(scope)
    return Access(
        at=visit.at,
        id=visit.id,
        token=visit.token.token_id if visit.token else "",
        site=visit.token.site if visit.token else "",
        method=scope["method"] if scope["method"] in _METHODS else "",
        route=route,
        of=named,
        status=visit.status or GONE,
        sent=visit.sent,
        received=visit.received,
        ms=round((time.monotonic() - visit.began) * 1000),
        address=scope["client"][0] if scope.get("client") else "",
    )


def _asked(scope: Scope) -> tuple[str, str]:
    """The form of the address that was asked, and the package or child in it; empty if unknown."""
    for form, pattern in _forms(scope["app"]):
        if found := pattern.match(scope["path"]):
            package, code = (found.groupdict().get(one, "") for one in ("package_id", "code"))
            if PACKAGE_ID.match(package):
                return form, package
            return form, code if _CODE.match(code) else ""
    return "", ""


@lru_cache(maxsize=8)
def _forms(app: FastAPI) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every address that the interface describes, with what fits it; the plainest first."""
    forms = sorted(
        [*app.openapi()["paths"], "/v1/openapi.json"], key=lambda form: (form.count("{"), form)
    )
    return tuple(
        (form, re.compile(re.sub(r"\{(\w+)\}", _step, form.replace(".", r"\.")) + r"\Z"))
        for form in forms
    )


def _step(name: re.Match[str]) -> str:
    """A named step of an address; a file's path has several."""
    return f"(?P<{name[1]}>{'.+' if name[1] == 'path' else '[^/]+'})"
