"""Interfaces that answer with JSON: every new record of one, as it is written, in one file.

How requests are made, pages followed and unfinished extracts kept is ``interface``'s matter; here
the contract's words become one extract.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Generator
from datetime import UTC
from pathlib import Path
from typing import Any

import httpx

from dagster_project.clock import now
from dagster_project.contracts.model import Feed, Server
from dagster_project.credentials import credential
from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels.base import Candidate, Origin
from dagster_project.ingest.channels.interface.answer import Path as Place
from dagster_project.ingest.channels.interface.answer import inside, path_of
from dagster_project.ingest.channels.interface.client import Bounds, Client
from dagster_project.ingest.channels.interface.draft import Draft
from dagster_project.ingest.channels.interface.walk import Walk
from dagster_project.ingest.channels.pull import Extract, Memory, Pull
from dagster_project.ingest.channels.watermarks import mark
from dagster_project.ingest.readers.json.flat import FlatteningError, flattened
from dagster_project.ingest.readers.machine import named
from dagster_project.ingest.readers.table.header import Spelled

_UNNAMED = re.compile(r"[^\w-]+")


class Key:
    """What tells a feed's records from one another, by the names that its interface uses."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self._spelled = feed, Spelled(feed)
        self._paths: list[Place] | None = None

    def __call__(self, record: dict[str, Any]) -> list[Any] | None:
        """The values of a record's key; None when it has none, or not all of it."""
        if self._paths is None:
            self._paths = self._found(record)
        values = [inside(record, path) for path in self._paths]
        return values if values and None not in values else None

    def _found(self, record: dict[str, Any]) -> list[Place]:
        try:
            places = {named(self._spelled, name)[0]: path_of(name) for name in flattened(record)}
        except FlatteningError:
            return []
        wanted = self._feed.key
        return [places[name] for name in wanted] if set(wanted) <= set(places) else []


class ApiPull(Pull):
    """One interface of one feed.

    Args:
        feed: Whose deliveries.
        server: The interface.
        spool: The channel's own folder.
        inbox: Not used.
        bounds: How patient to be.
        wait: Called with the seconds to pass before a request is made again.
    """

    def __init__(
        self,
        feed: Feed,
        server: Server,
        spool: Path,
        *,
        inbox: Path,
        bounds: Bounds | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(feed, server, spool, inbox=inbox)
        self._bounds, self._wait = bounds or Bounds(), wait
        self._request: dict[str, Any] = dict(server.options.get("request", {}))

    def pull(self, memory: Memory) -> Generator[Extract, None, None]:
        """Everything, or everything since the watermark, as one extract.

        A watermark without any record above it brings no extract; a full snapshot without records
        is one, too.
        """
        since, until = self._range(memory)
        address = self._address(since, until)
        column = self.server.watermark.column if self.server.watermark else ""
        told = self._request, str(address), column, memory.look
        identity = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        client = Client(
            self._where(),
            credential(self.server.credentials),
            secure=address.scheme == "https",
            header=self._request.get("header", ""),
            parameter=self._request.get("tokenParameter", ""),
            reference=self.server.credentials,
            bounds=self._bounds,
            wait=self._wait,
        )
        with client, Draft(self.spool, identity) as draft:
            Walk(
                client,
                draft,
                address,
                self._request,
                path_of(column),
                Key(self.feed),
                self._bounds,
                must_mark=bool(column) and not since,
                look=memory.look,
            ).run()
            if not draft.rows and self.server.watermark:
                draft.drop()
                return
            reached = _later(memory.watermark, draft.done.mark)
            stamp = now().astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
            file = self.spool / f"{self._stem()}-{stamp}.json"
            draft.finish(file)
        moves = self.server.watermark is not None and memory.window is None and not memory.look
        yield Extract(
            Candidate(
                self.feed.name,
                f"{self.server.name}/{file.name}",
                file.stat().st_size,
                time.time_ns(),
                origin=Origin(
                    "api",
                    self.server.name,
                    memory.window.since if memory.window else memory.watermark,
                    reached if moves else "",
                ),
            ),
            file,
        )

    def _range(self, memory: Memory) -> tuple[str, str]:
        """The two ends that the interface is asked for; empty ones are open.

        Raises:
            UsageError: A range is asked for, and the contract does not say how.
            ChannelError: The watermark that was reached is none of this column.
        """
        watermark = self.server.watermark
        if memory.window is not None:
            if watermark is None or not watermark.until:
                raise UsageError(
                    f"the channel {self.server.name} of {self.feed.name} cannot be asked for a"
                    " range",
                    todo="Name the interface's parameters in the contract: `watermark` with"
                    " `parameter` and `until`",
                )
            return memory.window.since, memory.window.until
        if watermark is None or not memory.watermark:
            return "", ""
        reached = mark(memory.watermark)
        if reached is None:
            raise ChannelError(
                f"the watermark reached by {self.server.name} is no number, date or time",
                where=self._where(),
                todo=f"Fetch {self.feed.name} from the beginning",
            )
        return reached.earlier(watermark.overlap), ""

    def _address(self, since: str, until: str) -> httpx.URL:
        said = self._request.get("parameters", {})
        parameters = {word: _text(value) for word, value in said.items()}
        if watermark := self.server.watermark:
            ends = ((watermark.parameter, since), (watermark.until, until))
            parameters |= {word: value for word, value in ends if word and value}
        try:
            address = httpx.URL(self.server.location)
        except httpx.InvalidURL as error:
            raise ChannelError(
                "this is no address of an interface",
                where=f"{self.feed.name}: {self.server.name}",
                todo="Write `location` as http://… or https://…",
            ) from error
        return address.copy_merge_params(parameters)

    def _where(self) -> str:
        """The channel and the address, without parameters and names of users."""
        address = httpx.URL(self.server.location)
        port = f":{address.port}" if address.port else ""
        place = f"{address.scheme}://{address.host}{port}{address.path}"
        return f"{self.feed.name}, {self.server.name} ({place})"

    def _stem(self) -> str:
        last = httpx.URL(self.server.location).path.rstrip("/").rpartition("/")[2]
        return _UNNAMED.sub("_", last) or "records"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _later(one: str, other: str) -> str:
    """The greater of two watermarks; an empty one is below all."""
    left, right = mark(one), mark(other)
    if left and right and left.kind == right.kind:
        return max(left, right, key=lambda found: found.order).text
    return other or one
