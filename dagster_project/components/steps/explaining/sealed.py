"""What a sealed package says and what it was made of: figures, SQL, contracts, state of the lake.

The figures are read from the outbox, everything else from the lake: what a package was made of is
told by its receipt, or by the ledger of builds where it was sealed without one. Nothing is
evaluated here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa

from dagster_project.clock import local_day
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Layer, Table
from dagster_project.contracts.reader import past_table
from dagster_project.errors import PackageError, UsageError
from dagster_project.protocol import manifest as form
from dagster_project.protocol import table as values
from dagster_project.protocol.held import HeldFeed, Holds
from dagster_project.protocol.receipt import Receipt, read_receipt
from dagster_project.transform.models import Graph, Model, Parameters, parameters_of, past_model
from dagster_project.transform.models.model import DIALECT
from dagster_project.transform.models.versions import newest_builds
from dagster_project.written import nearest

_PACKAGE = """
SELECT report, period, revision, snapshot, content_hash, cut_off_at, sealed_at, reason, held
FROM lake.ops.package
WHERE package_id = ?
"""
_TEXTS = "SELECT layer, name, text FROM lake.ops.contract WHERE layer IN ('gold', 'report')"


@dataclass(frozen=True)
class Sealed:
    """One package: what it says, and the scene that it was made in.

    ``held`` are the deliveries that waited for a decision and are in no figure. ``table`` is None
    where the outbox no longer holds it. ``notes`` say what of the past is not known any more.
    """

    package_id: str
    report: str
    period: str
    revision: int
    content_hash: str
    cut_off_at: datetime
    sealed_at: datetime
    reason: str
    held: tuple[HeldFeed, ...]
    snapshot: int
    parameters: Parameters
    models: Mapping[str, Model]
    table: pa.Table | None
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> Model:
        """The model of the report itself."""
        return self.models[f"report.{self.report}"]

    @property
    def graph(self) -> Graph:
        """The models that the report was made by."""
        return Graph(self.models)

    def told(self) -> dict[str, Any]:
        """What an explanation says of the package."""
        return {
            "package_id": self.package_id,
            "period": self.period,
            "revision": self.revision,
            "cut_off_at": self.cut_off_at,
            "sealed_at": self.sealed_at,
            "snapshot": self.snapshot,
            "contract_version": self.model.contract.version,
            "sql_hash": self.model.hash,
            "reason": self.reason,
            "held": [one.model_dump(mode="json") for one in self.held],
        }


@dataclass(frozen=True)
class _Made:
    """By which SELECT and contract a table was made; ``sql`` is empty where nobody kept it."""

    sql_hash: str
    contract_hash: str
    sql: str = ""


@dataclass
class _Past:
    """The lake's own memory of SQL and contracts."""

    workshop: Workshop
    made: Mapping[str, _Made]
    wordings: Mapping[str, tuple[Layer, str, str]]
    notes: list[str] = field(default_factory=list)

    def model(self, table: str) -> Model:
        """The model that a table was built by."""
        made, present = self.made.get(table), self.workshop.graph.models.get(table)
        if made is None or (
            present and (present.hash, present.contract.hash) == (made.sql_hash, made.contract_hash)
        ):
            return self.workshop.graph.model(table)
        contract = self._contract(table, made.contract_hash, present)
        if contract is not None and made.sql:
            return past_model(made.sql, contract)
        if contract is not None and present is not None and present.hash == made.sql_hash:
            return past_model(present.query.sql(dialect=DIALECT, comments=False), contract)
        if present is None:
            raise PackageError(
                f"the SQL of {table} is no longer known: no model makes it today, and the "
                "package has no receipt of it",
                todo="Check out the release that sealed the package",
            )
        self.notes.append(
            f"{table} had other SQL then, of which the package has no receipt; today's is used"
        )
        return present

    def _contract(self, table: str, wanted: str, present: Model | None) -> Table | None:
        if present is not None and present.contract.hash == wanted:
            return present.contract
        if wanted in self.wordings:
            layer, name, text = self.wordings[wanted]
            return past_table(text, layer, name)
        if present is None:
            return None
        self.notes.append(f"the contract that {table} had is not known; today's is used")
        return present.contract


def find(workshop: Workshop, con: duckdb.DuckDBPyConnection, package_id: str) -> Sealed:
    """A sealed package of this site.

    Raises:
        UsageError: No such package, or one that holds no figures.
        PackageError: What it was made by is not known any more.
    """
    row = con.execute(_PACKAGE, [package_id]).fetchone()
    if row is None:
        known = [
            one for (one,) in con.execute("SELECT package_id FROM lake.ops.package").fetchall()
        ]
        raise UsageError(
            f"this site sealed no package {package_id}{nearest(package_id, known)}",
            todo="`countylake package list` names them",
        )
    report, period, revision, snapshot, content, cut_off_at, sealed_at, reason, held = row
    if not content:
        raise UsageError(
            f"{package_id} takes a reported period back and holds no figures",
            todo="Name a revision before it",
        )
    table = f"report.{report}"
    receipt = _receipt(con, package_id)
    made = _receipted(receipt) if receipt else _built(con, snapshot)
    if table not in made:
        raise PackageError(
            f"the lake does not remember how {package_id} was built",
            todo="Restore the newest copy of the home",
        )
    past = _Past(workshop, made, _wordings(con))
    models = _models(past, table)
    found = _figures(workshop.home.outbox / package_id, report, content)
    otherwise = Parameters(cut_off_at, local_day(cut_off_at), workshop.site.code)
    if found is None:
        past.notes.append(f"the outbox holds {package_id} no longer as it was sealed")
    return Sealed(
        package_id=package_id,
        report=report,
        period=period,
        revision=revision,
        content_hash=content,
        cut_off_at=cut_off_at,
        sealed_at=sealed_at,
        reason=reason or "",
        held=Holds.model_validate_json(held or "{}").held,
        snapshot=snapshot,
        parameters=_given(receipt)
        if receipt
        else parameters_of(con, Graph(models), table, otherwise, snapshot),
        models=models,
        table=found,
        notes=tuple(past.notes),
    )


def _models(past: _Past, table: str) -> dict[str, Model]:
    """The models that made a table, each after its inputs; entities are read and not made."""
    found: dict[str, Model] = {}

    def visit(name: str) -> None:
        if name in found or not name.startswith(("gold.", "report.")):
            return
        model = past.model(name)
        for below in model.inputs:
            visit(below)
        found[name] = model

    visit(table)
    return found


def _receipt(con: duckdb.DuckDBPyConnection, package_id: str) -> Receipt | None:
    """A package's receipt; None where it was sealed without one."""
    row = con.execute(
        "SELECT receipt FROM lake.ops.receipt WHERE package_id = ?", [package_id]
    ).fetchone()
    return read_receipt(json.loads(row[0]), f"ops.receipt of {package_id}") if row else None


def _receipted(receipt: Receipt) -> dict[str, _Made]:
    return {one.table: _Made(one.sql_hash, one.contract_hash, one.sql) for one in receipt.models}


def _built(con: duckdb.DuckDBPyConnection, snapshot: int) -> dict[str, _Made]:
    """What each table was made by, as the ledger of builds knows it at a snapshot."""
    builds = newest_builds(con, snapshot)
    return {
        table: _Made(built.sql_hash, built.inputs.get("contract", ""))
        for table, built in builds.items()
    }


def _given(receipt: Receipt) -> Parameters:
    said = receipt.parameters
    return Parameters(
        datetime.fromisoformat(said.cut_off_at), date.fromisoformat(said.day), said.site_code
    )


def _wordings(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[Layer, str, str]]:
    """Layer, name and text of every table's contract that was at work, by its hash."""
    return {
        hashlib.sha256(text.encode()).hexdigest(): (cast("Layer", layer), name, text)
        for layer, name, text in con.execute(_TEXTS).fetchall()
    }


def _figures(folder: Path, report: str, content: str) -> pa.Table | None:
    path = folder / form.data_path(report)
    if not path.is_file():
        return None
    try:
        table = values.read_parquet(path)
    except PackageError:
        return None
    return table if values.content_hash(table) == content else None
