"""The ledger of held deliveries: what waits for a person's decision, why, and what was decided.

A held delivery lies in the landing and nothing of it is merged. Taking it after all is
``release``'s work; what makes a delivery doubtful is judged where it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb
import structlog

from dagster_project import clock
from dagster_project.contracts.model import Feed
from dagster_project.errors import UsageError
from dagster_project.lake.emptiness import has_rows
from dagster_project.lake.engine import literal

Kind = Literal["schema", "vanished", "period", "rows", "quality"]
State = Literal["open", "accepted", "refused", "superseded", "noted"]
"""``noted`` is a difference that is on record and asks for no decision: its delivery was taken."""
PAUSING: tuple[Kind, ...] = ("schema",)
"""Kinds after which the feed's later files would fare no better: they wait in the inbox."""
SUPERSEDED: tuple[Kind, ...] = ("vanished", "rows", "quality")
"""Kinds that a later full snapshot answers by itself."""
_COLUMNS = (
    "hold_id, feed, kind, delivery_id, batch_id, path, sha256, opened_at, run_id, findings,"
    " message, state, decided_at, decided_by, why, contract_version, contract_version_after,"
    " returned_at, read, accepted, rejected, duplicate, superseded, dropped"
)
_log = structlog.get_logger(__name__)


class Held(Exception):  # noqa: N818 - it is no error: a person decides
    """A delivery that a person must decide on; nothing of it is merged.

    Args:
        kind: What is doubtful.
        findings: The facts, as plain JSON values; counts, names and titles, never cells.
        sentence: What is doubtful, where, and what to do.

    ``counts`` is as much of the delivery's law of conservation as was known when it was held.
    """

    def __init__(self, kind: Kind, findings: Sequence[dict[str, Any]], sentence: str) -> None:
        self.kind, self.findings, self.sentence = kind, list(findings), sentence
        self.counts: Mapping[str, int] = {}
        super().__init__(sentence)


@dataclass(frozen=True)
class Hold:
    """One held delivery, as the ledger has it.

    Its rows are in no table, so that they are counted here: ``read`` and ``dropped`` of every
    delivery that could be read, the others of one that was conformed before it was held. What they
    become is told by the batch that its release makes. ``returned_at`` is when its department was
    last given a marked copy.
    """

    hold_id: str
    feed: str
    kind: Kind
    delivery_id: str
    batch_id: str
    path: str
    sha256: str
    opened_at: datetime
    run_id: str
    findings: list[dict[str, Any]]
    message: str
    state: State
    decided_at: datetime | None
    decided_by: str
    why: str
    contract_version: str
    contract_version_after: str
    returned_at: datetime | None = None
    read: int | None = None
    accepted: int | None = None
    rejected: int | None = None
    duplicate: int | None = None
    superseded: int | None = None
    dropped: int | None = None

    @property
    def rows(self) -> int | None:
        """How many rows of data wait; None where the ledger is older than the count."""
        return None if self.read is None else self.read - (self.dropped or 0)


def open_hold(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    held: Held,
    *,
    delivery_id: str,
    batch_id: str,
    path: str,
    sha256: str,
    run_id: str,
    state: State = "open",
) -> Hold:
    """Write a held delivery into the ledger; call it inside a transaction.

    ``batch_id`` is the batch that the delivery makes when it is released.
    """
    row = con.execute("SELECT count(*) FROM lake.ops.hold WHERE feed = ?", [feed.name]).fetchone()
    counts: dict[str, Any] = dict(held.counts)
    made = Hold(
        hold_id=f"{feed.name}-{(int(row[0]) if row else 0) + 1}",
        feed=feed.name,
        kind=held.kind,
        delivery_id=delivery_id,
        batch_id=batch_id,
        path=path,
        sha256=sha256,
        opened_at=clock.now(),
        run_id=run_id,
        findings=held.findings,
        message=held.sentence,
        state=state,
        decided_at=None,
        decided_by="",
        why="",
        contract_version=feed.version,
        contract_version_after="",
        **counts,
    )
    cells = {**vars(made), "findings": json.dumps(made.findings, ensure_ascii=False)}
    places = ("?::TIMESTAMPTZ" if name.endswith("_at") else "?" for name in cells)
    con.execute(
        f"INSERT INTO lake.ops.hold ({_COLUMNS}) VALUES ({', '.join(places)})",
        [None if cell == "" else cell for cell in cells.values()],
    )
    _log.warning(
        "delivery held" if state == "open" else "difference noted",
        run_id=run_id,
        feed=feed.name,
        hold=made.hold_id,
        kind=made.kind,
    )
    return made


def holds(
    con: duckdb.DuckDBPyConnection,
    feed: str = "",
    state: State | Literal[""] = "open",
    *,
    delivery_id: str = "",
) -> list[Hold]:
    """Held deliveries, oldest first; an empty argument asks for all."""
    if not has_rows(con, "lake.ops.hold"):
        return []
    wanted = {"feed": feed, "state": state, "delivery_id": delivery_id}
    asked = [f"{name} = {literal(value)}" for name, value in wanted.items() if value]
    rows = con.execute(
        f"SELECT {_COLUMNS} FROM lake.ops.hold WHERE {' AND '.join(asked) or 'true'}"
        " ORDER BY opened_at, hold_id"
    ).fetchall()
    return [_hold(row) for row in rows]


def waiting_at(con: duckdb.DuckDBPyConnection, at: datetime) -> list[Hold]:
    """Deliveries that waited for a decision at an instant, oldest first.

    A difference that was only noted, and accepted later, was merged from the beginning.
    """
    rows = con.execute(
        f"""SELECT {_COLUMNS} FROM lake.ops.hold AS held
        WHERE state <> 'noted' AND opened_at < $at AND coalesce(decided_at >= $at, TRUE)
            AND NOT EXISTS (
                SELECT 1 FROM lake.ops.batch AS b
                WHERE b.batch_id = held.batch_id AND b.committed_at < $at
            )
        ORDER BY opened_at, hold_id""",
        {"at": at},
    ).fetchall()
    return [_hold(row) for row in rows]


def hold_of(con: duckdb.DuckDBPyConnection, hold_id: str) -> Hold:
    """One held delivery.

    Raises:
        UsageError: There is none of that number.
    """
    row = con.execute(f"SELECT {_COLUMNS} FROM lake.ops.hold WHERE hold_id = ?", [hold_id])
    found = row.fetchone()
    if found is None:
        raise UsageError(f"there is no hold {hold_id}", todo="`countylake hold list` names them")
    return _hold(found)


def undecided(con: duckdb.DuckDBPyConnection, hold_id: str, *, noted: bool = False) -> Hold:
    """One held delivery that still waits for a decision; with ``noted``, also a noted difference.

    Raises:
        UsageError: There is none of that number, or it was decided.
    """
    found = hold_of(con, hold_id)
    if found.state != "open" and not (noted and found.state == "noted"):
        by = f" by {found.decided_by}" if found.decided_by else ""
        raise UsageError(
            f"hold {hold_id} is {found.state} already{by}",
            where=found.path,
            todo="Only an open hold can be decided; `countylake hold list` names them",
        )
    return found


def decide(
    con: duckdb.DuckDBPyConnection,
    hold_id: str,
    state: State,
    *,
    by: str,
    why: str,
    contract_version_after: str = "",
    noted: bool = False,
) -> Hold:
    """Write a decision into the ledger; call it inside a transaction.

    ``noted`` says that a noted difference may be meant: its delivery is merged already.

    Raises:
        UsageError: There is no such hold, it was decided, or no reason is given.
    """
    found = undecided(con, hold_id, noted=noted)
    if not why.strip():
        raise UsageError(f"hold {hold_id} cannot be decided without a reason", todo="Add --why")
    con.execute(
        "UPDATE lake.ops.hold SET state = ?, decided_at = ?::TIMESTAMPTZ, decided_by = ?, why = ?,"
        " contract_version_after = ? WHERE hold_id = ?",
        [state, clock.now(), by, why.strip(), contract_version_after or None, hold_id],
    )
    _log.info("hold decided", hold=hold_id, feed=found.feed, kind=found.kind, state=state, by=by)
    return hold_of(con, hold_id)


def supersede(
    con: duckdb.DuckDBPyConnection, feed: Feed, path: str, before: datetime
) -> list[Hold]:
    """After a full snapshot was merged: older doubts about whole tables have answered themselves.

    Returns:
        The holds that are closed by it. Call it inside the merge's transaction.
    """
    if feed.delivery != "full":
        return []
    closed = [
        hold
        for hold in holds(con, feed.name)
        if hold.kind in SUPERSEDED and hold.opened_at < before
    ]
    for hold in closed:
        decide(
            con,
            hold.hold_id,
            "superseded",
            by="countylake",
            why=f"a later full snapshot was merged: {path}",
        )
    return closed


def pausing(con: duckdb.DuckDBPyConnection, feed: str) -> Hold | None:
    """The open hold that keeps the feed's later files waiting in the inbox, if there is one."""
    return next((hold for hold in holds(con, feed) if hold.kind in PAUSING), None)


def _hold(row: tuple[Any, ...]) -> Hold:
    cells = dict(zip(Hold.__dataclass_fields__, row, strict=True))
    for name in ("decided_by", "why", "contract_version_after", "message", "batch_id"):
        cells[name] = cells[name] or ""
    cells["findings"] = json.loads(cells["findings"] or "[]")
    return Hold(**cells)
