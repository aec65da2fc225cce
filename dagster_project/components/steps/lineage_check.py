"""Whether the lineage of a site is whole and true: every column has an origin, DuckDB agrees.

The engine is asked with empty tables in memory; the site's own lake is not opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Problem
from dagster_project.lineage.describe import Reader
from dagster_project.lineage.typed import Types, engine_types
from dagster_project.transform.models import Parameters

_ANY = Parameters(datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1), "000000")
"""Parameters give a type to the binder, and no value to anything."""


@dataclass(frozen=True)
class Checked:
    """What was found: numbers, and everything that is wrong.

    ``covered`` of ``columns`` have an origin. ``types`` are the engine's, of every model's table.
    """

    tables: int
    columns: int
    covered: int
    edges: int
    problems: tuple[Problem, ...]
    types: dict[str, Types] = field(repr=False)

    @property
    def share(self) -> str:
        """The share of columns that have an origin, in percent, cut to one digit."""
        return f"{self.covered * 1000 // self.columns / 10:.1f}" if self.columns else "100.0"


def check(workshop: Workshop) -> Checked:
    """Check the lineage of every table of the workshop's duty."""
    whole = workshop.whole.values()
    bare = [
        Problem(_path(workshop, one.table), 1, f"Nobody knows where {one.table}.{name} comes from.")
        for one in whole
        for name in one.uncovered
    ]
    columns = sum(len(one.columns) for one in whole)
    types, differing = _engine(workshop)
    return Checked(
        tables=len(whole),
        columns=columns,
        covered=columns - len(bare),
        edges=sum(len(one.edges) for one in whole),
        problems=(*workshop.graph.problems, *bare, *differing),
        types=types,
    )


def _engine(workshop: Workshop) -> tuple[dict[str, Types], list[Problem]]:
    models = workshop.graph.models
    types, differences = engine_types(
        models.values(),
        Reader(workshop.contracts, workshop.given).schema,
        workshop.lineages,
        lambda model: models[model.table].sql(_ANY),
    )
    return types, [
        Problem(
            models[one.table].path,
            one.line if models[one.table].layer != "silver" else 1,
            f"{one.what[:1].upper()}{one.what[1:]}. {one.fix}.",
        )
        for one in differences
    ]


def _path(workshop: Workshop, table: str) -> str:
    if table in workshop.graph.models:
        return workshop.graph.models[table].path
    layer, _, name = table.partition(".")
    return f"schemas/{'feeds' if layer in {'bronze', 'silver'} else layer}/{name}.yaml"
