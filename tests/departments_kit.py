"""A county of many departments: contracts and deliveries made by number, of 10 to 60 columns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dagster_project.paths import PROJECT

WORDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("name", "名称", {"logicalType": "string", "textual": True}),
    ("amount", "金额", {"logicalType": "number", "physicalType": "DECIMAL(18, 2)", "unit": "元"}),
    ("count", "数量", {"logicalType": "integer"}),
    ("day", "日期", {"logicalType": "date"}),
    ("at", "更新时间", {"logicalType": "timestamp"}),
    ("flag", "是否", {"logicalType": "boolean", "codes": "yes_no"}),
    ("sex", "性别", {"logicalType": "string", "codes": "sex", "level": "L3", "mask": "drop"}),
)
CELLS = (
    "某单位{n}",
    "{n}.{m:02d}",
    "{n}",
    "2026-{m:02d}-15",
    "2026-{m:02d}-15 08:30:00",
    "是",
    "1",
)


@dataclass(frozen=True)
class Department:
    """One department of the county and its feed; ``number`` decides how wide it is."""

    number: int

    @property
    def feed(self) -> str:
        """The feed's name."""
        return f"affair_{self.number:02d}"

    @property
    def folder(self) -> str:
        """The department's folder in the inbox."""
        return f"第{self.number:02d}局"

    @property
    def width(self) -> int:
        """10 to 60 columns."""
        return 10 + self.number * 7 % 51

    def contract(self) -> str:
        """The feed's contract."""
        return yaml.safe_dump(
            {
                "apiVersion": "v3.1.0",
                "kind": "DataContract",
                "id": f"countylake.feeds.{self.feed}",
                "name": f"第{self.number:02d}局事项",
                "version": "1.0.0",
                "status": "active",
                "domain": "service",
                "servers": [
                    {
                        "server": "inbox",
                        "type": "local",
                        "path": f"{self.folder}/事项_*.csv",
                        "format": "csv",
                    }
                ],
                "slaProperties": [{"property": "frequency", "value": 1, "unit": "d"}],
                "customProperties": [
                    {
                        "property": "department",
                        "value": {"code": f"dept{self.number:02d}", "name": self.folder},
                    },
                    {"property": "delivery", "value": "full"},
                ],
                "schema": [
                    {
                        "name": self.feed,
                        "businessName": f"第{self.number:02d}局事项",
                        "logicalType": "object",
                        "properties": [_key(), *(_column(n) for n in range(1, self.width))],
                    }
                ],
            },
            allow_unicode=True,
            sort_keys=False,
        )

    def lines(self, rows: int) -> Iterator[str]:
        """A delivery's lines, the header first."""
        titles = [f"{WORDS[n % len(WORDS)][1]}{n}" for n in range(1, self.width)]
        yield ",".join(["编号", *titles])
        shape = ",".join(["{key}", *(CELLS[n % len(CELLS)] for n in range(1, self.width))])
        for row in range(rows):
            yield shape.format(key=f"K{self.number:02d}{row:08d}", n=row, m=row % 12 + 1)

    def deliver(self, inbox: Path, rows: int, day: str = "20261122") -> Path:
        """Put a file into the inbox, older than it is looked at twice."""
        path = inbox / self.folder / f"事项_{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.lines(rows)) + "\n", encoding="utf-8")
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))
        return path


def _key() -> dict[str, Any]:
    return {
        "name": "affair_no",
        "businessName": "编号",
        "logicalType": "string",
        "primaryKey": True,
        "primaryKeyPosition": 1,
        "required": True,
        "classification": "L2",
    }


def _column(number: int) -> dict[str, Any]:
    name, title, words = WORDS[number % len(WORDS)]
    custom = {word: words[word] for word in ("textual", "unit", "codes", "mask") if word in words}
    standard = {word: words[word] for word in ("logicalType", "physicalType") if word in words}
    return {
        "name": f"{name}_{number}",
        "businessName": f"{title}{number}",
        **standard,
        "classification": words.get("level", "L2"),
        "customProperties": [{"property": word, "value": value} for word, value in custom.items()],
    }


def departments(count: int, schemas: Path, kind: type[Department] = Department) -> list[Department]:
    """So many departments, their contracts in a folder of their own beside the usual code lists."""
    (schemas / "feeds").mkdir(parents=True)
    (schemas / "codes").symlink_to(PROJECT / "schemas" / "codes")
    made = [kind(number) for number in range(count)]
    for one in made:
        (schemas / "feeds" / f"{one.feed}.yaml").write_text(one.contract(), encoding="utf-8")
    return made
