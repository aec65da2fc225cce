"""How tasks look to people, on narrow and on wide screens. What is shown is computed elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagster_project.cli.shared import data_age, literally
from dagster_project.cli.tables import local

if TYPE_CHECKING:
    from dagster_project.components.steps.tasks.history import History
    from dagster_project.components.steps.tasks.look import TaskLine

STATES: dict[str, tuple[str, str, str]] = {
    "late": ("red", "逾期", "the deadline is past and nothing came"),
    "failed": ("red", "失败", "it failed since it last went well"),
    "held": ("yellow", "搁置", "a delivery waits for a decision"),
    "running": ("cyan", "运行", "it runs now"),
    "due": ("cyan", "到期", "it is to be started"),
    "paused": ("yellow", "暂停", "somebody paused it"),
    "never": ("dim", "未运行", "it never ran"),
    "waiting": ("blue", "等待", "nothing came yet, and the deadline is ahead"),
    "ok": ("green", "正常", "its period is served"),
}
MEDIUM, WIDE, WIDEST = 104, 150, 176
MINUTE = 60
NAME = 26
"""So many letters of a name stand on one line of the narrowest screen."""
LONG = ("told", "path", "why")
SPARED = ("trigger", "attempt", "told", "run_id")
"""What an execution's line leaves out on a narrow screen; ``--json`` has all of it."""
Cell = Callable[["TaskLine"], Text]


def tell_tasks(screen: Console, lines: Sequence[TaskLine], *, is_part: bool) -> None:
    """The table, the legend of its states, the totals, and a sentence for each task in trouble."""
    if not lines:
        screen.print("no such task" if is_part else "there are no tasks")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    longest = max(max(len(line.task), cell_len(line.title)) for line in lines)
    columns = _columns(screen.width, min(longest, NAME if screen.width < MEDIUM else 2 * NAME))
    for head, options, _cell in columns:
        table.add_column(head if screen.width >= MEDIUM else head.partition("\n")[0], **options)
    for line in lines:
        table.add_row(*(cell(line) for _head, _options, cell in columns))
    screen.print(table)
    counts: Counter[str] = Counter(line.state for line in lines)
    parts = [f"{counts[state]} {STATES[state][1]} {state}" for state in STATES if counts[state]]
    screen.print(f"合计 all {len(lines)}: {' · '.join(parts)}")
    legend = "; ".join(f"{state}: {STATES[state][2]}" for state in STATES if counts[state])
    screen.print(Text(legend, style="dim"))
    for line in lines:
        for sentence in sentences(line):
            screen.print(Text.assemble(("• ", "bold"), literally(f"{line.task}: {sentence}")))


def sentences(line: TaskLine) -> list[str]:
    """What somebody must know of a task that is not as it should be."""
    told = []
    if line.running:
        told.append(f"{line.running}.")
    if line.paused:
        said = line.paused
        told.append(f"paused {local(said.decided_at)} by {said.decided_by}: {said.why}.")
    if line.holds:
        told.append(f"{', '.join(line.holds)} waits for a decision; `countylake hold list`.")
    if line.kind == "feed" and line.state in ("late", "held"):
        told.append(f"what is published {data_age(line.data_until, line.data_age_days)}.")
    if line.state in ("late", "failed"):
        told += [f"waits for {one.department}: {one.reason}." for one in line.waits_for]
    if line.failures:
        again = f"; tried again {local(line.retry_at)}" if line.retry_at else ""
        times = f" {line.failures} times" if line.failures > 1 else ""
        told.append(f"failed{times}{again}: {line.error}")
    if line.state in ("paused", "held") and line.deliveries_waiting:
        told.append(f"{line.deliveries_waiting} deliveries wait in the inbox.")
    return told


def _columns(width: int, name: int) -> list[tuple[str, dict[str, Any], Cell]]:
    fixed: dict[str, Any] = {"no_wrap": True}
    right: dict[str, Any] = {"no_wrap": True, "justify": "right"}
    free: dict[str, Any] = {"overflow": "fold"}
    found: list[tuple[str, dict[str, Any], Cell]] = [
        ("状态\nstate", fixed, _state if width >= WIDE else _state_alone),
        ("归集任务\ntask", {**free, "width": name}, _name),
        ("截止\ndue", fixed, lambda line: Text(local(line.missed_at or line.due_at))),
        ("上次成功\nlast success", fixed, lambda line: Text(local(line.last_success))),
        ("失败\nfailed", right, lambda line: Text(f"{line.failures or '–'}")),
        ("读取\nread", right, lambda line: Text(f"{line.read:,}" if line.read else "–")),
    ]
    if width >= MEDIUM:
        found.insert(2, ("部门\ndepartment", free, lambda line: literally(line.department)))
        found.insert(5, ("下次运行\nnext run", fixed, lambda line: Text(local(line.next_run))))
    if width >= WIDE:
        found.insert(3, ("安排\nschedule", free, lambda line: Text(line.schedule)))
        found += [
            (
                "问题\nrejected",
                right,
                lambda line: Text(f"{line.rejected:,}" if line.read else "–"),
            ),
            ("用时\ntook", right, lambda line: Text(took(line.duration_s))),
        ]
    if width >= WIDEST:
        found.append(("中位\nmedian", right, lambda line: Text(took(line.median_s))))
    return found


def took(seconds: float | None) -> str:
    """A duration as people say it."""
    if seconds is None:
        return "–"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _state(line: TaskLine) -> Text:
    colour, title, _ = STATES[line.state]
    return Text(f"{title} {line.state}", style=colour)


def _state_alone(line: TaskLine) -> Text:
    return Text(line.state, style=STATES[line.state][0])


def _name(line: TaskLine) -> Text:
    return Text.assemble(literally(line.title), "\n", (line.task, "dim"))


def tell_history(screen: Console, found: History) -> None:
    """One task with everything that is known of it."""
    line = found.line
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    rows = f"{line.read:,} read, {line.accepted:,} accepted, {line.rejected:,} rejected"
    said: dict[str, Any] = {
        "任务 task": f"{line.title} {line.task} ({line.kind})",
        "部门 department": line.department,
        "负责 owner": line.owner,
        "状态 state": f"{STATES[line.state][1]} {line.state}: {STATES[line.state][2]}",
        "安排 schedule": line.schedule + (f"  ({line.cron})" if line.cron else ""),
        "截止 due": local(line.due_at),
        "逾期 missed": local(line.missed_at) if line.missed_at else "",
        "上次成功 last success": local(line.last_success),
        "数据至 data until": local(line.data_until) if line.data_until else "",
        "上次运行 last run": f"{local(line.last_run)} {line.last_status}",
        "下次运行 next run": local(line.next_run),
        "行数 rows": rows if line.read else "",
        "用时 took": f"{took(line.duration_s)}, median {took(line.median_s)}",
        "连续失败 failures": str(line.failures or ""),
        "等待 waits for": "\n".join(f"{one.department}: {one.reason}" for one in line.waits_for),
    }
    for name, value in said.items():
        if value:
            facts.add_row(name, literally(value))
    screen.print(facts)
    for sentence in sentences(line):
        screen.print(Text.assemble(("• ", "bold"), literally(sentence)))
    _list(screen, "执行 executions", found.executions)
    _list(screen, "交付 deliveries", found.deliveries)
    _list(screen, "决定 decisions", found.decisions)


def _list(screen: Console, title: str, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    is_narrow = screen.width < MEDIUM and "run_id" in rows[0]
    names = [name for name in rows[0] if not (is_narrow and name in SPARED)]
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name not in LONG)
    for row in rows:
        shown = {**row, "run_id": row["run_id"][:8]} if "run_id" in row else row
        table.add_row(*(_plain(shown[name]) for name in names))
    screen.print(table)


def _plain(value: Any) -> Text:
    from datetime import datetime

    if isinstance(value, datetime):
        return Text(local(value))
    if isinstance(value, float):
        return Text(took(value))
    return literally("" if value is None else value)
