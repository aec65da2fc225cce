"""A real S3 server on loopback, in a thread of its own, that can be told to misbehave."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

USER, SECRET = "minzheng", "a right long secret"
BUCKET = "county"


class Objects:
    """The store and what it counts.

    ``sent`` are the bytes of objects' bodies that were handed to the connection, ``ranges`` the
    ranges that were asked for, ``shown`` everything that requests show. ``cut_after`` breaks the
    connection after so many bytes of bodies; without ``ranged`` ranges are ignored. ``sending`` is
    called after each block, ``reading`` with each request's method and path before it is answered,
    and may answer itself with a status.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self.reset()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=USER,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )

    def reset(self) -> None:
        """Behave, and count from nothing."""
        self.sent, self.cut_after = 0, 0
        self.ranged = True
        self.shown: list[dict[str, Any]] = []
        self.ranges: list[str] = []
        self.sending: Callable[[], None] = lambda: None
        self.reading: Callable[[str, str], str | None] = lambda _method, _path: None

    def empty(self) -> None:
        """A bucket without objects."""
        s3_backends.reset()
        self.client.create_bucket(Bucket=BUCKET)

    def fill(self, keys: Iterable[str]) -> None:
        """Many small objects."""
        for key in keys:
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(BUCKET, key, b"rows")

    def put(self, key: str, data: bytes) -> None:
        """An object that a department has put there."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        path = path.encode("latin-1").decode("utf-8", "replace").removeprefix(f"/{BUCKET}/")
        self.shown.append(environ)
        status = self.reading(method, path)
        if status is not None:
            start(status, [("Content-Length", "0")])
            return [b""]
        if not self.ranged:
            environ.pop("HTTP_RANGE", None)
        body = self._app(environ, start)
        if method != "GET" or environ["QUERY_STRING"]:
            return body
        self.ranges.append(environ.get("HTTP_RANGE", ""))
        return self._counted(body, environ["werkzeug.socket"])

    def _counted(self, body: Iterable[bytes], line: socket.socket) -> Iterator[bytes]:
        for whole in body:
            for start in range(0, len(whole), 1 << 16):
                block = whole[start : start + (1 << 16)]
                if self.cut_after and self.sent + len(block) > self.cut_after:
                    line.shutdown(socket.SHUT_RDWR)
                    raise ConnectionAbortedError
                self.sent += len(block)
                self.sending()
                yield block
