"""Is a delivery still of its contract's shape? Judged before and after its rows are conformed.

What is found is ``contracts.drift``'s knowledge, how it is counted ``measures``'. Here it is looked
at in order, and what the contract says is done: noted, held for a person, or refused. What becomes
of a held delivery is ``amending``'s work.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import structlog

from dagster_project.components.steps.arriving.holds import Held
from dagster_project.components.steps.arriving.measures import Measures
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.drift import (
    Finding,
    columns_changed,
    grown,
    narrowed,
    rescaled,
    reshaped,
)
from dagster_project.contracts.model import DriftKind, Feed
from dagster_project.errors import DeliveryError, ModelError
from dagster_project.ingest.readers import ReadResult
from dagster_project.ingest.readers.table.header import folded
from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.impact import Affected, downstream
from dagster_project.transform.conform import BatchCounts, Plan

_log = structlog.get_logger(__name__)
TOLD = frozenset({"added", "missing"})
"""Kinds that the department hears of by the remarks on columns already."""


@dataclass(frozen=True)
class Watch:
    """Looking at one delivery.

    ``allowed`` are findings that somebody has accepted for it: they are not raised again.
    """

    workshop: Workshop
    con: duckdb.DuckDBPyConnection
    plan: Plan
    path: str
    rows: Path
    delivered_at: datetime
    allowed: Collection[Finding] = ()
    noted: list[Finding] = field(default_factory=list)

    def before(self, result: ReadResult) -> None:
        """Judge titles and numbers of a file that was read; nothing is merged yet.

        Raises:
            Held: A person must decide.
            DeliveryError: The contract says to refuse such a file.
        """
        feed, measures = self.plan.feed, self._measures(result)
        fits = measures.fits(result.missing, result.unknown) if result.missing else {}
        found = columns_changed(feed, result.missing, result.unknown, fits, folded)
        for column, here, was in measures.quartiles():
            if finding := rescaled(feed, column, here, was):
                found.append(finding)
        ragged = sum(sheet.defects.get("ragged", 0) for sheet in result.sheets)
        if finding := reshaped(feed, result.rows, ragged):
            found.append(finding)
        self._settle(found)

    def after(self, result: ReadResult, counts: BatchCounts) -> None:
        """Judge the cells of a file by what conforming counted; its transaction is still open.

        Raises:
            Held: A person must decide; roll back.
            DeliveryError: The contract says to refuse such a file; roll back.
        """
        feed, measures = self.plan.feed, self._measures(result)
        found = []
        for finding in narrowed(feed, measures.failures(counts.rules, counts.batch_id)):
            evidence = dict(finding.evidence)
            if str(evidence["rule"]).endswith(".length"):
                evidence["longest"] = measures.longest(feed.column(finding.column))
            found.append(replace(finding, evidence=evidence))
        for rule in counts.rules:
            if rule.rule_id.endswith(".code") and rule.failed:
                column = feed.column(rule.column)
                if grew := grown(feed, column, measures.strangers(column)):
                    found.append(grew)
        self._settle(found)

    def remarks(self) -> str:
        """What the department should hear of the noted differences."""
        said = [phrase(one) for one in self.noted if one.kind not in TOLD]
        return f"{self.path}: {'; '.join(said)}." if said else ""

    def news(self) -> list[dict[str, Any]]:
        """The noted differences that the feed's ledger does not hold yet, as data."""
        if not self.noted:
            return []
        rows = self.con.execute(
            "SELECT findings FROM lake.ops.hold WHERE feed = ? AND kind = 'schema'",
            [self.plan.feed.name],
        ).fetchall()
        known = {
            Finding.of(finding).identity for (text,) in rows for finding in json.loads(text or "[]")
        }
        return [one.data() for one in self.noted if one.identity not in known]

    def _measures(self, result: ReadResult) -> Measures:
        plan = self.plan.with_units(result.units)
        return Measures(self.con, plan, self.rows, result.rows, self.delivered_at)

    def _settle(self, found: Iterable[Finding]) -> None:
        """Do what the contract says about what was found."""
        # Without a required column no row is valid, whoever allowed it: its contract must change.
        accepted = {one.identity for one in self.allowed if not one.evidence.get("required")}
        fresh = [one for one in found if one.identity not in accepted]
        self.noted.extend(one for one in fresh if one.severity == "note")
        feed = self.plan.feed
        if refusing := [one for one in fresh if one.severity == "refuse"]:
            lacking = any(one.kind == "missing" for one in refusing)
            raise DeliveryError(
                f"the file is not as the contract of {feed.name} describes it: "
                + "; ".join(phrase(one) for one in refusing),
                where=self.path,
                todo="Deliver it in the agreed form, or have the contract changed first",
                reason="columns_missing" if lacking else "drifted",
            )
        if any(one.severity == "pause" for one in fresh):
            doubtful = [one for one in fresh if one.severity == "pause"]
            shown = [one.data() for one in fresh]
            raise Held("schema", shown, self._sentence(doubtful))

    def _sentence(self, doubtful: Sequence[Finding]) -> str:
        feed = self.plan.feed
        reached = affected(self.workshop, feed, doubtful)
        tables = {one.table for one in reached if one.layer == "gold"}
        figures = [one for one in reached if one.layer == "report"]
        return (
            f"{self.path}: {'; '.join(phrase(one) for one in doubtful)}. Nothing was merged and"
            f" {feed.name} waits (gold tables that depend on it: {len(tables)}, report figures:"
            f" {len(figures)}). `countylake drift list` shows it, `drift accept` or `drift refuse`"
            " decides."
        )


def affected(workshop: Workshop, feed: Feed, findings: Iterable[Finding]) -> tuple[Affected, ...]:
    """Every gold and report column that depends on what was found, keys left out."""
    columns: set[str] = set()
    for one in findings:
        columns |= {one.column} if one.column else set()
        if one.kind == "width" or one.evidence.get("required"):
            # Without it no row is valid.
            columns.add(ROWS)
    keys = {name: model.contract.key for name, model in workshop.graph.models.items()}
    try:
        titles = {
            (name, column.name): column.title
            for name in workshop.graph.models
            for column in workshop.described(name)
        }
        reached = downstream(
            workshop.lineages, f"silver.{feed.name}", columns, keys=keys, titles=titles
        )
    except ModelError as error:
        # A model that cannot be traced must not keep a doubtful file from being held.
        _log.warning("lineage unknown", feed=feed.name, why=error.what)
        return ()
    return tuple(one for one in reached if one.column not in keys[one.table])


def phrase(one: Finding) -> str:
    """One finding in words, with its numbers."""
    codes = "、".join(one.evidence.get("codes", ()))
    return _PHRASES[one.kind].format(
        name=f"{one.title} ({one.column})",
        title=one.title,
        candidate=one.candidate,
        near=f"; the closest title is {one.candidate}" if one.candidate else "",
        shown=f" ({codes})" if codes else "",
        **one.evidence,
    )


_PHRASES: Mapping[DriftKind, str] = {
    "renamed": "{name} seems to be called {candidate} now",
    "added": "the contract knows no column {title}",
    "missing": "{name} is missing{near}",
    "narrowed": (
        "{name} fails {rule} in {share:.0%} of {checked:,} cells, and did in {share_before:.1%}"
        " before"
    ),
    "codes": (
        "{name} holds {values} values{shown} in {cells:,} cells that the code list {list} lacks"
    ),
    "unit": (
        "the median of {name} is {ratio:g} times what is held, as if its unit had changed by"
        " 10^{power}"
    ),
    "width": "{ragged:,} of {rows:,} rows have not the {columns} columns of the contract",
}
