"""Small worlds that departments agree on, each in a village of its own, and a lake for them all.

A world is one sound record of each register, linked as they must be. A case changes a world's
records or adds some; every world is delivered in the same files, read and conformed as always.
Nothing is judged here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from dagster_project.contracts import feed_order, load
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.contracts.table_rule import TableRule
from dagster_project.ingest.readers import read
from dagster_project.lake import Lake
from dagster_project.lake.lake import Writer
from dagster_project.paths import Home, schemas_dir
from dagster_project.quality import table_rules
from dagster_project.settings import Settings
from dagster_project.simulate.identifiers import credit_code, organ_body, resident_id
from dagster_project.transform.conform import BatchInput, compile_feed, conform, evolve

Row = dict[str, str | None]
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SEEN = "2023-05-30 08:00:00"
TOWN = "140321100"
SOUND = 498
"""The number of the world in which nothing is wrong."""
TABLE = Path(__file__).parent / "data" / "cross_department.yaml"


@dataclass(frozen=True)
class Case:
    """One world of a rule: what is different in it, and the keys of the records to be found."""

    rule: str
    words: Mapping[str, Any]
    keys: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How the case is called."""
        told = yaml.safe_dump(self.words, default_flow_style=True, allow_unicode=True)
        return f"{self.rule} {'found' if self.keys else 'near'} {told.strip()[:60]}"


def cases() -> list[Case]:
    """Every case of the table."""
    table = yaml.load(TABLE.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - of our own
    return [
        Case(rule, {word: entry.get(word, {}) for word in ("change", "add")}, tuple(entry["keys"]))
        if side == "found"
        else Case(rule, {word: entry.get(word, {}) for word in ("change", "add")})
        for rule, sides in table.items()
        for side in ("found", "near")
        for entry in sides[side]
    ]


class World:
    """One village and what every register says of it."""

    def __init__(self, number: int, case: Case | None = None) -> None:
        village = f"{TOWN}{number:03d}"
        building = f"{village}00001"
        west, south = 113 + number * 0.001, 37.8
        east, north = west + 0.0008, south + 0.001
        self.words = {
            "number": f"{number:03d}",
            "village": village,
            "grid": f"{village}001",
            "merged": f"{village}002",
            "other_grid": f"{village}003",
            "building": building,
            "house": f"{building}010101",
            "address": f"{building}010101",
            "block": f"{building}000000",
            "person": f"P{number:03d}",
            "id_no": resident_id(140321, date(1980, 1, 1), number % 499 * 2 + 1),
            "uscc": credit_code("91140321", organ_body(number, "MB")),
            "other_id": resident_id(140302, date(1980, 1, 1), number % 499 * 2 + 1),
            "other_uscc": credit_code("91140321", organ_body(number, "MC")),
            "neighbours_address": f"{TOWN}{SOUND}00001010101",
            "component": f"1403210102{number:06d}",
            "west": f"{west:.6f}",
            "south": f"{south:.6f}",
            "square": f"POLYGON (({west:.6f} {south:.6f}, {east:.6f} {south:.6f}, {east:.6f}"
            f" {north:.6f}, {west:.6f} {north:.6f}, {west:.6f} {south:.6f}))",
            "inside": f"{west + 0.0004:.6f}",
            "beyond": f"{east + 0.0001:.6f}",
            "centre": f"{south + 0.0005:.6f}",
        }
        self.rows: dict[str, list[Row]] = {
            feed: [self._told(row) for row in rows] for feed, rows in _SOUND.items()
        }
        words = case.words if case else {}
        for feed, cells in words.get("add", {}).items():
            name = feed.partition("~")[0]
            self.rows.setdefault(name, []).append(self._like(name) | self._told(cells))
        for feed, cells in words.get("change", {}).items():
            self.rows[feed][0].update(self._told(cells))

    def _like(self, feed: str) -> Row:
        return dict(self.rows[feed][0]) if self.rows.get(feed) else self._told(_EXTRA[feed])

    def _told(self, cells: Mapping[str, str | None]) -> Row:
        return {
            name: None if text in (None, "null") else self.say(str(text))
            for name, text in cells.items()
        }

    def say(self, text: str) -> str:
        """A text with the world's own words."""
        return text.format_map(self.words)


_PLACED = {"grid_code": "{grid}", "village_code": "{village}"}
_SOUND: Mapping[str, list[Row]] = {
    "division": [
        {
            "code": "{village}",
            "name": "某村",
            "level": "village",
            "parent_code": f"{TOWN}000",
        }
    ],
    "grid": [
        {
            "grid_code": "{grid}",
            "grid_name": "第一网格",
            "grid_type": "1",
            "level": "4",
            "village_code": "{village}",
            "boundary_wkt": "{square}",
            "status": "1",
            "valid_from": "2022-01-01",
        },
        {
            "grid_code": "{merged}",
            "grid_name": "第二网格",
            "grid_type": "1",
            "level": "4",
            "village_code": "{village}",
            "status": "0",
            "valid_from": "2021-01-01",
            "merged_into": "{grid}",
        },
        {
            "grid_code": "{other_grid}",
            "grid_name": "第三网格",
            "grid_type": "1",
            "level": "4",
            "village_code": "{village}",
            "status": "1",
            "valid_from": "2022-01-01",
        },
    ],
    "std_address": [
        {
            "addr_code": "{address}",
            "full_addr": "平定县某镇{village}1幢1单元101室",
            "element_type": "60",
            "status": "1",
            "valid_from": "2020-01-01",
            "village_code": "{village}",
            "update_time": SEEN,
        },
        {
            "addr_code": "{block}",
            "full_addr": "平定县某镇{village}1幢",
            "element_type": "50",
            "status": "1",
            "valid_from": "2020-01-01",
            "village_code": "{village}",
            "update_time": SEEN,
        },
    ],
    "building": [
        {
            "building_code": "{building}",
            "addr_code": "{block}",
            "kind": "1",
            "lon": "{inside}",
            "lat": "{centre}",
            "status": "1",
            "update_time": SEEN,
            **_PLACED,
        }
    ],
    "house": [
        {
            "house_code": "{house}",
            "building_code": "{building}",
            "addr_code": "{address}",
            "usage": "10",
            "ownership": "1",
            "rent_status": "0",
            "safety_grade": "A",
            "residents_count": "1",
            "update_time": SEEN,
            **_PLACED,
        }
    ],
    "population": [
        {
            "person_no": "{person}",
            "id_no": "{id_no}",
            "cert_type": "111",
            "name": "王砚翀",
            "sex": "1",
            "birth_date": "1980-01-01",
            "nation": "01",
            "pop_type": "01",
            "is_resident": "1",
            "household_no": "H{person}",
            "kinship": "02",
            "addr_code": "{address}",
            "addr_text": "平定县某镇{village}1幢1单元101室",
            "house_code": "{house}",
            "status": "1",
            "update_time": SEEN,
            **_PLACED,
        }
    ],
    "unit": [
        {
            "unit_no": "U{person}",
            "uscc": "{uscc}",
            "unit_name": "某商贸有限公司",
            "unit_type": "1",
            "legal_rep": "王砚翀",
            "legal_id": "{id_no}",
            "addr_code": "{block}",
            "building_code": "{building}",
            "status": "1",
            "update_time": SEEN,
            **_PLACED,
        }
    ],
    "market_entity": [
        {
            "uscc": "{uscc}",
            "name": "某商贸有限公司",
            "entity_type": "1",
            "addr_code": "{block}",
            "found_date": "2019-01-01",
            "approve_date": "2019-01-01",
            "status": "1",
            "update_time": SEEN,
            **_PLACED,
        }
    ],
    "component": [
        {
            "component_code": "{component}",
            "class2": "01",
            "subclass4": "0102",
            "name": "污水井盖",
            "dept_owner": "11140321012345671M",
            "unit_grid_code": "{village}001",
            "lon": "{inside}",
            "lat": "{centre}",
            "state": "1",
            "update_time": SEEN,
            **_PLACED,
        }
    ],
}
_EXTRA: Mapping[str, Row] = {
    "death": {
        "death_no": "D{person}",
        "id_no": "{id_no}",
        "name": "王砚翀",
        "death_date": "2023-02-01",
        "update_time": SEEN,
    }
}
ABOVE: Mapping[str, list[Row]] = {
    "division": [
        {"code": "140000000000", "name": "山西省", "level": "province", "parent_code": None},
        {
            "code": "140300000000",
            "name": "阳泉市",
            "level": "city",
            "parent_code": "140000000000",
        },
        {
            "code": "140321000000",
            "name": "平定县",
            "level": "county",
            "parent_code": "140300000000",
        },
        {
            "code": f"{TOWN}000",
            "name": "冠山镇",
            "level": "town",
            "parent_code": "140321000000",
        },
    ],
    "built_up_area": [
        {
            "area_code": "B1",
            "name": "冠山镇建成区",
            "town_code": f"{TOWN}000",
            "boundary_wkt": "POLYGON ((112.9 37.7, 114 37.7, 114 37.9, 112.9 37.9, 112.9 37.7))",
        }
    ],
    "death": [
        {
            "death_no": "D-elsewhere",
            "id_no": None,
            "name": "王砚翀",
            "death_date": "2023-02-01",
            "update_time": SEEN,
        }
    ],
}


@dataclass
class Departments:
    """A lake that took in what the departments of all worlds delivered."""

    contracts: Contracts
    writer: Writer
    root: Path
    delivered: dict[str, int] = field(default_factory=dict)

    def deliver(self, feed: Feed, rows: Iterable[Row]) -> None:
        """One file of a feed, read and conformed; every row must be accepted."""
        number = self.delivered[feed.name] = self.delivered.get(feed.name, 0) + 1
        path = self.root / f"{feed.name}_{number}.csv"
        told = list(rows)
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow([column.title for column in feed.columns])
            out.writerows([[row.get(column.name) for column in feed.columns] for row in told])
        batch, parquet = f"{feed.name}-{number}", path.with_suffix(".parquet")
        result = read(path, feed, batch, parquet)
        with self.writer.transaction(f"take in {feed.name}") as tx:
            evolve(tx.con, feed)
            outcome = conform(
                tx.con,
                compile_feed(feed, self.contracts),
                BatchInput(
                    batch_id=batch,
                    sha256=result.sha256,
                    path=path.name,
                    format=result.format,
                    encoding=result.encoding,
                    delivered_at=NOW,
                    run_id="run",
                    committed_at=NOW,
                    rows=parquet,
                ),
            )
        assert outcome.accepted == len(told), f"{feed.name}: {outcome}"

    def broken(self, feed: str, rule: TableRule) -> set[str]:
        """The keys of the records that break a rule, as silver is now."""
        con = self.writer.con
        table_rules.evaluate(con, self.contracts.feeds[feed], [rule], date(2026, 11, 22))
        query = "SELECT record_key FROM temp.breaking WHERE feed = ? AND rule_id = ?"
        return {key for (key,) in con.execute(query, [feed, rule.id]).fetchall()}


@contextmanager
def departments(root: Path, worlds: Iterable[World]) -> Iterator[Departments]:
    """Found a lake, deliver every feed of all worlds once, parents first."""
    home = Home(root / "home")
    home.root.mkdir()
    contracts, told = load(schemas_dir()), list(worlds)
    with Lake(home, Settings()).writer("compare departments") as writer:
        made = Departments(contracts, writer, root)
        for name in feed_order(contracts):
            rows = [row for world in told for row in world.rows.get(name, [])]
            if rows := [*ABOVE.get(name, []), *rows]:
                made.deliver(contracts.feeds[name], rows)
        yield made
