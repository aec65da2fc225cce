"""A real HTTP server on loopback that is an interface with records, and misbehaves on purpose."""

from __future__ import annotations

import dataclasses
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dagster_project.contracts.model import Column, Feed, Server, Watermark
from dagster_project.ingest.channels.http_api import ApiPull
from dagster_project.ingest.channels.interface.client import Bounds
from dagster_project.ingest.channels.pull import Memory
from dagster_project.ingest.readers.table.generic import ad_hoc

Record = dict[str, Any]
PAGING: dict[str, dict[str, Any]] = {
    "none": {"style": "none"},
    "page": {"style": "page", "page": "pageNo", "size": "pageSize", "rows": 7, "first": 1},
    "offset": {"style": "offset", "offset": "from", "size": "limit", "rows": 7},
    "cursor": {"style": "cursor", "cursor": "data.after", "parameter": "after"},
    "next": {"style": "next", "next": "links.next"},
}
QUICK = Bounds(tries=4, pause=0.0, longest_pause=5.0, silence=10.0, connect=10.0)


def records(count: int, start: int = 0) -> list[Record]:
    """Records that grow: later ones have more in their nested objects."""
    return [
        {
            "id": f"14032119800101{n:04d}", "amount": f"{n}.10", "updated_at":
            f"2026-11-22T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}+08:00",
            "person": {"name": f"王{n}"} | ({"town": {"code": str(n)}} if n % 5 == 4 else {}),
        }
        for n in range(start, start + count)
    ]  # fmt: skip


@dataclass
class Interface:
    """What the server answers, and how it misbehaves.

    ``faults`` names what goes wrong with the n-th request; ``caps`` how many records a page has at
    most from the n-th request on (above 100: so many more, whatever was asked for); ``repeats`` are
    requests whose page holds a record twice, in the place of another.
    """

    rows: list[Record]
    style: str = "page"
    total: bool = True
    faults: dict[int, str] = field(default_factory=dict)
    caps: dict[int, int] = field(default_factory=dict)
    repeats: frozenset[int] = frozenset()
    token: str = ""
    delay: float = 0.0
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    change: Callable[[Interface, int], None] | None = None

    def page(self, query: dict[str, str], number: int) -> tuple[list[Record], str, str]:
        """The records of a page, the cursor behind it, and its link."""
        rows = [
            row for row in self.rows
            if "since" not in query or str(row["updated_at"]) >= query["since"]
            if "until" not in query or str(row["updated_at"]) < query["until"]
        ]  # fmt: skip
        cap = next((self.caps[n] for n in sorted(self.caps, reverse=True) if n <= number), 0)
        size = int(query.get("pageSize") or query.get("limit") or query.get("size") or 7)
        size = cap - 100 if cap > 100 else min(cap or size, size)
        if self.style == "none":
            begin, size = 0, len(rows)
        elif self.style == "page":
            begin = (int(query.get("pageNo", 1)) - 1) * size
        else:
            begin = int(query.get("from") or query.get("after") or query.get("at") or 0)
        found = rows[begin : begin + size]
        end = begin + len(found)
        if number in self.repeats and len(found) > 1:
            found = [found[0], *found[:-1]]
        more = end < len(rows)
        return found, str(end) if more else "", f"{self.url}?at={end}" if more else ""

    def body(self, query: dict[str, str], number: int) -> bytes:
        """The answer's JSON, pretty-printed now and then."""
        found, cursor, link = self.page(query, number)
        data: Record = {"items": found, "after": cursor or None}
        if self.total:
            data["total"] = sum(
                1 for row in self.rows
                if "since" not in query or str(row["updated_at"]) >= query["since"]
                if "until" not in query or str(row["updated_at"]) < query["until"]
            )  # fmt: skip
        document = {"code": 0, "data": data, "links": {"next": link or None}}
        return json.dumps(document, ensure_ascii=False, indent=number % 3 or None).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    interface: Interface

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, or misbehave."""
        interface, number = self.interface, len(self.interface.asked)
        query = {word: values[-1] for word, values in parse_qs(urlsplit(self.path).query).items()}
        interface.asked.append(query)
        interface.headers.append(dict(self.headers))
        if interface.change:
            interface.change(interface, number)
        time.sleep(interface.delay)
        fault = interface.faults.get(number, "")
        if interface.token and self.headers.get("Authorization") != f"Bearer {interface.token}":
            fault = "401"
        body = interface.body(query, number)
        try:
            self._send(fault, body)
        except OSError:
            self.close_connection = True

    def _send(self, fault: str, body: bytes) -> None:
        if fault == "stall":
            time.sleep(0.5)
        if fault == "drop":
            self._hang_up()
        elif fault[:3].isdecimal():
            code, _, after = fault.partition(" ")
            self._head(int(code), 0, [("Retry-After", after)] if after else [])
        elif fault.startswith("redirect "):
            self._head(302, 0, [("Location", fault.partition(" ")[2])])
        else:
            headers, sent = _spoilt(fault, body)
            self._head(200, len(sent), headers)
            self.wfile.write(sent[: len(sent) // 2] if fault == "cut" else sent)
            if fault == "cut":
                self.wfile.flush()
                self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _head(self, code: int, size: int, extra: list[tuple[str, str]]) -> None:
        self.send_response(code)
        for word, value in (("Content-Length", str(size)), *extra):
            self.send_header(word, value)
        self.end_headers()


def _spoilt(fault: str, body: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """An answer's headers and bytes, with what is wrong with them."""
    plain = [("Content-Type", "text/plain")]
    packed = [*plain, ("Content-Encoding", "gzip")]
    return {
        "html": ([("Content-Type", "text/html")], b"<html><body>please log in</body></html>"),
        "busy": (plain, b'{"code":500,"data":null,"message":"busy"}'),
        "truncated": (plain, body[: len(body) // 2]),
        "nan": (plain, body.replace(b'"amount"', b'"x": NaN, "amount"', 1)),
        "gzip": (packed, gzip.compress(body)),
        "badgzip": (packed, gzip.compress(body)[:-12] + b"x" * 12),
        "gbk": (
            [("Content-Type", "application/json; charset=GBK")],
            body.decode().encode("gb18030"),
        ),
    }.get(fault, (plain, body))


@contextmanager
def serving(interface: Interface) -> Iterator[Interface]:
    """The interface on a free port of loopback."""
    handler = type("Handler", (_Handler,), {"interface": interface})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    interface.url = f"http://127.0.0.1:{server.server_address[1]}/api/v1/people"
    try:
        yield interface
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def feed() -> Feed:
    """A small contract of an interface's feed."""
    columns = (
        Column("id", "身份证号", "string", key_position=1, required=True),
        Column("amount", "金额", "decimal"),
        Column("updated_at", "更新时间", "timestamp"),
    )
    return dataclasses.replace(ad_hoc([]), name="people", columns=columns, formats=("json",))


def server_of(interface: Interface, **changes: Any) -> Server:
    """How a contract describes the interface."""
    request: dict[str, Any] = {
        "records": "data.items",
        "parameters": {"status": "in force"},
        "paging": PAGING[interface.style],
    }
    if interface.total:
        request["total"] = "data.total"
    said: dict[str, Any] = {
        "name": "interface", "type": "api", "format": "json", "location": interface.url,
        "options": {"request": request},
    }  # fmt: skip
    return Server(**(said | changes))


MARKED = Watermark("updated_at", overlap=0, parameter="since", until="until")


def patient(_: float) -> None:
    """Wait for nobody."""


def pull_of(
    interface: Interface,
    spool: Path,
    *,
    bounds: Bounds = QUICK,
    wait: Callable[[float], None] = patient,
    **changes: Any,
) -> ApiPull:
    """The channel to the interface."""
    spool.mkdir(parents=True, exist_ok=True)
    server = server_of(interface, **changes)
    return ApiPull(feed(), server, spool, inbox=spool, bounds=bounds, wait=wait)


def pulled(
    interface: Interface, spool: Path, memory: Memory | None = None, **changes: Any
) -> list[Record]:
    """The records of the one extract, which is removed as its caller would."""
    (extract,) = pull_of(interface, spool, **changes).pull(memory or Memory())
    lines = extract.file.read_text(encoding="utf-8").splitlines()
    assert extract.candidate.size == extract.file.stat().st_size
    extract.file.unlink()
    assert list(spool.iterdir()) == []
    return [] if lines == ["[]"] else [json.loads(line) for line in lines]
