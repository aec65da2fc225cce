"""Listings that mean harm: told at once, whatever they hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dagster_project.credentials import Credential
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.s3_store import Bucket, Store

OBJECT = (
    "<ListBucketResult><Contents><Key>a_1.csv</Key><Size>{size}</Size>"
    "<LastModified>{at}</LastModified></Contents></ListBucketResult>"
)
TODAY = "2026-11-22T00:00:00Z"


@contextmanager
def listing(body: str) -> Iterator[Store]:
    """A store that answers everything with one text."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Answer."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    store = Store(Bucket(endpoint, "b", "r", Credential(), "s3://b/a_*.csv"))
    try:
        yield store
    finally:
        store.close()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<a>" * 2_000_000, "no XML"),
        ('<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', "no XML"),
        (OBJECT.format(size="-1", at=TODAY), "impossible size or time"),
        (OBJECT.format(size="9" * 5000, at=TODAY), "without key, size or time"),
        (OBJECT.format(size="1", at="9999-12-31T23:59:59Z"), "impossible size or time"),
        (OBJECT.format(size="1", at="0001-01-01T00:00:00"), "without key, size or time"),
    ],
    ids=["deep", "entities", "negative", "digits", "far", "early"],
)
def test_a_listing_that_cannot_be_is_told(body: str, said: str) -> None:
    """Nothing of it is walked through for long, and no number of it is counted with."""
    begun = time.monotonic()
    with listing(body) as store, pytest.raises(ChannelError, match=said):
        list(store.objects(""))
    assert time.monotonic() - begun < 5.0
