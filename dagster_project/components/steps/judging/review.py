"""After all feeds: table rules whose answer may have changed are asked, and their cases settled.

A rule is asked again when its text, its thresholds, its inputs or the day that it looks at have
changed since its last answer; otherwise that answer stands. Rules of single rows are conform's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.told_up import asking_rules
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.table_rule import TableRule
from dagster_project.lake import Writer
from dagster_project.quality import answers, findings
from dagster_project.quality.table_rules import Judged, basis, evaluate, forget

SUITE = "countylake"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reviewed:
    """What was judged; ``waiting`` are rules whose feeds have not all delivered, as feed.rule.

    ``failures`` are sentences about rules whose SQL failed.
    """

    judged: tuple[Judged, ...] = ()
    waiting: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def broken(self) -> int:
        """How many rules were found broken."""
        return sum(one.failed > 0 for one in self.judged)


def review(workshop: Workshop, writer: Writer, occasion: Occasion) -> Reviewed:
    """Ask what has to be asked, in one transaction; answers and cases are of one state of silver.

    Args:
        workshop: The site.
        writer: The lake's writer, held by the caller.
        occasion: The run; its day is what ``:day`` stands for.
    """
    feeds = workshop.contracts.feeds
    versions = _versions(writer.con)
    known = _answered(writer.con)
    sure = findings.confirmed(writer.con)
    due: dict[str, dict[str, TableRule]] = {}
    bases: dict[tuple[str, str], str] = {}
    waiting = []
    for feed in feeds.values():
        for rule in feed.table_rules:
            if any(name not in versions or name not in feeds for name in rule.inputs):
                waiting.append(f"{feed.name}.{rule.id}")
                continue
            state = [versions[name] for name in rule.inputs]
            state.append(f"{sure.get((feed.name, rule.id), 0)} confirmed")
            found = basis(feed, rule, state, occasion.day)
            if known.get((feed.name, rule.id)) != found:
                due.setdefault(feed.name, {})[rule.id] = rule
                bases[feed.name, rule.id] = found
    gone = findings.gone(writer.con, feeds)
    old = answers.retired(writer.con, workshop.contracts)
    if not due and not gone and not old:
        return Reviewed(waiting=tuple(waiting))
    at = clock.now()
    with asking_rules(workshop, occasion, at) as asked:
        judged, failures = _judged(writer.con, workshop, due, occasion)
        with writer.transaction("table rules", run_id=occasion.run_id) as tx:
            wrong: list[Judged] = []
            for name in due:
                mine = [one for one in judged if one.feed == name]
                findings.settle(tx.con, feeds[name], mine, at)
                wrong += findings.still_wrong(tx.con, feeds[name], mine)
            findings.withdraw(tx.con, gone, at)
            _keep(tx.con, occasion, wrong, bases)
            answers.retire(tx.con, old, occasion.run_id, at)
        asked(wrong, tx.snapshot)
    forget(writer.con)
    return Reviewed(tuple(wrong), tuple(waiting), tuple(failures))


def _judged(
    con: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    due: Mapping[str, Mapping[str, TableRule]],
    occasion: Occasion,
) -> tuple[list[Judged], list[str]]:
    """The answers, and a sentence for each rule that could not be asked.

    It reads outside a transaction, because a failing statement would end one.
    """
    judged: list[Judged] = []
    failures = []
    most_s = workshop.settings.rule_timeout_s
    for name, rules in due.items():
        feed = workshop.contracts.feeds[name]
        for rule in rules.values():
            try:
                judged += evaluate(con, feed, [rule], occasion.day, most_s)
            except duckdb.Error as error:
                kind = type(error).__name__.removesuffix("Exception")
                why = kind
                todo = f"correct its SQL, or `countylake rebuild {name}` if the contract grew"
                if isinstance(error, duckdb.InterruptException):
                    why = f"it took more than {most_s:g} seconds"
                    todo = "correct its SQL, or raise the setting rule_timeout_s"
                failures.append(
                    f"{feed.path}:{rule.line}: rule {rule.id} could not be asked ({why})."
                    f" Its cases stay as they were; {todo}."
                )
                _log.warning("rule not asked", feed=name, rule=rule.id, why=failures[-1])
    return judged, failures


def _versions(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The state of every feed of which something was merged: it changes with every batch."""
    rows = con.execute(
        "SELECT feed, count(*), max(committed_at), max(batch_id) FROM lake.ops.batch GROUP BY feed"
    ).fetchall()
    return {str(feed): f"{count} {at.isoformat()} {last}" for feed, count, at, last in rows}


def _answered(con: duckdb.DuckDBPyConnection) -> Mapping[tuple[str, str], str]:
    """What the newest answer of every rule rested on."""
    rows = con.execute(
        "SELECT table_name, rule_id, arg_max(basis, checked_at) FROM lake.ops.check_result"
        " WHERE suite = ? AND basis IS NOT NULL GROUP BY ALL",
        [SUITE],
    ).fetchall()
    return {(table.partition(".")[2], rule): found for table, rule, found in rows}


def newest(workshop: Workshop) -> dict[tuple[str, str], tuple[int, int]]:
    """Checked and failed records of every table rule's newest answer, by feed and rule."""
    with workshop.lake.reader() as con:
        rows = con.execute(
            "SELECT table_name, rule_id, arg_max(checked, checked_at), arg_max(failed, checked_at)"
            " FROM lake.ops.check_result WHERE suite = ? AND basis IS NOT NULL GROUP BY ALL",
            [SUITE],
        ).fetchall()
    return {(table.partition(".")[2], rule): (int(n), int(bad)) for table, rule, n, bad in rows}


def _keep(
    con: duckdb.DuckDBPyConnection,
    occasion: Occasion,
    judged: Sequence[Judged],
    bases: Mapping[tuple[str, str], str],
) -> None:
    if not judged:
        return
    now = clock.now()
    line = "(?, ?, ?, ?, '', ?, ?, ?, ?, false, ?::TIMESTAMPTZ, ?, ?)"
    con.execute(
        "INSERT INTO lake.ops.check_result (run_id, table_name, suite, rule_id, column_name,"
        " severity, success, checked, failed, sampled, checked_at, dimension, basis)"
        f" VALUES {', '.join(line for _ in judged)}",
        [
            cell
            for one in judged
            for cell in (
                occasion.run_id,
                f"silver.{one.feed}",
                SUITE,
                one.rule.id,
                one.rule.severity,
                one.failed == 0,
                one.checked,
                one.failed,
                now,
                one.rule.dimension,
                bases[one.feed, one.rule.id],
            )
        ],
    )
