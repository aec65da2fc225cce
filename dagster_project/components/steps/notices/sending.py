"""Telling people what they must act on: once, again when it changed or lasts, and when it is over.

Off unless ``site.yaml`` names somebody (``notify``). The lake's lock is never held while a message
is on its way, and a message that cannot be delivered fails nothing: it stays in ``ops.notice`` and
is tried again, ever more seldom. A process killed between delivery and ledger tells twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import structlog

from dagster_project import clock
from dagster_project.components.steps.notices.conditions import conditions, title_of
from dagster_project.components.steps.notices.messenger import deliver
from dagster_project.components.steps.notices.text import KINDS, Condition, messages, title
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import CountyLakeError, LakeBusyError
from dagster_project.lake.lock import lock_for
from dagster_project.settings import Matter, Recipient, load_site

State = Literal["waiting", "told", "recovering", "over"]
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=6)
"""After a message could not be delivered; doubled each time."""
COLUMNS = (
    "notice_id, recipient, kind, task, department, content, first_at, tried_at, told_at, attempts,"
    " state"
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Notice:
    """One matter and one recipient, as the ledger has it."""

    notice_id: str
    recipient: str
    kind: Matter
    task: str
    department: str
    content: str
    first_at: datetime
    tried_at: datetime | None
    told_at: datetime | None
    attempts: int
    state: State


@dataclass(frozen=True)
class Sent:
    """What became of one recipient's messages; ``fault`` says why they were not delivered."""

    recipient: str
    told: int
    fault: str = ""


@dataclass(frozen=True)
class Due:
    """What one recipient is to be told now, and what changes in the ledger when that is done."""

    tell: tuple[Condition, ...]
    notices: tuple[Notice, ...]
    closed: tuple[Notice, ...]


def send_due(workshop: Workshop) -> list[Sent]:
    """Tell everybody what is due; nothing is raised, whatever happens. Called after runs."""
    try:
        return send(workshop)
    except LakeBusyError:
        _log.info("notices wait", why="the lake or another sender is busy")
    except Exception as error:  # noqa: BLE001 - what cannot be told must not fail what was done
        _log.warning("notices not sent", error=type(error).__name__)
    return []


def send(workshop: Workshop, now: datetime | None = None) -> list[Sent]:
    """Tell everybody what is due.

    Raises:
        LakeBusyError: Another process is telling, or keeps the lake.
        UsageError: ``site.yaml`` does not hold a site.
    """
    recipients = load_site(workshop.home).notify
    if not recipients:
        return []
    with lock_for(workshop.home.tasks / "notices.lock").hold("telling", 0.0):
        at = now or clock.now()
        known = ledger(workshop)
        found = conditions(workshop, at)
        return [one for to in recipients if (one := _tell(workshop, to, found, known, at))]


def open_conditions(workshop: Workshop) -> list[Condition]:
    """What waits for somebody now, for whoever asks."""
    return [one for one in conditions(workshop, clock.now()) if not one.quiet]


def ledger(workshop: Workshop) -> list[Notice]:
    """Every notice that is not over."""
    if not workshop.home.catalog.exists():
        return []
    with workshop.lake.reader() as con:
        rows = con.execute(
            f"SELECT {COLUMNS} FROM lake.ops.notice WHERE state <> 'over' ORDER BY first_at, task"
        ).fetchall()
    return [Notice(*row) for row in rows]


def _tell(
    workshop: Workshop,
    to: Recipient,
    found: Sequence[Condition],
    known: Iterable[Notice],
    now: datetime,
) -> Sent | None:
    """Tell one recipient; None when there is nothing to tell."""
    mine = {one.notice_id: one for one in known if one.recipient == to.to}
    wanted = [one for one in found if concerns(to, one)]
    due = decided(to, wanted, mine, now, partial(title_of, workshop))
    if due.tell:
        heading = title(workshop.site.name, due.tell)
        try:
            deliver(to.to, heading, messages(due.tell))
        except CountyLakeError as error:
            later = [_later(one, mine.get(one.notice_id), now) for one in due.notices]
            _record(workshop, [*later, *due.closed])
            _log.warning("notices not delivered", recipient=to.to, notices=len(due.tell))
            return Sent(to.to, 0, str(error))
        _log.info("notices delivered", recipient=to.to, notices=len(due.tell))
    if due.notices or due.closed:
        _record(workshop, [*due.notices, *due.closed])
    return Sent(to.to, len(due.tell)) if due.tell else None


def concerns(to: Recipient, condition: Condition) -> bool:
    """Whether a recipient asked to be told of such a matter."""
    return (
        (not to.about or condition.kind in to.about)
        and (not to.departments or condition.department_code in to.departments)
        and (not to.feeds or condition.task in to.feeds)
    )


def decided(
    to: Recipient,
    found: Sequence[Condition],
    mine: Mapping[str, Notice],
    now: datetime,
    titled: Callable[[str], str],
) -> Due:
    """What is new, changed, lasting or over for one recipient; reads nothing, sends nothing.

    Args:
        to: The recipient.
        found: What holds now, and concerns the recipient.
        mine: The recipient's notices that are not over.
        now: The present instant.
        titled: A task's title, for what is over.
    """
    if _resting(mine.values(), now):
        return Due((), (), ())
    current = {notice_id(to, one): one for one in found}
    tell, notices, closed = list[Condition](), list[Notice](), list[Notice]()
    for number, one in current.items():
        before = mine.get(number)
        if one.quiet:
            continue
        if before is None or _is_due(to, before, one, now):
            first = before.first_at if before else now
            tell.append(one)
            notices.append(
                Notice(
                    number, to.to, one.kind, one.task, one.department, _content(one), first,
                    now, now, 0, "told",
                )
            )  # fmt: skip
        elif before.state == "recovering":
            closed.append(replace(before, state="told", attempts=0))
    for number, before in mine.items():
        if number in current:
            continue
        gone = replace(before, state="over", tried_at=now, attempts=0)
        if before.told_at is None or not _wants_end(to, before):
            closed.append(gone)
        else:
            tell.append(_recovered(before, titled(before.task)))
            notices.append(gone)
    return Due(tuple(tell), tuple(notices), tuple(closed))


def recipient_faults(workshop: Workshop, to: Recipient) -> list[str]:
    """Departments and feeds that a recipient names and the contracts do not have."""
    feeds = workshop.contracts.feeds
    codes = {feed.department_code for feed in feeds.values()}
    unknown = {"departments": set(to.departments) - codes, "feeds": set(to.feeds) - set(feeds)}
    return [
        f"{to.to} is told of the {what} {'、'.join(sorted(names))}, which no contract has"
        for what, names in unknown.items()
        if names
    ]


def notice_id(to: Recipient, condition: Condition) -> str:
    """The same for the same matter and recipient, as long as it lasts."""
    what = f"{to.to}\n{condition.kind}\n{condition.task}\n{condition.key}"
    return hashlib.sha256(what.encode()).hexdigest()[:32]


def _wants_end(to: Recipient, notice: Notice) -> bool:
    """Whether a recipient is told that a matter is over; not when it is no longer theirs."""
    kinds: set[Matter] = {"recovered", notice.kind}
    return (not to.about or kinds <= set(to.about)) and (not to.feeds or notice.task in to.feeds)


def _content(condition: Condition) -> str:
    return hashlib.sha256(condition.state.encode()).hexdigest()[:32]


def _is_due(to: Recipient, before: Notice, condition: Condition, now: datetime) -> bool:
    """Whether a matter that is known is to be told (again)."""
    if before.told_at is None or before.content != _content(condition):
        return True
    return to.every > 0 and now - before.told_at >= timedelta(minutes=to.every)


def _resting(mine: Iterable[Notice], now: datetime) -> bool:
    """Whether the last message could not be delivered and it is too early to try again."""
    tries = [(one.attempts, one.tried_at) for one in mine if one.attempts and one.tried_at]
    if not tries:
        return False
    attempts, last = max(number for number, _ in tries), max(at for _, at in tries)
    until: datetime = last + min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    return now < until


def _later(wanted: Notice, before: Notice | None, now: datetime) -> Notice:
    """What the ledger keeps of a notice that was not delivered."""
    attempts = (before.attempts if before else 0) + 1
    if wanted.state == "over" and before:
        return replace(before, tried_at=now, attempts=attempts, state="recovering")
    told_at = before.told_at if before else None
    content = before.content if before else ""
    return replace(
        wanted, content=content, tried_at=now, told_at=told_at, attempts=attempts, state="waiting"
    )


def _recovered(notice: Notice, name: str) -> Condition:
    return Condition(
        kind="recovered",
        task=notice.task,
        title=name,
        department=notice.department,
        department_code="",
        sentence=f"此前的“{KINDS[notice.kind]}”已解除",
        command="",
        key=notice.notice_id,
    )


def _record(workshop: Workshop, notices: Sequence[Notice]) -> None:
    """Keep what was told; two short statements under the lake's lock."""
    line = "(?, ?, ?, ?, ?, ?, ?::TIMESTAMPTZ, ?::TIMESTAMPTZ, ?::TIMESTAMPTZ, ?, ?)"
    cells = [cell for notice in notices for cell in vars(notice).values()]
    with (
        workshop.lake.writer("keeping what was told") as writer,
        writer.transaction(f"told {len(notices)} notices") as tx,
    ):
        tx.con.execute(
            "DELETE FROM lake.ops.notice WHERE notice_id IN (SELECT unnest(?))",
            [[notice.notice_id for notice in notices]],
        )
        tx.con.execute(
            f"INSERT INTO lake.ops.notice ({COLUMNS}) VALUES {', '.join([line] * len(notices))}",
            cells,
        )
