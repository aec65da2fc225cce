"""May this number come now? A sender's packages form one chain, and it is followed strictly.

Decides from what is known; it reads no folder and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster_project.protocol.acknowledgement import Outcome
from dagster_project.protocol.manifest import Header, Manifest


@dataclass(frozen=True)
class Standing:
    """The newest accepted revision of one report and period."""

    revision: int = 0
    is_withdrawn: bool = False


@dataclass
class Chain:
    """One sender's chain as far as it matters now.

    ``used`` need hold only the numbers that are asked about; ``head_no`` is the last used number
    of all, ``head_hash`` its package's hash. ``standings`` need hold only the periods asked about.
    ``keys`` are those that signed it so far, each with the last number that it signed.
    """

    used: dict[int, str] = field(default_factory=dict)
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    head_no: int = 0
    head_hash: str = ""
    keys: dict[str, int] = field(default_factory=dict)

    def standing(self, header: Header) -> Standing:
        """What was accepted of the report and period of a package."""
        return self.standings.get((header.report, header.period), Standing())

    def use(self, manifest: Manifest, outcome: Outcome, key_id: str = "") -> None:
        """Take a package's number."""
        header = manifest.header
        self.keys[key_id] = header.package_no
        self.used[header.package_no] = manifest.package_hash
        self.head_no, self.head_hash = header.package_no, manifest.package_hash
        if outcome == "accepted":
            self.standings[header.report, header.period] = Standing(
                header.revision, header.kind == "withdrawal"
            )


@dataclass(frozen=True)
class Decision:
    """What becomes of a package; ``consumed`` says that its number is used up."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    consumed: bool = False
    remarks: tuple[str, ...] = ()


def decide(
    chain: Chain, manifest: Manifest, faults: Sequence[str], remarks: Sequence[str] = ()
) -> Decision | None:
    """Decide on a genuine package; None says that this very package was decided on before.

    A number that another package used, or a wrong link to the package before, is a fork or a
    replay and is rejected. A later number is ``held`` until the missing ones have come. In its
    turn a sound package is accepted; a faulty one is rejected but uses up its number, so that
    the sender can go on with the next.
    """
    header = manifest.header
    if chain.used.get(header.package_no) == manifest.package_hash:
        return None
    if header.package_no <= chain.head_no:
        return _fork(chain, header, "header package_no", "was already used by another package")
    if header.package_no > chain.head_no + 1:
        missing = f"number {chain.head_no + 1}"
        if header.package_no > chain.head_no + 2:
            missing = f"numbers {chain.head_no + 1} to {header.package_no - 1}"
        waits = f"header package_no: {header.package_no} waits for {missing}."
        return Decision("held", (waits,))
    if header.previous_hash != chain.head_hash:
        return _fork(
            chain, header, "header previous_hash", "does not follow the package before it here"
        )
    reasons = (*faults, *_out_of_turn(chain, header))
    if reasons:
        return Decision("rejected", reasons, consumed=True)
    return Decision("accepted", consumed=True, remarks=tuple(remarks))


def _fork(chain: Chain, header: Header, where: str, what: str) -> Decision:
    """Two packages want one place: usually the sender went on from a copy of an older state."""
    sentence = (
        f"{where}: number {header.package_no} {what}: a fork. The last number here is "
        f"{chain.head_no}. If the sender's home was restored from a backup, restore the newest "
        f"one; `countylake city chain {header.sender}` shows the packages that are known here."
    )
    return Decision("rejected", (sentence,))


def _out_of_turn(chain: Chain, header: Header) -> list[str]:
    """Why its revision cannot come after what was accepted of its period."""
    last, revision = chain.standing(header), header.revision
    what = ""
    if revision <= last.revision:
        what = f"revision: {revision} of this period was already merged, up to {last.revision}"
    elif header.kind == "withdrawal" and not last.revision:
        what = "kind: nothing of this period was accepted that could be withdrawn"
    elif header.kind == "withdrawal" and revision != last.revision + 1:
        what = f"replaces: it withdraws revision {revision - 1}, the newest is {last.revision}"
    elif header.kind == "withdrawal" and last.is_withdrawn:
        what = f"kind: revision {last.revision} is a withdrawal itself"
    return [f"header {what}."] if what else []
