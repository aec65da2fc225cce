"""Opening one figure, with the parameters that its table was built with."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.clock import local_day
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.lineage.trace import Trace, trace
from dagster_project.transform.models import Parameters

_BUILD = """
SELECT b.cut_off_at, MAX(t.day) AS day
FROM lake.ops.model_build AS b
LEFT JOIN lake.ops.task_run AS t ON t.run_id = b.run_id
WHERE b.table_name = ?
GROUP BY b.cut_off_at, b.built_at
ORDER BY b.built_at DESC
LIMIT 1
"""
PARTS = 3


def open_figure(workshop: Workshop, figure: str, where: Mapping[str, str], limit: int) -> Trace:
    """Open ``layer.table.column`` of the row that ``where`` picks out.

    Raises:
        UsageError: No such figure, or it was never built.
        ModelError: It cannot be traced exactly.
    """
    parts = figure.split(".")
    if len(parts) != PARTS:
        raise UsageError(
            f"{figure!r} names no figure",
            todo="Write layer.table.column, e.g. gold.house_by_town_usage.house_cnt",
        )
    table, column = ".".join(parts[:2]), parts[2]
    with workshop.lake.reader() as con:
        row = con.execute(_BUILD, [table]).fetchone()
        if row is None:
            raise UsageError(
                f"{table} was never built",
                todo=f"Run `countylake run`, or name one of {', '.join(workshop.graph.models)}",
            )
        parameters = Parameters(
            cut_off_at=row[0], day=row[1] or local_day(row[0]), site_code=workshop.site.code
        )
        return trace(
            con,
            workshop.graph,
            workshop.contracts,
            workshop.lineages,
            parameters.literals(),
            table,
            where,
            column,
            limit=limit,
        )
