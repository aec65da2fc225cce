"""Objects of an S3-compatible store: AWS, MinIO, Ceph, and what clouds call object storage.

Which of them are taken, and how a cut download goes on, is told in ``remote_files``; how a store is
asked in ``s3_store``. Only what the contract and its credentials say is used: nothing of the
environment, of ``~/.aws`` or of a cloud machine's metadata. Nothing is ever written to the store.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path

from dagster_project.contracts.model import Feed, Server
from dagster_project.credentials import credential
from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels.download import Entry
from dagster_project.ingest.channels.remote import FileLeftError, Glob, Remote, changed
from dagster_project.ingest.channels.remote_files import RemoteFiles
from dagster_project.ingest.channels.s3_store import Bucket, Store

USUAL_REGION = "us-east-1"
"""What stores of one's own call their only region."""

BLOCK = 1 << 20
VERSIONS = 10**6
GONE = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
}


class S3Pull(RemoteFiles):
    """Objects of a bucket whose keys match the location."""

    def __init__(self, feed: Feed, server: Server, spool: Path, *, inbox: Path) -> None:
        super().__init__(feed, server, spool, inbox=inbox)
        self._region = str(server.options.get("region") or USUAL_REGION)

    def connect(self) -> Remote:
        """A client of the store; it connects when it is asked something."""
        if not self.server.endpoint:
            raise UsageError(
                "the contract names no store (`endpointUrl`)",
                where=self.server.location,
                todo="Add it; no store of the internet is asked unless a contract names it",
            )
        key = credential(self.server.credentials)
        if bool(key.user) != bool(key.password):
            raise UsageError(
                "the credentials of this store are not complete",
                where=self.server.location,
                todo="Give both: user is the access key, password the secret key",
            )
        location = self.server.location
        return S3Remote(Bucket(self.server.endpoint, self.authority, self._region, key, location))


class S3Remote(Remote):
    """One bucket. An object is seen when it is complete, so none has to settle."""

    settles = False

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self._location = bucket.location
        self._store = Store(bucket)

    def files(self, glob: Glob) -> Generator[Entry, None, None]:
        """Every object below the glob's folder; what only marks a folder is none."""
        for one in self._store.objects(f"{glob.folder}/" if glob.folder else ""):
            if not one.key.endswith("/"):
                tag = _bare(one.tag)
                yield Entry(one.key, one.size, _mtime_ns(one.modified, tag), tag)

    def again(self, entry: Entry) -> Entry | None:
        """The object as it is now."""
        try:
            with self._store.asked("HEAD", entry.path) as answer:
                self._check(entry, answer)
        except FileLeftError:
            return None
        return replace(entry, size=_length(answer))

    def blocks(self, entry: Entry, offset: int) -> Generator[memoryview, None, None]:
        """The bytes of exactly the listed version, in one request."""
        wanted = {"range": f"bytes={offset}-"} if offset else {}
        if entry.tag:
            wanted["if-match"] = f'"{entry.tag}"'
        with self._store.asked("GET", entry.path, headers=wanted) as answer:
            self._check(entry, answer)
            partial = answer.status == HTTPStatus.PARTIAL_CONTENT
            first = offset if partial else 0
            if first + _length(answer) != entry.size:
                raise changed(entry)
            room = memoryview(bytearray(BLOCK))
            while first < entry.size:
                count = answer.readinto(room)
                if not count:
                    raise IncompleteRead(b"", entry.size - first)
                if first + count > offset:  # a store that knows no ranges sends the whole
                    yield room[max(0, offset - first) : count]
                first += count

    def close(self) -> None:
        """End the connections."""
        self._store.close()

    def _check(self, entry: Entry, answer: HTTPResponse) -> None:
        """Whether an answer is about the version that was listed."""
        status = answer.status
        if status in GONE:
            raise changed(entry)
        if status in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}:
            raise FileLeftError(DENIED[0], where=entry.path, todo=DENIED[1])
        if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise ChannelError(
                f"the store does not hand over an object ({status})",
                where=self._location,
                todo="Check `endpointUrl` and region",
            )
        if not _same(entry, answer):
            raise changed(entry)


def _same(entry: Entry, answer: HTTPResponse) -> bool:
    """The tag tells the version; the time only where the store tells no tag."""
    tag = _bare(answer.headers.get("etag") or "")
    if tag and entry.tag:
        return tag == entry.tag
    try:
        modified = parsedate_to_datetime(answer.headers.get("last-modified", ""))
    except ValueError:
        return False
    return int(modified.timestamp()) == entry.mtime_ns // 10**9


def _length(answer: HTTPResponse) -> int:
    """How long the answer's body is; -1 where it does not say so."""
    text = answer.headers.get("content-length", "")
    return int(text) if text.isdecimal() else -1


def _bare(tag: str) -> str:
    """A tag without its quotation marks; not every store writes them everywhere."""
    return tag.removeprefix("W/").strip('"')


def _mtime_ns(modified: datetime, tag: str) -> int:
    """The store's time to the millisecond; the digits below tell versions of one instant apart."""
    millis = round(modified.timestamp() * 1000)
    return millis * VERSIONS + zlib.crc32(tag.encode()) % VERSIONS


DENIED = (
    "the store does not let these credentials read this object",
    "Ask the department to open it for them",
)
