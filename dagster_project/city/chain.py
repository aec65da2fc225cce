"""May this number come now? A county's packages form one chain, and it is followed strictly.

Decides from what is known; it reads no folder and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster_project.protocol.acknowledgement import Outcome
from dagster_project.protocol.manifest import Manifest


@dataclass
class Chain:
    """One county's chain as the receiver knows it: used numbers with their packages' hashes."""

    used: dict[int, str] = field(default_factory=dict)
    revisions: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def head(self) -> tuple[int, str]:
        """The last used number and its package's hash; (0, '') before the first."""
        number = max(self.used, default=0)
        return number, self.used.get(number, "")

    def use(self, manifest: Manifest, outcome: Outcome) -> None:
        """Take a package's number."""
        header = manifest.header
        self.used[header.package_no] = manifest.package_hash
        if outcome == "accepted":
            self.revisions[header.report, header.period] = header.revision


@dataclass(frozen=True)
class Decision:
    """What becomes of a package; ``consumed`` says that its number is used up."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    consumed: bool = False
    remarks: tuple[str, ...] = ()


def decide(chain: Chain, manifest: Manifest, faults: Sequence[str]) -> Decision | None:
    """Decide on a genuine package; None says that this very package was decided on before.

    A number that another package used, or a wrong link to the package before, is a fork or a
    replay and is rejected. A later number is ``held`` until the missing ones have come. In its
    turn a sound package is accepted; a faulty one is rejected but uses up its number, so that
    the county can go on with the next.
    """
    header = manifest.header
    number, head_hash = chain.head
    if chain.used.get(header.package_no) == manifest.package_hash:
        return None
    if header.package_no in chain.used:
        fork = f"package_no {header.package_no} was already used by another package: a fork."
        return Decision("rejected", (fork,))
    if header.package_no > number + 1:
        missing = f"number {number + 1}"
        if header.package_no > number + 2:
            missing = f"numbers {number + 1} to {header.package_no - 1}"
        return Decision("held", (f"package_no {header.package_no} waits for {missing}.",))
    if header.previous_hash != head_hash:
        fork = f"previous_hash does not name the package with number {number}: a fork."
        return Decision("rejected", (fork,))
    reasons = list(faults)
    if header.revision <= chain.revisions.get((header.report, header.period), 0):
        reasons.append(f"revision {header.revision} of this period was already merged.")
    return Decision("rejected" if reasons else "accepted", tuple(reasons), consumed=True)
