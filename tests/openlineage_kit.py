"""What judges OpenLineage events: the schemas that they name, and a receiver that holds to them.

No network is asked: the schemas lie in ``tests/data/openlineage``, ours in ``schemas``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from dagster_project.paths import PROJECT

CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
DATA = Path(__file__).parent / "data" / "openlineage"
OWN = PROJECT / "schemas" / "openlineage"
Event = dict[str, Any]
_formats = FormatChecker()


@_formats.checks("date-time", ValueError)
def _is_instant(text: object) -> bool:
    return "T" in str(text) and datetime.fromisoformat(str(text)).tzinfo is not None


@_formats.checks("uri", ValueError)
def _is_uri(text: object) -> bool:
    return bool(urlsplit(str(text)).scheme)


@_formats.checks("uuid", ValueError)
def _is_uuid(text: object) -> bool:
    return str(UUID(str(text))) == text


@cache
def schemas() -> dict[str, Any]:
    """Every schema by its ``$id``."""
    files = [*DATA.glob("*.json"), *OWN.rglob("*.json")]
    return {one["$id"]: one for one in (json.loads(path.read_bytes()) for path in files)}


@cache
def _validator(url: str) -> Draft202012Validator:
    resources = [(name, Resource.from_contents(one)) for name, one in schemas().items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator({"$ref": url}, registry=registry, format_checker=_formats)


def faults(event: Event) -> list[str]:
    """What the schemas say against an event: its own, and that of every facet."""
    found = _against(f"{CORE}#/$defs/RunEvent", event, "event")
    groups = [(one, event.get(one, {})) for one in ("run", "job")]
    groups += [(f"inputs.{one['name']}", one) for one in event["inputs"]]
    groups += [(f"outputs.{one['name']}", one) for one in event["outputs"]]
    for place, holder in groups:
        for group in ("facets", "inputFacets", "outputFacets"):
            for key, facet in holder.get(group, {}).items():
                found += _facet(facet, key, f"{place}.{group}.{key}")
    return found


def _facet(facet: Event, key: str, place: str) -> list[str]:
    url = str(facet.get("_schemaURL", ""))
    schema = schemas().get(url.partition("#")[0])
    if schema is None:
        return [f"{place}: no schema {url}"]
    if key not in schema["properties"]:
        return [f"{place}: {url} is not the schema of {key}"]
    body = schema["$defs"][url.rpartition("/")[2]]["allOf"][1]["properties"]
    more = facet.keys() - body.keys() - {"_producer", "_schemaURL", "_deleted"}
    return [*_against(url, facet, place), *(f"{place}: {name} is unknown" for name in more)]


def _against(url: str, value: object, place: str) -> list[str]:
    return [
        f"{place} {'.'.join(map(str, one.absolute_path))}: {one.message[:200]}"
        for one in _validator(url).iter_errors(value)
    ]


@dataclass
class Receiver:
    """A stand-in for a lineage server: it takes what is valid, and says what is not.

    ``refuse`` answers that many requests with ``status`` before it takes any.
    """

    url: str = ""
    events: list[Event] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    asked: int = 0
    refuse: int = 0
    status: int = 503


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on the loopback interface."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.asked += 1
            receiver.tokens.append(self.headers.get("Authorization", ""))
            status = self._status(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _status(self, body: bytes) -> int:
            if receiver.asked <= receiver.refuse:
                return receiver.status
            event = cast("Event", json.loads(body))
            wrong = faults(event)
            receiver.faults += wrong
            receiver.events.append(event)
            return 422 if wrong or self.path != "/api/v1/lineage" else 201

        def log_message(self, *_: object) -> None:
            """Say nothing on the test's own output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/api/v1/lineage"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
