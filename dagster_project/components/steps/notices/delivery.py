"""What somebody must act on along the way up: packages refused, undelivered, two histories.

Who is told of it, and whether again, is ``notices``' matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dagster_project.components.steps.delivering import Standing
from dagster_project.components.steps.notices.text import Condition, local, quoted
from dagster_project.components.steps.workshop import Workshop

if TYPE_CHECKING:
    from dagster_project.settings import Matter

SILENCE = timedelta(days=1)
"""So long a package may wait for the parent's answer until somebody is told."""
MOST = 20
"""So many refused packages are told apart."""


def of_delivery(workshop: Workshop, standing: Standing, now: datetime) -> Iterator[Condition]:
    """What the parent refused and nobody put right, and what did not reach it for a day."""
    for one in standing.rejected[-MOST:]:
        said = quoted(one.reasons or "没有说明原因")
        command = f"countylake package show {one.package_id}"
        yield _made(
            workshop, "refused", one.report, f"{one.package_id} 被上级退回：{said}", command
        )
    for sentence in standing.contradictions:
        said = f"上级与本级的报送记录不一致，请先停止封包。{quoted(sentence)}"
        yield _made(workshop, "refused", "", said, "countylake status")
    since = standing.waiting_since
    if since is not None and now - since > SILENCE:
        link = standing.link
        cut = (
            f"，链路已连续 {link.failures} 次不通：{quoted(link.last_error)}"
            if link.failures
            else ""
        )
        said = f"{len(standing.waiting)} 个报送包自 {local(since)} 起未获上级回执{cut}"
        yield _made(workshop, "undelivered", "", said, "countylake deliver --now")


def _made(workshop: Workshop, kind: Matter, report: str, sentence: str, command: str) -> Condition:
    model = workshop.graph.models.get(f"report.{report}")
    return Condition(
        kind=kind,
        task=model.table if model else "report",
        title=model.contract.title if model else "报送",
        department=(model.contract.owner if model else "") or workshop.site.name,
        department_code="",
        sentence=sentence,
        command=command,
        # More packages that wait are the same matter; another refusal is another one.
        key=sentence if kind == "refused" else "",
    )
