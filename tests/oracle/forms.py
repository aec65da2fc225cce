"""What the contracts say, read from their YAML: columns, code lists, promises."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
NOBODY = ("无", "暂无", "不详", "未知")
SIGNS = (
    *("——", "—", "-", "--", "/", "\\", "\\N", "NULL", "null", "Null", "None", "none"),
    *("N/A", "n/a", "NA", "nan", "NaN", "空", "（空）", "(空)"),
)
ERRORS = (
    *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"),
    *("#" * n for n in range(3, 9)),
)


@dataclass(frozen=True)
class Column:
    """A column as its contract says; ``words`` maps every spelling of its list to a code."""

    name: str
    titles: tuple[str, ...]
    type: str
    scale: int
    required: bool
    key: int
    level: str
    textual: bool
    pattern: str
    max_length: int
    least: str
    most: str
    format: str
    codes: frozenset[str]
    words: Mapping[str, str]
    pad: int
    nulls: frozenset[str]
    unit: str
    share: str
    partial: str
    open_end: bool
    parent: tuple[str, str] | None


@dataclass(frozen=True)
class Form:
    """A feed's contract."""

    name: str
    title: str
    department: tuple[str, str]
    delivery: str
    order_by: str
    is_reference: bool
    columns: tuple[Column, ...]
    rules: tuple[Mapping[str, Any], ...]
    place: Mapping[str, Any] | None
    cycle: tuple[int, str]
    until: time
    on_workdays: bool
    catalogue: Mapping[str, Any]
    globs: tuple[str, ...]
    draft: bool

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key columns, in their order."""
        keyed = sorted((c for c in self.columns if c.key), key=lambda c: c.key)
        return tuple(column.name for column in keyed)

    def column(self, name: str) -> Column:
        """A column by name."""
        return next(column for column in self.columns if column.name == name)


def _properties(node: Mapping[str, Any]) -> dict[str, Any]:
    return {one["property"]: one["value"] for one in node.get("customProperties", [])}


@functools.cache
def code_list(name: str) -> tuple[frozenset[str], Mapping[str, str]]:
    """The codes of a list, and every spelling of one with the code that it means."""
    text = (SCHEMAS / "codes" / f"{name}.csv").read_text(encoding="utf-8")
    words: dict[str, str] = {}
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    for row in rows:
        for word in (row["code"], row["title"], *row["synonyms"].split("|")):
            if word:
                words[word] = row["code"]
    return frozenset(row["code"] for row in rows), words


def _column(node: Mapping[str, Any]) -> Column:
    custom = _properties(node)
    options = node.get("logicalTypeOptions", {})
    codes, words = code_list(custom["codes"]) if "codes" in custom else (frozenset[str](), {})
    given = frozenset(custom.get("nulls", ()))
    is_text = custom.get("textual", False)
    usual = set(ERRORS)
    if not is_text or custom.get("format") == "person_name":
        usual |= {*NOBODY, *SIGNS}
    physical = re.fullmatch(r"DECIMAL\((\d+), *(\d+)\)", node.get("physicalType", ""))
    link = next(iter(node.get("relationships", [])), None)
    to = str(link["to"]).split(".") if link else []
    return Column(
        name=node["name"],
        titles=(node["businessName"], *custom.get("aliases", ())),
        type=node["logicalType"],
        scale=int(physical.group(2)) if physical else 0,
        required=node.get("required", False),
        key=node.get("primaryKeyPosition", 0) if node.get("primaryKey") else 0,
        level=node.get("classification", ""),
        textual=is_text,
        pattern=options.get("pattern", ""),
        max_length=options.get("maxLength", 0),
        least=str(options.get("minimum", "")),
        most=str(options.get("maximum", "")),
        format=custom.get("format", ""),
        codes=codes,
        words=words,
        pad=custom.get("pad", 0),
        nulls=frozenset((usual - (set(words) - given)) | given),
        unit=custom.get("unit", ""),
        share=custom.get("share", ""),
        partial=custom.get("partial", ""),
        open_end=custom.get("openEnd", False),
        parent=(to[0], to[1]) if to else None,
    )


def read_form(path: Path) -> Form:
    """A feed's contract from its file."""
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    custom, promises = _properties(node), {p["property"]: p for p in node.get("slaProperties", [])}
    often = promises.get("frequency", {"value": 1, "unit": "y"})
    table = node["schema"][0]
    return Form(
        name=table["name"],
        title=node["name"],
        department=(custom["department"]["code"], custom["department"]["name"]),
        delivery=custom["delivery"],
        order_by=custom.get("orderBy", ""),
        is_reference=custom.get("reference", False),
        columns=tuple(_column(one) for one in table["properties"]),
        rules=tuple(table.get("quality", ())),
        place=custom.get("coordinates"),
        cycle=(int(often["value"]), often["unit"]),
        until=time.fromisoformat(promises["timeOfAvailability"]["value"]),
        on_workdays=promises.get("calendar", {}).get("value") == "workdays",
        catalogue=custom.get("catalogue", {}),
        globs=tuple(one["path"] for one in node.get("servers", ())),
        draft=node.get("status") == "draft",
    )


@functools.cache
def forms() -> Mapping[str, Form]:
    """Every feed's contract, parents before what refers to them."""
    found = {form.name: form for form in map(read_form, sorted(SCHEMAS.glob("feeds/*.yaml")))}
    placed: dict[str, Form] = {}

    def place(name: str) -> None:
        if name in placed or name not in found:
            return
        for column in found[name].columns:
            if column.parent and column.parent[0] != name:
                place(column.parent[0])
        placed[name] = found[name]

    for name in found:
        place(name)
    return placed


def rejects(form: Form, column: Column) -> bool:
    """Whether a parent that is not there rejects the row: a register's, or the department's own."""
    if column.parent is None:
        return False
    parent = forms()[column.parent[0]]
    return parent.is_reference or parent.department[0] == form.department[0]


def report_form(name: str) -> Mapping[str, Any]:
    """A report's contract as it stands, with its properties by name."""
    node = yaml.safe_load((SCHEMAS / "report" / f"{name}.yaml").read_text(encoding="utf-8"))
    return {**node, "custom": _properties(node)}


def quality() -> Mapping[str, Any]:
    """What the county decided about quality."""
    return dict(yaml.safe_load((SCHEMAS / "quality.yaml").read_text(encoding="utf-8")))


@functools.cache
def free_and_make_up_days() -> tuple[frozenset[date], frozenset[date]]:
    """Holidays, and weekend days that are worked."""
    text = (SCHEMAS / "calendar.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    days = {date.fromisoformat(row["date"]): row["is_workday"] == "true" for row in rows}
    return (
        frozenset(day for day, is_workday in days.items() if not is_workday),
        frozenset(day for day, is_workday in days.items() if is_workday),
    )


def is_workday(day: date) -> bool:
    """Whether offices work on a day."""
    free, make_up = free_and_make_up_days()
    return day in make_up or (day.weekday() < 5 and day not in free)


def percent(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    """A share in per cent, half up to two decimals; None of nothing."""
    if not whole:
        return None
    exact = Decimal(part) * 100 / Decimal(whole)
    return exact.quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
