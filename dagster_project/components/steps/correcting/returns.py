"""Open cases back to the department: which of its files go back, with what said of which row.

How one file is given back is ``copying``'s work, which rows have cases ``cases``', what is held
``held``'s.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.correcting import disagreements, findings, requests
from dagster_project.components.steps.correcting.cases import OPEN_PLACES
from dagster_project.components.steps.correcting.copying import (
    Delivery,
    Returned,
    copies_folder,
    give_back,
)
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.errors import UsageError
from dagster_project.ingest.returning import Case, Finding
from dagster_project.lake.batch_files import real_file
from dagster_project.transform.conform import Plan

_log = structlog.get_logger(__name__)


def return_feed(
    workshop: Workshop, name: str, batch_id: str = "", out: Path | None = None
) -> list[Returned]:
    """Write the annotated copies of all deliveries of a feed that hold open cases.

    Args:
        workshop: The site.
        name: The feed.
        batch_id: Only this delivery's batch.
        out: The folder of the copies; else ``returns/<feed>`` in the home.

    Raises:
        UsageError: No such feed, or the batch has no open case.
        LakeError: A copy cannot be written.
    """
    feed = workshop.feed(name)
    folder = copies_folder(workshop, name, out)
    with workshop.lake.reader() as con:
        made = write_copies(workshop, con, name, folder, batch_id)
    if batch_id and not made:
        raise UsageError(
            f"batch {batch_id} of {name} has no open case",
            todo=f"`countylake quarantine {name}` lists what is open",
        )
    numbers = {number for one in made for number in one.numbers}
    if numbers:
        _note(workshop, feed, numbers)
    _log.info("returned", feed=name, files=len(made), cases=len(numbers))
    return made


def write_copies(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    name: str,
    folder: Path,
    batch_id: str = "",
) -> list[Returned]:
    """The copies alone; the cases do not learn of them.

    Raises:
        UsageError: No such feed.
        LakeError: A copy cannot be written.
    """
    taken = set[str]()
    return [
        give_back(workshop, con, delivery, folder, taken)
        for delivery in _deliveries(workshop, con, workshop.plan(name), batch_id)
    ]


def _note(workshop: Workshop, feed: Feed, numbers: set[str]) -> None:
    """Enter that the cases were returned; those closed meanwhile stay as they are."""
    occasion = manual()
    with (
        workshop.lake.writer(f"returning rows of {feed.name}") as writer,
        writer.transaction(
            f"returned {len(numbers)} cases of {feed.name}",
            run_id=occasion.run_id,
            feed=feed.name,
        ) as tx,
    ):
        for ledger in ("rectification", "disagreement", "finding", "correction"):
            tx.con.execute(
                f"UPDATE lake.ops.{ledger} SET returned_at = ?::TIMESTAMPTZ"
                " WHERE feed = ? AND state = 'open' AND case_id IN (SELECT unnest(?))",
                [clock.now(), feed.name, sorted(numbers)],
            )


def _deliveries(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, plan: Plan, batch_id: str
) -> list[Delivery]:
    """Landed batches with open cases, oldest first, with what is to be said of their rows."""
    file = real_file("p.sheet")
    rows = con.execute(
        f"""WITH places AS (
            SELECT * FROM ({OPEN_PLACES})
            UNION ALL BY NAME SELECT * FROM ({disagreements.OPEN_PLACES})
            UNION ALL BY NAME SELECT * FROM ({findings.OPEN_PLACES})
            UNION ALL BY NAME SELECT * FROM ({requests.open_places(con, plan.feed)})
        )
        SELECT b.feed, b.batch_id, {file.sha256}, {file.path}, coalesce(f.sheet_prefix, ''),
            b.delivered_at, b.read, {file.sheet}, p.source_row, p.reasons, p.case_id
        FROM places AS p JOIN lake.ops.batch AS b USING (batch_id)
        {file.join}
        WHERE $batch = '' OR b.batch_id = $batch
        ORDER BY b.delivered_at, b.batch_id, p.sheet, p.source_row, p.raw IS NULL, p.case_id""",
        {"feed": plan.feed.name, "batch": batch_id},
    ).fetchall()
    numbers = [row[-1] for row in rows]
    said = disagreements.said(workshop, con, numbers) | requests.said(con, numbers)
    made: dict[tuple[str, str], Delivery] = {}
    told: dict[str, Finding] = {}
    for *facts, sheet, row, reasons, case_id in rows:
        delivery = made.setdefault((facts[1], facts[3]), Delivery(*facts))
        if case_id in said:
            one = said[case_id]
            found: tuple[Finding, ...] = (
                Finding(one.sentence, (one.column,) if one.column else plan.feed.key),
            )
        else:
            for rule in reasons:
                told.setdefault(rule, finding_of(plan, rule))
            found = tuple(told[rule] for rule in reasons)
        before = delivery.cases.get((sheet, row))
        delivery.cases[sheet, row] = (
            Case(f"{before.number} {case_id}", (*before.findings, *found))
            if before
            else Case(case_id, found)
        )
    return list(made.values())


def finding_of(plan: Plan, rule_id: str) -> Finding:
    """A rule's sentence and the columns that it is about."""
    sentence = reason_sentence(plan, rule_id)
    if whole := findings.rule_of(plan.feed, rule_id):
        return Finding(sentence, findings.columns_of(plan.feed, whole))
    for rule in plan.feed.rules:
        if rule.id == rule_id:
            return Finding(sentence, rule.columns)
    try:
        column = plan.rule(rule_id).column
    except KeyError:  # a rule of an older contract
        column = ""
    return Finding(sentence, (column,) if column else ())
