"""The models of a site that the house can answer for, and the lineage of each.

A model whose figures could change from run to run, could not be opened down to their rows, or whose
columns cannot be followed is refused when it is loaded, with those that read it; all others load.
What each rule says is the lint's matter, what a graph is is ``transform.models``'.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from dagster_project.contracts.model import Contracts, Problem
from dagster_project.errors import ModelError
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.describe import Given, Reader
from dagster_project.lineage.lint import lint_tree
from dagster_project.transform.models import Graph, Model
from dagster_project.transform.models.load import without


@dataclass(frozen=True, eq=False)
class Lawful:
    """A graph of models that may be built, and where their columns come from."""

    graph: Graph
    lineages: dict[str, ModelLineage] = field(repr=False)


def lawful(graph: Graph, contracts: Contracts, given: Given = MappingProxyType({})) -> Lawful:
    """Judge every model; what is refused stands in the graph's problems with file and line.

    Args:
        graph: The models that could be read.
        contracts: Describe the feeds and the models' tables.
        given: The tables that no model of the site makes, besides feeds and ledgers.
    """
    with uncollected():
        return _judged(graph, Reader(contracts, given))


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection: trees are made by the ten thousand, and none of them is garbage."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _judged(graph: Graph, reader: Reader) -> Lawful:
    known: dict[str, ModelLineage] = {}
    refused: dict[str, tuple[Problem, ...]] = {}
    for table, model in graph.models.items():
        problems = tuple(_findings(model))
        unread = any(one in graph.models and one not in known for one in model.inputs)
        if not (problems or unread):
            try:
                known[table] = reader.read(model)
            except ModelError as error:
                problems = (_problem(model, error),)
        if problems:
            refused[table] = problems
    return Lawful(without(graph, refused) if refused else graph, known)


def _findings(model: Model) -> Iterator[Problem]:
    """What the lint forbids; the SQL of entities is the programme's own."""
    if model.layer == "silver":
        return
    for one in lint_tree(model.query, model.layer, model.path, key=model.contract.key):
        if one.is_law:
            sentence = f"{one.code}: {one.reason[:1].upper()}{one.reason[1:]}. {one.fix}."
            yield Problem(model.path, one.line, sentence)


def _problem(model: Model, error: ModelError) -> Problem:
    place = error.where.rpartition(":")[2]
    line = int(place) if place.isdecimal() and model.layer != "silver" else 1
    return Problem(model.path, line, f"{error.what[:1].upper()}{error.what[1:]}. {error.todo}.")
