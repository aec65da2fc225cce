"""Small feeds, and rows of text through the conforming statement; used by conform's tests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.contracts.model import Code, CodeList, Column, Contracts, Feed, Rule, Sla
from dagster_project.lake import Lake, Writer
from dagster_project.paths import Home
from dagster_project.settings import Settings
from dagster_project.transform.conform import (
    BatchCounts,
    BatchInput,
    Plan,
    compile_feed,
    conform,
    evolve,
)
from dagster_project.transform.conform.batch import bound
from dagster_project.transform.conform.select import statement

NOON = datetime(2023, 6, 1, 4, 0, tzinfo=UTC)
SEX = CodeList(
    "sex",
    "GB/T 2261.1",
    (Code("0", "未知"), Code("1", "男", ("M", "男性")), Code("2", "女", ("F",))),
)
FLAG = CodeList("flag", "own", (Code("0", "否", ("N", "无")), Code("1", "是", ("Y",))))
GRADE = CodeList("grade", "own", (Code("01", "一级"), Code("02", "二级")))
GLYPHS = CodeList("name_glyph", "own", (Code("𣵦", "氵甸"), Code("玥", "王月")))
CODES = {"sex": SEX, "flag": FLAG, "grade": GRADE, "name_glyph": GLYPHS}
Row = Mapping[str, str | None]


def feed_of(
    *columns: Column,
    rules: Sequence[Rule] = (),
    name: str = "people",
    delivery: str = "incremental",
    order_by: str = "",
) -> Feed:
    """A feed with these columns; the first one is the key unless one says so."""
    made = list(columns)
    if not any(column.is_key for column in made):
        made[0] = replace(made[0], key_position=1, required=True)
    return Feed(
        name=name,
        title="人员",
        version="1.0.0",
        department_code="gongan",
        department_name="公安局",
        columns=tuple(made),
        rules=tuple(rules),
        delivery="full" if delivery == "full" else "incremental",
        servers=(),
        sla=Sla(),
        order_by=order_by,
        path=f"schemas/feeds/{name}.yaml",
    )


def contracts_of(*feeds: Feed) -> Contracts:
    """Contracts that hold these feeds and the kit's code lists."""
    return Contracts({feed.name: feed for feed in feeds}, {}, CODES)


def plan_of(feed: Feed, *others: Feed) -> Plan:
    """The feed's plan."""
    return compile_feed(feed, contracts_of(feed, *others))


@dataclass(frozen=True)
class Judged:
    """One row after the statement."""

    values: dict[str, Any]
    ok: bool
    key: str | None
    reasons: tuple[str, ...]
    counted: tuple[tuple[str, str], ...]
    logged: tuple[tuple[str, str], ...]


def judge(plan: Plan, *rows: Row, at: datetime = NOON) -> list[Judged]:
    """Rows of text through the statement, in their order. A key ``_defect`` marks a defect."""
    names = [cell.column.name for cell in plan.cells]
    with duckdb.connect() as con:
        body = ", ".join(f'"{name}" VARCHAR' for name in [*names, "_defect", "_sheet"])
        con.execute(f"CREATE TABLE conform_source ({body}, _source_row BIGINT)")
        for number, row in enumerate(rows, 1):
            cells = [*(row.get(name) for name in names), row.get("_defect"), "", number]
            con.execute(f"INSERT INTO conform_source VALUES ({', '.join('?' * len(cells))})", cells)
        sql, parameters = statement(plan, frozenset())
        values = bound(at)
        result = con.execute(
            f"SELECT * FROM ({sql}) ORDER BY _source_row",
            {name: values[name] for name in parameters},
        )
        head = [column[0] for column in result.description]
        found = [dict(zip(head, row, strict=True)) for row in result.fetchall()]
    return [_judged(plan, names, row) for row in found]


def _judged(plan: Plan, names: Sequence[str], row: dict[str, Any]) -> Judged:
    repairs = [
        (repair.logged, (repair.column, repair.id))
        for repair, slot in zip(plan.repairs, plan.repair_slots, strict=True)
        if row[f"_r{slot.word}"] & slot.mask
    ]
    return Judged(
        values={name: row[name] for name in names},
        ok=row["_ok"],
        key=row["_key"],
        reasons=tuple(rule for rule, s in plan.slots.items() if row[f"_w{s.word}"] & s.mask),
        counted=tuple(repair for logged, repair in repairs if not logged),
        logged=tuple(repair for logged, repair in repairs if logged),
    )


def cells(column: Column, texts: Sequence[str | None]) -> list[Judged]:
    """Cells of one column, each beside a key that is always there."""
    key = Column("key", "主键", "string", key_position=1, required=True)
    rows = [{"key": "1", column.name: text} for text in texts]
    return judge(plan_of(feed_of(key, column)), *rows)


def one_cell(column: Column, text: str | None) -> Judged:
    """One cell of one column."""
    return cells(column, [text])[0]


@dataclass
class Bench:
    """A lake with one open writer."""

    writer: Writer
    folder: Path
    number: int = 0

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The writer's connection."""
        return self.writer.con

    def deliver(
        self,
        plan: Plan,
        rows: Sequence[Row],
        *,
        at: datetime = NOON,
        batch_id: str = "",
        **extra: Any,
    ) -> BatchCounts:
        """Evolve the tables and take in one delivery, in one transaction."""
        with self.writer.transaction("a test's delivery") as tx:
            return self.take(tx.con, plan, rows, at=at, batch_id=batch_id, **extra)

    def take(
        self,
        con: duckdb.DuckDBPyConnection,
        plan: Plan,
        rows: Sequence[Row],
        *,
        at: datetime = NOON,
        batch_id: str = "",
        **extra: Any,
    ) -> BatchCounts:
        """The same inside the caller's transaction, which may take several deliveries."""
        self.number += 1
        name = plan.feed.name
        batch_id = batch_id or f"{name}-{at:%Y%m%dT%H%M%S%f}Z-{self.number:08d}"
        path = self.folder / f"{batch_id}.parquet"
        write_rows(plan.feed, rows, batch_id, path)
        evolve(con, plan.feed)
        return conform(
            con,
            plan,
            BatchInput(
                batch_id=batch_id,
                sha256=batch_id[-8:],
                path=f"{name}.csv",
                format="csv",
                encoding="utf-8",
                delivered_at=at,
                run_id="run",
                committed_at=at,
                rows=path,
                **extra,
            ),
        )

    def silver(self, feed: Feed, columns: str = "*") -> list[tuple[Any, ...]]:
        """Silver's rows in the order of the key."""
        keys = ", ".join(f'"{name}"' for name in feed.key)
        sql = f'SELECT {columns} FROM lake.silver."{feed.name}" ORDER BY {keys}'
        return self.con.execute(sql).fetchall()

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.con.execute(sql).fetchall()


def write_rows(feed: Feed, rows: Sequence[Row], batch_id: str, path: Path) -> None:
    """A Parquet file of the reader's form."""
    names = [column.name for column in feed.columns]
    cells = [
        {
            **{name: row.get(name) for name in names},
            "_extra": row.get("_extra"),
            "_defect": row.get("_defect"),
            "_sheet": row.get("_sheet") or "",
            "_source_row": number,
            "_batch_id": batch_id,
        }
        for number, row in enumerate(rows, 2)
    ]
    kinds = {**dict.fromkeys([*names, "_extra", "_defect", "_sheet"], "VARCHAR")}
    kinds |= {"_source_row": "BIGINT", "_batch_id": "VARCHAR"}
    source = path.with_suffix(".json")
    source.write_text(json.dumps(cells, ensure_ascii=False), encoding="utf-8")
    spelled = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT * FROM read_json('{source}', format = 'array', columns = {{{spelled}}}))"
            f" TO '{path}' (FORMAT parquet)"
        )


@contextlib.contextmanager
def open_bench(folder: Path) -> Iterator[Bench]:
    """A fresh lake below ``folder``."""
    root = folder / "home"
    root.mkdir(parents=True)
    with Lake(Home(root), Settings(threads=2)).writer("a test") as writer:
        yield Bench(writer, folder)
