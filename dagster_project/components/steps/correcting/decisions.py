"""Decisions of people on cases: assign, extend, confirm; corrections asked for and answered.

Each is one transaction with its reason in ``ops.case_event``. A rejected row cannot be confirmed:
it is corrected by delivering it anew. Holds are decided with ``arriving.release``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

import duckdb

from dagster_project import clock
from dagster_project.components.steps.correcting.ledger import CaseLine, case_of
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.case_numbers import case_number
from dagster_project.contracts.model import Feed
from dagster_project.errors import UsageError
from dagster_project.lake.engine import quoted
from dagster_project.protocol.correction import is_plain, words_fault

_MOST_DAYS = 250
Write = Callable[[duckdb.DuckDBPyConnection, CaseLine, datetime], None]


def assign(workshop: Workshop, case_id: str, assignee: str, *, by: str, why: str) -> CaseLine:
    """Make somebody the owner of an open case.

    Raises:
        UsageError: No such open case, no name, or no reason.
    """
    name = _said(assignee, "--to", "a case cannot be assigned to nobody")
    return _decide(workshop, case_id, "assign", by=by, why=why, assignee=name)


def extend(workshop: Workshop, case_id: str, workdays: int, *, by: str, why: str) -> CaseLine:
    """Give an open case more working days.

    Raises:
        UsageError: No such open case, no sensible number, or no reason.
    """
    if not 1 <= workdays <= _MOST_DAYS:
        raise UsageError(f"{workdays} is no number of working days", todo="Name 1 to 250")
    return _decide(workshop, case_id, "extend", by=by, why=why, workdays=workdays)


def confirm(workshop: Workshop, case_id: str, *, by: str, why: str) -> CaseLine:
    """Close a finding because somebody looked and the record is right.

    It stays closed as long as the record says the same.

    Raises:
        UsageError: No such open case, it is no finding, or no reason.
    """

    def close(con: duckdb.DuckDBPyConnection, case: CaseLine, at: datetime) -> None:
        row = con.execute(
            "UPDATE lake.ops.finding SET state = 'confirmed', how = 'confirmed',"
            " closed_at = ?::TIMESTAMPTZ, closed_batch_id = batch_id"
            " WHERE case_id = ? AND state = 'open'",
            [at, case_id],
        ).fetchone()
        if not row or not row[0]:
            todo = {
                "fail": "Have the row delivered anew, or change the rule in the contract",
                "held": f"`countylake hold release {case_id}` or `hold refuse {case_id}`",
                "correction": f"`countylake case answer {case_id}`",
                "disagreement": "The departments must agree; `countylake items` shows them",
                "late": "It ends when the department delivers",
            }
            what = f"case {case_id} ({case.kind}) cannot be confirmed"
            raise UsageError(what, todo=todo.get(case.kind, "See `countylake case show`"))

    return _decide(workshop, case_id, "confirm", by=by, why=why, write=close)


def ask(
    workshop: Workshop,
    feed: str,
    place: Mapping[str, str],
    column: str,
    *,
    by: str,
    why: str,
) -> CaseLine:
    """Ask a feed's department for a correction of one record.

    Args:
        workshop: The site.
        feed: Whose record.
        place: Its key, by column.
        column: Which column is doubtful; empty for the whole record.
        by: Who asks.
        why: What is wrong.

    Raises:
        UsageError: No such feed, column or live record, or no reason.
    """
    contract = workshop.feed(feed)
    reason = _said(why, "--why", "a correction cannot be asked for without a reason")
    _named(contract, place, column)
    occasion = manual()
    with workshop.lake.writer(f"a correction of {feed}") as writer:
        _living(writer.con, contract, place)
        at = clock.now()
        named = json.dumps(dict(place), ensure_ascii=False, sort_keys=True)
        case_id = case_number("county", feed, named, at.isoformat())
        with writer.transaction(f"a correction of {feed}", run_id=occasion.run_id) as tx:
            tx.con.execute(
                "INSERT INTO lake.ops.correction (case_id, feed, origin, origin_code, asked_by,"
                " asked_at, table_name, place, column_name, why, state)"
                " VALUES (?, ?, 'county', ?, ?, ?::TIMESTAMPTZ, ?, ?, ?, ?, 'open')",
                [
                    *(case_id, feed, workshop.site.code, by, at, f"silver.{feed}", named),
                    *(column or None, reason),
                ],
            )
            _note(tx.con, case_id, "raise", at, by=by, why=reason)
        return case_of(workshop, writer.con, case_id)


def _named(contract: Feed, place: Mapping[str, str], column: str) -> None:
    if set(place) != set(contract.key):
        raise UsageError(
            f"a record of {contract.name} is named by {', '.join(contract.key)}",
            todo=" ".join(f"--key {name}=…" for name in contract.key),
        )
    if column and all(one.name != column for one in contract.columns):
        raise UsageError(
            f"{contract.name} has no column {column}", todo="`countylake feeds` names them"
        )


def _living(con: duckdb.DuckDBPyConnection, contract: Feed, place: Mapping[str, str]) -> None:
    """A correction is asked of a record that is there."""
    conditions = " AND ".join(f"CAST({quoted(name)} AS VARCHAR) = ?" for name in contract.key)
    found = con.execute(
        f"SELECT count(*) FROM lake.silver.{quoted(contract.name)}"
        f" WHERE NOT _is_deleted AND {conditions}",
        [place[name] for name in contract.key],
    ).fetchone()
    if not found or not found[0]:
        raise UsageError(f"{contract.name} has no live record of that key", todo="Correct the key")


def answer(workshop: Workshop, case_id: str, *, corrected: bool, by: str, why: str) -> CaseLine:
    """Answer a correction that somebody asked for; who asked is told by the answer.

    Raises:
        UsageError: No such open case, it is no correction, or no reason.
    """

    def close(con: duckdb.DuckDBPyConnection, case: CaseLine, at: datetime) -> None:
        if case.kind != "correction":
            raise UsageError(
                f"case {case_id} is no correction that somebody asked for",
                todo=f"`countylake case show {case_id}` says what it is",
            )
        goes_up = con.execute(
            "SELECT count(*) FROM lake.ops.correction WHERE case_id = ? AND origin = 'city'",
            [case_id],
        ).fetchone()
        if goes_up and goes_up[0] and (fault := words_fault(why)):
            raise UsageError(
                f"the answer to {case_id} goes to the parent site, and {fault}",
                todo="Say it without naming a person",
            )
        con.execute(
            "UPDATE lake.ops.correction SET state = 'closed', how = ?, answer = ?,"
            " answered_by = ?, answered_at = ?::TIMESTAMPTZ WHERE case_id = ?",
            ["corrected" if corrected else "unfounded", why.strip(), by, at, case_id],
        )

    return _decide(workshop, case_id, "answer", by=by, why=why, write=close)


def _decide(
    workshop: Workshop,
    case_id: str,
    event: str,
    *,
    by: str,
    why: str,
    write: Write | None = None,
    assignee: str | None = None,
    workdays: int | None = None,
) -> CaseLine:
    reason = _said(why, "--why", f"case {case_id} cannot be decided on without a reason")
    occasion = manual()
    with workshop.lake.writer(f"deciding on {case_id}") as writer:
        case = case_of(workshop, writer.con, case_id)
        if case.state != "open":
            raise UsageError(
                f"case {case_id} is {case.state} already",
                todo=f"`countylake case show {case_id}` tells its history",
            )
        at = clock.now()
        with writer.transaction(f"{event} {case_id}", run_id=occasion.run_id) as tx:
            if write:
                write(tx.con, case, at)
            _note(tx.con, case_id, event, at, by=by, why=reason, assignee=assignee, days=workdays)
        return case_of(workshop, writer.con, case_id)


def _note(
    con: duckdb.DuckDBPyConnection,
    case_id: str,
    event: str,
    at: datetime,
    *,
    by: str,
    why: str,
    assignee: str | None = None,
    days: int | None = None,
) -> None:
    con.execute(
        "INSERT INTO lake.ops.case_event (case_id, decided_at, event, decided_by, why,"
        " assignee, workdays)"
        " VALUES (?, ?::TIMESTAMPTZ, ?, ?, ?, ?, ?)",
        [case_id, at, event, by, why, assignee, days],
    )


def _said(text: str, option: str, fault: str) -> str:
    if not text.strip():
        raise UsageError(fault, todo=f"Add {option}")
    if not is_plain(text):
        raise UsageError(f"{option} holds control characters", todo="Leave them out")
    return text.strip()
