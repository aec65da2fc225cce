"""What a site's people ask first: how each feed went, what was reported, what waits for whom.

Read from a copy of the catalog, so that it works while a run is going. No cell leaves unmasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps import delivering
from dagster_project.components.steps.arriving.holds import PAUSING, Hold, holds
from dagster_project.components.steps.checks import VOLUME
from dagster_project.components.steps.correcting import disagreements, findings
from dagster_project.components.steps.correcting.cases import OPEN_PLACES
from dagster_project.components.steps.data_age import age_days, data_until
from dagster_project.components.steps.scoring.standing import ALL, FeedScore, read_standing
from dagster_project.components.steps.sentences import masked_cells, reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.engine import literal
from dagster_project.reporting.answers import newest_answers

COUNTS = ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")

# The batches of each feed's last day with a delivery; a replay repeats counts of an older batch.
_LAST_DAY = """
WITH batches AS (
  SELECT *, CAST(timezone('Asia/Shanghai', delivered_at) AS DATE) AS day
  FROM lake.ops.batch
  WHERE source_batch_id IS NULL
)
SELECT
  feed,
  SUM(read)::BIGINT AS read,
  SUM(accepted)::BIGINT AS accepted,
  SUM(rejected)::BIGINT AS rejected,
  SUM(duplicate)::BIGINT AS duplicate,
  SUM(superseded)::BIGINT AS superseded,
  SUM(dropped)::BIGINT AS dropped,
  COUNT(*) AS batches,
  MAX(delivered_at) AS last_delivery
FROM batches
WHERE (feed, day) IN (SELECT (feed, MAX(day)) FROM batches GROUP BY feed)
GROUP BY feed
"""

_TASKS = """
SELECT
  task,
  MAX(finished_at) FILTER (status IN ('success', 'partial')) AS last_success,
  MAX(finished_at) AS last_run,
  ARG_MAX(status, finished_at) AS last_status,
  -- A refusal stays told until the feed takes something again.
  ARG_MAX(COALESCE(error, ''), finished_at) FILTER (status <> 'skipped') AS last_error
FROM lake.ops.task_run
WHERE kind = 'feed'
GROUP BY task
"""

# The last delivery of each feed whose number of rows could be compared with earlier ones.
_VOLUMES = f"""
SELECT
  SUBSTR(table_name, LENGTH('silver.') + 1) AS feed,
  ARG_MAX(success, checked_at) AS success,
  ARG_MAX(checked, checked_at) AS checked,
  ARG_MAX(failed, checked_at) AS failed
FROM lake.ops.check_result
WHERE rule_id = {literal(VOLUME)} AND suite = 'countylake'
GROUP BY table_name
"""

_REPORTS = """
WITH answers AS ({answers})
SELECT
  package_no,
  package_id,
  report,
  period,
  revision,
  cut_off_at,
  sealed_at,
  content_hash,
  package.package_hash,
  COALESCE(outcome, 'waiting') AS outcome,
  COALESCE(reasons, '') AS reasons,
  COALESCE(remarks, '') AS remarks,
  acknowledged_at
FROM lake.ops.package
LEFT JOIN answers USING (package_id)
ORDER BY package_no
"""

_FILE = real_file("q.sheet")
# What was rejected before a lake kept cases is open until the feed is rebuilt.
_OPEN_ROWS = f"""
WITH places AS ({OPEN_PLACES}),
before AS (
  SELECT feed, batch_id, sheet, source_row, reasons, raw, '' AS case_id
  FROM lake.ops.quarantine
  WHERE ($feed = '' OR feed = $feed) AND feed NOT IN (SELECT feed FROM lake.ops.rectification)
),
differing AS ({disagreements.OPEN_PLACES}),
found AS ({findings.OPEN_PLACES})
SELECT
  q.feed, {_FILE.path} AS file, {_FILE.sheet} AS sheet, q.source_row, q.reasons, q.raw,
  q.batch_id, q.case_id, b.delivered_at
FROM (
  SELECT * FROM places
  UNION ALL BY NAME SELECT * FROM before
  UNION ALL BY NAME SELECT * FROM differing
  UNION ALL BY NAME SELECT * FROM found
) AS q
JOIN lake.ops.batch AS b USING (batch_id)
{_FILE.join}
WHERE b.source_batch_id IS NULL
ORDER BY q.feed, b.delivered_at, q.sheet, q.source_row
LIMIT $limit
"""


def _rows(
    con: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    found = con.execute(sql, parameters or {})
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def status(workshop: Workshop) -> dict[str, Any]:
    """Each feed's last day and how old its data are, every report with its answer, and problems.

    Problems are the contracts that did not load.
    """
    until: dict[str, datetime] = {}
    if not workshop.home.catalog.exists():
        counted, tasks, reports, volumes, held, scores = {}, {}, [], {}, [], {}
        delivery = delivering.standing(workshop)
    else:
        with workshop.lake.reader() as con:
            counted = {row["feed"]: row for row in _rows(con, _LAST_DAY)}
            tasks = {row["task"]: row for row in _rows(con, _TASKS)}
            reports = _rows(con, _REPORTS.format(answers=newest_answers(con)))
            delivery = delivering.standing_of(workshop, con)
            volumes = {row["feed"]: row for row in _rows(con, _VOLUMES)}
            held = holds(con, state="")
            scores = {one.feed: one for one in read_standing(workshop, con)}
            asked = [name for name, feed in workshop.contracts.feeds.items() if feed.is_asked]
            until = data_until(con, asked)
    site, now = workshop.site, clock.now()
    return {
        "site": {"code": site.code, "name": site.name, "home": str(workshop.home.root)},
        "feeds": [
            _feed_line(workshop, name, counted.get(name, {}), tasks.get(name, {}))
            | _quality(scores.get(name))
            | _doubts(name, tasks.get(name, {}), volumes.get(name, {}), held)
            | {"data_until": until.get(name), "data_age_days": age_days(until.get(name), now)}
            for name in workshop.contracts.feeds
        ],
        "quality": _quality(scores.get(ALL)),
        "reports": reports,
        "delivery": delivery.told,
        "problems": [str(problem) for problem in workshop.contracts.problems],
    }


def _feed_line(
    workshop: Workshop, name: str, counted: dict[str, Any], task: dict[str, Any]
) -> dict[str, Any]:
    feed = workshop.contracts.feeds[name]
    return {
        "feed": name,
        "title": feed.title,
        "department": feed.department_name,
        **{count: counted.get(count, 0) for count in COUNTS},
        "batches": counted.get("batches", 0),
        "last_delivery": counted.get("last_delivery"),
        "last_success": task.get("last_success"),
        "last_run": task.get("last_run"),
        "last_status": task.get("last_status") or "never",
    }


def _quality(one: FeedScore | None) -> dict[str, Any]:
    """The score as the models last built it, with its dimensions in per cent."""
    return {
        "score": one.score if one else None,
        "grade": one.grade if one else None,
        "score_day": one.day if one else None,
        "score_since_day": one.since_day if one else None,
        "dimensions": {share.dimension: share.pct for share in one.dimensions} if one else {},
    }


def _doubts(
    name: str, task: dict[str, Any], volume: dict[str, Any], held: Sequence[Hold]
) -> dict[str, Any]:
    """Why the feed's last step failed, what of it waits for a decision, and what is unusual."""
    mine = [hold for hold in held if hold.feed == name]
    error = task.get("last_error") or ""
    for hold in mine:  # what was held is told by the ledger, as long as it is
        error = error.replace(hold.message, "").strip() if hold.message else error
    waiting = [hold for hold in mine if hold.state == "open"]
    unusual = bool(volume) and not volume["success"]
    return {
        "error": error,
        "is_paused": any(hold.kind in PAUSING for hold in waiting),
        "holds": [
            {
                "hold_id": hold.hold_id,
                "kind": hold.kind,
                "path": hold.path,
                "since": hold.opened_at,
                "message": hold.message,
                "rows": hold.rows,
            }
            for hold in waiting
        ],
        "alarm": f"the {volume['checked']:,} rows of the last delivery differ by"
        f" {volume['failed']:,} from what is usual"
        if unusual
        else "",
    }


@dataclass(frozen=True)
class RejectedRow:
    """One row to correct, rejected or contradicting: its place, what is wrong, masked cells."""

    feed: str
    title: str
    file: str
    sheet: str
    row: int
    reasons: tuple[str, ...]
    sentences: tuple[str, ...]
    cells: dict[str, str]
    batch_id: str
    case_id: str


def rejected_rows(workshop: Workshop, feed: str = "", limit: int = 50) -> list[RejectedRow]:
    """The open rejected rows of a feed, or of all, and those that contradict another department.

    Raises:
        UsageError: No such feed.
    """
    if feed:
        workshop.feed(feed)
    with workshop.lake.reader() as con:
        rows = _rows(con, _OPEN_ROWS, {"feed": feed, "limit": limit})
        said = disagreements.said(workshop, con, (row["case_id"] for row in rows))
    shown = []
    for row in rows:
        contract = workshop.contracts.feeds.get(row["feed"])
        if contract is None:
            continue
        plan = workshop.plan(contract.name)
        if row["case_id"] in said:
            sentences = [said[row["case_id"]].sentence]
        else:
            sentences = [reason_sentence(plan, one) for one in row["reasons"]]
        shown.append(
            RejectedRow(
                feed=row["feed"],
                title=contract.title,
                file=row["file"],
                sheet=row["sheet"],
                row=row["source_row"],
                reasons=tuple(row["reasons"]),
                sentences=tuple(sentences),
                cells=masked_cells(contract, row["raw"]),
                batch_id=row["batch_id"],
                case_id=row["case_id"],
            )
        )
    return shown
