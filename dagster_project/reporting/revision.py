"""What was reported of a period until now, and whether and why there must be another revision.

Read from the ledgers, decided by comparison; nothing is sealed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import duckdb

from dagster_project.protocol.held import HeldFeed, Holds, Settled
from dagster_project.reporting.answers import newest_answers

CHANGED = "figures changed since the revision before"
LATE = "late or corrected data changed figures after the period had ended"
MADE_OTHERWISE = "the SQL or the contracts that make them changed, too"
_REASON = 400
_LAST = """
SELECT
  p.period,
  p.package_id,
  p.revision,
  COALESCE(p.kind, 'report'),
  p.content_hash,
  COALESCE(p.recipe_hash, ''),
  p.held,
  COALESCE(a.outcome, ''),
  COALESCE(a.reasons, ''),
  COALESCE(
    ARG_MAX(p.content_hash, p.revision) FILTER (p.content_hash <> '') OVER (PARTITION BY p.period),
    ''
  )
FROM lake.ops.package AS p
LEFT JOIN ({answers}) AS a USING (package_id)
WHERE p.report = ?
QUALIFY ROW_NUMBER() OVER (PARTITION BY p.period ORDER BY p.revision DESC) = 1
"""


@dataclass(frozen=True)
class Last:
    """The newest revision of a report and period, and what the parent answered to it.

    ``figures`` is the content hash of the newest revision that holds figures: of a withdrawal, what
    it withdrew.
    """

    package_id: str
    revision: int
    kind: str
    content_hash: str
    recipe_hash: str
    held: Holds
    outcome: str
    answer: str
    figures: str


@dataclass(frozen=True)
class Wanted:
    """What the next revision would hold.

    ``recipe_hash`` is over the SQL and the contracts that made the figures, empty where nobody
    knows. Of a period that ``is_past``, a feed that is held only now is no news. ``again`` asks for
    a revision that says the same.
    """

    content_hash: str
    holds: Holds = field(default_factory=Holds)
    recipe_hash: str = ""
    is_past: bool = False
    again: bool = False


def last_revisions(con: duckdb.DuckDBPyConnection, report: str) -> dict[str, Last]:
    """The newest revision of each period of a report that was ever sealed."""
    found = {}
    for period, name, revision, *rest in con.execute(
        _LAST.format(answers=newest_answers(con)), [report]
    ).fetchall():
        kind, content, recipe, held, outcome, answer, figures = rest
        said = Holds.model_validate(json.loads(held)) if held else Holds()
        found[str(period)] = Last(
            name, revision, kind, content, recipe, said, outcome, answer, figures
        )
    return found


def why_anew(last: Last | None, wanted: Wanted, said: str = "") -> str | None:
    """Why another revision must be sealed; None if it need not.

    Args:
        last: What was sealed until now.
        wanted: What would be sealed.
        said: A person's reason, or what the caller knows; it comes first.
    """
    if last is None:
        return said[:_REASON]
    told = list(_news(last, wanted))
    if not told:
        return None
    return "; ".join([*([said] if said else []), *told])[:_REASON]


def _news(last: Last, wanted: Wanted) -> Iterator[str]:
    made_otherwise = bool(last.recipe_hash) and last.recipe_hash != wanted.recipe_hash
    if last.kind == "withdrawal":
        if wanted.content_hash != last.figures or wanted.again:
            yield f"reported again after the withdrawal {last.package_id}"
        return
    changed = last.content_hash != wanted.content_hash
    held = list(_held(last.held, wanted))
    if last.outcome == "rejected" and (changed or made_otherwise or held or wanted.again):
        yield f"answers the rejection of {last.package_id} ({last.answer.rstrip('.')})"[:200]
    elif wanted.again and not changed:
        yield "sealed again on purpose, its figures are the same"
    if changed:
        yield (LATE if wanted.is_past and not made_otherwise else CHANGED)
        if made_otherwise:
            yield MADE_OTHERWISE
    yield from held


def _held(before: Holds, wanted: Wanted) -> Iterator[str]:
    """Feeds that are held or no longer held, unlike the revision before says."""
    said, now = set(before.feeds), set(wanted.holds.feeds)
    ended = {one.hold_id: one for one in wanted.holds.settled}
    if not wanted.is_past:
        yield from (_is_held(one) for one in wanted.holds.held if one.feed not in said)
    yield from (_was_held(one, ended) for one in before.held if one.feed not in now)


def _is_held(one: HeldFeed) -> str:
    until = f"its data are of {one.data_until}" if one.data_until else "it never had data"
    return f"{one.feed} is held ({one.hold_id}), {until}"


def _was_held(one: HeldFeed, ended: Mapping[str, Settled]) -> str:
    outcome = f" {ended[one.hold_id].outcome}" if one.hold_id in ended else ""
    return f"{one.feed} is no longer held ({one.hold_id}{outcome})"
