"""``sql/<layer>/*.sql`` -> Graph: parsed, checked against the layers' rule, in order.

At a county the tables of entities are models too (see ``entities``). Nothing here opens the lake. A
model that cannot be used is named in ``Graph.problems``, and so are the models that read it; all
others still load.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.contracts.model import Contracts, Layer, Problem, Table
from dagster_project.errors import ModelError
from dagster_project.settings import Duty
from dagster_project.transform.models.confined import escapes
from dagster_project.transform.models.entities import entity_models
from dagster_project.transform.models.model import DIALECT, PARAMETERS, Graph, Model

MAY_READ: Mapping[str, frozenset[str]] = {
    "gold": frozenset({"silver", "gold", "ops"}),
    "report": frozenset({"gold", "report", "ops"}),
    "city": frozenset({"city", "ops"}),
}
DUTY_LAYERS: Mapping[str, tuple[Layer, ...]] = {"collect": ("gold", "report"), "receive": ("city",)}


_REFUSED = "It reads {}, which is refused. Correct that one first."
_NOBODYS = "It reads {}, which no feed and no model makes. Correct one."


class _RefusedError(Exception):
    """One model's problem; never leaves this module."""

    def __init__(self, line: int, sentence: str) -> None:
        self.line, self.sentence = line, sentence


def load_models(
    sql_dir: Path, contracts: Contracts, *, duty: Duty = "collect", towards: Sequence[str] = ()
) -> Graph:
    """Read every model of a site's layers below ``sql_dir``, or those alone that make one table.

    Args:
        sql_dir: The folder that holds ``gold/``, ``report/`` and ``city/``.
        contracts: Contracts of the feeds and of the models' tables.
        duty: Whose layers are wanted.
        towards: ``layer.name`` of tables. The first that there is a file of is wanted, with the
            models below it; no other is read. There is no model where there is none of them.

    Returns:
        The models in an order in which each comes after its inputs, ties by name.
    """
    texts = tuple(
        (layer, path.stem, path.read_text(encoding="utf-8"))
        for layer in DUTY_LAYERS[duty]
        for path in sorted((sql_dir / layer).glob("*.sql"))
    )
    return _graph(texts, contracts, duty, tuple(towards))


@lru_cache(maxsize=8)
def _graph(
    texts: tuple[tuple[Layer, str, str], ...],
    contracts: Contracts,
    duty: Duty,
    towards: tuple[str, ...] = (),
) -> Graph:
    """The models of some SELECTs; the same texts are parsed once in a process."""
    models: dict[str, Model] = {}
    problems: list[Problem] = []
    written = {f"{layer}.{stem}": (layer, stem, text) for layer, stem, text in texts}
    entities = {one.table: one for one in entity_models(contracts)} if duty == "collect" else {}
    left = next(([one] for one in towards if one in written), []) if towards else [*written]
    seen = {*left}
    while left:
        layer, stem, text = written[left.pop(0)]
        try:
            model = _read(text, layer, stem, contracts)
        except _RefusedError as error:
            problems.append(Problem(f"sql/{layer}/{stem}.sql", error.line, error.sentence))
        else:
            models[model.table] = model
            new = [one for one in model.inputs if one in written and one not in seen]
            left += new
            seen.update(new)
    needed = {name for model in models.values() for name in model.inputs}
    models |= {name: one for name, one in entities.items() if not towards or name in needed}
    # A city's tables of the same name as a report are what counties sent.
    sent = {name for layer, name in contracts.tables if layer == "report"}
    made = {"silver": set(contracts.feeds), "city": sent}
    problems += _drop_unbuildable(models, made, written)
    problems += _drop_cycles(models)
    graph = {name: set(model.inputs) & models.keys() for name, model in models.items()}
    return Graph({name: models[name] for name in _in_order(graph)}, tuple(problems))


def _in_order(graph: Mapping[str, set[str]]) -> Iterable[str]:
    """Topological order with ties by name, so that every machine builds in one order."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    while sorter.is_active():
        for name in sorted(sorter.get_ready()):
            yield name
            sorter.done(name)


def without(graph: Graph, refused: Mapping[str, Iterable[Problem]]) -> Graph:
    """The graph without some models, and without those that read them.

    Args:
        graph: The models.
        refused: Why, by table. A model that only reads a refused one gets a problem of its own.
    """
    kept: dict[str, Model] = {}
    problems = list(graph.problems)
    for name, model in graph.models.items():
        gone = [table for table in model.inputs if table in graph.models and table not in kept]
        if own := tuple(refused.get(name, ())):
            problems += own
        elif gone:
            problems.append(Problem(model.path, 1, _REFUSED.format(gone[0])))
        else:
            kept[name] = model
    return Graph(kept, tuple(problems))


def past_model(text: str, contract: Table) -> Model:
    """The model that a SELECT of some time ago was; its text is the canonical one.

    Raises:
        ModelError: It cannot be read, or reads what no model may read today.
    """
    try:
        return _parsed(text, contract, f"{contract.layer}.{contract.name}")
    except _RefusedError as error:
        raise ModelError(
            f"a former SELECT of {contract.layer}.{contract.name} cannot be used "
            f"({error.sentence.rstrip('.')})",
            todo="Ask with a release of the programme that can read it",
        ) from error


def _read(text: str, layer: Layer, stem: str, contracts: Contracts) -> Model:
    contract = contracts.tables.get((layer, stem))
    if contract is None:
        raise _RefusedError(1, f"The table has no contract. Write schemas/{layer}/{stem}.yaml.")
    return _parsed(text, contract, f"sql/{layer}/{stem}.sql")


def _parsed(text: str, contract: Table, relative: str) -> Model:
    try:
        statements = [s for s in sqlglot.parse(text, read=DIALECT) if s is not None]
    except SqlglotError as error:
        line = getattr(error, "errors", [{}])[0].get("line") or 1
        what = str(error).splitlines()[0].rstrip(".")
        raise _RefusedError(int(line), f"The SQL cannot be read ({what}). Correct it.") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _RefusedError(1, "The file must hold exactly one SELECT. Remove everything else.")
    query = statements[0]
    return Model(
        name=contract.name,
        layer=contract.layer,
        path=relative,
        text=text,
        query=query,
        inputs=_inputs(query, contract.layer),
        parameters=_parameters(query),
        contract=contract,
    )


def _inputs(query: exp.Query, layer: Layer) -> tuple[str, ...]:
    allowed = MAY_READ[layer]
    for node, sentence in escapes(query):
        raise _RefusedError(_line(node), sentence)
    found: set[str] = set()
    for table in query.find_all(exp.Table):
        if not table.db:
            continue
        if table.db not in allowed:
            raise _RefusedError(
                _line(table),
                f"A {layer} model may not read {table.db}.{table.name}. "
                f"Read {', '.join(sorted(allowed))} only.",
            )
        found.add(f"{table.db}.{table.name}")
    return tuple(sorted(found))


def _line(node: exp.Expr) -> int:
    """The first line that a node was read from."""
    return min((int(part.meta["line"]) for part in node.walk() if "line" in part.meta), default=1)


def _parameters(query: exp.Query) -> tuple[str, ...]:
    names = set()
    for node in query.find_all(exp.Placeholder):
        if node.name not in PARAMETERS:
            known = ", ".join(f":{name}" for name in PARAMETERS)
            raise _RefusedError(1, f"No run gives the parameter :{node.name}. Use one of {known}.")
        names.add(node.name)
    return tuple(sorted(names))


def _drop_unbuildable(
    models: dict[str, Model], made: Mapping[str, set[str]], written: Collection[str]
) -> list[Problem]:
    """Remove models with an input that nobody makes, until none is left.

    Args:
        models: The models; those that cannot be built are removed.
        made: By layer, the tables that are made by others than models.
        written: The tables of which there is a SELECT, refused or not.
    """
    problems: list[Problem] = []
    while True:
        for name, model in models.items():
            for table in model.inputs:
                layer, _, stem = table.partition(".")
                exists = layer == "ops" or stem in made.get(layer, ()) or table in models
                if not exists:
                    sentence = _REFUSED if table in written else _NOBODYS
                    problems.append(Problem(model.path, 1, sentence.format(table)))
                    break
            else:
                continue
            del models[name]
            break
        else:
            return problems


def _drop_cycles(models: dict[str, Model]) -> list[Problem]:
    problems: list[Problem] = []
    while True:
        graph = {name: set(model.inputs) & models.keys() for name, model in models.items()}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            for name in dict.fromkeys(error.args[1]):
                sentence = f"The models read one another in a circle ({circle}). Break it."
                problems.append(Problem(models[name].path, 1, sentence))
                del models[name]
        else:
            return problems
