"""A package's figures made again: by its receipt's SQL, from silver and ops as they were.

The lake's own gold and report tables are not read, nor are today's models; a contract is the one
whose hash the receipt names. What several packages share is evaluated once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Self
from uuid import uuid4

import duckdb
import pyarrow as pa

from dagster_project.components.steps.packaging.splitting import rows_of
from dagster_project.components.steps.verifying.ledger import Ledger
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table
from dagster_project.contracts.reader import past_table
from dagster_project.errors import PackageError
from dagster_project.privacy.suppress import suppress
from dagster_project.protocol import table as values
from dagster_project.protocol.receipt import MadeBy, Programme, Receipt
from dagster_project.transform.models import Graph, Inputs, Model, Parameters, Scene, past_model
from dagster_project.transform.models.replay import READ, Stage, stage

_MOST_MADE = 256
"""So many tables are kept in memory for the packages to come; then it is begun anew."""
_ENGINE = ("duckdb", "pyarrow")
"""What decides about bytes: the engine that computes and the library that writes."""


@dataclass
class Maker:
    """Makes figures again, on one connection; use it as a context."""

    workshop: Workshop
    con: duckdb.DuckDBPyConnection
    ledger: Ledger
    _stages: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _stage: Stage | None = None
    _models: dict[tuple[str, str], Model] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Begin; the tables that are made live until the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget all that was made."""
        self._stages.close()

    def figures(self, receipt: Receipt, tables: Mapping[str, int]) -> pa.Table:
        """The rows that a package must hold, by its receipt alone.

        Args:
            receipt: What says how it was made.
            tables: Snapshots at which single inputs are the same as at the receipt's; they are
                read there, so that packages of several snapshots share what did not change.

        Raises:
            CountyLakeError: It cannot be made again; the sentence says why.
        """
        models = {one.table: self._model(one) for one in receipt.models}
        contract = models[receipt.table].contract
        _agree_on_small_cells(receipt, contract)
        _agree_on_inputs(receipt, models)
        said = receipt.parameters
        parameters = Parameters(
            datetime.fromisoformat(said.cut_off_at), date.fromisoformat(said.day), said.site_code
        )
        scene = Scene(Graph(models), parameters, Inputs(receipt.snapshot, tables))
        whole = self._on().yields(scene, receipt.table)
        return rows_of(contract, whole, receipt.period)

    def contract(self, receipt: Receipt) -> Table:
        """The contract by which the report's table was sealed.

        Raises:
            PackageError: It is not known any more.
        """
        return self._model(receipt.models[-1]).contract

    def _on(self) -> Stage:
        if self._stage is None or len(self._stage.made) > _MOST_MADE:
            self._stages.close()
            self._stage = self._stages.enter_context(stage(self.con, suppress))
        return self._stage

    def _model(self, made: MadeBy) -> Model:
        spot = (made.sql_hash, made.contract_hash)
        if spot not in self._models:
            self._models[spot] = past_model(made.sql, self._contract(made))
        return self._models[spot]

    def _contract(self, made: MadeBy) -> Table:
        if made.contract_hash in self.ledger.wordings:
            layer, name, text = self.ledger.wordings[made.contract_hash]
            return past_table(text, layer, name)
        for table in self.workshop.contracts.tables.values():
            if table.hash == made.contract_hash:
                return table
        raise PackageError(
            f"the contract {made.contract_version} of {made.table} that the receipt names is no"
            " longer known",
            where="ops.contract",
            todo="Restore the newest copy of the home",
        )


def _agree_on_small_cells(receipt: Receipt, contract: Table) -> None:
    """The receipt says how small cells were blanked; its contract must say the same."""
    said, meant = receipt.small_cells, contract.small_cells
    told = said and (tuple(said.columns), tuple(map(tuple, said.totals)), said.minimum)
    known = meant and (tuple(meant.columns), tuple(map(tuple, meant.totals)), meant.minimum)
    if told != known:
        raise PackageError(
            "the receipt blanks small cells otherwise than the contract that it names",
            where=f"receipt of {receipt.package_id} small_cells",
        )


def _agree_on_inputs(receipt: Receipt, models: Mapping[str, Model]) -> None:
    """What the SQL reads of silver and ops must be what the receipt proves."""
    below = {name for model in models.values() for name in model.inputs}
    read = {name for name in below if name.partition(".")[0] in READ}
    if lacking := sorted(read ^ {one.table for one in receipt.inputs}):
        raise PackageError(
            f"the receipt's SQL and its list of inputs do not agree on {', '.join(lacking)}",
            where=f"receipt of {receipt.package_id} inputs",
        )


def other_engine(receipt: Receipt, now: Programme) -> str:
    """How engine and writer differ from the receipt's; empty where their bytes must be equal."""
    differs = [
        f"{name} {then} then, {today} now"
        for name in _ENGINE
        if (then := getattr(receipt.programme, name)) != (today := getattr(now, name))
    ]
    return ", ".join(differs)


def bytes_of(workshop: Workshop, rows: pa.Table) -> bytes:
    """The Parquet file that sealing would write of these rows."""
    with scratch_file(workshop) as path:
        values.write_parquet(rows, path)
        return path.read_bytes()


@contextlib.contextmanager
def scratch_file(workshop: Workshop) -> Iterator[Path]:
    """A file of ours that is gone afterwards."""
    folder = workshop.home.scratch
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"verify-{uuid4().hex}.parquet"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
