"""OpenLineage events handed on to a lineage server, each once, in order, when it can be reached.

The file of events is the store: what was handed on is a place in it. A server that is away is left
alone for longer each time; an event that it refuses is counted and passed over, so that one odd
event holds back nobody else's. No run waits for it: see ``LONGEST_S``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_project.credentials import credential
from dagster_project.errors import ChannelError, CountyLakeError
from dagster_project.lineage.events.log import FILE, size_of
from dagster_project.paths import Home
from dagster_project.protocol.folders import only_one, write_file
from dagster_project.protocol.line import Line
from dagster_project.settings import LineageServer

MEMORY = "forwarded.json"
MOST = 5_000
"""Events that are handed on at a time."""
LONGEST_S = 30.0
"""Seconds that handing on takes at a time: the rest goes the next time."""
MOST_BYTES = 16 << 20
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=2)
_KEPT_EVERY = 100
_MOST_DOUBLINGS = 20
# Answers that say nothing of the event, but of the server or of how it is asked.
_NOT_ITS_FAULT = frozenset({401, 403, 404, 405, 407, 408, 425, 429})
_TAKEN, _REFUSALS = range(200, 300), range(400, 500)


class Forwarded(BaseModel):
    """How far it has come. ``place`` is where the next event begins, ``url`` whom it goes to."""

    model_config = ConfigDict(extra="ignore")

    url: str = ""
    place: int = 0
    sent: int = 0
    refused: int = 0
    failures: int = 0
    next_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_error: str = ""

    def is_due(self, at: datetime) -> bool:
        """Whether the server may be asked; a clock that was set back locks it for no years."""
        wait = self.next_attempt_at
        return wait is None or at >= wait or at < wait - 2 * LONGEST_PAUSE

    def failed(self, at: datetime, why: str) -> None:
        """The server is left alone, longer each time."""
        pause = min(FIRST_PAUSE * 2 ** min(self.failures, _MOST_DOUBLINGS), LONGEST_PAUSE)
        self.failures += 1
        self.next_attempt_at, self.last_error = at + pause, why


def recall(home: Home) -> Forwarded:
    """How far it has come; from the beginning if that is not known."""
    try:
        return Forwarded.model_validate_json((home.lineage / MEMORY).read_bytes())
    except (OSError, ValidationError):
        return Forwarded()


def waiting(home: Home, server: LineageServer) -> int:
    """How many bytes of events wait to be handed on."""
    known = recall(home)
    size = size_of(home)
    return size - (known.place if known.url == server.url and known.place <= size else 0)


def forward(home: Home, server: LineageServer, at: datetime) -> Forwarded:
    """Hand on what waits, as far as time allows; nothing that goes wrong is raised.

    Args:
        home: The site's home.
        server: Whom to.
        at: The present instant.

    Returns:
        How far it has come.
    """
    with only_one(home.lineage / ".forwarding") as alone:
        known = recall(home)
        if known.url != server.url or known.place > size_of(home):
            known = Forwarded(url=server.url)
        if not alone or not known.is_due(at) or known.place == size_of(home):
            return known
        try:
            _hand_on(home, server, known)
        except CountyLakeError as error:
            known.failed(at, str(error))
        else:
            known.failures, known.next_attempt_at, known.last_error = 0, None, ""
            known.last_success_at = at
        _remember(home, known)
        return known


def _hand_on(home: Home, server: LineageServer, known: Forwarded) -> None:
    until, authorities = time.monotonic() + LONGEST_S, home.root / server.ca if server.ca else None
    token = credential(server.token).token
    line = Line(
        server.url,
        token,
        "the lineage server",
        "lineage.ca",
        authorities,
        connect=LONGEST_S / 6,
        silence=LONGEST_S / 3,
    )
    with line:
        for number, (event, end) in enumerate(_events(home, known.place), 1):
            if event:
                _post(line, event, known)
            known.place = end
            if number % _KEPT_EVERY == 0:
                _remember(home, known)
            if number >= MOST or time.monotonic() > until:
                return


def _post(line: Line, event: bytes, known: Forwarded) -> None:
    """Hand on one event.

    Raises:
        ChannelError: The server does not take events now.
    """
    with line.ask("POST", "", event, {"Content-Type": "application/json"}) as answer:
        status = answer.status_code
    if status in _TAKEN:
        known.sent += 1
    elif status in _REFUSALS and status not in _NOT_ITS_FAULT:
        known.refused += 1
    else:
        raise ChannelError(
            f"the lineage server answers {status}",
            where=line.url,
            todo="Correct `lineage` in site.yaml, or wait until it is well again",
            transient=True,
        )


def _events(home: Home, place: int) -> Iterator[tuple[bytes, int]]:
    """Each whole line from a place, with where it ends; what was torn is empty."""
    with (home.lineage / FILE).open("rb") as stream:
        stream.seek(place)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            place += len(line)
            whole = line.startswith(b'{"') and line.endswith(b"}\n") and len(line) <= MOST_BYTES
            yield (line[:-1] if whole else b""), place


def _remember(home: Home, known: Forwarded) -> None:
    path: Path = home.lineage / MEMORY
    write_file(path, known.model_dump_json(indent=1).encode())
