"""Where feeds come from: folders, credentials, servers that answer. Nothing that comes is kept."""

from __future__ import annotations

import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dagster_project.components.steps.configuration.fault import Fault, of_error
from dagster_project.components.steps.faults import sentence_of
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Contracts, Feed, Server
from dagster_project.credentials import credential
from dagster_project.errors import CountyLakeError
from dagster_project.ingest.channels.pull import Memory, pull_channel
from dagster_project.settings import Site

AT_ONCE = 8
"""So many servers are asked at the same time."""


def references(contracts: Contracts, site: Site) -> dict[str, list[str]]:
    """Every reference to credentials, with those who use it."""
    used: dict[str, list[str]] = defaultdict(list)
    for feed in _fed(contracts, site):
        for server in feed.pulled:
            if server.credentials:
                used[server.credentials].append(f"{feed.name}/{server.name}")
    for number, recipient in enumerate(site.notify):
        used[recipient.to].append(f"notify {number + 1}")
    if site.lineage and site.lineage.token:
        used[site.lineage.token].append("lineage")
    for reference, word in (
        (site.exchange_token, "exchange"),
        (site.key_passphrase, "signing_key"),
    ):
        if reference:
            used[reference].append(word)
    return dict(sorted(used.items()))


def _fed(contracts: Contracts, site: Site) -> Iterable[Feed]:
    """The feeds that a site takes itself; a city takes none."""
    return contracts.feeds.values() if site.collects else ()


def variables_referred(contracts: Contracts, site: Site) -> set[str]:
    """Names of the environment that references to credentials begin with."""
    kinds = (reference.partition(":") for reference in references(contracts, site))
    return {name for kind, _, name in kinds if kind == "env"}


def source_faults(workshop: Workshop, site: Site) -> Iterator[Fault]:
    """Feeds that nothing supplies, and references that stand for nothing."""
    inbox = site.folder(workshop.home, "inbox")
    for feed in _fed(workshop.contracts, site):
        yield from _feed_faults(feed, inbox)
    for reference, users in references(workshop.contracts, site).items():
        try:
            found = credential(reference)
        except CountyLakeError as error:
            fault = of_error("sources", error)
            what = f"{fault.what} (for {', '.join(users)})"
            yield Fault("sources", what, fault.where or "the environment", fault.todo)
            continue
        if found.key_file:
            yield from _key_file_faults(reference, Path(found.key_file))


def _feed_faults(feed: Feed, inbox: Path) -> Iterator[Fault]:
    if not feed.servers:
        what, todo = "no channel supplies the feed", "Name one under `servers`"
        yield Fault("sources", what, feed.path, todo)
    folders = list(dict.fromkeys(_folder(pattern) for pattern in feed.patterns))
    there = [folder for folder in folders if (inbox / folder).is_dir()]
    if folders and not there and not feed.pulled and inbox.is_dir():
        what = f"no channel supplies the feed: the inbox has no folder {' or '.join(folders)}"
        todo = "Make the folder for the department, or correct the path under `servers`"
        yield Fault("sources", what, feed.path, todo, is_warning=True)
    for server in feed.pulled:
        if server.type == "sqlite" and not (inbox / server.path).is_file():
            what = f"the channel {server.name} reads {server.path}, which is not in the inbox"
            where = f"{feed.path}:{server.line}"
            yield Fault("sources", what, where, "Put the file there, or correct the path")


def _folder(pattern: str) -> str:
    """The part of a glob before its first sign; the file itself does not count."""
    steps: list[str] = []
    for step in PurePosixPath(pattern).parts[:-1]:
        if any(sign in step for sign in "*?["):
            break
        steps.append(step)
    return "/".join(steps) or "."


def _key_file_faults(reference: str, file: Path) -> Iterator[Fault]:
    if not file.is_file():
        what = f"the key file of the credentials {reference} is not there"
        yield Fault("sources", what, str(file), "Correct key_file, or put the key there")
    elif file.stat().st_mode & 0o077:
        what = f"others may read the key file of the credentials {reference}"
        yield Fault("sources", what, str(file), f"Run `chmod 600 {file}`")


@dataclass
class _Asked:
    """One server that is being asked; ``fault`` stays None while it answers rightly."""

    feed: Feed
    server: Server
    is_done: threading.Event = field(default_factory=threading.Event)
    fault: Fault | None = None

    @property
    def where(self) -> str:
        """The channel's place in its contract."""
        return f"{self.feed.path}:{self.server.line}"


def connection_faults(workshop: Workshop, site: Site, seconds: float) -> Iterator[Fault]:
    """Servers that cannot be reached, or answer wrongly; each has so many seconds."""
    inbox = site.folder(workshop.home, "inbox")
    waiting = [
        _Asked(feed, server) for feed in _fed(workshop.contracts, site) for server in feed.pulled
    ]
    for first in range(0, len(waiting), AT_ONCE):
        yield from _ask_together(waiting[first : first + AT_ONCE], inbox, seconds)


def _ask_together(asked: Sequence[_Asked], inbox: Path, seconds: float) -> Iterator[Fault]:
    with tempfile.TemporaryDirectory(prefix="countylake-", ignore_cleanup_errors=True) as spool:
        for number, one in enumerate(asked):
            place = Path(spool) / str(number)
            # A thread that never ends must not keep the command from ending.
            threading.Thread(target=_ask, args=(one, place, inbox), daemon=True).start()
        for one in asked:
            if not one.is_done.wait(seconds):
                what = f"the channel {one.server.name} did not answer within {seconds:g} seconds"
                todo = "Check address, port and firewall, or allow more time with --seconds"
                yield Fault("sources", what, one.where, todo)
            elif one.fault:
                yield one.fault


def _ask(one: _Asked, spool: Path, inbox: Path) -> None:
    """Let a server describe its columns, or show a few rows; both are thrown away."""
    try:
        channel = pull_channel(one.feed, one.server, spool, inbox=inbox)
        if not channel.describe():
            with closing(channel.pull(Memory(look=1))) as extracts:
                next(extracts, None)
    except CountyLakeError as error:
        fault = of_error("sources", error)
        what = f"the channel {one.server.name} cannot be used: {fault.what}"
        one.fault = Fault("sources", what, one.where, fault.todo)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises is the answer
        what = f"the channel {one.server.name} cannot be used: {sentence_of(error).rstrip('.')}"
        one.fault = Fault("sources", what, one.where, "Ask who runs the server")
    finally:
        one.is_done.set()
