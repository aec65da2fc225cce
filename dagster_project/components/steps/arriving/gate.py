"""Is a delivery too broken to be merged? Its rejected rows against the budget, and the hard rules.

Judged inside the merge's transaction, by what conforming counted. What is doubtful about a delivery
as a whole (rows, period, vanished records) stands in ``doubts``, its structure in ``drift``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Literal

import duckdb

from dagster_project.components.steps.arriving.holds import Held
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.contracts.model import Feed, Rule
from dagster_project.contracts.rowsql import over_silver
from dagster_project.contracts.rules import CONTROL_TOTALS
from dagster_project.contracts.table_rule import Gate
from dagster_project.lake.engine import quoted
from dagster_project.quality.table_rules import LONGEST_S, evaluate, forget
from dagster_project.transform.conform import BatchCounts, Plan, RuleCount

FEWEST = 10
"""Fewer rejected rows are no share: one row in five is one row."""
PLACES = 5
"""So many rows of each rule are named; the others are found in the delivered file again."""
WHOLE = 1_000
"""So many of a rule that no row breaks alone: the file by itself does not tell them."""
NAMED = 3
"""So many rules stand in the sentence; the findings have all of them."""
NOT_ASKED = "规则无法执行"
CONTROL_TOTALS_SENTENCE = "文件自报合计应与实际合计一致"
DECIDE = (
    "Nothing was merged; what is published stays as it was. `countylake hold show` gives the"
    " reasons and their rows, `hold release` merges it, `hold refuse` sends it back."
)
Place = tuple[str, int]
"""Sheet and record number."""


@dataclass(frozen=True)
class Budget:
    """How many rows were rejected, what the contract allows, and what of it was exceeded."""

    rejected: int
    rows: int
    share: float
    most_rows: int | None
    most_share: float
    exceeded: tuple[Literal["rows", "share"], ...]


@dataclass(frozen=True)
class Broken:
    """One rule that rows of the delivery break; ``is_hard`` when that alone holds it."""

    rule: str
    message: str
    checked: int
    failed: int
    share: float
    is_hard: bool
    places: tuple[Place, ...] = ()


def exceeded(gate: Gate, rejected: int, rows: int) -> tuple[Literal["rows", "share"], ...]:
    """Which limits of the budget a delivery exceeds; exactly at a limit it is within.

    Args:
        gate: The contract's words.
        rejected: Rejected rows.
        rows: Rows that hold data: without titles, totals and blank ones.
    """
    over: list[Literal["rows", "share"]] = []
    if gate.rows is not None and rejected > gate.rows:
        over.append("rows")
    # The share as it is written: 0.1 is one tenth, and no binary fraction beside it.
    if rejected >= FEWEST and rejected > Fraction(str(gate.share)) * rows:
        over.append("share")
    return tuple(over)


def judge(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    path: str,
    counts: BatchCounts,
    day: date,
    *,
    most_s: float = LONGEST_S,
) -> None:
    """Hold a delivery with more rejected rows than its budget, or with a broken hard rule.

    Args:
        con: The merge's transaction: the delivery is conformed and merged, and not committed.
        plan: The compiled contract.
        path: What the delivery is called.
        counts: What conforming it counted.
        day: The run's day, for rules that ask for it.
        most_s: How long one rule of the table may take.

    Raises:
        Held: Roll back; a person decides.
    """
    gate, rows = plan.feed.gate, counts.read - counts.dropped
    over = exceeded(gate, counts.rejected, rows)
    hard = list(_hard(con, plan, counts))
    rejecting = list(_rejecting(con, plan, counts, {one.rule for one in hard}) if over else ())
    # Last: a rule that fails in SQL ends the transaction.
    hard += _table_rules(con, plan.feed, counts.batch_id, day, most_s)
    if not over and not hard:
        return
    budget = Budget(
        counts.rejected, rows, _share(counts.rejected, rows), gate.rows, gate.share, over
    )
    broken = [*hard, *rejecting]
    findings: list[dict[str, Any]] = [asdict(budget), *(asdict(one) for one in broken)]
    raise Held("quality", findings, _sentence(path, budget, broken))


def _hard(con: duckdb.DuckDBPyConnection, plan: Plan, counts: BatchCounts) -> Iterator[Broken]:
    """The hard rules that the delivery breaks: of cells, of rows, of its totals."""
    hard = set(plan.feed.gate.hard)
    for count in counts.rules:
        if count.rule_id in hard and count.kind in {"rule", "warn"}:
            hard.discard(count.rule_id)
            if count.failed:
                yield _broken(con, plan, counts.batch_id, count, is_hard=True)
    if CONTROL_TOTALS in hard:
        yield from _control_totals(con, counts.batch_id)


def _rejecting(
    con: duckdb.DuckDBPyConnection, plan: Plan, counts: BatchCounts, told: set[str]
) -> Iterator[Broken]:
    """Every rule that rejected rows, the most frequent first."""
    failed = [one for one in counts.rules if one.kind == "rule" and one.failed]
    for count in sorted(failed, key=lambda one: (-one.failed, one.rule_id)):
        if count.rule_id not in told:
            yield _broken(con, plan, counts.batch_id, count, is_hard=False)


def _broken(
    con: duckdb.DuckDBPyConnection, plan: Plan, batch_id: str, count: RuleCount, *, is_hard: bool
) -> Broken:
    return Broken(
        count.rule_id,
        reason_sentence(plan, count.rule_id),
        count.checked,
        count.failed,
        _share(count.failed, count.checked),
        is_hard,
        _places(con, plan, batch_id, count.rule_id),
    )


def _places(
    con: duckdb.DuckDBPyConnection, plan: Plan, batch_id: str, rule_id: str
) -> tuple[Place, ...]:
    """Some rows that break a rule: rejected ones, or those that a warning let through."""
    found = con.execute(
        "SELECT sheet, source_row FROM lake.ops.quarantine"
        " WHERE batch_id = ? AND list_contains(reasons, ?) ORDER BY sheet, source_row LIMIT ?",
        [batch_id, rule_id, PLACES],
    ).fetchall()
    warning = _warning(plan, rule_id)
    if not found and warning is not None:
        found = con.execute(
            f"SELECT _sheet, _source_row FROM lake.silver.{quoted(plan.feed.name)}"
            f" WHERE _batch_id = $batch AND ({over_silver(warning.expression)}) IS FALSE"
            f" ORDER BY _sheet, _source_row LIMIT {PLACES}",
            {"batch": batch_id},
        ).fetchall()
    return tuple((str(sheet), int(row)) for sheet, row in found)


def _warning(plan: Plan, rule_id: str) -> Rule | None:
    rules = (rule for rule in plan.feed.rules if rule.id == rule_id and rule.severity == "warn")
    return next(rules, None)


def _control_totals(con: duckdb.DuckDBPyConnection, batch_id: str) -> Iterator[Broken]:
    """The file's own totals that its rows do not add up to."""
    rows = con.execute(
        "SELECT sheet, source_row, agrees FROM lake.ops.control_total WHERE batch_id = ?"
        " ORDER BY sheet, source_row",
        [batch_id],
    ).fetchall()
    wrong = [(str(sheet), int(row)) for sheet, row, agrees in rows if not agrees]
    if wrong:
        yield Broken(
            CONTROL_TOTALS,
            CONTROL_TOTALS_SENTENCE,
            len(rows),
            len(wrong),
            _share(len(wrong), len(rows)),
            is_hard=True,
            places=tuple(wrong[:WHOLE]),
        )


def _table_rules(
    con: duckdb.DuckDBPyConnection, feed: Feed, batch_id: str, day: date, most_s: float
) -> Iterator[Broken]:
    """Rules of the feed's records together, as far as records of this delivery break them.

    What older records break was merged before, and must not hold every delivery from then on. A
    rule that cannot be asked of these records holds them, too: nobody knows whether they obey it.
    """
    own, hard = {feed.name}, {*feed.gate.hard}
    for rule in (one for one in feed.table_rules if one.id in hard and own >= {*one.inputs}):
        try:
            (judged,) = evaluate(con, feed, [rule], day, most_s)
        except duckdb.Error as error:
            kind = type(error).__name__.removesuffix("Exception")
            yield Broken(rule.id, f"{rule.message}；{NOT_ASKED}（{kind}）", 0, 0, 0.0, is_hard=True)
            return
        places = con.execute(
            "SELECT sheet, source_row FROM temp.breaking"
            " WHERE feed = ? AND rule_id = ? AND batch_id = ? ORDER BY sheet, source_row",
            [feed.name, rule.id, batch_id],
        ).fetchall()
        if places:
            yield Broken(
                rule.id,
                rule.message,
                judged.checked,
                len(places),
                _share(len(places), judged.checked),
                is_hard=True,
                places=tuple((str(sheet), int(row)) for sheet, row in places[:WHOLE]),
            )
    forget(con)


def _share(failed: int, checked: int) -> float:
    return round(failed / checked, 4) if checked else 0.0


def _sentence(path: str, budget: Budget, broken: Sequence[Broken]) -> str:
    """What is too much, by how much, and what to do; rules by their ids, cells by nothing."""
    said = []
    if budget.exceeded:
        allowed = [
            f"{budget.most_rows:,}" if one == "rows" else f"{budget.most_share:.1%}"
            for one in budget.exceeded
        ]
        said.append(
            f"{budget.rejected:,} of {budget.rows:,} rows are rejected"
            f" ({budget.rejected / max(budget.rows, 1):.1%}), and the contract allows"
            f" {' and '.join(allowed)}"
        )
    said += [
        f"{one.failed:,} of {one.checked:,} break {one.rule} ({one.message.rstrip('。.')}),"
        " of which a single one holds a delivery"
        for one in broken
        if one.is_hard
    ]
    most = [f"{one.rule} {one.failed:,}" for one in broken if not one.is_hard][:NAMED]
    if most:
        said.append(f"most often {', '.join(most)}")
    return f"{path}: {'; '.join(said)}. {DECIDE}"
