"""What DuckDB itself says of every model's table: the names of its columns, in order, and types.

Every base table is made empty in a database in memory and each model is asked with DESCRIBE, in
order, so that the binder of the engine that will run the SQL confirms or denies what ``columns``
read from it. No lake is opened and no row is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb
from sqlglot import exp

from dagster_project.lineage.columns import ModelLineage, Schema
from dagster_project.lineage.describe import SqlModel
from dagster_project.lineage.lines import line_of

Types = dict[str, str]
INEXACT = frozenset({"DOUBLE", "FLOAT"})
_EXACT = "Keep DECIMAL or BIGINT: // divides whole numbers only, and / none"
_INTERVALS = frozenset(f"to_{unit}s" for unit in ("year", "month", "week", "day", "hour", "minute"))


class BoundModel(SqlModel, Protocol):
    """A model whose inputs are known."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tables that it reads."""


@dataclass(frozen=True)
class Difference:
    """Where the engine and the lineage, or the house's rules, do not agree."""

    table: str
    line: int
    what: str
    fix: str


def engine_types(
    models: Iterable[BoundModel],
    base: Schema,
    known: Mapping[str, ModelLineage],
    sql: Callable[[BoundModel], str],
) -> tuple[dict[str, Types], list[Difference]]:
    """The columns of every model's table with their types, and what does not agree.

    Args:
        models: The models, inputs first.
        base: Every table that no model makes.
        known: The lineage of the models.
        sql: The text of a model that the engine can bind, without placeholders.

    Returns:
        Per table the engine's columns and types, and the differences; a model that cannot be bound
        is one, and so is each model that reads it.
    """
    types: dict[str, Types] = {}
    differences: list[Difference] = []
    with duckdb.connect(config={"threads": 1}) as con:
        chosen = list(models)
        read = {name for model in chosen for name in model.inputs}
        _empty(con, {name: columns for name, columns in base.items() if name in read})
        for model in chosen:
            try:
                found = con.execute(f"DESCRIBE {sql(model)}").fetchall()
            except duckdb.Error as error:
                said = str(error).splitlines()[0].rstrip(".")
                differences.append(
                    Difference(model.table, 1, f"the engine refuses it ({said})", "Correct it")
                )
                continue
            types[model.table] = {str(row[0]): str(row[1]) for row in found}
            _empty(con, {model.table: types[model.table]})
            names = [str(row[0]) for row in found]
            if difference := _difference(model, names, types[model.table], known):
                differences.append(difference)
            elif on_the_way := _floating(con, sql(model)):
                what = f"it computes in floating numbers on the way ({on_the_way})"
                differences.append(Difference(model.table, 1, what, _EXACT))
    return types, differences


def _floating(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """What in the engine's plan of a SELECT is a floating number, by name; empty where nothing is.

    A sum of such depends on the order of the rows, even if its result is cast to an exact type.
    """
    literal = exp.Literal.string(text).sql(dialect="duckdb")
    row = con.execute(f"SELECT json_serialize_plan({literal})").fetchone()
    return next(_inexact(json.loads(row[0]) if row else {}, "a value"), "")


def _inexact(node: Any, name: str) -> Iterator[str]:
    """The names under which a plan holds floating numbers; an interval's own count is none."""
    if isinstance(node, list):
        for one in node:
            yield from _inexact(one, name)
    elif isinstance(node, dict) and node.get("name") not in _INTERVALS:
        if node.get("id") in INEXACT:
            yield name
        said = node.get("name") or node.get("function_name") or name
        for one in node.values():
            yield from _inexact(one, str(said))


def _empty(con: duckdb.DuckDBPyConnection, tables: Schema) -> None:
    """Make tables without rows."""
    layers = sorted({name.partition(".")[0] for name in tables})
    made = [f"CREATE SCHEMA IF NOT EXISTS {layer}" for layer in layers]
    for name, columns in tables.items():
        layer, _, stem = name.partition(".")
        body = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        made.append(f'CREATE TABLE {layer}."{stem}" ({body})')
    con.execute(";".join(made))


def _difference(
    model: SqlModel, names: list[str], types: Types, known: Mapping[str, ModelLineage]
) -> Difference | None:
    lineage = known.get(model.table)
    told = list(lineage.columns) if lineage else []
    if names != told:
        place = next(
            (at for at, pair in enumerate(zip(names, told, strict=False)) if pair[0] != pair[1]),
            min(len(names), len(told)),
        )
        made = names[place] if place < len(names) else "nothing"
        said = told[place] if place < len(told) else "nothing"
        what = f"the engine makes the column {made} where its lineage has {said}"
        return Difference(model.table, _line(model, place), what, "List the columns one by one")
    for place, (name, kind) in enumerate(types.items()):
        if kind in INEXACT:
            what = f"the column {name} is a floating number ({kind})"
            return Difference(model.table, _line(model, place), what, "Cast it to DECIMAL")
    return None


def _line(model: SqlModel, place: int) -> int:
    projections = model.query.selects
    return line_of(projections[place] if place < len(projections) else model.query)
