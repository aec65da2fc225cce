"""The rules of the table of dirt: what must be found, and what looks like it and is none.

``tests/dirt/Dxx_*.yaml`` holds the examples, ``tests/dirt/base.yaml`` one clean row per contract.
Here they become files, which the real reader and the real conform take; nothing is judged here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import yaml

from dagster_project.components.steps.examination import chosen
from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.ingest.readers.verdict import verdict
from dagster_project.paths import schemas_dir
from dagster_project.transform.conform import Plan, PreviewRow, compile_feed, preview_rows
from tests.faulty.xlsx import Cell, Fault, Formula, Serial, Sheet, xlsx

FOLDER = Path(__file__).parent / "dirt"
SAMPLES = Path(__file__).parents[1] / "data_samples" / "faulty"
DELIVERED = datetime(2023, 5, 31, 12, tzinfo=UTC)
Said = Literal["found", "near"]
FILE_WORDS = ("text", "bytes", "book", "sample")


@dataclass(frozen=True, eq=False)
class Example:
    """One planted violation (``found``), or one near miss (``near``)."""

    number: str
    rule: str
    said: Said
    contract: str
    words: Mapping[str, Any]

    @property
    def title(self) -> str:
        """How the example is called."""
        return f"{self.number} {self.said} {self.rule[:50]} {self._what[:30]}"

    @property
    def _what(self) -> str:
        cells = self.words.get("cells")
        said = (
            next(iter(cells.values()))
            if cells
            else self.words.get("sample", self.words.get("ends", ""))
        )
        return repr(said) if cells else str(said)

    @property
    def is_file(self) -> bool:
        """Whether it is a file of its own."""
        return any(word in self.words for word in FILE_WORDS)

    @property
    def is_history(self) -> bool:
        """Whether it takes several deliveries to show."""
        return "history" in self.words

    @property
    def judged(self) -> dict[str, list[str]]:
        """Which reasons and repairs its row must have."""
        return {
            "reasons": sorted([*self.words.get("reasons", []), *self.words.get("warns", [])]),
            "repairs": sorted(self.words.get("repairs", [])),
        }

    @property
    def values(self) -> dict[str, str | None]:
        """Values that its row must have; a near miss keeps the cells as they were delivered."""
        if "values" in self.words:
            return dict(self.words["values"])
        return dict(self.words["cells"]) if self.said == "near" else {}


@dataclass(frozen=True)
class Rule:
    """One rule of a row of the table."""

    number: str
    rule: str
    examples: tuple[Example, ...]
    elsewhere: str = ""


@dataclass(frozen=True)
class Table:
    """One row of the table of dirt."""

    number: str
    dirt: str
    rules: tuple[Rule, ...]


class _Texts(yaml.SafeLoader):
    """YAML whose days and fractions stay the text that they are in the file."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if not tag.endswith((":timestamp", ":float"))]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@cache
def tables() -> tuple[Table, ...]:
    """Every row of the table of dirt, in its order."""
    return tuple(_table(path) for path in sorted(FOLDER.glob("D*.yaml")))


def examples() -> list[Example]:
    """Every example that one file can show."""
    rules = (rule for table in tables() for rule in table.rules)
    return [example for rule in rules for example in rule.examples]


def _table(path: Path) -> Table:
    words = yaml.load(path.read_text(encoding="utf-8"), _Texts)  # noqa: S506 - of our own
    number = path.stem.partition("_")[0]
    return Table(
        number, words["dirt"], tuple(_rule(number, words, entry) for entry in words["rules"])
    )


def _rule(number: str, table: Mapping[str, Any], entry: Mapping[str, Any]) -> Rule:
    made = tuple(
        Example(number, entry["rule"], said, contract, _example(one, entry))
        for said in ("found", "near")
        for one in entry.get(said, ())
        if (contract := _said(one, "contract") or entry.get("contract") or table.get("contract"))
    )
    return Rule(number, entry["rule"], made, entry.get("elsewhere", ""))


def _said(one: Any, word: str) -> str:
    return one.get(word, "") if isinstance(one, dict) else ""


def _example(one: Any, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An example in full: a bare text is a cell of the rule's column."""
    words = dict(one) if isinstance(one, dict) else {"cell": one}
    words = {name: entry[name] for name in ("delivery", "words") if name in entry} | words
    if "cell" in words:
        words["cells"] = {entry["column"]: words.pop("cell")} | words.get("cells", {})
    if "value" in words:
        words["values"] = {entry["column"]: words.pop("value")}
    for word in ("reasons", "repairs", "warns"):
        words[word] = [_rule_id(bare, entry.get("column", "")) for bare in words.get(word, [])]
    return words


def _rule_id(bare: str, column: str) -> str:
    """``format`` is the column's; ``.whole_row`` and ``other.format`` are said in full."""
    return bare.removeprefix(".") if "." in bare or not column else f"{column}.{bare}"


@dataclass
class Examined:
    """What the reader and conform made of the examples, each file read once."""

    folder: Path
    rows: dict[Example, PreviewRow] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def row(self, example: Example) -> PreviewRow:
        """The judged row of an example of cells; a contract's examples share one file."""
        if example.contract not in self._done:
            self._done.add(example.contract)
            mine = [e for e in examples() if e.contract == example.contract and "cells" in e.words]
            table, accepted = _as_table(example.contract, mine), contract_of(example.contract)[1]
            is_text = not accepted.formats or "csv" in accepted.formats
            path = self.folder / f"{example.contract}{'.csv' if is_text else '.xlsx'}"
            path.write_bytes(_as_csv(table) if is_text else xlsx(Sheet("表", table)))
            told, found = self._read(path, example.contract)
            assert told["refused"] is None, told["refused"]
            self.rows |= dict(zip(mine, found, strict=True))
        return self.rows[example]

    def file(self, example: Example) -> tuple[dict[str, Any], list[PreviewRow]]:
        """The verdict on an example that is a file, and its judged rows; a sample's are known."""
        words = example.words
        name = words.get("name") or ("表.xlsx" if "book" in words else "表.csv")
        path = SAMPLES / words["sample"] if "sample" in words else self.folder / name
        if "sample" not in words:
            path.write_bytes(_as_bytes(words))
        return self._read(path, example.contract, judged="sample" not in words)

    def _read(
        self, path: Path, contract: str, *, judged: bool = True
    ) -> tuple[dict[str, Any], list[PreviewRow]]:
        rows = self.folder / "rows.parquet"
        rows.unlink(missing_ok=True)
        if contract == "none":
            return verdict(path, out=rows), []
        plan = _plan(contract)
        told = verdict(path, plan.feed, out=rows)
        if told["refused"] or not judged:
            return told, []
        with duckdb.connect() as con:
            return told, preview_rows(con, plan, rows, delivered_at=DELIVERED, units=told["units"])


def seen(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of a verdict, what shows dirt; what is as it should be is left out."""
    sheets = told["sheets"]
    dropped: dict[str, int] = {}
    defects: dict[str, int] = {}
    for sheet in sheets:
        for kind, count in sheet["dropped"].items():
            dropped[kind] = dropped.get(kind, 0) + count
        for kind, count in sheet["defects"].items():
            defects[kind] = defects.get(kind, 0) + count
    return {
        "refused": told["refused"] and told["refused"]["reason"],
        "format": told["format"],
        "encoding": told["encoding"],
        "delimiter": (told["dialect"] or {}).get("delimiter"),
        "dropped": dropped,
        "defects": defects,
        "hidden_rows": sum(sheet["hidden_rows"] for sheet in sheets),
        "hidden_sheets": sum(sheet["hidden"] for sheet in sheets),
        "units": told["units"],
        "totals": [total["agrees"] for sheet in sheets for total in sheet["control_totals"]],
        "data_rows": sum(sheet["data_rows"] for sheet in sheets),
        "header_rows": max((sheet["header_rows"] for sheet in sheets), default=0),
        "unknown": told["unknown"],
        "warned": bool(told["warnings"]),
    }


CLEAN: Mapping[str, Any] = {
    "refused": None,
    "dropped": {},
    "defects": {},
    "hidden_rows": 0,
    "hidden_sheets": 0,
    "units": {},
    "totals": [],
    "header_rows": 1,
    "unknown": [],
    "warned": False,
}
"""What the verdict on a file without dirt says."""


@cache
def contract_of(name: str) -> tuple[Contracts, Feed]:
    """A contract of the faulty samples, or of the county."""
    path = SAMPLES / "contracts" / f"{name}.yaml"
    if path.is_file():
        return chosen(str(path))
    contracts = _county()
    return contracts, contracts.feeds[name]


@cache
def _county() -> Contracts:
    return load(schemas_dir())


@cache
def _plan(name: str) -> Plan:
    contracts, feed = contract_of(name)
    return compile_feed(feed, contracts)


@cache
def _base() -> Mapping[str, Mapping[str, str]]:
    made: dict[str, dict[str, str]] = yaml.safe_load(
        (FOLDER / "base.yaml").read_text(encoding="utf-8")
    )
    return made


def _as_table(contract: str, mine: list[Example]) -> list[list[str]]:
    """One clean row per example, with the example's cells and a key of its own."""
    feed = contract_of(contract)[1]
    base = dict.fromkeys((column.name for column in feed.columns), "") | dict(_base()[contract])
    table = [[column.title for column in feed.columns]]
    for number, example in enumerate(mine, 1):
        cells = {name: value.replace("{n}", f"{number:04d}") for name, value in base.items()}
        cells |= {name: value or "" for name, value in example.words["cells"].items()}
        assert cells.keys() == base.keys(), example.title
        table.append(list(cells.values()))
    return table


def _as_csv(table: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    return out.getvalue().encode()


def _as_bytes(words: Mapping[str, Any]) -> bytes:
    if "bytes" in words:
        return bytes.fromhex(words["bytes"])
    if "text" in words:
        return str(words["text"]).encode(words.get("written", "utf-8"))
    sheets = (Sheet(**{**sheet, "rows": _cells(sheet["rows"])} | _sets(sheet))
              for sheet in words["book"])  # fmt: skip
    return xlsx(*sheets, epoch_1904=words.get("epoch_1904", False))


def _sets(sheet: Mapping[str, Any]) -> dict[str, Any]:
    hidden = sheet.get("hidden_rows")
    return {"hidden_rows": frozenset(hidden)} if hidden else {}


def _cells(rows: list[list[Any]]) -> list[list[Cell]]:
    return [[_cell(cell) for cell in row] for row in rows]


def _cell(said: Any) -> Cell:
    """``{day: 45077}``, ``{formula: …, value: …}``, ``{error: '#N/A'}``, or the cell itself."""
    if not isinstance(said, dict):
        return said  # type: ignore[no-any-return]
    if "day" in said:
        return Serial(said["day"])
    if "error" in said:
        return Fault(said["error"])
    return Formula(said["formula"], said.get("value"))
