"""One meeting with the parent: what is read, compared, and sent, in which order.

Whether it is time for one, and what is remembered of it, is said by ``outbox``, which calls it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project import clock
from dagster_project.errors import CountyLakeError, LakeBusyError, LakeError, PackageError
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import Acknowledgement
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.manifest import SIGNATURE
from dagster_project.reporting import answers as kept
from dagster_project.reporting.answers import Answer
from dagster_project.reporting.arriving import Believer, Marks
from dagster_project.reporting.identity import hear_parent, own_card
from dagster_project.reporting.links.link import CARD_BYTES, Link, LinkError, ParentState
from dagster_project.reporting.links.memory import LinkMemory, remember
from dagster_project.reporting.sealed import Sealed, broken_at, damage, sealed_packages
from dagster_project.settings import Site

MEETING_S = 900
"""So many seconds one meeting may send; the rest goes up at the next."""
MOST_TOLD = 20
"""So many remarks of one kind are told."""
Also = Callable[[Link], Iterable[str]]
"""What else is done at a meeting; it returns remarks."""
Opener = Callable[[Home, Site], Link]


@dataclass
class Exchange:
    """What one meeting with the parent brought.

    ``delivered``: ids sent up now. ``answers``: acknowledgements stored now. ``waiting``: ids that
    are not accepted yet, or that the parent lacks again. ``remarks``: sentences for whoever must
    act. ``fault``: why the meeting broke off, empty when it did not. ``postponed_until``: set when
    no meeting was tried, because the last ones failed.
    """

    delivered: list[str] = field(default_factory=list)
    answers: list[Acknowledgement] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    fault: str = ""
    postponed_until: datetime | None = None


def trace_of(home: Home, package_id: str) -> Path:
    """What remains of a package that began to leave."""
    return home.outbox / ".sent" / package_id


class Meeting:
    """One meeting at work."""

    def __init__(
        self, lake: Lake, site: Site, at: datetime, memory: LinkMemory, result: Exchange
    ) -> None:
        self._lake, self._home, self._site = lake, lake.home, site
        self._at, self._memory, self._result = at, memory, result
        with lake.reader() as con:
            self._sealed = sealed_packages(con)
            self._known = _instants(con)
        self._again: set[str] = set()
        self._head = (0, "")

    def hold(
        self,
        given: Link | None,
        opener: Opener,
        also: Also | None,
        chance: random.Random,
    ) -> None:
        """Open the link, meet, and remember how it went."""
        result, backs_off, after = self._result, self._site.has_address, 0.0
        try:
            with given or opener(self._home, self._site) as link:
                backs_off = link.backs_off
                self._meet(link, Marks(self._home, link.where, is_kept=given is None))
                result.remarks += also(link) if also else ()
        except (LakeError, LakeBusyError, PackageError):
            raise
        except CountyLakeError as error:
            result.fault = str(error)
            result.remarks.append(result.fault)
            after = error.after if isinstance(error, LinkError) else 0.0
        if given is None:
            if result.fault:
                memory = self._memory.failed(
                    self._at, result.fault, backs_off=backs_off, after=after, chance=chance
                )
            else:
                memory = self._memory.succeeded(self._at, *self._head)
            remember(self._home, memory)

    def waiting(self) -> list[str]:
        """The packages that are not done."""
        return [
            one.package_id
            for one in self._sealed
            if one.outcome != "accepted" or one.package_id in self._again
        ]

    def _meet(self, link: Link, marks: Marks) -> None:
        self._announce(link)
        self._collect(link, marks)
        with self._lake.reader() as con:
            self._sealed = sealed_packages(con)
            wrong = kept.contradictions(con)
        self._tell([str(one) for one in wrong])
        state = link.state()
        if state is not None:
            self._compare(state)
        self._send(link, self._needed(state))

    def _announce(self, link: Link) -> None:
        """Tell of our keys, hear of the parent's: answers may be signed with the next one."""
        folder = self._home.outbox / "keys"
        files = folder.glob("[!.]*") if folder.is_dir() else ()
        for path in sorted(files, key=lambda path: (len(path.name), path.name)):  # by serial
            if path.is_file() and path.stat().st_size <= CARD_BYTES:
                link.announce(path.name, path.read_bytes())
        wrong = list[str]()
        for where, data in link.heard():
            try:
                told = hear_parent(self._home, data, where)
            except PackageError as error:
                told = str(error)
            wrong += [told] if told else []
        self._tell(wrong)

    def _collect(self, link: Link, marks: Marks) -> None:
        """Read answers that are new or changed; what was read is stored, whatever comes after."""
        believer = Believer(
            self._home, self._site, {one.package_id for one in self._sealed}, self._at
        )
        fresh, wrong = list[Answer](), list[str]()
        try:
            for package_id, mark in sorted(link.answers().items()):
                if marks.has(package_id, mark) or self._is_relayed(package_id):
                    continue
                try:
                    answer = believer.read(package_id, link.answer(package_id))
                except PackageError as error:
                    wrong.append(str(error))
                    continue
                marks.add(package_id, mark)
                said = answer.said
                if (package_id, said.acknowledged_at, said.outcome) not in self._known:
                    fresh.append(answer)
        finally:
            self._tell(list(dict.fromkeys(wrong)))  # a missing card is told once
            kept.store(self._lake, fresh)
            marks.save()
            self._result.answers += [one.said for one in fresh]

    def _is_relayed(self, package_id: str) -> bool:
        """Whether the answer is about another site's package, which this one passed on."""
        return self._site.receives and not package_id.startswith(f"{self._site.code}-")

    def _compare(self, state: ParentState) -> None:
        """Tell of a parent that knows another history than this lake."""
        self._head = (state.head_no, state.head_hash)
        ours = {one.package_no: one.package_hash for one in self._sealed}
        if state.head_no and ours.get(state.head_no) != state.head_hash:
            other = "another than was sealed here" if state.head_no in ours else "unknown here"
            self._result.remarks.append(
                f"The parent's last package of this site, number {state.head_no}, is {other}: the"
                " two know two histories. Do not seal on; restore the newest copy of the home if"
                " this one is older, else compare with the parent."
            )

    def _needed(self, state: ParentState | None) -> list[Sealed]:
        """What the parent lacks, in the order of the chain, up to a break in it."""
        broken = broken_at(self._sealed)
        if broken:
            self._result.remarks.append(
                f"The chain of packages in this lake breaks at number {broken}: nothing from there"
                " on is sent. Restore the newest copy of the home."
            )
        whole = [one for one in self._sealed if not broken or one.package_no < broken]
        if state is not None:
            lacking = [one for one in whole if one.package_no > state.head_no]
            # The parent's look at its ledger may be older than the answer: two looks count.
            before = self._memory.parent_head_no
            self._again = {
                one.package_id
                for one in lacking
                if one.is_settled and (before < one.package_no or _lacked(one, whole))
            }
            whole = [
                one
                for one in lacking
                if one.package_id not in state.waiting
                and (one.outcome != "rejected" or self._sent_as(one) != self._trace(one))
            ]
        else:
            self._again = {one.package_id for one in whole if _lacked(one, whole)}
        return [one for one in whole if not one.is_settled or one.package_id in self._again]

    def _trace(self, one: Sealed) -> bytes:
        """What is sent, and in answer to what: refused, it is not sent again unless this moves."""
        try:
            signature = (self._home.outbox / one.package_id / SIGNATURE).read_bytes()
        except OSError:
            signature = b""
        return f"{sha256_bytes(signature)} {one.answered_at}".encode()

    def _sent_as(self, one: Sealed) -> bytes:
        """What was noted when it was last sent; empty if it never was."""
        try:
            return trace_of(self._home, one.package_id).read_bytes()
        except OSError:
            return b""

    def _send(self, link: Link, needed: Sequence[Sealed]) -> None:
        begun, wrong = time.monotonic(), list[str]()
        keys = own_card(self._home).every_key if needed else {}
        try:
            for one in needed:
                folder = self._home.outbox / one.package_id
                if folder.is_dir() and link.holds(folder):
                    continue
                if fault := damage(folder, one, keys):
                    wrong.append(fault)
                    continue
                trace = self._trace(one)
                if self._sent_as(one) != trace:
                    write_file(trace_of(self._home, one.package_id), trace)
                try:
                    link.send(folder)
                except LinkError as error:
                    if not error.only:
                        raise
                    wrong.append(f"{one.package_id}: {error}")
                    continue
                self._result.delivered.append(one.package_id)
                if one.package_id in self._again:
                    wrong.append(_sent_again(one))
                if time.monotonic() - begun > MEETING_S:
                    wrong.append("There is more to send than one meeting takes; it goes on later.")
                    break
        finally:
            self._tell(wrong)

    def _tell(self, sentences: Sequence[str]) -> None:
        self._result.remarks += sentences[:MOST_TOLD]
        if more := len(sentences) - MOST_TOLD:
            self._result.remarks += [f"{more:,} more like these."] if more > 0 else []


def _instants(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str, str]]:
    """The answers that are stored: package, instant as the answer writes it, outcome."""
    rows = con.execute(
        "SELECT DISTINCT package_id, acknowledged_at, outcome FROM lake.ops.acknowledgement"
    ).fetchall()
    return {(str(one), clock.utc_text(at), str(outcome)) for one, at, outcome in rows}


def _lacked(one: Sealed, chain: Sequence[Sealed]) -> bool:
    """Whether the parent, after it had settled a package, held a later one back for want of it."""
    return one.is_settled and any(
        later.outcome == "held"
        and (later.head_no or 0) < one.package_no < later.package_no
        and later.answered_at is not None
        and one.answered_at is not None
        and later.answered_at > one.answered_at
        for later in chain
    )


def _sent_again(one: Sealed) -> str:
    return (
        f"{one.package_id}: the parent had {one.outcome} it as number {one.package_no} and lacks it"
        " now; it was sent again. Ask whether the parent was restored from an older copy."
    )
