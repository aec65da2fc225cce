"""Open cases as people ask for them: how many of which kind and how old, and what became of them.

Rejected rows and departments that disagree (``disagreements``) are listed together. Where the rows
of a rejected one stand is here too, because screens and returned copies must agree on it. No key
and no cell leaves this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dagster_project import clock
from dagster_project.components.steps.correcting import disagreements, findings
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.batch_files import real_file

DAY_S = 86_400

# Rejected rows of landed batches as their newest conformation judged them, with their open case: a
# row belongs to it by its place, or by its key where several rows of a batch have the same one.
OPEN_PLACES = """
WITH mine AS (
    SELECT case_id, feed, batch_id, sheet, source_row, record_key
    FROM lake.ops.rectification
    WHERE state = 'open' AND ($feed = '' OR feed = $feed)
),
judged AS (
    SELECT
        q.feed,
        coalesce(b.source_batch_id, b.batch_id) AS batch_id,
        q.sheet,
        q.source_row,
        arg_max(
            struct_pack(record_key := q.record_key, reasons := q.reasons, raw := q.raw),
            (b.committed_at, length(b.batch_id), b.batch_id)
        ) AS found
    FROM lake.ops.quarantine AS q
    JOIN lake.ops.batch AS b USING (batch_id)
    WHERE ($feed = '' OR q.feed = $feed)
        AND coalesce(b.source_batch_id, b.batch_id) IN (SELECT batch_id FROM mine)
    GROUP BY ALL
),
placed AS (
    SELECT j.*, m.case_id, 0 AS distance
    FROM judged AS j JOIN mine AS m USING (feed, batch_id, sheet, source_row)
    UNION ALL
    SELECT j.*, m.case_id, 1
    FROM judged AS j JOIN mine AS m
        ON m.feed = j.feed AND m.batch_id = j.batch_id AND m.record_key = j.found.record_key
)
SELECT feed, batch_id, sheet, source_row, found.reasons AS reasons, found.raw AS raw,
    arg_min(case_id, (distance, case_id)) AS case_id
FROM placed
GROUP BY ALL
"""

_SUMMARY = """
WITH failing AS (
    SELECT feed, unnest(reasons) AS rule_id, opened_at
    FROM lake.ops.rectification
    WHERE state = 'open' AND ($feed = '' OR feed = $feed)
)
SELECT feed, rule_id, count(*) AS cases, min(opened_at) AS oldest
FROM failing
GROUP BY ALL
ORDER BY oldest, cases DESC, feed, rule_id
"""

_FILE = real_file("r.opened_sheet")
_CLOSED = f"""
SELECT r.case_id, r.feed, {_FILE.path} AS file, {_FILE.sheet} AS sheet, r.opened_row, r.reasons,
    r.attempts, r.opened_at, r.returned_at, r.closed_at, r.how, r.closed_batch_id,
    c.path AS closed_file
FROM lake.ops.rectification AS r
LEFT JOIN lake.ops.batch AS b ON b.batch_id = r.opened_batch_id
LEFT JOIN lake.ops.batch AS c ON c.batch_id = r.closed_batch_id
{_FILE.join}
WHERE r.state <> 'open' AND ($feed = '' OR r.feed = $feed)
ORDER BY r.closed_at DESC, r.case_id
LIMIT $limit
"""


@dataclass(frozen=True)
class OpenKind:
    """Open cases of one feed that fail the same rule; a case may fail several."""

    feed: str
    title: str
    rule: str
    sentence: str
    cases: int
    oldest_days: int


@dataclass(frozen=True)
class ClosedCase:
    """A case that is done: where it began, how it ended and with which delivery."""

    case_id: str
    feed: str
    title: str
    file: str
    sheet: str
    row: int
    sentences: tuple[str, ...]
    attempts: int
    opened_at: datetime
    returned_at: datetime | None
    closed_at: datetime
    how: str
    closed_batch_id: str
    closed_file: str


def open_kinds(workshop: Workshop, feed: str = "") -> list[OpenKind]:
    """Open cases by feed and rule, the oldest first; all feeds where ``feed`` is empty.

    Raises:
        UsageError: No such feed.
    """
    if feed:
        workshop.feed(feed)
    now, made = clock.now(), []
    with workshop.lake.reader() as con:
        rows = con.execute(_SUMMARY, {"feed": feed}).fetchall()
        rows += findings.summary(con, feed)
        differing = disagreements.summary(con, feed)
    told = [
        (name, rule, reason_sentence(workshop.plan(name), rule), cases, oldest)
        for name, rule, cases, oldest in rows
        if name in workshop.contracts.feeds
    ]
    told += [
        (name, rule, disagreements.sentence(workshop.contracts, name, about), cases, oldest)
        for name, rule, about, cases, oldest in differing
    ]
    for name, rule, sentence, cases, oldest in told:
        contract = workshop.contracts.feeds.get(name)
        if contract is not None:
            days = int((now - oldest).total_seconds() // DAY_S)
            made.append(OpenKind(name, contract.title, rule, sentence, cases, max(days, 0)))
    return made


def closed_cases(workshop: Workshop, feed: str = "", limit: int = 50) -> list[ClosedCase]:
    """Cases that are done, the newest first.

    Raises:
        UsageError: No such feed.
    """
    if feed:
        workshop.feed(feed)
    with workshop.lake.reader() as con:
        rows = con.execute(_CLOSED, {"feed": feed, "limit": limit}).fetchall()
        rows += disagreements.closed(con, feed, limit)
        rows += findings.closed(con, feed, limit)
    rows.sort(key=lambda row: row[0])
    rows.sort(key=lambda row: row[9], reverse=True)
    made = []
    for case_id, name, file, sheet, row, reasons, *rest in rows[:limit]:
        contract = workshop.contracts.feeds.get(name)
        if contract is None:
            continue
        attempts, opened_at, returned_at, closed_at, how, batch_id, closed_file = rest
        plan = workshop.plan(name)
        if isinstance(reasons, dict):  # what departments disagreed about
            sentences = [disagreements.sentence(workshop.contracts, name, reasons)]
        else:
            sentences = [reason_sentence(plan, one) for one in reasons]
        made.append(
            ClosedCase(
                case_id=case_id,
                feed=name,
                title=contract.title,
                file=file or "",
                sheet=sheet,
                row=row,
                sentences=tuple(sentences),
                attempts=attempts,
                opened_at=opened_at,
                returned_at=returned_at,
                closed_at=closed_at,
                how=how,
                closed_batch_id=batch_id,
                closed_file=closed_file or "",
            )
        )
    return made
