"""Every case of the site in one form: whose it is, by when it must be done, what became of it.

The form is that of the SQL model ``gold.rectification_case``, asked of the lake as it is now, so
that screens and reports count alike. What a case is about stands in its own ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import duckdb
from sqlglot import exp

from dagster_project import clock
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.lake.batch_files import real_file
from dagster_project.transform.models import Model, Parameters

MODEL = "gold.rectification_case"
_UNDATED = " UNION ALL ".join(
    f"SELECT feed, {kind} AS kind, state, opened_at, returned_at, false AS is_overdue"
    f" FROM lake.ops.{ledger}"
    for ledger, kind in (
        ("rectification", "'fail'"),
        ("finding", "severity"),
        ("disagreement", "'disagreement'"),
    )
)


@dataclass(frozen=True)
class CaseLine:
    """One case. ``owner`` is a person where it was assigned, else the department.

    ``rules`` are those that a row or record breaks, where the case is about one.
    """

    case_id: str
    kind: str
    feed: str
    department_code: str
    department_name: str
    owner: str
    opened_at: datetime
    due_day: date | None
    extended_cnt: int
    returned_at: datetime | None
    attempt_cnt: int
    state: str
    how: str | None
    closed_at: datetime | None
    is_overdue: bool | None
    open_day_cnt: int | None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """One step of a case's history: what happened, when, who decided and why."""

    at: datetime
    event: str
    by: str = ""
    why: str = ""
    detail: str = ""


@dataclass(frozen=True)
class CaseStory:
    """A case with what it is about and everything that happened to it, oldest first."""

    case: CaseLine
    about: dict[str, Any]
    history: tuple[Event, ...]


def cases(
    workshop: Workshop,
    *,
    feed: str = "",
    kind: str = "",
    state: str = "open",
    overdue: bool = False,
    limit: int = 1000,
) -> list[CaseLine]:
    """Cases, what is due first at the top; an empty argument asks for all.

    Raises:
        UsageError: No such feed, or no lake yet.
    """
    if feed:
        workshop.feed(feed)
    wanted = {"feed": feed, "kind": kind, "state": state}
    conditions = [f"{name} = ${name}" for name, value in wanted.items() if value]
    conditions += ["is_overdue"] if overdue else []
    with workshop.lake.reader() as con:
        found = con.execute(
            f"SELECT * FROM ({_live(workshop)}) WHERE {' AND '.join(conditions) or 'true'}"
            " ORDER BY due_day, opened_at, case_id LIMIT $limit",
            {**{name: value for name, value in wanted.items() if value}, "limit": limit},
        )
        lines = _lines(found)
        rules = _rules(con, [line.case_id for line in lines])
    return [replace(line, rules=rules.get(line.case_id, ())) for line in lines]


@dataclass(frozen=True)
class OpenCases:
    """How many cases of one kind wait for one feed's department, and since when the oldest."""

    feed: str
    kind: str
    is_overdue: bool
    cases: int
    oldest: datetime


def tally(workshop: Workshop, con: duckdb.DuckDBPyConnection) -> list[OpenCases]:
    """Open cases by feed, kind and whether their deadline is past."""
    found = con.execute(
        "SELECT feed, kind, coalesce(is_overdue, false) AS overdue, count(*), min(opened_at)"
        f" FROM ({_live(workshop)}) WHERE state = 'open' GROUP BY ALL ORDER BY ALL"
    )
    return [OpenCases(*row) for row in found.fetchall()]


def to_correct(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, now: datetime
) -> list[tuple[str, int, int, datetime, datetime | None]]:
    """What departments must act on: feed, open cases, those past their day, since when, returned.

    Flags are left out, and so are deliveries, which have notices of their own. A site whose own
    SQL does not know cases has no deadlines: nothing of it is past its day.
    """
    source = _live(workshop, now) if MODEL in workshop.graph.models else _UNDATED
    return con.execute(
        "SELECT feed, count(*), count(*) FILTER (is_overdue),"
        f" min(coalesce(returned_at, opened_at)), max(returned_at) FROM ({source})"
        " WHERE state = 'open' AND kind IN ('fail', 'disagreement', 'correction')"
        " AND feed <> '' GROUP BY feed ORDER BY feed"
    ).fetchall()


def case_of(workshop: Workshop, con: duckdb.DuckDBPyConnection, case_id: str) -> CaseLine:
    """One case.

    Raises:
        UsageError: There is none of that number.
    """
    lines = _lines(con.execute(f"SELECT * FROM ({_live(workshop)}) WHERE case_id = ?", [case_id]))
    if not lines:
        raise UsageError(f"there is no case {case_id}", todo="`countylake case list` names them")
    return lines[0]


def story(workshop: Workshop, case_id: str) -> CaseStory:
    """One case with its whole history.

    Raises:
        UsageError: There is none of that number.
    """
    with workshop.lake.reader() as con:
        case = case_of(workshop, con, case_id)
        about = _about(con, case)
        if case.kind in {"fail", "warn"} and case.feed in workshop.contracts.feeds:
            plan = workshop.plan(case.feed)
            about["sentences"] = [reason_sentence(plan, rule) for rule in about.get("rules", ())]
        history = sorted(
            (*_own_events(case), *_attempts(con, case, about), *_decisions(con, case_id)),
            key=lambda one: one.at,
        )
    return CaseStory(case, {k: v for k, v in about.items() if k != "record_key"}, tuple(history))


def _lines(found: duckdb.DuckDBPyConnection) -> list[CaseLine]:
    names = [column[0] for column in found.description or []]
    known = {field.name for field in fields(CaseLine)}
    return [
        CaseLine(**{n: v for n, v in zip(names, row, strict=True) if n in known})
        for row in found.fetchall()
    ]


def _live(workshop: Workshop, at: datetime | None = None) -> str:
    """The model's SELECT of this moment; tables of gold that it reads are asked afresh, too.

    Raises:
        UsageError: The site's own SQL does not have the model.
    """
    now = at or clock.now()
    if MODEL not in workshop.graph.models:
        raise UsageError(
            "this site's SQL does not know cases",
            where=str(workshop.sql),
            todo=f"Put the programme's {MODEL} beside its models",
        )
    parameters = Parameters(now, clock.local_day(now), workshop.site.code)
    return _fresh(workshop, workshop.graph.models[MODEL], parameters).sql(dialect="duckdb")


def _fresh(workshop: Workshop, model: Model, parameters: Parameters) -> exp.Expr:
    tree: exp.Expr = exp.maybe_parse(model.sql(parameters), dialect="duckdb")

    def replaced(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Table) and node.db == "gold":
            inner = _fresh(workshop, workshop.graph.models[f"gold.{node.name}"], parameters)
            return exp.Subquery(
                this=inner, alias=exp.TableAlias(this=exp.to_identifier(node.alias_or_name))
            )
        return node

    return tree.transform(replaced)


_LEDGERS = {
    "fail": (("rectification", "l.reasons"), ("finding", "[l.rule_id]")),
    "warn": (("finding", "[l.rule_id]"),),
    "disagreement": (("disagreement", "[l.entity || '.' || l.item]"),),
}
"""Where cases of a kind stand that are about a row, and what says which rules."""


def _rules(con: duckdb.DuckDBPyConnection, cases: list[str]) -> dict[str, tuple[str, ...]]:
    """Case -> the rules, or the data item, that it is about."""
    asked = " UNION ALL ".join(
        f"SELECT l.case_id, {rules} AS rules FROM lake.ops.{ledger} AS l"
        for ledger, rules in sorted({one for ledgers in _LEDGERS.values() for one in ledgers})
    )
    found = con.execute(
        f"SELECT case_id, rules FROM ({asked}) WHERE case_id IN (SELECT unnest(?))", [cases]
    )
    return {case: tuple(rules or ()) for case, rules in found.fetchall()}


def _about(con: duckdb.DuckDBPyConnection, case: CaseLine) -> dict[str, Any]:
    """What a case is about: rules and place, or what its ledger says; no cell."""
    file = real_file("l.opened_sheet")
    for ledger, rules in _LEDGERS.get(case.kind, ()):
        row = con.execute(
            f"SELECT {rules} AS rules, l.record_key, {file.path} AS file, {file.sheet} AS sheet,"
            f" l.opened_row AS row FROM lake.ops.{ledger} AS l"
            " LEFT JOIN lake.ops.batch AS b ON b.batch_id = l.opened_batch_id"
            f" {file.join} WHERE l.case_id = ?",
            [case.case_id],
        ).fetchone()
        if row:
            return dict(zip(("rules", "record_key", "file", "sheet", "row"), row, strict=True))
    if case.kind == "held":
        row = con.execute(
            "SELECT kind, path, message FROM lake.ops.hold WHERE hold_id = ?", [case.case_id]
        ).fetchone()
        return dict(zip(("held_for", "file", "message"), row, strict=True)) if row else {}
    if case.kind == "correction":
        row = con.execute(
            # A row of a report is no person's; a record's key may be.
            "SELECT table_name, CASE WHEN origin = 'city' THEN place END, column_name, package_id,"
            " why, answer, asked_by, origin FROM lake.ops.correction WHERE case_id = ?",
            [case.case_id],
        ).fetchone()
        names = ("table", "place", "column", "package", "why", "answer", "asked_by", "origin")
        return dict(zip(names, row, strict=True)) if row else {}
    return {}


def _own_events(case: CaseLine) -> Iterator[Event]:
    yield Event(case.opened_at, "opened", detail=case.kind)
    if case.returned_at:
        yield Event(case.returned_at, "returned", detail=case.department_name)
    if case.closed_at and case.kind != "held":  # a hold's end is the decision on it
        yield Event(case.closed_at, case.state, detail=case.how or "")


def _attempts(
    con: duckdb.DuckDBPyConnection, case: CaseLine, about: dict[str, Any]
) -> Iterator[Event]:
    """Later deliveries in which the same record was rejected again."""
    if case.kind != "fail" or not about.get("record_key"):
        return
    rows = con.execute(
        "SELECT b.delivered_at, b.path, q.source_row FROM lake.ops.quarantine AS q"
        " JOIN lake.ops.batch AS b USING (batch_id)"
        " WHERE q.feed = ? AND q.record_key = ? AND b.source_batch_id IS NULL"
        " AND b.delivered_at > ?::TIMESTAMPTZ"
        " AND b.delivered_at <= coalesce(?::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)"
        " ORDER BY b.delivered_at",
        [case.feed, about["record_key"], case.opened_at, case.closed_at],
    ).fetchall()
    for at, path, row in rows:
        yield Event(at, "failed again", detail=f"{path}, row {row}")


def _decisions(con: duckdb.DuckDBPyConnection, case_id: str) -> Iterator[Event]:
    rows = con.execute(
        "SELECT decided_at, event, decided_by, why, assignee, workdays FROM lake.ops.case_event"
        " WHERE case_id = ?",
        [case_id],
    ).fetchall()
    for at, event, by, why, assignee, workdays in rows:
        detail = assignee or (f"{workdays} workdays" if workdays else "")
        yield Event(at, event, by, why, detail)
    held = con.execute(
        "SELECT decided_at, state, decided_by, why FROM lake.ops.hold"
        " WHERE hold_id = ? AND decided_at IS NOT NULL",
        [case_id],
    ).fetchall()
    yield from (Event(at, state, by, why) for at, state, by, why in held)
