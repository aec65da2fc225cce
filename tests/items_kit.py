"""Departments that keep data of the same persons, and their entity in a lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from dagster_project.contracts.entities import DataItems, Entity, Item, Source
from dagster_project.contracts.items import origin_columns
from dagster_project.contracts.model import Column, Contracts, Feed
from dagster_project.lineage.describe import described, lineages
from dagster_project.transform.conform import Plan, compile_feed
from dagster_project.transform.models import Model, Parameters, build, settle
from dagster_project.transform.models.entities import entity_models
from tests.conform_kit import CODES, NOON, Bench, Row, feed_of

KEY = Column("id_no", "身份号码", "string", key_position=1, required=True, level="L4", mask="id")
NAME = Column("name", "姓名", "string", level="L3", mask="name", textual=True)
SEX = Column("sex", "性别", "string", level="L2", codes="sex")
DIED = Column("died", "死亡日期", "date", level="L3", mask="year")
CHANGED = Column("changed_at", "更新时间", "timestamp", level="L2")


def department(name: str, code: str, title: str, *columns: Column, delivery: str = "full") -> Feed:
    """A feed of persons of one department."""
    made = feed_of(KEY, *columns, CHANGED, name=name, delivery=delivery, order_by="changed_at")
    return replace(made, title=f"{title}名册", department_code=code, department_name=title)


POLICE = department("police", "gongan", "公安局", NAME, SEX, DIED)
CIVIL = department("civil", "minzheng", "民政局", NAME, SEX, DIED)
HEALTH = department("health", "weijian", "卫健局", NAME, SEX, delivery="incremental")
FEEDS = {feed.name: feed for feed in (POLICE, CIVIL, HEALTH)}


def item_of(column: Column, *sources: Source | str) -> Item:
    """An item; a source that is only a feed's name has the item's column."""
    made = tuple(Source(one, column.name) if isinstance(one, str) else one for one in sources)
    return Item(column.name, column.title, made, column)


def person(*items: Item) -> Entity:
    """The entity of persons with these items."""
    feeds = dict.fromkeys((s.feed for item in items for s in item.sources), "id_no")
    columns = [KEY, *(c for item in items for c in (item.column, *origin_columns(item)))]
    return Entity("person", "自然人", "1.0.0", KEY, feeds, items, tuple(columns))


@dataclass
class County:
    """A lake in which departments deliver and the entity follows."""

    bench: Bench
    entity: Entity
    plans: dict[str, Plan] = field(default_factory=dict)

    @property
    def contracts(self) -> Contracts:
        """The feeds and the entity."""
        return Contracts(FEEDS, {}, CODES, items=DataItems({"person": self.entity}))

    @property
    def model(self) -> Model:
        """The entity's model."""
        (made,) = entity_models(self.contracts)
        return made

    def plan(self, name: str) -> Plan:
        """The compiled contract of a feed."""
        return self.plans.setdefault(name, compile_feed(FEEDS[name], self.contracts))

    def deliver(self, name: str, *rows: Row) -> None:
        """One delivery, an hour after the one before it."""
        self.bench.deliver(self.plan(name), rows, at=NOON + timedelta(hours=self.bench.number))

    def integrate(self) -> bool:
        """Build the entity and settle its cases; says whether anything was looked at."""
        model, contracts = self.model, self.contracts
        known = lineages([model], contracts)
        columns = described([model], contracts, known)[model.table]
        with self.bench.writer.transaction("a test's entity") as tx:
            parameters = Parameters(NOON, NOON.date(), "140321")
            done = build(tx.con, model, parameters, run_id="run", built_at=NOON, columns=columns)
            if done.evaluated:
                settle(tx.con, contracts, self.entity, NOON)
        return done.evaluated

    def persons(self, columns: str = "id_no, name, name_source") -> list[tuple[Any, ...]]:
        """Rows of the entity."""
        return self.bench.all(f"SELECT {columns} FROM lake.silver.person ORDER BY id_no")

    def cases(self, columns: str = "record_key, item, feed, state, how") -> list[tuple[Any, ...]]:
        """Every case in the order of opening."""
        return self.bench.all(
            f"SELECT {columns} FROM lake.ops.disagreement"
            " ORDER BY opened_at, record_key, item, feed, case_id"
        )


def row(id_no: object, name: str | None = None, **more: str | None) -> Row:
    """A person's row."""
    return {"id_no": str(id_no), "name": name, **more}


def rows(ids: Sequence[object], name: str, **more: str | None) -> list[Row]:
    """A row of each person, all of the same name."""
    return [row(one, name, **more) for one in ids]
