"""A real HTTP server on loopback that is a parent's reception, and misbehaves on purpose.

It serves one exchange folder as the parent's web does, without its checks.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dagster_project.protocol.archive import unpack
from dagster_project.protocol.folders import Limits

TOKEN = "t0ken-of-140321"  # noqa: S105 - of a test
SUFFIX = ".ack.json"


@dataclass
class Reception:
    """What the server knows of one child.

    ``faults`` names what goes wrong with the requests to come, the first one first: a status code
    as text, ``cut`` (the line is cut before an answer), ``late`` (cut after the deed was done).
    """

    exchange: Path
    head: tuple[int, str] = (0, "")
    card: bytes = b""
    faults: list[str] = field(default_factory=list)
    retry_after: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def waiting(self) -> Sequence[str]:
        """What lies here without a final answer."""
        up = self.exchange / "up"
        return [p.name for p in sorted(up.glob("[!.]*")) if not self._is_final(p.name)]

    def _is_final(self, name: str) -> bool:
        return (self.exchange / "down" / f"{name}{SUFFIX}").exists()

    def listed(self, folder: str, key: str) -> list[dict[str, str]]:
        """The files of a folder with their hashes."""
        files = sorted((self.exchange / folder).glob("[!.]*"))
        return [
            {
                key: p.name.removesuffix(SUFFIX) if key == "package_id" else p.name,
                "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
            }
            for p in files
        ]

    def get(self, steps: Sequence[str]) -> bytes | None:
        """What lies at an address below the child's."""
        listings: dict[str, tuple[str, str]] = {
            "acknowledgements": ("down", "package_id"),
            "corrections": ("corrections", "name"),
        }
        if steps == ["chain"]:
            number, hashed = self.head
            said: dict[str, Any] = {"head_no": number, "head_hash": hashed, "missing": []}
            return json.dumps(said | {"waiting": list(self.waiting)}).encode()
        if steps == ["parent"]:
            return json.dumps({"announcements": []}).encode()
        folder, key = listings[steps[0]]
        if len(steps) == 1:
            return json.dumps({steps[0]: self.listed(folder, key), "next": None}).encode()
        path = self.exchange / folder / (steps[1] + (SUFFIX if folder == "down" else ""))
        return path.read_bytes() if path.is_file() else None

    def put(self, steps: Sequence[str], body: bytes) -> None:
        """Take what was pushed."""
        if steps[0] == "packages":
            target = self.exchange / "up" / steps[1]
            part = target.with_name(f".{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            copied = unpack(io.BytesIO(body), part, Limits())
            assert not copied.problems
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
            return
        name = steps[1] if len(steps) > 1 else f"announcement-{hashlib.md5(body).hexdigest()}.json"  # noqa: S324
        folder = self.exchange / steps[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    reception: Reception

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, or misbehave."""
        self._serve(b"")

    def do_PUT(self) -> None:
        """Take, answer, or misbehave."""
        self._serve(self.rfile.read(int(self.headers["Content-Length"])))

    def _serve(self, body: bytes) -> None:
        reception, steps = self.reception, urlsplit(self.path).path.split("/")[4:]
        reception.asked.append(f"{self.command} {self.path}")
        fault = reception.faults.pop(0) if reception.faults else ""
        if fault == "cut":
            self._cut()
            return
        if fault.isdecimal():
            self._say(int(fault), json.dumps({"error": "so it is", "todo": "wait"}).encode())
            return
        if self.path == "/v1/site":
            self._say(200, reception.card) if reception.card else self._say(404, b"{}")
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._say(401, json.dumps({"error": "unknown token", "todo": "ask"}).encode())
        elif self.command == "PUT":
            reception.put(steps, body)
            self._cut() if fault == "late" else self._say(202, b"{}")
        else:
            found = reception.get(steps)
            self._say(200 if found is not None else 404, found or b"{}")

    def _say(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if self.reception.retry_after and code in {429, 503}:
            self.send_header("Retry-After", self.reception.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()


@contextmanager
def serving(exchange: Path) -> Iterator[Reception]:
    """A reception at a free port of this machine."""
    reception = Reception(exchange)
    handler = type("Handler", (_Handler,), {"reception": reception})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    reception.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield reception
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
