"""One SQL model's step: build it in one transaction, hold it against its contract, say so.

What is built, and whether at all, is ``transform.models``' work; which columns a result has
inherited comes from ``lineage``. With an entity's table its cases are settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project import clock
from dagster_project.components.steps import receiving
from dagster_project.components.steps.contract_versions import record_contracts
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.tasks.execution import made, record_made
from dagster_project.components.steps.telling import telling
from dagster_project.components.steps.told import built, model_work
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Rule
from dagster_project.errors import ModelError
from dagster_project.lake import Transaction, Writer
from dagster_project.lake.written_files import NewFiles
from dagster_project.lineage.events.facets import Assertion
from dagster_project.privacy.suppress import suppress
from dagster_project.transform.models import (
    BuildResult,
    Compared,
    Model,
    Parameters,
    build,
    compare,
    settle,
)

CONTRACT = "contract_holds"
REFERENCES = "ops.references"
CONTRACT_SENTENCE = "列、类型与主键符合契约，否则不写入"
SAID_OF_ENTITIES = frozenset({"ops.check_result", "ops.disagreement"})
"""Ledgers that the build of an entity's table writes: whoever reads them comes after it."""


@dataclass(frozen=True)
class RuleAnswer:
    """A table rule's answer over the whole table."""

    rule: Rule
    checked: int
    failed: int


@dataclass(frozen=True)
class Built:
    """A model's build and the answers of its contract's rules."""

    result: BuildResult
    rules: tuple[RuleAnswer, ...]


def build_model(workshop: Workshop, model: Model, occasion: Occasion) -> Built:
    """Build one model's table; a blocking rule that fails takes the build back.

    Raises:
        ModelError: The SELECT fails, or its result breaks the contract.
    """
    with (
        made(workshop, model.contract, occasion) as started,
        workshop.lake.writer(f"building {model.table}") as writer,
    ):
        now = clock.now()
        if model.layer == "city":
            receiving.prepare(writer, workshop, occasion)
        parameters = Parameters(
            cut_off_at=workshop.cut_off(writer.con, occasion),
            day=occasion.day,
            site_code=workshop.site.code,
        )
        new = NewFiles(workshop.home, [model.table])
        work = model_work(workshop, model, occasion, parameters)
        with telling(workshop, work, at_once=False) as run:
            with writer.transaction(
                f"{model.contract.title}: {model.table}", run_id=occasion.run_id, table=model.table
            ) as tx:
                record_contracts(tx.con, workshop, occasion.run_id)
                result = build(
                    tx.con,
                    model,
                    parameters,
                    run_id=occasion.run_id,
                    built_at=now,
                    suppress=suppress,
                    columns=workshop.described(model.table),
                    begun=run.begin,
                )
                if result.evaluated and model.layer == "silver":
                    _settle(tx, workshop, model, occasion, now)
                rules = tuple(_judge(tx.con, model, rule) for rule in model.contract.rules)
                if result.changed:
                    _keep(tx.con, model, occasion, rules)
                if result.evaluated:
                    record_made(tx.con, model.contract, occasion, started)
            if result.evaluated:
                built(run, model, result, tx.snapshot, rules=_assertions(rules), new=new)
    return Built(result, rules)


def _settle(
    tx: Transaction, workshop: Workshop, model: Model, occasion: Occasion, now: datetime
) -> None:
    """With an entity's table its cases are settled, and the departments compared."""
    entity = workshop.contracts.items.entities[model.name]
    settle(tx.con, workshop.contracts, entity, now)
    _keep_compared(tx.con, compare(tx.con, workshop.contracts, entity), occasion, now)


def _assertions(rules: Sequence[RuleAnswer]) -> tuple[Assertion, ...]:
    """The rules' answers as events tell them; a rule of one column is that column's."""
    return tuple(
        Assertion(
            one.rule.id,
            one.failed == 0,
            one.rule.columns[0] if len(one.rule.columns) == 1 else "",
            one.rule.severity,
            one.checked,
            one.failed,
        )
        for one in rules
    )


def build_together(
    workshop: Workshop,
    writer: Writer,
    models: Sequence[Model],
    occasion: Occasion,
    parameters: Parameters,
) -> tuple[BuildResult, ...]:
    """Build gold and report tables in one transaction, so that one snapshot holds all inputs.

    Raises:
        ModelError: A SELECT fails, or a result breaks its contract; no table was changed.
    """
    now = clock.now()
    results: list[BuildResult] = []
    answers: list[tuple[RuleAnswer, ...]] = []
    tables = [model.table for model in models]
    new = NewFiles(workshop.home, tables)
    with ExitStack() as stack:
        runs = [
            stack.enter_context(
                telling(workshop, model_work(workshop, model, occasion, parameters))
            )
            for model in models
        ]
        with writer.transaction(f"{len(models)} tables of one state", run_id=occasion.run_id) as tx:
            for model in models:
                results.append(
                    build(
                        tx.con,
                        model,
                        parameters,
                        run_id=occasion.run_id,
                        built_at=now,
                        suppress=suppress,
                        columns=workshop.described(model.table),
                        force=True,
                    )
                )
                answers.append(tuple(_judge(tx.con, model, rule) for rule in model.contract.rules))
                if results[-1].changed:
                    _keep(tx.con, model, occasion, answers[-1])
        for run, model, result, rules in zip(runs, models, results, answers, strict=True):
            told = _assertions(rules)
            built(run, model, result, tx.snapshot, rules=told, new=new, beside=tables)
    return tuple(results)


def _judge(con: duckdb.DuckDBPyConnection, model: Model, rule: Rule) -> RuleAnswer:
    row = con.execute(
        f"SELECT count(*), count(*) FILTER (({rule.expression}) IS FALSE) FROM lake.{model.table}"
    ).fetchone()
    checked, failed = (int(row[0]), int(row[1])) if row else (0, 0)
    if failed and rule.severity == "fail":
        raise ModelError(
            f"{failed} rows of {model.table} break rule {rule.id} ({rule.message.rstrip('。.')})",
            where=f"{model.contract.path}:{rule.line}",
            todo="Correct the SQL or the rule; the table was left as it was",
        )
    return RuleAnswer(rule, checked, failed)


def _keep(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    occasion: Occasion,
    rules: tuple[RuleAnswer, ...],
) -> None:
    for answer in rules:
        con.execute(
            "INSERT INTO lake.ops.check_result BY NAME SELECT ? AS run_id, ? AS table_name,"
            " 'countylake' AS suite, ? AS rule_id, ? AS severity, ? AS success, ? AS checked,"
            " ? AS failed, false AS sampled, ?::TIMESTAMPTZ AS checked_at",
            [
                occasion.run_id,
                model.table,
                answer.rule.id,
                answer.rule.severity,
                answer.failed == 0,
                answer.checked,
                answer.failed,
                clock.now(),
            ],
        )


def _keep_compared(
    con: duckdb.DuckDBPyConnection,
    compared: list[Compared],
    occasion: Occasion,
    at: datetime,
) -> None:
    """How many rows of each department were held against the source of an item, and differ."""
    for one in compared:
        con.execute(
            "INSERT INTO lake.ops.check_result BY NAME SELECT ? AS run_id, ? AS table_name,"
            " 'countylake' AS suite, ? AS rule_id, ? AS column_name, 'warn' AS severity,"
            " ? AS success, ? AS checked, ? AS failed, false AS sampled,"
            " ?::TIMESTAMPTZ AS checked_at, 'consistency' AS dimension",
            [
                occasion.run_id,
                f"silver.{one.feed}",
                one.rule_id,
                one.column,
                one.failed == 0,
                one.checked,
                one.failed,
                at,
            ],
        )


def dependencies(workshop: Workshop, model: Model) -> list[str]:
    """The assets a model is made from; the ops tables are the batches of every feed.

    Silver is read after the step that looks again at references, for that may replay rows; what
    the build of an entity writes down is read after it.
    """
    inputs = [name for name in model.inputs if not name.startswith("ops.")]
    if model.layer == "city":  # its ops tables tell of what was received
        return sorted({*inputs, *(f"city.{name}" for name in workshop.reports)})
    if len(inputs) < len(model.inputs):
        inputs += [f"ops.batch.{feed}" for feed in workshop.contracts.feeds]
    if SAID_OF_ENTITIES & set(model.inputs):
        models = workshop.graph.models.values()
        inputs += [one.table for one in models if one.layer == "silver"]
    if any(name.startswith(("silver.", "ops.")) for name in model.inputs):
        inputs.append(REFERENCES)
    return inputs
