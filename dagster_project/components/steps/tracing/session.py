"""One table whose figures can be opened, one after the other, as they were made.

A figure is opened as it stands in the lake, or as a sealed package has it. Either way the tables
below it are those of the state that it was made of, so that what came since changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import duckdb

from dagster_project.components.steps.tracing.laid import lay_out
from dagster_project.components.steps.tracing.made import LAYERS, Made, as_built, as_sealed, named
from dagster_project.components.steps.tracing.rejected import Rejections
from dagster_project.components.steps.tracing.story import Story, tell
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column
from dagster_project.errors import LakeError, UsageError
from dagster_project.lake.engine import quoted
from dagster_project.lake.failures import without_values
from dagster_project.lineage.describe import described, lineages
from dagster_project.lineage.opening.figure import Asked, Grounds, Openings, open_figure
from dagster_project.lineage.trace import Trace, grounds_of, traced
from dagster_project.privacy.suppress import suppress
from dagster_project.protocol import table as values
from dagster_project.transform.models import stage
from dagster_project.written import nearest

_NEAR = 6


@dataclass(frozen=True)
class Figures:
    """One table whose figures can be opened.

    ``snapshot`` is the state of silver and ops that the table was made of; ``columns`` are its
    figures, ``key`` names its rows.
    """

    workshop: Workshop
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    made: Made
    _con: duckdb.DuckDBPyConnection
    _grounds: Grounds
    _rejections: Rejections
    _described: Mapping[str, Column]
    _openings: list[Openings] = field(default_factory=list)

    @property
    def snapshot(self) -> int:
        """The snapshot of silver and ops."""
        return self.made.snapshot

    def rows(self) -> list[dict[str, Any]]:
        """The table's rows, as the package has them or as they stand, in order of the key."""
        terms = ", ".join(quoted(name) for name in self.key)
        found = self._con.execute(f"SELECT * FROM {self.table} ORDER BY {terms or 'ALL'}")
        return list(values.normalise(found.to_arrow_table()).to_pylist())

    def trace(self, where: Mapping[str, str], column: str, *, limit: int = 1000) -> Trace:
        """Open one figure.

        Args:
            where: Values of columns that pick out one row, as text.
            column: The figure's column.
            limit: How many rows of files to list; all are counted.

        Raises:
            UsageError: No such column or row, or more rows than one.
            ModelError: It cannot be opened exactly.
        """
        asked = Asked(self.table, where, column)
        if not self._openings:
            self._openings.append(Openings(self._con, self._grounds))
        return traced(self._con, asked, self._openings[0].open(asked), limit=limit)

    def story(
        self,
        where: Mapping[str, str],
        column: str,
        *,
        limit: int = 20,
        check_files: bool = False,
        what_if: bool = True,
    ) -> Story:
        """Open one figure and prove its rows; say what was repaired, rejected and held.

        Args:
            where: Values of columns that pick out one row, as text.
            column: The figure's column; may be left empty where there is only one.
            limit: How many rows to list of each kind; all are counted.
            check_files: Read the landed files again and hold the rows against them.
            what_if: Ask what the figure would be with the rejected rows.

        Raises:
            UsageError: No such column or row, or more rows than one.
            ModelError: It cannot be opened exactly.
        """
        asked = Asked(self.table, where, self._figure(column))
        self._pick(where)
        self._openings.clear()  # what is opened beside it takes the names of its temp tables
        figure = open_figure(self._con, self._grounds, asked)
        found = traced(self._con, asked, figure, limit=limit)
        return tell(
            self._con,
            self.workshop,
            self.made,
            self._rejections,
            figure,
            found,
            self._described.get(asked.column),
            limit=limit,
            check_files=check_files,
            what_if=what_if,
        )

    def _figure(self, column: str) -> str:
        if column in self.columns:
            return column
        if not column and len(self.columns) == 1:
            return self.columns[0]
        known = ", ".join(self.columns)
        if not column:
            raise UsageError(
                f"{self.table} has several figures", todo=f"Name one with --column: {known}"
            )
        if column in self.key:
            raise UsageError(
                f"{column} names the rows of {self.table}", todo=f"Name a figure: {known}"
            )
        raise UsageError(
            f"{self.table} has no column {column}{nearest(column, self.columns)}",
            todo=f"Name one of {known}",
        )

    def _pick(self, where: Mapping[str, str]) -> None:
        """Make sure that the conditions pick out one row; say what is lacking otherwise."""
        names = (*self.key, *self.columns)
        for name in where:
            if name not in names:
                raise UsageError(
                    f"{self.table} has no column {name}{nearest(name, names)}",
                    todo=f"Name one of {', '.join(names)}",
                )
        found = self._count(where)
        if found == 0:
            raise self._nothing(where)
        if found > 1:
            said = {name: self._values(name, where) for name in self.key if name not in where}
            said = {name: known for name, known in said.items() if len(known) > 1}
            several = "; ".join(
                f"{name} is one of {', '.join(known[:_NEAR])}" for name, known in said.items()
            )
            raise UsageError(
                f"{found:,} rows of {self.table} fit, and one is needed"
                f"{f' ({several})' if several else ''}",
                todo=f"Add --where for each of {', '.join(said or self.key)}",
            )

    def _nothing(self, where: Mapping[str, str]) -> UsageError:
        for name, value in where.items():
            known = self._values(name, {})
            if value not in known:
                near = get_close_matches(value, known, n=_NEAR, cutoff=0.5)
                near = near or [one for one in known if value and value in one][:_NEAR]
                return UsageError(
                    f"no row of {self.table} has {name}={value}",
                    todo=f"Near are {', '.join(near)}"
                    if near
                    else f"Name one of {', '.join(known[:_NEAR])}, …",
                )
        return UsageError(
            f"no row of {self.table} has all of "
            f"{', '.join(f'{name}={value}' for name, value in where.items())}",
            todo="Leave one of them out to see what there is",
        )

    def _count(self, where: Mapping[str, str]) -> int:
        row = self._con.execute(
            f"SELECT count(*) FROM {self.table} WHERE {_fits(where)}", list(where.values())
        ).fetchone()
        return int(row[0]) if row else 0

    def _values(self, name: str, where: Mapping[str, str]) -> list[str]:
        rows = self._con.execute(
            f"SELECT DISTINCT CAST({quoted(name)} AS VARCHAR) AS said FROM {self.table}"
            f" WHERE {_fits(where)} AND said IS NOT NULL ORDER BY 1",
            list(where.values()),
        ).fetchall()
        return [str(value) for (value,) in rows]


def _fits(where: Mapping[str, str]) -> str:
    return " AND ".join(f"CAST({quoted(name)} AS VARCHAR) = ?" for name in where) or "TRUE"


@contextlib.contextmanager
def _readable(workshop: Workshop) -> Iterator[None]:
    """Say that the lake's files are damaged, without a word of what they hold."""
    try:
        yield
    except duckdb.Error as error:
        raise LakeError(
            f"what the figure is made of cannot be read ({without_values(str(error)).rstrip('.')})",
            where=str(workshop.home.root),
            todo="`countylake verify --all` names the file that is damaged",
        ) from None


@contextlib.contextmanager
def figures(
    workshop: Workshop, package_id: str = "", table: str = "", *, many: bool = False
) -> Iterator[Figures]:
    """Open a table for tracing: made once, for as many figures as are asked for.

    Args:
        workshop: The site.
        package_id: The table as this package has it; else as it stands.
        table: ``report.<name>``, ``gold.<name>`` or the bare name; may be left out of a package.
        many: Hundreds of figures will be opened: what they are made of is copied into memory once,
            which is slower for one figure and four times as fast for each of many.

    Raises:
        UsageError: No such table or package, or it was never built.
        PackageError: What made the package is no longer known, or made again it is another table.
        LakeError: Something that the table is made of cannot be read.
    """
    with workshop.lake.reader() as con, _readable(workshop):
        if package_id:
            made = as_sealed(workshop, con, package_id, table)
            name = named(made.graph, table or made.report)
        else:
            workshop = workshop.towards(table, *(f"{layer}.{table}" for layer in LAYERS))
            name = named(workshop.graph, table)
            made = as_built(workshop, con, name)
        models = tuple(made.graph.models.values())
        found = (
            workshop.lineages
            if made.graph is workshop.graph
            else lineages(models, workshop.contracts, workshop.given)
        )
        columns = described(models, workshop.contracts, found, workshop.given)
        literals = made.parameters.literals()
        grounds = grounds_of(made.graph, workshop.contracts, found, literals, suppress)
        with stage(con, suppress) as on:
            lay_out(con, workshop.contracts.feeds, made, on, name, copied=many)
            key = tuple(made.graph.model(name).contract.key)
            yield Figures(
                workshop,
                name,
                key,
                tuple(one for one in found[name].columns if one not in key),
                made,
                con,
                grounds,
                Rejections(con, workshop, made, on.name, grounds, found),
                {column.name: column for column in columns[name]},
            )
