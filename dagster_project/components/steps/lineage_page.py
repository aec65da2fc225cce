"""The lineage page of a home: what is on it is gathered here; ``lineage.page`` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster_project import clock
from dagster_project.components.steps.lineage_atlas import atlas
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.lineage.atlas.page import Heading, render
from dagster_project.lineage.columns import coverage
from dagster_project.paths import Home
from dagster_project.settings import Site


@dataclass(frozen=True)
class Written:
    """A page that was written."""

    path: Path
    tables: int
    columns: int
    covered: int
    bytes: int
    refused: tuple[str, ...]


def write(site: Site, home: Home, out: Path) -> Written:
    """Write the page; a reader never sees half of it.

    Raises:
        UsageError: The file cannot be written.
        ModelError: A model cannot be traced.
    """
    found = atlas(home, counted=True)
    covered, columns = coverage(tuple(found.network.lineages.values()))
    shops = [Workshop.at(home.root, duty) for duty in site.duties]
    refused = tuple(str(one) for shop in shops for one in shop.graph.problems)
    text = render(found, Heading(site.code, site.name, clock.now(), covered, columns, refused))
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise UsageError(
            f"the page cannot be written ({error.strerror})",
            where=str(out),
            todo="Name another file with --out",
        ) from error
    return Written(out, len(found.cards), columns, covered, len(text.encode()), refused)
