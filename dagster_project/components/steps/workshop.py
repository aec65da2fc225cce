"""Everything a step needs of one site: home, settings, contracts, models, lake.

Making a workshop opens nothing; each part is read once, when it is first needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

import duckdb

from dagster_project import clock
from dagster_project import contracts as contract_room
from dagster_project.components.steps.cutoff import cut_off
from dagster_project.components.steps.journal import say
from dagster_project.components.steps.lawful import Lawful, lawful, uncollected
from dagster_project.components.steps.occasion import Occasion
from dagster_project.contracts.model import Column, Contracts, Feed
from dagster_project.contracts.wording import Wording, wordings
from dagster_project.errors import ContractError, UsageError
from dagster_project.ingest.readers.limits import Limits
from dagster_project.lake import Lake
from dagster_project.lineage import describe
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.whole import whole
from dagster_project.paths import Home, schemas_dir, sql_dir
from dagster_project.settings import Duty, Settings, Site, load_settings, load_site
from dagster_project.transform.conform import Plan, compile_feed
from dagster_project.transform.models import Graph, load_models
from dagster_project.written import nearest


@lru_cache(maxsize=4)
def _contracts(folder: Path) -> Contracts:
    return contract_room.load(folder)


@lru_cache(maxsize=256)
def _plan(feed: str, contracts: Contracts) -> Plan:
    return compile_feed(contracts.feeds[feed], contracts)


@lru_cache(maxsize=8)
def _judged(graph: Graph, contracts: Contracts) -> Lawful:
    return lawful(graph, contracts)


@dataclass(frozen=True)
class Workshop:
    """One site, ready to work."""

    home: Home
    settings: Settings
    duty: Duty
    schemas: Path
    sql: Path

    @staticmethod
    def at(root: Path | str, duty: Duty = "collect") -> Workshop:
        """The workshop of the home at ``root``; one per process and set of contracts."""
        return _at(Path(root).expanduser().resolve(), duty, schemas_dir(), sql_dir())

    @cached_property
    def site(self) -> Site:
        """What the home says of itself."""
        return load_site(self.home)

    @cached_property
    def lake(self) -> Lake:
        """The home's lake."""
        return Lake(self.home, self.settings, on_wait=say)

    @property
    def limits(self) -> Limits:
        """How large a delivered file may be."""
        return Limits.of(self.settings)

    @property
    def contracts(self) -> Contracts:
        """Every contract that could be read."""
        return _contracts(self.schemas)

    def renewed(self) -> Workshop:
        """The same site with its contracts read again: this process has changed them."""
        _contracts.cache_clear()
        _at.cache_clear()
        return replace(self)

    @cached_property
    def wordings(self) -> dict[tuple[str, str], Wording]:
        """The texts of all contracts, by layer and name."""
        return wordings(self.schemas, self.contracts)

    @cached_property
    def graph(self) -> Graph:
        """The SQL models that may be built, in order; the home need not exist yet."""
        return self._lawful.graph

    def towards(self, *tables: str) -> Workshop:
        """The same site with those models alone that one table is made of: no other is judged.

        Args:
            tables: ``layer.name`` of tables; the first that there is counts. Where there is none of
                them, or the law refuses anything below it, all models are there.
        """
        if "_lawful" in self.__dict__:
            return self
        with uncollected():
            graph = load_models(self.sql, self.contracts, duty=self.duty, towards=tables)
        if not graph.models or graph.problems:
            return self
        part = replace(self)
        part.__dict__.update(_loaded=graph, lake=self.lake)
        return self if part.graph.problems else part

    @cached_property
    def _loaded(self) -> Graph:
        """The models as they were read; none is judged yet."""
        with uncollected():
            return load_models(self.sql, self.contracts, duty=self.duty)

    @cached_property
    def _lawful(self) -> Lawful:
        graph = self._loaded
        given = self.given
        return lawful(graph, self.contracts, given) if given else _judged(graph, self.contracts)

    def plan(self, feed: str) -> Plan:
        """The compiled contract of a feed."""
        return _plan(self.feed(feed).name, self.contracts)

    def cut_off(self, con: duckdb.DuckDBPyConnection, occasion: Occasion) -> datetime:
        """The run's cut-off, decided once: the feeds of a run end before its models begin.

        What was received is judged as of now; a sealed cut-off is of what the site itself reports.
        """
        if occasion.run_id not in self._cut_offs:
            now = clock.now()
            self._cut_offs[occasion.run_id] = (
                cut_off(con, occasion, now)
                if self.duty == "collect"
                else occasion.cut_off_at or now
            )
        return self._cut_offs[occasion.run_id]

    @cached_property
    def _cut_offs(self) -> dict[str, datetime]:
        return {}

    @cached_property
    def registered(self) -> set[str]:
        """The runs of this process that have told the lake what its contracts say."""
        return set()

    def described(self, table: str) -> tuple[Column, ...]:
        """Every column of a model's table, with what it inherits along lineage."""
        return self._descriptions[table]

    def lineage(self, table: str) -> ModelLineage:
        """Where the columns of a model's table come from."""
        return self.lineages[table]

    @property
    def lineages(self) -> dict[str, ModelLineage]:
        """The lineage of every model."""
        return self._lawful.lineages

    @cached_property
    def whole(self) -> dict[str, ModelLineage]:
        """The lineage of every table of the duty, from the headers of files; inputs first."""
        repairs: dict[str, dict[str, list[str]]] = {}
        if self.duty == "collect":
            for name in self.contracts.feeds:
                found = repairs.setdefault(name, {})
                for one in self.plan(name).repairs:
                    found.setdefault(one.column, []).append(one.id)
        return whole(self.contracts, self.lineages, self.given, repairs)

    @cached_property
    def _descriptions(self) -> dict[str, tuple[Column, ...]]:
        models = tuple(self.graph.models.values())
        return describe.described(models, self.contracts, self.lineages, self.given)

    @cached_property
    def reports(self) -> dict[str, tuple[Column, ...]]:
        """The reports that counties owe, by name, with all their columns."""
        county = Workshop.at(self.home.root)
        return {
            model.name: county.described(model.table)
            for model in county.graph.models.values()
            if model.layer == "report" and model.contract.period
        }

    @property
    def given(self) -> dict[str, tuple[Column, ...]]:
        """The tables that no model of this site makes: at a city, what counties sent."""
        if self.duty == "collect":
            return {}
        from dagster_project.city import ledger  # noqa: PLC0415 - loads Arrow
        from dagster_project.city.merge import received_columns  # noqa: PLC0415

        sent = {f"city.{name}": received_columns(columns) for name, columns in self.reports.items()}
        return {**sent, "ops.received": ledger.columns()}

    def feed(self, name: str) -> Feed:
        """A feed by name.

        Raises:
            UsageError: No contract of that name.
            ContractError: The contract exists and could not be loaded.
        """
        if name in self.contracts.feeds:
            return self.contracts.feeds[name]
        for problem in self.contracts.problems:
            if Path(problem.path).stem == name:
                raise ContractError(
                    problem.sentence.rstrip("."), where=f"{problem.path}:{problem.line}"
                )
        raise UsageError(
            f"there is no feed {name}{_meant(name, self.contracts.feeds)}",
            where="schemas/feeds",
            todo="`countylake feeds` lists all of them",
        )


def _meant(name: str, feeds: Mapping[str, Feed]) -> str:
    """The feed that was meant: by its Chinese title, or by a name that is like it."""
    titled = [feed.name for feed in feeds.values() if feed.title == name]
    return f"; {name} is the title of `{titled[0]}`" if titled else nearest(name, feeds)


@lru_cache(maxsize=8)
def _at(root: Path, duty: Duty, schemas: Path, sql: Path) -> Workshop:
    return Workshop(Home(root), load_settings(Home(root)), duty, schemas, sql)
