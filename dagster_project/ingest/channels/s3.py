"""Objects of an S3-compatible store, read over obstore.

Which of them are taken, and how a cut download goes on, is told in ``remote_files``; listing is
done in ``s3_listing``. Only what the contract and its credentials say is used: nothing of the
environment, of ``~/.aws`` or of a cloud machine's metadata. Nothing is ever written to the store.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from dagster_project.contracts.model import Feed, Server
from dagster_project.credentials import credential
from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels.download import Entry
from dagster_project.ingest.channels.remote import FileLeftError, Glob, Remote, changed
from dagster_project.ingest.channels.remote_files import RemoteFiles
from dagster_project.ingest.channels.s3_listing import Bucket, objects

if TYPE_CHECKING:
    from obstore.store import S3Credential

BLOCK = 2 << 20
CONNECT_S, SILENT_S = 10, 60
LONGEST = timedelta(days=1)
"""A whole object's time; a store that falls silent is given up much sooner."""

ASKED_AGAIN = 2
USUAL_REGION = "us-east-1"
"""What stores of one's own call their only region."""

VERSIONS = 10**6


class S3Pull(RemoteFiles):
    """Objects of a bucket whose keys match the location."""

    def __init__(self, feed: Feed, server: Server, spool: Path, *, inbox: Path) -> None:
        super().__init__(feed, server, spool, inbox=inbox)
        region = str(server.options.get("region") or USUAL_REGION)
        self._region = region
        self._endpoint = server.endpoint or f"https://s3.{region}.amazonaws.com"

    def connect(self) -> Remote:
        """A client of the store; it connects when it is asked something."""
        key = credential(self.server.credentials)
        if bool(key.user) != bool(key.password):
            raise UsageError(
                "the credentials of this store are not complete",
                where=self.server.location,
                todo="Give both: user is the access key, password the secret key",
            )
        location = self.server.location
        return S3Remote(Bucket(self._endpoint, self.authority, self._region, key, location))


class S3Remote(Remote):
    """One bucket. An object is seen when it is complete, so none has to settle."""

    settles = False

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self._bucket = bucket
        self._store = _store(bucket)

    def files(self, glob: Glob) -> Generator[Entry, None, None]:
        """Every object below the glob's folder; what only marks a folder is none."""
        for one in objects(self._bucket, f"{glob.folder}/" if glob.folder else ""):
            if not one.key.endswith("/"):
                tag = _bare(one.tag)
                yield Entry(one.key, one.size, _mtime_ns(one.modified, tag), tag)

    def again(self, entry: Entry) -> Entry | None:
        """The object as it is now; the tag tells its version, its time only where none is told."""
        try:
            with self._told(entry):
                found = obstore.head(self._store, entry.path)
        except FileLeftError:
            return None
        tag = _bare(found["e_tag"] or "")
        second = int(found["last_modified"].timestamp())
        same = tag == entry.tag and (tag or second == entry.mtime_ns // 10**9)
        return replace(entry, size=found["size"], tag=entry.tag if same else f"not {entry.tag}")

    def blocks(self, entry: Entry, offset: int) -> Iterator[memoryview]:
        """The bytes of exactly the listed version, in one request."""
        with self._told(entry):
            answer = obstore.get(
                self._store,
                entry.path,
                options={
                    "if_match": f'"{entry.tag}"' if entry.tag else None,
                    **({"range": {"offset": offset}} if offset else {}),
                },
            )
            if answer.range != (offset, entry.size):
                raise changed(entry)
            for block in answer.stream(min_chunk_size=BLOCK):
                yield memoryview(block)

    def close(self) -> None:
        """Connections end by themselves."""

    @contextmanager
    def _told(self, entry: Entry) -> Iterator[None]:
        """What went wrong with one object, as a sentence; no answer of the store is repeated."""
        try:
            yield
        except (PreconditionError, FileNotFoundError) as error:
            raise changed(entry) from error
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise FileLeftError(DENIED[0], where=entry.path, todo=DENIED[1]) from error
        except NotSupportedError as error:
            raise ChannelError(
                "the store cannot hand over a part of an object, so a cut download cannot go on",
                where=self._bucket.location,
                todo="Empty the channel's spool folder to begin anew",
            ) from error
        except (BaseError, OSError) as error:
            raise ChannelError(
                "the connection to the store broke off, or it answered wrongly",
                where=self._bucket.location,
                todo="Check network and store",
                transient=True,
            ) from error


def _store(bucket: Bucket) -> S3Store:
    """A client that reads nothing but what it is given: every word that it might guess is said."""
    key = bucket.key

    def given() -> S3Credential:
        return {
            "access_key_id": key.user,
            "secret_access_key": key.password,
            "token": key.token or None,
            "expires_at": None,
        }

    return S3Store(
        bucket.name,
        endpoint=bucket.endpoint,
        region=bucket.region,
        virtual_hosted_style_request=False,
        skip_signature=not key.user,
        request_payer=False,
        credential_provider=given,
        client_options={
            "allow_http": bucket.endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "read_timeout": timedelta(seconds=SILENT_S),
            "timeout": LONGEST,
        },
        retry_config={"max_retries": ASKED_AGAIN, "retry_timeout": timedelta(seconds=30)},
    )


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
