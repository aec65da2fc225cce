"""Settling packages that were examined: decide, keep the copy, merge, remember, answer.

Many packages are one transaction; where that fails each is tried alone, so that one that cannot be
merged stops nobody else's. A copy is in its place before the commit and an answer is written after
it: whatever a kill leaves undone, the next look does from what was committed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from dagster_project.city import ledger, quarantine
from dagster_project.city.answers import answer
from dagster_project.city.chain import Chain, Decision, decide
from dagster_project.city.content import words
from dagster_project.city.desk import Arrival, Desk
from dagster_project.city.ledger import Entry
from dagster_project.city.memory import Memory, recall
from dagster_project.city.merge import Tables, merge
from dagster_project.city.plausible import as_text, doubts, totals_of
from dagster_project.city.verify import Verdict, premature
from dagster_project.errors import CountyLakeError
from dagster_project.lake import Lake, Writer
from dagster_project.protocol.folders import place, seal_tree, shown
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.manifest import PACKAGE_ID, SIGNATURE

_SENTENCE = 400
_MOST_SENTENCES = 50
_AT_ONCE = 4
_FAILURES = 5
"""After so many packages in a row that could not be written, the fault is not theirs."""


One = TypeVar("One")
Merging = Callable[[Sequence[Entry]], AbstractContextManager[Callable[[int], None]]]
"""Hears of packages that are about to be merged, and then of the snapshot that holds them."""


@contextmanager
def unheard(accepted: Sequence[Entry]) -> Iterator[Callable[[int], None]]:  # noqa: ARG001
    """Nobody hears of it."""
    yield lambda snapshot: None  # noqa: ARG005


@dataclass(frozen=True)
class Settled:
    """A package with its decision; ``is_new`` if the decision has to be written down."""

    arrival: Arrival
    entry: Entry
    is_new: bool = True


@dataclass
class Counter:
    """One reception's settling. ``settled`` are the used-up decisions on what lies in the folders.

    ``decisions`` and ``remarks`` are what it came to; ``stopped`` are senders of which a package
    could not be written, whose later ones wait for the next look.
    """

    lake: Lake
    desk: Desk
    signer: Signer
    settled: dict[str, Entry] = field(default_factory=dict)
    decisions: list[Entry] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    merging: Merging = unheard
    _failures: int = 0

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """Settle packages together.

        Raises:
            LakeError, LakeBusyError: The lake cannot be opened.
            CountyLakeError, OSError: Package after package cannot be written.
        """
        with self.lake.writer("receive packages") as writer:
            try:
                self._together(writer, arrivals)
            except Exception as error:  # noqa: BLE001 - whatever one package does to the engine
                self._one_by_one(writer, arrivals, error)
        for one in arrivals:
            if one.verdict.folder.parent == self.lake.home.scratch:
                shutil.rmtree(one.verdict.folder, ignore_errors=True)

    def answer(self, entry: Entry) -> None:
        """Answer registered sites; a package without a proper name cannot be answered."""
        if entry.site_code in self.desk.children and PACKAGE_ID.match(entry.package_id):
            down = self.lake.home.exchange / entry.door / "down"
            answer(down, entry, self.desk.code, self.signer)

    def _try_to_answer(self, entry: Entry) -> None:
        """The decision is committed: a folder that takes no answer now must not undo the rest."""
        try:
            self.answer(entry)
        except OSError as error:
            what = f"the answer to {shown(entry.package_id)} cannot be written ({error.strerror})"
            self.remarks.append(f"{entry.door}: {what}; it is tried again at the next look.")

    def _one_by_one(self, writer: Writer, arrivals: Sequence[Arrival], error: Exception) -> None:
        if len(arrivals) > 1:
            for one in sorted(arrivals, key=_turn):
                if one.sender in self.stopped:
                    continue
                try:
                    self._together(writer, [one])
                    self._failures = 0
                except Exception as alone:  # noqa: BLE001 - see above
                    self._one_by_one(writer, [one], alone)
            return
        (one,) = arrivals
        self._failures += 1
        if self._failures >= _FAILURES:
            raise error
        self.stopped.add(one.sender)
        what = str(error) if isinstance(error, CountyLakeError) else type(error).__name__
        self.remarks.append(
            f"{one.sender}: {shown(one.name)} could not be taken in ({what}). Nothing was "
            "written of it; it and those after it are tried again at the next look."
        )

    def _together(self, writer: Writer, arrivals: Sequence[Arrival]) -> None:
        ready = [one for one in arrivals if one.sender not in self.stopped]
        memory = recall(writer.con, [(one.sender, one.verdict) for one in ready])
        tables = Tables(writer.con)
        done: list[Settled] = []
        for arrival in sorted(ready, key=_turn):
            settled = self._consider(memory, tables, arrival)
            if settled is not None:
                done.append(settled)
        new = [one for one in done if one.is_new]
        if new:
            _each(self._keep, new)
            accepted = [one for one in new if one.entry.outcome == "accepted"]
            heard = self.merging if accepted else unheard
            with heard([one.entry for one in accepted]) as merged:
                with writer.transaction(_message(new), packages=len(new)) as tx:
                    merge(tx.con, [one.arrival.verdict for one in accepted])
                    ledger.add(tx.con, [one.entry for one in new])
                merged(tx.snapshot)
        self._tell(done)

    def _consider(self, memory: Memory, tables: Tables, arrival: Arrival) -> Settled | None:
        """What becomes of a package; None for one that was settled before."""
        verdict = arrival.verdict
        told = memory.same.get(verdict.received_hash, [])
        if verdict.genuine:
            self._distrust(memory.chain(verdict.header.sender), verdict)
        if not verdict.genuine or verdict.manifest is None:
            if told and told[-1].outcome == "rejected":
                return Settled(arrival, told[-1], is_new=False)
            decision, totals = Decision("rejected", tuple(verdict.faults)), ""
        else:
            made, totals = self._decide(memory, tables, verdict)
            if made is None:
                return None
            decision = made
        entry = self._entry(memory, arrival, decision, totals)
        same = [
            one
            for one in told
            if not decision.consumed
            and (one.outcome, one.consumed) == (entry.outcome, False)
            and (entry.outcome == "held" or one.reasons == entry.reasons)
        ]
        if same:
            return Settled(arrival, same[-1], is_new=False)
        if decision.consumed and verdict.manifest is not None:
            memory.chain(entry.site_code).use(verdict.manifest, decision.outcome, verdict.key_id)
        if decision.outcome == "accepted":
            tables.expect(verdict)
        memory.learn(entry)
        return Settled(arrival, entry)

    def _decide(
        self, memory: Memory, tables: Tables, verdict: Verdict
    ) -> tuple[Decision | None, str]:
        assert verdict.manifest is not None  # noqa: S101 - only genuine packages come here
        header, faults = verdict.header, [*verdict.faults]
        faults += premature(header, self.desk.at)
        remarks, totals = [*verdict.remarks], ""
        if verdict.table is not None:
            faults += tables.conflicts(verdict)
        if verdict.table is not None and not faults:
            agreed = (self.desk.agreement or {}).get(header.report)
            sums = totals_of(verdict.table, agreed)
            totals = as_text(sums)
            if agreed is not None:
                found = doubts(header, verdict.table, sums, memory.before(header), agreed)
                refused = agreed.plausibility.reject
                faults += [one.sentence for one in found if one.kind in refused]
                remarks += [one.sentence for one in found if one.kind not in refused]
        chain = memory.chain(header.sender)
        return decide(chain, verdict.manifest, faults, remarks), totals

    def _distrust(self, chain: Chain, verdict: Verdict) -> None:
        """Take a signature for none if a later key of its site signed an earlier package.

        In an overlap both keys are trusted; who kept the earlier one must not go on with it.
        """
        header, card = verdict.header, self.desk.children[verdict.header.sender].card
        latest = max(chain.keys, key=card.place, default="")
        if card.place(verdict.key_id) < card.place(latest) and header.package_no > chain.head_no:
            verdict.genuine = False
            what = f"key {verdict.key_id} was replaced by key {latest}, which signed number"
            todo = "Its sender signs it anew with `countylake key resign`."
            verdict.faults = [f"{SIGNATURE}: {what} {chain.keys[latest]} already. {todo}"]

    def _entry(self, memory: Memory, arrival: Arrival, decision: Decision, totals: str) -> Entry:
        verdict, name = arrival.verdict, arrival.name
        chain = memory.chain(arrival.sender)
        entry = Entry(
            site_code=arrival.sender,
            package_id=name if PACKAGE_ID.match(name) else f"unnamed {shown(name)}",
            outcome=decision.outcome,
            consumed=decision.consumed,
            reasons=_told(decision.reasons),
            remarks=_told(decision.remarks),
            received_at=self.desk.at.astimezone(UTC),
            received_hash=verdict.received_hash,
            signature_hash=verdict.signature_hash,
            head_no=chain.head_no,
            head_hash=chain.head_hash,
            via=arrival.door if arrival.door != arrival.sender else "",
        )
        if not verdict.genuine or verdict.manifest is None:
            return entry
        header, package_hash = verdict.header, verdict.manifest.package_hash
        return replace(
            entry,
            key_id=verdict.key_id,
            package_hash=package_hash,
            package_no=header.package_no,
            report=header.report,
            period=header.period,
            revision=header.revision,
            row_count=header.rows,
            cut_off_at=datetime.fromisoformat(header.cut_off_at),
            kind=header.kind,
            head_no=header.package_no if decision.consumed else chain.head_no,
            head_hash=package_hash if decision.consumed else chain.head_hash,
            held=json.dumps(verdict.holds.told(), ensure_ascii=False),
            totals=totals if decision.outcome == "accepted" else "",
        )

    def _keep(self, one: Settled) -> None:
        """Keep the copy where it belongs; doing it twice changes nothing."""
        home, verdict, entry = self.lake.home, one.arrival.verdict, one.entry
        if entry.outcome == "accepted":
            target = home.received / entry.site_code / entry.package_id
            if verdict.folder != target:
                shutil.rmtree(target, ignore_errors=True)
                seal_tree(verdict.folder)
                place(verdict.folder, target)
                verdict.folder = target
        elif entry.outcome == "rejected":
            known = entry.site_code in self.desk.children
            kept = quarantine.keep(home, verdict.folder, entry, is_known=known)
            verdict.folder = kept if known else verdict.folder

    def _tell(self, done: Sequence[Settled]) -> None:
        self.settled |= {one.entry.package_id: one.entry for one in done if one.entry.consumed}
        # Another child may use the name of this one's package: each is answered at its own door.
        told = {(e.door, e.package_id): e for e in (one.entry for one in done) if not e.consumed}
        told = {key: entry for key, entry in told.items() if key[1] not in self.settled}
        _each(
            self._try_to_answer,
            [*(one.entry for one in done if one.entry.consumed), *told.values()],
        )
        new = [one.entry for one in done if one.is_new]
        self.decisions += new
        refused = {entry.site_code for entry in new if entry.outcome == "rejected"}
        if refused:
            quarantine.prune(self.lake.home, sorted(refused))


def _each(act: Callable[[One], None], those: Sequence[One]) -> None:
    """Do it for each; a few at once, since the time goes by in waiting for the disk."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(act, those):
            pass


def _turn(arrival: Arrival) -> tuple[str, int, str]:
    """Sender by sender; packages that are not genuine first, then by number."""
    return (arrival.sender, arrival.number, arrival.name)


def _told(sentences: Sequence[str]) -> tuple[str, ...]:
    """Sentences as they are kept and sent; a sender's words in them steer no terminal."""
    return tuple(words(one, _SENTENCE) for one in sentences[:_MOST_SENTENCES])


def _message(new: Sequence[Settled]) -> str:
    """What a commit is for, as the list of snapshots shows it."""
    if len(new) == 1:
        return f"{new[0].entry.outcome} {new[0].entry.package_id}"
    accepted = sum(one.entry.outcome == "accepted" for one in new)
    return f"received {len(new)} packages, {accepted} accepted"
