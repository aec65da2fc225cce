"""Contract -> what Dagster shows of an asset: columns, lineage, owners, tags, source, freshness.

Pure translation: nothing here opens a lake or reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

import dagster as dg

from dagster_project.contracts.model import Column, Feed, Sla, Table
from dagster_project.lineage.columns import Edge, ModelLineage, markdown
from dagster_project.paths import PROJECT

TIMEZONE = "Asia/Shanghai"
HOLIDAY = timedelta(days=9)
"""The longest stretch without a workday, the Spring Festival's."""
LATE = {
    "d": timedelta(days=2),
    "w": timedelta(days=8),
    "m": timedelta(days=33),
    "q": timedelta(days=95),
    "y": timedelta(days=370),
}


def asset_key(table: str) -> dg.AssetKey:
    """``silver.population`` -> the asset ``silver/population``."""
    return dg.AssetKey(table.split("."))


def table_schema(columns: Iterable[Column], *, text: bool = False) -> dg.TableSchema:
    """The columns with their Chinese titles; ``text`` is how bronze keeps them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type="VARCHAR" if text else column.duck_type,
                description=_sentence(column),
                constraints=dg.TableColumnConstraints(
                    nullable=text or not column.required,
                    other=[] if text or not column.codes else [f"codes/{column.codes}.csv"],
                ),
                tags={} if text else {"level": column.level},
            )
            for column in columns
        ]
    )


def _sentence(column: Column) -> str:
    unit = f"（{column.unit}）" if column.unit else ""
    more = f"：{column.description}" if column.description else ""
    return f"{column.title}{unit}{more}"


def column_lineage(lineage: ModelLineage) -> dict[str, Any]:
    """Lineage as Dagster keeps it, and as a table that its open-source UI shows."""
    deps = {
        column: [
            dg.TableColumnDep(
                asset_key=asset_key(edge.source_table), column_name=edge.source_column
            )
            for edge in lineage.sources(column)
        ]
        for column in lineage.columns
    }
    return {
        "dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps),
        "column_lineage": dg.MetadataValue.md(markdown(lineage)),
    }


def conformed_lineage(feed: Feed) -> ModelLineage:
    """Silver's columns come from the bronze columns of the same name."""
    names = tuple(column.name for column in feed.columns)
    edges = (Edge(name, f"bronze.{feed.name}", name, "transformation") for name in names)
    return ModelLineage(f"silver.{feed.name}", names, tuple(edges))


def sources(*paths: str) -> dict[str, Any]:
    """Where an asset is written down: paths relative to the checkout."""
    references = [
        dg.LocalFileCodeReference(file_path=str(PROJECT / path), label=path) for path in paths
    ]
    return {
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references),
        "source": dg.MetadataValue.md("、".join(f"`{path}`" for path in paths)),
    }


def owners(contract: Feed | Table) -> list[str]:
    """The contract's owner as Dagster wants it: an address, or ``team:`` and a name."""
    name = contract.owner or (contract.department_name if isinstance(contract, Feed) else "")
    if not name:
        return []
    return [name if "@" in name else f"team:{name}"]


@cache
def freshness(sla: Sla) -> dg.FreshnessPolicy:
    """When the feed's tables are late: by its due time each day, else by its longest pause.

    Dagster knows no holidays; `countylake tasks` tells a late workday at once.
    Dagster walks a thousand days of each cron line; most feeds share a few.
    """
    if sla.unit == "d" and sla.every == 1 and not sla.calendar:
        hour, minute = (int(part) for part in sla.due_time.split(":"))
        return dg.FreshnessPolicy.cron(
            deadline_cron=f"{minute} {hour} * * *",
            lower_bound_delta=timedelta(days=1),
            timezone=TIMEZONE,
        )
    rest = HOLIDAY if sla.calendar else timedelta(0)
    return dg.FreshnessPolicy.time_window(fail_window=LATE[sla.unit] * sla.every + rest)


def group(name: str, otherwise: str) -> str:
    """A name Dagster accepts for a group of assets."""
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return word or otherwise


def tag(value: str) -> str:
    """A value Dagster accepts for a tag."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", value)[:63]
