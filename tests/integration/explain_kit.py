"""A county whose hotline reports its work orders by month; corrections come as late deliveries."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from dagster_project.components.steps.explaining.explain import explain
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.report import seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import PROJECT, SAMPLES, Home
from dagster_project.settings import Site

REPORT = "hotline_by_month"
TABLE = f"report.{REPORT}"
DAY = date(2023, 6, 1)
MONTH = "2023-05"
FEEDS = ("division", "collective_org", "house", "population", "component", "hotline_order")
VILLAGES = ("140321107001", "140321107218", "140321103230")
ORDER: Mapping[str, str] = {
    "工单编号": "",
    "来源渠道": "01",
    "受理时间": f"{MONTH}-10 08:00:00",
    "诉求类型": "1",
    "诉求分类": "0303",
    "工单标题": "夜间施工噪声",
    "诉求内容": "工地夜间施工，噪声影响休息。",
    "是否保密": "0",
    "村居编码": VILLAGES[0],
    "紧急程度": "1",
    "处理方式": "2",
    "主办单位代码": "11140321011100250B",
    "派单时间": f"{MONTH}-10 09:00:00",
    "办理时限": f"{MONTH}-20 08:00:00",
    "是否延期": "0",
    "工单状态": "40",
    "退回次数": "0",
    "重办次数": "0",
    "是否响应": "1",
    "是否剔除": "0",
    "更新时间": f"{MONTH}-12 08:00:00",
}


def order(number: int, **changes: str) -> dict[str, str]:
    """A work order; ``changes`` are by Chinese title."""
    mine = {"工单编号": f"R20230510{number:08d}", "村居编码": VILLAGES[number % len(VILLAGES)]}
    return {**ORDER, **mine, **changes}


@dataclass
class Hotline:
    """The county: its home below ``root``, its inbox, its runs.

    With ``own_forms`` it has contracts and SQL of its own, to be changed by ``reworded``.
    """

    root: Path
    exchange: str = "exchange"
    own_forms: bool = False
    files: int = 0
    workshop: Workshop = field(init=False)

    def __post_init__(self) -> None:
        home, inbox = Home(self.root / "county"), self.root / "inbox"
        if not home.site_file.exists():
            site = Site(code="140321", name="平定县", parent="140300", inbox=str(inbox))
            found(home, site.model_copy(update={"exchange": self.exchange}))
            source = next((SAMPLES / "inbox" / "140321").glob("*/行政区划_*"))
            (inbox / source.parent.name).mkdir(parents=True)
            (inbox / source.parent.name / source.name).write_bytes(source.read_bytes())
        self.inbox = inbox / "12345热线中心"
        self.inbox.mkdir(exist_ok=True)
        self.workshop = Workshop.at(home.root)
        if self.own_forms:
            schemas, sql = self.root / "schemas", self.root / "sql"
            shutil.copytree(PROJECT / "schemas", schemas)
            shutil.copytree(PROJECT / "sql", sql)
            self.workshop = replace(self.workshop, schemas=schemas, sql=sql)

    def reworded(self, path: str, texts: Mapping[str, str]) -> None:
        """Change texts of a contract or SELECT of the county's own, and read all of them again."""
        file = self.root / path
        text = file.read_text("utf-8")
        for old, new in texts.items():
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text, "utf-8")
        self.workshop = self.workshop.renewed()

    def deliver(self, orders: Iterable[Mapping[str, str]]) -> Path:
        """Put a file of work orders into the inbox."""
        self.files += 1
        path = self.inbox / f"热线工单_202306{self.files:02d}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            titles = [column.title for column in self.workshop.feed("hotline_order").columns]
            writer = csv.DictWriter(stream, titles)
            writer.writeheader()
            writer.writerows(orders)
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))
        return path

    def take(self, *feeds: str) -> dict[str, FeedOutcome]:
        """The feeds' steps of a run, and the models up to the report."""
        occasion = self.occasion()
        outcomes = self.merge(occasion, *feeds or FEEDS)
        self.build(occasion)
        return outcomes

    def merge(self, occasion: Occasion, *feeds: str) -> dict[str, FeedOutcome]:
        """The feeds' steps alone."""
        outcomes = {name: run_feed(self.workshop, name, occasion) for name in feeds}
        for name, outcome in outcomes.items():
            assert not outcome.error, f"{name}: {outcome.error}"
        return outcomes

    def build(self, occasion: Occasion | None = None, *tables: str) -> None:
        """Build some models, or all up to the report."""
        graph, run = self.workshop.graph, occasion or self.occasion()
        for name in tables or (*graph.upstream(TABLE), TABLE):
            build_model(self.workshop, graph.models[name], run)

    def seal(self, occasion: Occasion | None = None) -> list[str]:
        """Seal the report; the ids of the packages that are new."""
        before = set(self.packages())
        seal_report(self.workshop, REPORT, occasion or self.occasion())
        return [one for one in self.packages() if one not in before]

    def occasion(self) -> Occasion:
        """A run of its own on the same day."""
        return Occasion(run_id=str(uuid4()), day=DAY)

    def packages(self) -> dict[str, tuple[int, str]]:
        """Every package: its snapshot and content hash."""
        with self.workshop.lake.reader() as con:
            rows = con.execute(
                "SELECT package_id, snapshot, content_hash FROM ops.package ORDER BY package_no"
            ).fetchall()
        return {name: (snapshot, content) for name, snapshot, content in rows}

    def explain(self, a: str, b: str, *, with_rows: bool = False) -> dict[str, Any]:
        """Why figures moved between two packages."""
        return explain(self.workshop, a, b, with_rows=with_rows)
