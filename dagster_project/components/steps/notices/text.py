"""What notices say: one line per matter, grouped by department, in messages of bounded length.

For clerks on their phones, hence in Chinese; sentences of errors are quoted as they are. Names of
feeds, titles, file names, counts and times only: no cell, no person, no secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from dagster_project.clock import SHANGHAI
from dagster_project.settings import Matter

KINDS: Final[dict[Matter, str]] = {
    "late": "逾期",
    "failed": "失败",
    "drifted": "结构变化",
    "held": "搁置",
    "returned": "待更正",
    "refused": "报送退回",
    "undelivered": "报送未达",
    "recovered": "已恢复",
}
"""In the order in which they are told."""
MOST_BYTES: Final = 1900
"""A message's bound: WeCom takes 2048 bytes, of which a title needs some."""
MOST_LINE: Final = 480
MOST_PARTS: Final = 3


@dataclass(frozen=True)
class Condition:
    """One matter that somebody must act on.

    ``key`` tells two matters of one kind and task apart (a hold's number); ``state`` changes when
    the matter has become another one, so that it is told again. A ``quiet`` matter is known and
    wanted (its task is paused): nobody is told of it, nor that it is over.
    """

    kind: Matter
    task: str
    title: str
    department: str
    department_code: str
    sentence: str
    command: str
    key: str = ""
    state: str = ""
    quiet: bool = False


def line(condition: Condition) -> str:
    """One matter in one line, with what to do."""
    name = f"{condition.title} {condition.task}".strip()
    text = f"[{KINDS[condition.kind]}] {name}：{condition.sentence}"
    command = f" → {condition.command}" if condition.command else ""
    return _cut(text, MOST_LINE - _size(command)) + command


def title(site: str, conditions: Sequence[Condition]) -> str:
    """The message's title: whose, and how much of what."""
    counts = (
        f"{word} {sum(one.kind == kind for one in conditions)}"
        for kind, word in KINDS.items()
        if any(one.kind == kind for one in conditions)
    )
    return f"{site} 数据归集通知：{'、'.join(counts)}"


def messages(conditions: Iterable[Condition]) -> list[str]:
    """The parts of one message, each within the bound; what does not fit is counted at the end."""
    order = list(KINDS)
    sorted_ones = sorted(
        conditions, key=lambda one: (one.department, order.index(one.kind), one.task, one.key)
    )
    parts, left = [""], 0
    for head, text in _lines(sorted_ones):
        if left:
            left += 1
            continue
        more = f"{text}\n" if head in parts[-1] else f"{head}\n{text}\n"
        if parts[-1] and _size(parts[-1]) + _size(more) > MOST_BYTES:
            if len(parts) == MOST_PARTS:
                left += 1
                continue
            parts.append("")
            more = f"{head}\n{text}\n"
        parts[-1] += more
    if left:
        parts[-1] += f"另有 {left} 项 → countylake notify list\n"
    return [part.rstrip("\n") for part in parts if part]


def local(instant: datetime) -> str:
    """``11-22 20:00`` on the county's clock."""
    return instant.astimezone(SHANGHAI).strftime("%m-%d %H:%M")


def quoted(sentence: str, most: int = 300) -> str:
    """The beginning of somebody else's sentence, on one line."""
    return _cut(" ".join(sentence.split()), most)


def _lines(conditions: Sequence[Condition]) -> Iterator[tuple[str, str]]:
    for department, ones in groupby(conditions, key=lambda one: one.department):
        for one in ones:
            yield f"■ {department or '未分部门'}", line(one)


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _cut(text: str, most: int) -> str:
    """At most so many bytes, never within a character."""
    data = text.encode("utf-8")
    if len(data) <= most:
        return text
    return data[: most - 3].decode("utf-8", errors="ignore") + "…"
