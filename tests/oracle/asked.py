"""The rules of whole tables, asked of the oracle's own records.

A rule that a contract words in SQL is asked of DuckDB over tables of these records; whether a place
lies inside a boundary is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl
import yaml
from duckdb.func import FunctionNullHandling

from tests.oracle.book import Book, Key
from tests.oracle.cells import Value
from tests.oracle.forms import SCHEMAS, Form, forms, rejects
from tests.oracle.judge import TYPES, dimension_of

EDGE = 1e-9
Point = tuple[float, float]


@dataclass(frozen=True)
class Answer:
    """What a rule found: of ``checked`` live records these break it."""

    feed: str
    rule: str
    dimension: str
    severity: str
    checked: int
    broken: frozenset[Key]


def _rings(text: str) -> list[list[Point]] | None:
    if not re.match(r"\s*(MULTI)?POLYGON\s*\(", text, re.IGNORECASE):
        return None
    rings = []
    for ring in re.findall(r"\(([^()]+)\)", text):
        try:
            pairs = [tuple(map(float, pair.split())) for pair in ring.split(",")]
        except ValueError:
            return None
        if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
            return None
        rings.append([(pair[0], pair[1]) for pair in pairs])
    return rings or None


def ring_holds(text: str | None, lon: float | None, lat: float | None) -> bool | None:
    """Whether a place lies inside a boundary, edges included; None where there is no boundary."""
    rings = _rings(text or "")
    if rings is None or lon is None or lat is None:
        return None
    is_inside = False
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            width, height = x2 - x1, y2 - y1
            off = abs(width * (lat - y1) - height * (lon - x1))
            if (
                min(x1, x2) - EDGE <= lon <= max(x1, x2) + EDGE
                and min(y1, y2) - EDGE <= lat <= max(y1, y2) + EDGE
                and off <= EDGE * (abs(width) + abs(height))
            ):
                return True
            if (y1 > lat) != (y2 > lat) and width * (lat - y1) / height + x1 > lon:
                is_inside = not is_inside
    return is_inside


def _tables(book: Book) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    con.execute("CREATE SCHEMA silver; SET timezone = 'Asia/Shanghai'")
    con.create_function(
        "ring_holds",
        ring_holds,
        ["VARCHAR", "DOUBLE", "DOUBLE"],
        "BOOLEAN",
        null_handling=FunctionNullHandling.SPECIAL,
    )
    for name, form in forms().items():
        if name not in book.live:
            continue
        made: dict[str, pl.Series] = {}
        for column in form.columns:
            kind: Any = TYPES.get(column.type) or pl.Decimal(38, column.scale)
            cells = [one.values[column.name] for one in book.records(name)]
            made[column.name] = pl.Series(cells, dtype=kind)
        con.register("records", pl.DataFrame(made).to_arrow())
        con.execute(f"CREATE TABLE silver.{name} AS FROM records")
    return con


def answers(book: Book, day: date) -> list[Answer]:
    """Every table rule whose feeds have come, and every comparison between departments."""
    made = [*_references(book), *_compared(book)]
    with _tables(book) as con:
        for name, form in forms().items():
            if name not in book.live:
                continue
            for rule in form.rules:
                words = rule["implementation"]
                if isinstance(words, dict) and "row" not in words:
                    given = {**words, **_thresholds(name, rule["id"], words)}
                    read = set(re.findall(r"silver\.([a-z_]+)", given.get("records", "")))
                    if read <= book.live.keys():
                        made.append(_asked(con, form, rule, given, day))
    return made


def _thresholds(feed: str, rule: str, words: Mapping[str, Any]) -> dict[str, Any]:
    text = (SCHEMAS / "quality.yaml").read_text(encoding="utf-8")
    own = yaml.safe_load(text)["thresholds"].get(f"{feed}.{rule}", {})
    return {"parameters": {**words.get("parameters", {}), **own}}


def _asked(
    con: duckdb.DuckDBPyConnection,
    form: Form,
    rule: Mapping[str, Any],
    words: Mapping[str, Any],
    day: date,
) -> Answer:
    def filled(text: str) -> str:
        for name, value in words["parameters"].items():
            text = re.sub(rf":{name}\b", repr(value), text)
        return re.sub(r":day\b", f"DATE '{day}'", text)

    keys = ", ".join(form.key)
    same = " AND ".join(f"r.{name} = q.{name}" for name in form.key)
    where = filled(str(words.get("where", "TRUE")))
    query: str
    if unique := words.get("unique"):
        where = " AND ".join([f"({where})", *(f"{name} IS NOT NULL" for name in unique)])
    chosen = f"(SELECT * FROM silver.{form.name} WHERE {where})"
    if unique:
        group = ", ".join(unique)
        query = f"SELECT {keys} FROM {chosen} QUALIFY count(*) OVER (PARTITION BY {group}) > 1"
    elif grouped := words.get("group"):
        broken = f"SELECT {', '.join(grouped)} FROM {chosen} GROUP BY ALL HAVING NOT ({filled(words['holds'])})"  # noqa: E501
        query = f"SELECT {keys} FROM {chosen} JOIN ({broken}) USING ({', '.join(grouped)})"
    else:
        query = f"SELECT {', '.join('r.' + name for name in form.key)} FROM {chosen} AS r SEMI JOIN ({filled(words['records'])}) AS q ON {same}"  # noqa: E501
    checked = con.execute(f"SELECT count(*) FROM {chosen}").fetchone() or (0,)
    found = frozenset(con.execute(query).fetchall())
    severity, dimension = rule["severity"], dimension_of(rule)
    return Answer(form.name, rule["id"], dimension, severity, int(checked[0]), found)


def _references(book: Book) -> Iterator[Answer]:
    """References between departments: told, and never a reason to reject."""
    for name, form in forms().items():
        for column in form.columns:
            if column.parent is None or rejects(form, column) or column.parent[0] not in book.live:
                continue
            known = {one.values[column.parent[1]] for one in book.records(column.parent[0])}
            said = {k: r.values[column.name] for k, r in book.live.get(name, {}).items()}
            asked = {key: value for key, value in said.items() if value is not None}
            lost = frozenset(key for key, value in asked.items() if value not in known)
            if name in book.live:
                rule = f"{column.name}.reference"
                yield Answer(name, rule, "consistency", "warn", len(asked), lost)


def _compared(book: Book) -> Iterator[Answer]:
    """Items that several departments supply: a later source beside the first that speaks."""
    items = yaml.safe_load((SCHEMAS / "items.yaml").read_text(encoding="utf-8"))["entities"]
    for entity, words in items.items():
        holders: Mapping[str, str] = words["feeds"]
        for item, said in words["items"].items():
            first, *later = (source.split(".") for source in said["sources"])
            speaks: dict[Value, tuple[Any, str]] = {}
            order = forms()[first[0]].order_by
            for one in book.records(first[0]):
                key, value = one.values[holders[first[0]]], one.values[first[1]]
                if key is not None and value is not None:
                    speaks[key] = max(
                        speaks.get(key, (one.values[order], value)), (one.values[order], value)
                    )
            for feed, column in later:
                asked = {
                    key: (one.values[column], speaks[one.values[holders[feed]]][1])
                    for key, one in book.live.get(feed, {}).items()
                    if one.values[column] is not None and one.values[holders[feed]] in speaks
                }
                other = frozenset(key for key, (mine, theirs) in asked.items() if mine != theirs)
                rule = f"{entity}.{item}.differs"
                yield Answer(feed, rule, "consistency", "warn", len(asked), other)
