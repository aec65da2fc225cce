"""A county with one small feed, and what its department sends and gets back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import xlwt
from openpyxl import Workbook, load_workbook

from dagster_project.components.steps.correcting.returns import return_feed
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.workshop import Workshop
from tests.conftest import founded_county

TITLES = ["证照编号", "持有人", "数量", "起始日期", "终止日期"]
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.feeds.{name}
name: 证照
version: 1.0.0
status: active
domain: services
description:
  purpose: 证照目录。
team:
  name: 行政审批服务管理局
servers:
  - {{server: inbox, type: local, path: '审批局/{name}_*.{ending}', format: {ending}}}
slaProperties:
  - {{property: frequency, value: 1, unit: d}}
  - {{property: timeOfAvailability, value: '20:00'}}
customProperties:
  - {{property: department, value: {{code: shenpi, name: 行政审批服务管理局}}}}
  - {{property: delivery, value: {delivery}}}
  - {{property: accepts, value: {{encodings: [utf-8, gb18030], formats: [{ending}]}}}}
  - property: catalogue
    value: {{code: 109001/000001, shareType: '2', updateCycle: 每日}}
schema:
  - name: {name}
    businessName: 证照
    logicalType: object
    properties:
      - name: cert_no
        businessName: 证照编号
        logicalType: string
        logicalTypeOptions: {{maxLength: 4}}
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L2
      - name: holder
        businessName: 持有人
        logicalType: string
        required: true
        classification: L3
        customProperties:
          - {{property: textual, value: true}}
          - {{property: mask, value: name}}
      - name: qty
        businessName: 数量
        logicalType: integer
        logicalTypeOptions: {{minimum: 0}}
        classification: L1
      - name: begins
        businessName: 起始日期
        logicalType: date
        classification: L1
      - name: ends
        businessName: 终止日期
        logicalType: date
        classification: L1
    quality:
      - id: ends_after_it_begins
        type: custom
        engine: countylake
        dimension: consistency
        severity: fail
        description: 终止日期不得早于起始日期
        implementation: 'ends >= begins'
"""
ROWS = [
    ["A1", "张三", "1", "2023-01-01", "2024-01-01"],
    ["A2", "李四", "-5", "2023-01-01", "2024-01-01"],
    ["A3", "", "两个", "2023-01-01", "2024-01-01"],
    ["A4", "王五", "3", "2024-01-01", "2023-01-01"],
    ["TOOLONG", "赵六", "3", "2023-01-01", "2024-01-01"],
    ["A6", "=cmd|' /C calc'!A0", "x", "2023-01-01", "2024-01-01"],
    ["A7", "@办公室", "1", "2023-01-01", "2024-01-01"],
]
# Row of the file -> the columns that are wrong.
WRONG = {3: "C", 4: "BC", 5: "DE", 6: "A", 7: "C"}
OPEN = len(WRONG)
Table = list[list[str]]


@dataclass(frozen=True)
class Place:
    """A county with one feed of certificates per kind of file."""

    workshop: Workshop
    kind: str

    @property
    def name(self) -> str:
        """The feed."""
        return f"cert_{self.kind}"

    @property
    def inbox(self) -> Path:
        """The department's folder."""
        return self.workshop.home.root / "in" / "审批局"

    def put(self, rows: Sequence[Sequence[str]], day: str, titles: Sequence[str] = TITLES) -> None:
        """The department delivers a table."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        path = self.inbox / f"{self.name}_{day}.{self.kind}"
        if self.kind == "xls":
            write_xls(path, [titles, *rows])
            return
        if self.kind == "csv":
            lines = [",".join(f'"{c}"' if "," in c else c for c in r) for r in [titles, *rows]]
            path.write_bytes(("\n".join(lines) + "\n").encode("gb18030"))
            return
        book = Workbook()
        assert book.active is not None
        book.active.title = "证照"
        for row in [titles, *rows]:
            book.active.append([cell or None for cell in row])
            for cell in book.active[book.active.max_row]:
                cell.data_type = "s" if cell.value else "n"
        book.save(path)

    def send_back(self, copy: Path, *changes: tuple[int, str, str], without: int = 0) -> None:
        """The department corrects cells (row, column, text) of the copy itself and delivers it."""
        path = self.inbox / f"{copy.stem}_更正{copy.suffix}"
        if copy.suffix == ".csv":
            rows = read(copy)
            for row, column, text in changes:
                rows[row - 1]["ABCDE".index(column)] = text
            kept = [",".join(cells) for n, cells in enumerate(rows, 1) if n != without]
            path.write_text("\r\n".join(kept) + "\r\n", encoding="utf-8-sig", newline="")
            return
        book = load_workbook(copy)
        for row, column, text in changes:
            book["证照"][f"{column}{row}"].value = text
        book.save(path)

    def take(self) -> None:
        """The feed's step; it must succeed."""
        done = run_feed(self.workshop, self.name, manual())
        assert not done.error, done.error
        assert done.batches

    def give_back(self) -> Path:
        """The only returned copy."""
        (one,) = return_feed(self.workshop, self.name)
        return Path(one.path)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query over the lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query).fetchall()

    def cases(self) -> dict[str | None, tuple[int, str, str | None]]:
        """Attempts, state and end of each case by the key that was read."""
        rows = self.ask("SELECT record_key, attempts, state, how FROM lake.ops.rectification")
        return {key: (attempts, state, how) for key, attempts, state, how in rows}


def make_place(
    kind: str,
    delivery: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    begins: bool = True,
) -> Iterator[Place]:
    """A founded county whose department has, or has not yet, delivered the rows."""
    feeds = root / "schemas" / "feeds"
    feeds.mkdir(parents=True)
    delivery, _, more = delivery.partition(", ")
    text = CONTRACT.format(name=f"cert_{kind}", ending=kind, delivery=delivery)
    if more:
        word, value = more.split(": ")
        line = f"  - {{property: {word}, value: {value}}}\n"
        text = text.replace("  - property: catalogue\n", f"{line}  - property: catalogue\n")
    (feeds / f"cert_{kind}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(root / "schemas"))
    made = Place(founded_county(root / "county", root / "county" / "in"), kind)
    if begins:
        made.put(ROWS, "20230601")
        made.take()
    yield made


def write_xls(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """A workbook of before 2007."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("证照")
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            sheet.write(row, column, cell)
    book.save(str(path))


def read(path: Path) -> Table:
    """The cells of a returned copy as text, header first."""
    if path.suffix == ".csv":
        lines = path.read_bytes().decode("utf-8-sig").split("\r\n")
        return [line.split(",") for line in lines if line]
    rows = load_workbook(path)["证照"].iter_rows(values_only=True)
    return [["" if cell is None else str(cell) for cell in row] for row in rows]
