"""Why a task is late, or what its figures rest on: from a report through gold and silver to feeds.

A tree of what the task reads, down to each department, its channel, when it was due, when it last
sent, what is to be done and by whom. Facts are those of ``look``; nothing is decided here, and how
the tree is shown is the reader's matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from dagster_project.clock import SHANGHAI
from dagster_project.components.steps.tasks.look import Look, State, TaskLine, every, named
from dagster_project.components.steps.tasks.sentences import (
    Sent,
    channel_of,
    local,
    of_feed,
    of_table,
)
from dagster_project.components.steps.tasks.waits import BEHIND
from dagster_project.components.steps.workshop import Workshop

_FAR = datetime.max.replace(tzinfo=SHANGHAI)
_SENT = """
SELECT feed, MAX(received_at), ARG_MAX(path, received_at), ARG_MAX(outcome, received_at)
FROM lake.ops.delivery
GROUP BY feed
"""


@dataclass(frozen=True)
class Link:
    """One task of the chain, and below it those that it reads; instants in UTC.

    ``sentence`` says how it stands, ``todo`` what is to be done (nothing where all is well).
    ``data_at`` is when what it holds came: of a table, the oldest of the feeds below it; ``lacks``
    are the feeds of which nothing ever came. ``is_cause`` marks a link that is itself behind.
    """

    task: str
    title: str
    kind: Literal["feed", "report", "model"]
    state: State
    sentence: str
    todo: str
    is_cause: bool
    department: str
    owner: str
    channel: str
    due_at: datetime | None
    missed_at: datetime | None
    sent: Sent | None
    data_at: datetime | None
    lacks: tuple[str, ...] = ()
    reads: tuple[Link, ...] = ()

    def causes(self) -> list[Link]:
        """The links that are behind, itself among them; each once, the longest overdue first."""
        found = {link.task: link for link in self.every() if link.is_cause}
        return sorted(found.values(), key=lambda link: (_since(link), link.task))

    def every(self) -> Iterator[Link]:
        """The link and all below it, each as often as it is read."""
        yield self
        for link in self.reads:
            yield from link.every()

    def feeds(self) -> list[Link]:
        """Every feed below it, or itself, each once."""
        return list({link.task: link for link in self.every() if link.kind == "feed"}.values())


@dataclass(frozen=True)
class Why:
    """The chain of one task; ``verdict`` is its sum in a sentence, ``asked_at`` the instant."""

    asked_at: datetime
    verdict: str
    chain: Link


def why(workshop: Workshop, name: str, now: datetime | None = None) -> Why:
    """Open the chain below a report, a model or a feed.

    Raises:
        UsageError: There is no such task.
        LakeBusyError: A writer kept the lake for too long.
    """
    look, lines = every(workshop, now)
    line = named(workshop, lines, name)
    link = Chain.of(look, lines).link(line.task)
    return Why(look.now, _verdict(link, line), link)


@dataclass(frozen=True)
class Chain:
    """What the links of one look are made from."""

    look: Look
    lines: Mapping[str, TaskLine]
    sent: Mapping[str, Sent]

    @staticmethod
    def of(look: Look, lines: Mapping[str, TaskLine]) -> Chain:
        """Ask the lake what came last."""
        sent: dict[str, Sent] = {}
        if look.workshop.home.catalog.exists():
            with look.workshop.lake.reader() as con:
                sent = _last_sent(con)
        return Chain(look, lines, sent)

    def link(self, task: str) -> Link:
        """The chain below one task."""
        return self._feed(task) if self.lines[task].kind == "feed" else self._table(task)

    def _feed(self, name: str) -> Link:
        line, feed = self.lines[name], self.look.workshop.contracts.feeds[name]
        facts = self.look.facts
        ran = facts.executions.get(("feed", name))
        taken = [*facts.deliveries.get(name, ())[:1], *(ran.answered[:1] if ran else ())]
        sent = self.sent.get(name)
        channel = channel_of(feed)
        sentence, todo = of_feed(line, sent, facts.holds.get(name, ()), channel)
        return Link(
            task=name,
            title=line.title,
            kind="feed",
            state=line.state,
            sentence=sentence,
            todo=todo,
            is_cause=line.state in BEHIND,
            department=line.department,
            owner=line.owner,
            channel=channel,
            due_at=line.due_at,
            missed_at=line.missed_at,
            sent=sent,
            data_at=max(taken, default=None),
            lacks=() if taken else (name,),
        )

    def _table(self, task: str) -> Link:
        line, graph = self.lines[task], self.look.workshop.graph
        inputs = [name.removeprefix("silver.") for name in graph.models[task].inputs]
        reads = tuple(
            self.link(name if name in self.lines else f"silver.{name}")
            for name in inputs
            if name in self.lines or f"silver.{name}" in self.lines
        )
        feeds = {feed.task: feed for link in reads for feed in link.feeds()}
        sentence, todo = of_table(line)
        return Link(
            task=task,
            title=line.title,
            kind=line.kind,
            state=line.state,
            sentence=sentence,
            todo=todo,
            is_cause=line.state in ("failed", "paused"),
            department=line.department,
            owner=line.owner,
            channel="",
            due_at=line.due_at,
            missed_at=line.missed_at,
            sent=None,
            data_at=min((one.data_at for one in feeds.values() if one.data_at), default=None),
            lacks=tuple(sorted(one.task for one in feeds.values() if one.data_at is None)),
            reads=reads,
        )


def _last_sent(con: duckdb.DuckDBPyConnection) -> dict[str, Sent]:
    return {feed: Sent(*rest) for feed, *rest in con.execute(_SENT).fetchall()}


def _since(link: Link) -> datetime:
    return link.missed_at or link.due_at or _FAR


def _verdict(link: Link, line: TaskLine) -> str:
    if link.kind == "feed":
        return f"{link.title}: {link.sentence}."
    state = f"late: it {link.sentence}" if line.missed_at else link.sentence
    behind, feeds = link.causes(), link.feeds()
    if behind:
        waits = "; ".join(f"{one.department}: {one.title} ({one.state})" for one in behind)
        so = "It waits for" if line.missed_at else "Not of this period"
        return f"{link.title} is {state}. {so}: {waits}."
    if not feeds:
        return f"{link.title} is {state}. It rests on the ledgers alone."
    oldest = min((one for one in feeds if one.data_at), key=_came, default=None)
    if oldest is None:
        return f"{link.title} is {state}. Nothing has come for any feed behind it."
    rests = f"the oldest data are those of {oldest.title}, {local(oldest.data_at)}"
    return f"{link.title} is {state}. It rests on {len(feeds)} feeds; {rests}."


def _came(link: Link) -> tuple[datetime, str]:
    return link.data_at or _FAR, link.task
