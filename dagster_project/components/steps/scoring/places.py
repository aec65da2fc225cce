"""Where what a rule found stands: file, sheet and row of every failure that counts now. No cells.

Rows that were rejected come from the quarantine, records that break table rules and contradict
other departments from their ledgers; a rule that only warns is asked of silver once more. What is
no row has no place of its own: a period that was missed, a file that could not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dagster_project.components.steps.correcting import disagreements, findings
from dagster_project.components.steps.scoring.costs import (
    ON_TIME,
    READABLE,
    STATED,
    explain,
)
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.rowsql import over_silver
from dagster_project.contracts.rules import CONTROL_TOTALS, REPEATED
from dagster_project.errors import UsageError
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.engine import literal, quoted
from dagster_project.quality.answers import DIFFERS
from dagster_project.transform.conform import Plan, RuleInfo

_FILE = real_file("p.sheet")
_PLACES = """
SELECT {file} AS file, {sheet} AS sheet, p.source_row, p.batch_id, p.case_id, '' AS note,
    count(*) OVER () AS places
FROM ({places}) AS p
JOIN lake.ops.batch AS b ON b.batch_id = p.batch_id
{join}
ORDER BY b.delivered_at, p.batch_id, p.sheet, p.source_row
LIMIT $limit
"""
# The processings of the files that count: of each its whole one and the last replay of some rows.
_COUNTING = """
WITH built AS (SELECT max(day) AS day FROM lake.gold.quality_rule),
standing AS (
    SELECT s.first_batch_id, s.generation, s.position
    FROM lake.gold.quality_span AS s JOIN built
        ON s.first_day <= built.day AND coalesce(s.end_day, built.day + 1) > built.day
    WHERE s.feed = $feed
),
counting AS (
    SELECT s.batch_id, s.first_batch_id, s.is_whole, t.position > s.position AS is_replayed
    FROM standing AS t JOIN lake.gold.quality_span AS s
        ON s.first_batch_id = t.first_batch_id AND s.generation = t.generation
        AND (s.is_whole OR s.position = t.position) AND s.position <= t.position
)
"""
_PERIODS = """
WITH built AS (SELECT max(day) AS day FROM lake.gold.quality_rule)
SELECT '' AS file, '' AS sheet, NULL::BIGINT AS source_row, '' AS batch_id, '' AS case_id,
    state || ': ' || first_day || CASE WHEN last_day > first_day THEN ' – ' || last_day ELSE '' END
        || ', due ' || strftime(timezone('Asia/Shanghai', due_at), '%Y-%m-%d %H:%M') AS note,
    count(*) OVER () AS places
FROM lake.gold.feed_period, built
WHERE feed = $feed AND state IN ('late', 'missing')
    AND CAST(timezone('Asia/Shanghai', due_at) AS DATE) > built.day - 30
ORDER BY due_at
LIMIT $limit
"""
_UNREAD = """
WITH built AS (SELECT max(day) AS day FROM lake.gold.quality_rule),
failures AS (
    SELECT path AS file, coalesce(batch_id, '') AS batch_id, received_at AS tried_at,
        coalesce(message, outcome) AS note
    FROM lake.ops.delivery
    WHERE feed = $feed AND outcome IN ('refused', 'unreadable')
        AND delivery_id NOT IN (SELECT delivery_id FROM lake.ops.hold)
    UNION ALL
    SELECT '', '', finished_at, error FROM lake.ops.task_run
    WHERE kind = 'feed' AND task = $feed AND unreached > 0
)
SELECT file, '' AS sheet, NULL::BIGINT AS source_row, batch_id, '' AS case_id, note,
    count(*) OVER () AS places
FROM failures, built
WHERE CAST(timezone('Asia/Shanghai', tried_at) AS DATE) > built.day - 30
ORDER BY tried_at, file
LIMIT $limit
"""
_STATED = """
SELECT d.path AS file, '' AS sheet, NULL::BIGINT AS source_row, c.batch_id, '' AS case_id,
    d.stated_rows || ' rows stated, ' || (b.read - b.dropped) || ' came' AS note,
    count(*) OVER () AS places
FROM counting AS c
JOIN lake.ops.batch AS b USING (batch_id)
JOIN lake.ops.delivery AS d ON d.batch_id = c.first_batch_id
WHERE c.is_whole AND d.outcome = 'merged' AND d.stated_rows > b.read - b.dropped
ORDER BY d.received_at
LIMIT $limit
"""
_REPEATED = """
SELECT b.path AS file, '' AS sheet, NULL::BIGINT AS source_row, b.batch_id, '' AS case_id,
    r.failed || ' of ' || r.checked || ' rows repeat a key' AS note, count(*) OVER () AS places
FROM counting AS c
JOIN lake.ops.batch_rule AS r USING (batch_id)
JOIN lake.ops.batch AS b USING (batch_id)
WHERE r.rule_id = $rule AND r.failed > 0
ORDER BY b.delivered_at, b.batch_id
LIMIT $limit
"""
_TOTALS = """
SELECT c.batch_id, t.sheet, t.source_row, '' AS case_id
FROM counting AS c
JOIN lake.ops.control_total AS t ON t.batch_id = c.first_batch_id
WHERE c.is_whole AND NOT t.agrees
"""


@dataclass(frozen=True)
class Place:
    """Where one failure stands; ``row`` is None of what is no row, and ``note`` says what it is."""

    file: str
    sheet: str
    row: int | None
    batch_id: str
    case_id: str
    note: str


@dataclass(frozen=True)
class Places:
    """The failures of a rule: ``failed`` of ``checked`` count, ``found`` have places to show."""

    feed: str
    rule_id: str
    sentence: str
    checked: int
    failed: int
    found: int
    places: tuple[Place, ...]


def places(workshop: Workshop, feed: str, rule_id: str, limit: int = 50) -> Places:
    """Where the failures of a rule stand that its feed's newest score is made of.

    Raises:
        UsageError: No such feed, or the score is not made of such a rule.
    """
    known = {one.rule_id: one for one in explain(workshop, feed).costs}
    if rule_id not in known:
        raise UsageError(
            f"the score of {feed} is not made of a rule {rule_id}",
            todo=f"`countylake quality explain {feed}` lists its rules",
        )
    cost = known[rule_id]
    query, given = _query(workshop.plan(feed), cost.kind, rule_id)
    with workshop.lake.reader() as con:
        rows = con.execute(query, {"feed": feed, "limit": limit} | given).fetchall()
    return Places(
        feed=feed,
        rule_id=rule_id,
        sentence=cost.sentence,
        checked=cost.checked,
        failed=cost.failed,
        found=int(rows[0][-1]) if rows else 0,
        places=tuple(Place(*row[:-1]) for row in rows),
    )


def _query(plan: Plan, kind: str, rule_id: str) -> tuple[str, dict[str, Any]]:
    """The query of a rule's places, and its parameters beside the feed and the limit."""
    fixed = {
        ON_TIME: _PERIODS,
        READABLE: _UNREAD,
        STATED: _COUNTING + _STATED,
        CONTROL_TOTALS: _COUNTING + _placed(_TOTALS),
    }
    if rule_id in fixed:
        return fixed[rule_id], {}
    given = {"rule": rule_id}
    if rule_id == REPEATED:
        return _COUNTING + _REPEATED, given
    if kind == "table":
        return _placed(_differing() if rule_id.endswith(DIFFERS) else _found()), given
    try:
        rule = plan.rule(rule_id)
    except KeyError:
        return _COUNTING + _placed(_rejected(plan)), given
    if rule.severity == "fail":
        return _COUNTING + _placed(_rejected(plan)), given
    return _COUNTING + _placed(_warned(plan, rule)), {}


def _placed(select: str) -> str:
    return _PLACES.format(places=select, file=_FILE.path, sheet=_FILE.sheet, join=_FILE.join)


def _rejected(plan: Plan) -> str:
    """Rows that were rejected, but for those that a later replay judged again."""
    waits = [rule.id for rule in plan.rules if rule.kind == "reference" and rule.severity == "fail"]
    again = f"list_has_all({_list(waits)}, q.reasons)" if waits else "FALSE"
    return f"""
        SELECT c.batch_id, q.sheet, q.source_row, coalesce(o.case_id, '') AS case_id
        FROM counting AS c
        JOIN lake.ops.quarantine AS q ON q.batch_id = c.batch_id
        LEFT JOIN lake.ops.rectification AS o
            ON o.state = 'open' AND o.batch_id = c.first_batch_id AND o.sheet = q.sheet
            AND o.source_row = q.source_row
        WHERE list_contains(q.reasons, $rule) AND NOT (c.is_replayed AND {again})"""


def _warned(plan: Plan, rule: RuleInfo) -> str:
    """Accepted rows of the files that count for which a rule that only warns does not hold."""
    return f"""
        SELECT _batch_id AS batch_id, _sheet AS sheet, _source_row AS source_row, '' AS case_id
        FROM lake.silver.{quoted(plan.feed.name)}
        WHERE _batch_id IN (SELECT first_batch_id FROM counting)
            AND ({over_silver(rule.value)}) IS FALSE"""


def _found() -> str:
    return f"""
        SELECT batch_id, sheet, source_row, case_id FROM {findings.LEDGER}
        WHERE feed = $feed AND rule_id = $rule AND state = 'open'"""


def _differing() -> str:
    return f"""
        SELECT batch_id, sheet, source_row, case_id FROM ({disagreements.OPEN_PLACES})
        WHERE list_contains(reasons, $rule)"""


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(literal(name) for name in names)}]"
