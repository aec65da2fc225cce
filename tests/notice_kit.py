"""Counterparts of messages on loopback: a web service that listens and answers, a mail server."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """A service that took these bodies; ``status`` and ``answer`` are what it says next."""

    port: int = 0
    status: int = 200
    location: str = ""
    answer: bytes = b"{}"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """Everything that was ever sent, as one text."""
        return "\n".join(json.dumps(body, ensure_ascii=False) for body in self.bodies)

    def messages(self) -> list[str]:
        """The messages that came through a webhook."""
        return [f"{body['title']}\n{body['message']}" for body in self.bodies]


@contextmanager
def web_service() -> Iterator[Service]:
    """A web service on a free port."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            service.bodies.append(json.loads(self.rfile.read(size)))
            service.paths.append(self.path)
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(service.answer)))
            if service.location:
                self.send_header("Location", service.location)
            self.end_headers()
            self.wfile.write(service.answer)

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@dataclass
class MailBox:
    """A mail server's port and the letters that it took."""

    port: int = 0
    letters: list[str] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailBox]:
    """A mail server that takes every letter; as much of RFC 5321 as a sender needs."""
    box = MailBox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    box.letters.append(self._letter())
                elif word == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

        def _letter(self) -> str:
            lines = []
            while (line := self.rfile.readline()).rstrip() != b".":
                lines.append(line)
            return b"".join(lines).decode()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
