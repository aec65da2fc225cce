"""What somebody must act on now: tasks late or failed, deliveries held, rows to be corrected.

Read from ledgers, changing nothing. Who is told of it, and whether again, is ``notices``' matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import duckdb

from dagster_project.components.steps.arriving.holds import Hold, holds
from dagster_project.components.steps.correcting.ledger import to_correct
from dagster_project.components.steps.delivering import standing_of
from dagster_project.components.steps.notices.delivery import of_delivery
from dagster_project.components.steps.notices.text import Condition, local, quoted
from dagster_project.components.steps.tasks.look import State, TaskLine, every, in_order
from dagster_project.components.steps.tasks.why import Chain, Link
from dagster_project.components.steps.workshop import Workshop

if TYPE_CHECKING:
    from dagster_project.settings import Matter

DOUBTS: Final = {
    "schema": "文件结构变化，任务已暂停，等待决定",
    "vanished": "记录大量消失，整份搁置，等待决定",
    "period": "期次与文件名不符，整份搁置，等待决定",
    "rows": "行数与清单不符，整份搁置，等待决定",
    "quality": "问题数据超出限额，整份搁置，等待决定",
}
BEHIND: Final[dict[State, str]] = {
    "late": "逾期",
    "held": "搁置待决定",
    "paused": "已暂停",
    "failed": "失败",
    "never": "未运行",
}


def conditions(workshop: Workshop, now: datetime) -> list[Condition]:
    """Everything that waits for somebody.

    Raises:
        LakeBusyError: A writer kept the lake for too long.
    """
    if not workshop.home.catalog.exists():
        return []
    look, known = every(workshop, now)
    lines = in_order(known.values())
    chain = Chain.of(look, known)
    with workshop.lake.reader() as con:
        held = holds(con)
        cases = list(_of_cases(workshop, con, now))
        way_up = list(of_delivery(workshop, standing_of(workshop, con), now))
    messages = [hold.message for hold in held if hold.message]
    tasked = [one for line in lines for one in _of_task(workshop, line, messages, chain)]
    return [*tasked, *(_of_hold(workshop, hold) for hold in held), *cases, *way_up]


def title_of(workshop: Workshop, task: str) -> str:
    """A task's Chinese title; empty for one that is no longer there."""
    if task in workshop.contracts.feeds:
        return workshop.contracts.feeds[task].title
    model = workshop.graph.models.get(task)
    return model.contract.title if model else ""


def _of_task(
    workshop: Workshop, line: TaskLine, held: Sequence[str], chain: Chain
) -> Iterator[Condition]:
    if line.kind == "model":
        return
    paused = line.paused is not None
    if line.missed_at is not None and not line.holds:
        yield _made(
            workshop,
            "late",
            line.task,
            f"应于 {local(line.missed_at)} 前完成，至今没有{_why_late(chain.link(line.task))}",
            f"countylake tasks why {line.task}",
            state=line.missed_at.isoformat(),
            quiet=paused,
        )
    error = line.error
    for message in held:  # what is held is told as that
        error = error.replace(message, "").strip()
    if error and (line.failures or line.last_status == "partial"):
        times = f"连续 {line.failures} 次" if line.failures > 1 else ""
        again = f"；{local(line.retry_at)} 自动重试" if line.retry_at else ""
        yield _made(
            workshop,
            "failed",
            line.task,
            f"执行失败{times}{again}。{quoted(error)}",
            f"countylake tasks show {line.task}",
            state=error,
            quiet=paused,
        )


def _why_late(link: Link) -> str:
    """Whom a late task waits for: the departments behind it, what each sent last, and by what."""
    behind = [one for one in link.causes() if one.kind == "feed"]
    if link.kind == "feed":
        waits = link.todo.startswith("countylake tasks run")
        todo = "文件已在收件箱，请运行 countylake run" if waits else "请催送"
        return f"；{_last(link)}，通道 {link.channel}；{todo}"
    if not behind:
        return "；请运行 countylake run"
    told = "、".join(
        f"{one.department} {one.title}（{BEHIND[one.state]}，{_last(one)}）" for one in behind
    )
    return f"，等待 {told}；请催办"


def _last(link: Link) -> str:
    return f"上次报送 {local(link.sent.at)}" if link.sent else "从未报送"


def _of_hold(workshop: Workshop, hold: Hold) -> Condition:
    kind: Matter = "drifted" if hold.kind == "schema" else "held"
    command = "drift" if hold.kind == "schema" else "hold"
    return _made(
        workshop,
        kind,
        hold.feed,
        f"{DOUBTS[hold.kind]}（{hold.hold_id}，{local(hold.opened_at)}）",
        f"countylake {command} show {hold.hold_id}",
        key=hold.hold_id,
    )


def _of_cases(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, now: datetime
) -> Iterator[Condition]:
    """What departments must act on: told when copies went out, or when its day is past."""
    for feed, cases, overdue, since, returned_at in to_correct(workshop, con, now):
        if not returned_at and not overdue:
            continue
        late = f"，其中 {overdue} 条已过办结时限" if overdue else ""
        how = "已退回" if returned_at else "尚未退回"
        todo = "请更正后重新报送" if returned_at else "请退回部门更正"
        yield _made(
            workshop,
            "returned",
            feed,
            f"{cases} 条待部门更正，{how}，最早 {local(since)}{late}；{todo}",
            f"countylake quarantine return --feed {feed}",
            # Told again when copies went out again, or the first case became overdue.
            state=f"{returned_at} {bool(overdue)}",
        )


def _made(
    workshop: Workshop,
    kind: Matter,
    task: str,
    sentence: str,
    command: str,
    *,
    key: str = "",
    state: str = "",
    quiet: bool = False,
) -> Condition:
    feed = workshop.contracts.feeds.get(task)
    owner = "" if feed else workshop.graph.models[task].contract.owner
    return Condition(
        kind=kind,
        task=task,
        title=title_of(workshop, task),
        department=feed.department_name if feed else owner or workshop.site.name,
        department_code=feed.department_code if feed else "",
        sentence=sentence,
        command=command,
        key=key,
        state=state,
        quiet=quiet,
    )
