"""Deciding on a feed's changed structure: what acceptance would do, doing it, or sending it back.

How a difference is found is ``drift``'s work, how a contract's text is changed ``contracts``'. Here
a decision is carried out whole: contract, landed delivery, ledger, log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from dagster_project import clock
from dagster_project.components.steps.arriving.drift import affected
from dagster_project.components.steps.arriving.holds import Hold, decide, hold_of, holds, undecided
from dagster_project.components.steps.arriving.release import replay, send_back
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.rebuild import rebuild_feed
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.acceptance import Proposal, apply, propose, prove
from dagster_project.contracts.drift import Finding
from dagster_project.contracts.versions import entry_between, write_entry
from dagster_project.errors import CountyLakeError, UsageError
from dagster_project.lineage.impact import Affected

_log = structlog.get_logger(__name__)
CELLS = frozenset({"codes", "narrowed"})
"""Kinds whose cells lie in bronze: what was taken before can be judged again by the new contract.

Cells of columns that the contract did not know are filled by the next file only.
"""


@dataclass(frozen=True)
class Shown:
    """One changed structure with what hangs on it.

    ``proposal`` is None when acceptance needs more words; ``needs`` says which.
    """

    hold: Hold
    findings: tuple[Finding, ...]
    affected: tuple[Affected, ...]
    proposal: Proposal | None
    needs: str = ""


@dataclass(frozen=True)
class Decision:
    """What was decided, and what became of the delivery.

    ``merged``: its rows are in silver. ``rebuilt``: files that were taken before were conformed
    again. ``held`` and ``refused``: sentences of another doubt about it.
    """

    hold: Hold
    merged: bool = False
    rebuilt: bool = False
    held: tuple[str, ...] = ()


def drifts(workshop: Workshop, *, everything: bool = False) -> list[Hold]:
    """Changed structures that wait for a decision; with ``everything`` also noted and decided."""
    with workshop.lake.reader() as con:
        found = holds(con, state="" if everything else "open")
    return [hold for hold in found if hold.kind == "schema"]


def shown(workshop: Workshop, hold_id: str, choices: Mapping[str, str]) -> Shown:
    """One changed structure, what depends on it, and what accepting it would change.

    Raises:
        UsageError: There is no such one.
        ContractError: The feed's contract does not load.
    """
    with workshop.lake.reader() as con:
        hold = _schema_hold(hold_of(con, hold_id))
    findings = tuple(Finding.of(data) for data in hold.findings)
    reached = affected(workshop, workshop.feed(hold.feed), findings)
    if hold.state not in {"open", "noted"}:
        return Shown(hold, findings, reached, None)
    try:
        return Shown(hold, findings, reached, _propose(workshop, hold, choices))
    except CountyLakeError as error:
        return Shown(hold, findings, reached, None, str(error))


def prepare(workshop: Workshop, hold_id: str, choices: Mapping[str, str]) -> Proposal:
    """What accepting would change, proven to load; nothing is changed yet.

    Raises:
        UsageError: There is no such structure, it was decided, or a choice is missing or wrong.
        ContractError: The changed contract would not load, or cannot be changed.
    """
    with workshop.lake.reader() as con:
        hold = _schema_hold(undecided(con, hold_id, noted=True))
    proposal = _propose(workshop, hold, choices)
    if proposal.changes:
        prove(workshop.schemas, workshop.contracts, proposal)
    return proposal


def accept(workshop: Workshop, hold_id: str, proposal: Proposal, *, by: str, why: str) -> Decision:
    """Change the contract as prepared and take the held delivery by it.

    When the programme dies in between, the contract is changed and the hold still open: accepting
    again finds nothing left to change and takes the delivery.

    Raises:
        UsageError: There is no such structure, it was decided, or no reason is given.
        ContractError: A file was changed meanwhile, or cannot be written here.
        DeliveryError: The file cannot be taken by the changed contract; the hold stays open.
    """
    with workshop.lake.reader() as con:
        hold = _schema_hold(undecided(con, hold_id, noted=True))
    if not why.strip():
        raise UsageError(f"{hold_id} cannot be accepted without a reason", todo="Add --why")
    before = workshop.wordings.get(("feeds", hold.feed))
    apply(proposal)
    fresh = workshop.renewed() if proposal.changes else workshop
    after = fresh.feed(hold.feed).version
    if proposal.changes and before:
        day = clock.local_day(clock.now()).isoformat()
        new = fresh.wordings["feeds", hold.feed]
        write_entry(fresh.schemas, new, entry_between(before, new, day=day, why=why, by=by))
    _log.info(
        "contract amended",
        hold=hold_id,
        feed=hold.feed,
        before=hold.contract_version,
        after=after,
        files=[change.name for change in proposal.changes],
        by=by,
    )
    if hold.state == "noted":
        return _accept_note(fresh, hold, after, by=by, why=why)
    done = replay(fresh, hold_id, manual(), by=by, why=why, contract_version_after=after)
    return Decision(_now(fresh, hold_id), bool(done.batches), held=tuple(done.held))


def _accept_note(workshop: Workshop, hold: Hold, after: str, *, by: str, why: str) -> Decision:
    """A difference whose delivery was taken: judge again what can be, and close the note."""
    rebuilt = any(Finding.of(data).kind in CELLS for data in hold.findings)
    if rebuilt:
        rebuild_feed(workshop, hold.feed)
    occasion = manual()
    with (
        workshop.lake.writer(f"accepting {hold.hold_id}") as writer,
        writer.transaction(f"accept {hold.hold_id}", run_id=occasion.run_id) as tx,
    ):
        done = decide(
            tx.con,
            hold.hold_id,
            "accepted",
            by=by,
            why=why,
            contract_version_after=after,
            noted=True,
        )
    return Decision(done, rebuilt=rebuilt)


def refuse(workshop: Workshop, hold_id: str, *, by: str, why: str) -> Decision:
    """Send a held delivery back; of a noted difference, say that the contract stays.

    Raises:
        UsageError: There is no such structure, it was decided, or no reason is given.
    """
    with workshop.lake.reader() as con:
        hold = _schema_hold(undecided(con, hold_id, noted=True))
    occasion = manual()
    if hold.state == "open":
        return Decision(send_back(workshop, hold_id, occasion, by=by, why=why))
    with (
        workshop.lake.writer(f"refusing {hold_id}") as writer,
        writer.transaction(f"refuse {hold_id}", run_id=occasion.run_id) as tx,
    ):
        return Decision(decide(tx.con, hold_id, "refused", by=by, why=why, noted=True))


def _now(workshop: Workshop, hold_id: str) -> Hold:
    with workshop.lake.reader() as con:
        return hold_of(con, hold_id)


def _propose(workshop: Workshop, hold: Hold, choices: Mapping[str, str]) -> Proposal:
    feed = workshop.feed(hold.feed)
    # What was only noted beside a held delivery is accepted when somebody names it.
    findings = [
        one
        for one in (Finding.of(data) for data in hold.findings)
        if hold.state == "noted" or one.severity != "note" or one.title in choices
    ]
    day = clock.local_day(clock.now()).isoformat()
    return propose(workshop.schemas, workshop.contracts, feed, findings, choices, day=day)


def _schema_hold(hold: Hold) -> Hold:
    if hold.kind != "schema":
        raise UsageError(
            f"{hold.hold_id} is held for another reason ({hold.kind})",
            where=hold.path,
            todo=f"`countylake hold show {hold.hold_id}`",
        )
    return hold
