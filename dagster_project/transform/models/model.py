"""What a SQL model and the graph of all models are. Reading files and building is elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property

from sqlglot import exp

from dagster_project.contracts.model import Layer, Problem, Table
from dagster_project.errors import ModelError

DIALECT = "duckdb"


@dataclass(frozen=True)
class Parameters:
    """What a model may ask of the run; there is no clock below this line.

    ``cut_off_at`` is aware; what happened at or after it does not count. ``day`` is the calendar
    day that is reported, in the county's own time.
    """

    cut_off_at: datetime
    day: date
    site_code: str

    def texts(self) -> dict[str, str]:
        """Each parameter as text, one form for one value."""
        return {
            "cut_off_at": self.cut_off_at.astimezone(UTC).isoformat(sep=" "),
            "day": self.day.isoformat(),
            "site_code": self.site_code,
        }

    def literals(self) -> Mapping[str, exp.Expression]:
        """Each placeholder's name -> a typed literal."""
        texts = {name: exp.Literal.string(text) for name, text in self.texts().items()}
        return {
            "cut_off_at": exp.cast(texts["cut_off_at"], "TIMESTAMPTZ", dialect=DIALECT),
            "day": exp.cast(texts["day"], "DATE", dialect=DIALECT),
            "site_code": texts["site_code"],
        }


PARAMETERS = ("cut_off_at", "day", "site_code")


@dataclass(frozen=True)
class Model:
    """One SELECT of ``sql/<layer>/<name>.sql``.

    ``inputs`` are the tables it reads (``silver.house``); ``hash`` is of the SQL's canonical
    text, so that comments and blanks do not cause a new build.
    """

    name: str
    layer: Layer
    path: str
    text: str
    query: exp.Query = field(compare=False, repr=False)
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    contract: Table

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical text; most commands never ask for it."""
        return hashlib.sha256(self.query.sql(dialect=DIALECT, comments=False).encode()).hexdigest()

    @property
    def table(self) -> str:
        """The table's name with its layer, as the SQL writes it."""
        return f"{self.layer}.{self.name}"

    def sql(self, parameters: Parameters) -> str:
        """The SELECT with every placeholder replaced by a typed literal."""
        literals = parameters.literals()

        def insert(node: exp.Expression) -> exp.Expression:
            if isinstance(node, exp.Placeholder):
                return literals[node.name].copy()
            return node

        return self.query.copy().transform(insert).sql(dialect=DIALECT)


@dataclass(frozen=True, eq=False)
class Graph:
    """Every model, in an order in which each comes after what it reads.

    Two are the same only if they were made at once: what is told of them is kept by that.
    """

    models: Mapping[str, Model]
    problems: tuple[Problem, ...] = ()

    def model(self, table: str) -> Model:
        """The model that makes ``layer.name``.

        Raises:
            ModelError: No model makes that table.
        """
        if table not in self.models:
            raise ModelError(
                f"no SQL model makes the table {table}",
                todo=f"Known tables: {', '.join(sorted(self.models))}",
            )
        return self.models[table]

    def upstream(self, table: str) -> tuple[str, ...]:
        """The models that must be built before ``table``, in order, without itself."""
        wanted = {table}
        for name in reversed(tuple(self.models)):
            if name in wanted:
                wanted.update(self.models[name].inputs)
        return tuple(name for name in self.models if name in wanted and name != table)
