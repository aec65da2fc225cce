"""Signed questions to an S3-compatible store: what a bucket holds, and an object's bytes.

They are asked over plain HTTP and not through a library of object stores: obstore gives up a whole
page of a listing for one key that it cannot represent (``a//b``, ``../x``), which anybody who may
write can put there, and follows ``AWS_ENDPOINT_URL_S3`` of the environment rather than the endpoint
that it is given. Signatures follow AWS Signature Version 4 (Amazon S3 API Reference, "Signature
Calculations for the Authorization Header"). Which objects are taken is told elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit
from xml.parsers import expat

from dagster_project import clock
from dagster_project.credentials import Credential
from dagster_project.errors import ChannelError

CONNECT_S, READ_S, IDLE_S = 10.0, 60.0, 4.0
MOST_PAGE = 16 << 20
DEEPEST = 16
"""Elements of an answer are nested no deeper."""
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No object was written before or later, and nothing here counts further in nanoseconds."""
EMPTY = hashlib.sha256(b"").hexdigest()
NOT_LET_IN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"})
SERVER_ERRORS, TOO_MANY = 500, 429
PLAIN = "-_.~"


@dataclass(frozen=True)
class Bucket:
    """A bucket of a store, and who asks. Without a user nothing is signed."""

    endpoint: str
    name: str
    region: str
    key: Credential
    location: str


@dataclass
class _Page:
    """One answer: objects as the store words them, and where the next page begins."""

    objects: list[dict[str, str]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """One object."""

    key: str
    size: int
    modified: datetime
    tag: str


class Store:
    """A client of one bucket; it reads nothing of the environment, and follows nobody elsewhere."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        parts = urlsplit(bucket.endpoint)
        self._line = (
            HTTPSConnection(parts.netloc, timeout=CONNECT_S, context=ssl.create_default_context())
            if parts.scheme == "https"
            else HTTPConnection(parts.netloc, timeout=CONNECT_S)
        )
        self._used = 0.0

    def close(self) -> None:
        """End the connection."""
        self._line.close()

    def objects(self, prefix: str) -> Iterator[Listed]:
        """Every object below a prefix, page by page.

        Raises:
            ChannelError: The store cannot be reached, does not let us in or answers wrongly.
        """
        query = {"encoding-type": "url", "list-type": "2", "prefix": prefix}
        while True:
            page = _page(self._listing(query), self.bucket.location)
            for one in page.objects:
                yield _listed(one, self.bucket.location, encoded="EncodingType" in page.words)
            after = page.words.get("NextContinuationToken", "")
            if page.words.get("IsTruncated") != "true" or not after:
                return
            if after == query.get("continuation-token"):
                raise _wrong(self.bucket.location, "the same page twice")
            query["continuation-token"] = after

    @contextmanager
    def asked(
        self,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HTTPResponse]:
        """An answer whose body is still to be read; ``headers`` are those that are not signed.

        Raises:
            ChannelError: The store cannot be reached, breaks off or is busy.
        """
        try:
            answer = self._answer(method, _path(self.bucket, key), query or {}, headers or {})
            yield answer
            if method == "HEAD":
                answer.read()
            if not answer.isclosed():
                self._line.close()  # what was not read would be taken for the next answer
        except (HTTPException, OSError) as error:
            raise ChannelError(
                f"the store cannot be reached, or broke off ({type(error).__name__})",
                where=self.bucket.location,
                todo="Check `endpointUrl`, network and store",
                transient=not isinstance(error, ssl.SSLCertVerificationError),
            ) from error
        except BaseException:
            self._line.close()
            raise
        finally:
            self._used = time.monotonic()

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], more: Mapping[str, str]
    ) -> HTTPResponse:
        """Ask over the open connection while it is fresh: servers close idle ones."""
        if time.monotonic() - self._used > IDLE_S:
            self._line.close()
        said = signed(self.bucket, method, path, query, clock.now())
        where = f"{path}?{worded(query)}" if query else path
        self._line.putrequest(method, where, skip_host=True, skip_accept_encoding=True)
        for name, value in {**said, "accept-encoding": "identity", **more}.items():
            self._line.putheader(name, value)
        self._line.endheaders()
        self._line.sock.settimeout(READ_S)
        answer = self._line.getresponse()
        if answer.status >= SERVER_ERRORS or answer.status == TOO_MANY:
            raise ChannelError(
                f"the store is busy or ill ({answer.status})",
                where=self.bucket.location,
                todo="Nothing to do if it recovers; otherwise look at the store",
                transient=True,
            )
        return answer

    def _listing(self, query: Mapping[str, str]) -> bytes:
        """One page's bytes."""
        with self.asked("GET", query=query) as answer:
            body = answer.read(MOST_PAGE)
            if not answer.isclosed() and answer.read(1):
                raise _wrong(self.bucket.location, f"a page of over {MOST_PAGE >> 20} MiB")
        if answer.status != HTTPStatus.OK:
            raise _refused(answer.status, _code(body), self.bucket.location)
        return body


def signed(
    bucket: Bucket, method: str, path: str, query: Mapping[str, str], at: datetime
) -> dict[str, str]:
    """The headers of a question without a body; ``path`` is percent-encoded already."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": urlsplit(bucket.endpoint).netloc}
    if not bucket.key.user:
        return headers
    headers |= {"x-amz-content-sha256": EMPTY, "x-amz-date": stamp}
    if bucket.key.token:
        headers["x-amz-security-token"] = bucket.key.token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join((method, path, worded(query), lines, names, EMPTY))
    scope = f"{stamp[:8]}/{bucket.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{bucket.key.password}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={bucket.key.user}/{scope},"
        f" SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _path(bucket: Bucket, key: str) -> str:
    """A bucket's or an object's path, percent-encoded as it is signed and sent."""
    path = f"{urlsplit(bucket.endpoint).path.rstrip('/')}/{quote(bucket.name, safe=PLAIN)}"
    return f"{path}/{quote(key, safe=PLAIN + '/')}" if key else path


def worded(query: Mapping[str, str]) -> str:
    """A query in the canonical order and spelling, which is also the one that is sent."""
    return "&".join(
        f"{quote(name, safe=PLAIN)}={quote(value, safe=PLAIN)}"
        for name, value in sorted(query.items())
    )


def _refused(status: int, code: str, location: str) -> ChannelError:
    named = f"{status}, {code}" if code else str(status)
    if code == "NoSuchBucket":
        what, todo = "the store has no such bucket", "Correct the location"
    elif code == "RequestTimeTooSkewed":
        what, todo = "the store's clock and ours differ too much", "Set the clock of this machine"
    elif code in NOT_LET_IN:
        what = f"the store does not let these credentials list the bucket ({named})"
        todo = "Correct the credentials (user is the access key, password the secret key)"
    else:
        what, todo = f"the store refuses to list the bucket ({named})", "Check location and region"
    return ChannelError(what, where=location, todo=todo)


def _code(body: bytes) -> str:
    """The store's word for what is wrong, if it is one word."""
    try:
        found = _parsed(body).words.get("Code", "")
    except expat.ExpatError:
        return ""
    return found if found.isalnum() and len(found) < 60 else ""  # noqa: PLR2004 - one word


def _page(body: bytes, location: str) -> _Page:
    try:
        page = _parsed(body)
    except expat.ExpatError as error:
        raise _wrong(location, "no XML that can be read") from error
    if page.words.get("") != "ListBucketResult":
        raise _wrong(location, "something else than a listing")
    return page


def _parsed(body: bytes) -> _Page:
    """Names and texts of an answer's elements; what is inside ``Contents`` makes objects."""
    page, path, text = _Page(), list[str](), list[str]()

    def start(name: str, _: Mapping[str, str]) -> None:
        if len(path) > DEEPEST:
            raise expat.ExpatError("too deep")
        path.append(name.rpartition(":")[2])
        text.clear()
        if len(path) == 1:
            page.words[""] = path[0]
        elif path[1:] == ["Contents"]:
            page.objects.append({})

    def end(_: str) -> None:
        name, inside = path.pop(), path[1:]
        if inside == ["Contents"]:
            page.objects[-1][name] = "".join(text)
        elif not inside and path:
            page.words[name] = "".join(text)
        text.clear()

    def refuse(*_: Any) -> None:
        raise expat.ExpatError("a document type")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(body, True)  # noqa: FBT003 - expat takes it by position only
    return page


def _listed(said: Mapping[str, str], location: str, *, encoded: bool) -> Listed:
    try:
        modified = datetime.fromisoformat(said["LastModified"])
        key = unquote_plus(said["Key"], errors="surrogateescape") if encoded else said["Key"]
        found = Listed(key, int(said["Size"]), modified, said.get("ETag", ""))
        is_possible = found.size >= 0 and EARLIEST < found.modified < LATEST
    except (KeyError, ValueError, TypeError) as error:
        raise _wrong(location, "an object without key, size or time") from error
    if not is_possible:
        raise _wrong(location, "an object of an impossible size or time")
    return found


def _wrong(location: str, what: str) -> ChannelError:
    return ChannelError(
        f"the store answers a listing with {what}",
        where=location,
        todo="Check that `endpointUrl` is that of an S3-compatible store",
    )
