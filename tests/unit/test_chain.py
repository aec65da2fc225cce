"""Which number may come now, and what a withdrawal may take back."""

from __future__ import annotations

import pytest

from dagster_project.city.chain import Chain, Standing, decide
from dagster_project.protocol.manifest import Header, Manifest

SPOT = ("population", "202305")


def manifest(number: int, revision: int = 1, kind: str = "report", previous: str = "h") -> Manifest:
    """A manifest as far as the chain looks at it."""
    header = Header.model_construct(
        package_no=number,
        sender="140321",
        report=SPOT[0],
        period=SPOT[1],
        revision=revision,
        kind=kind,
        previous_hash=previous,
    )
    return Manifest.model_construct(header=header, files=())


def chain(standing: Standing | None = None) -> Chain:
    """A chain whose head is number 3."""
    standings = {SPOT: standing} if standing else {}
    return Chain({3: "h"}, standings, head_no=3, head_hash="h")


@pytest.mark.parametrize(
    ("number", "previous", "outcome", "said"),
    [
        (4, "h", "accepted", ""),
        (4, "x", "rejected", "header previous_hash: number 4 does not follow"),
        (5, "h", "held", "5 waits for number 4"),
        (7, "h", "held", "7 waits for numbers 4 to 6"),
        (3, "h", "rejected", "header package_no: number 3 was already used"),
        (1, "", "rejected", "header package_no: number 1 was already used"),
    ],
)
def test_numbers_come_in_turn(
    number: int,
    previous: str,
    outcome: str,
    said: str,
) -> None:
    """The next one is taken, a later one waits, a used one or a wrong link is a fork."""
    decision = decide(chain(), manifest(number, previous=previous), [])
    assert decision is not None
    assert (decision.outcome, decision.consumed) == (outcome, outcome == "accepted")
    assert said in "".join(decision.reasons)


@pytest.mark.parametrize(
    ("revision", "kind", "standing", "said"),
    [
        (2, "withdrawal", Standing(1), ""),
        (2, "report", Standing(1), ""),
        (3, "report", Standing(2, is_withdrawn=True), ""),
        (1, "report", Standing(1), "header revision: 1 of this period was already merged"),
        (2, "withdrawal", None, "header kind: nothing of this period was accepted"),
        (3, "withdrawal", Standing(1), "header replaces: it withdraws revision 2"),
        (
            3,
            "withdrawal",
            Standing(2, is_withdrawn=True),
            "header kind: revision 2 is a withdrawal",
        ),
    ],
)
def test_revisions_come_in_turn(
    revision: int, kind: str, standing: Standing | None, said: str
) -> None:
    """A refused revision uses up its number all the same; only the newest is withdrawn."""
    decision = decide(chain(standing), manifest(4, revision, kind), [])
    assert decision is not None
    assert decision.consumed
    assert (decision.outcome == "accepted") == (not said)
    assert said in "".join(decision.reasons)


def test_the_same_package_is_decided_on_once() -> None:
    """A used number with the same package needs no decision; remarks stand beside acceptance."""
    one = manifest(4)
    known = chain()
    decision = decide(known, one, [], ["odd"])
    assert decision is not None
    assert decision.remarks == ("odd",)
    known.use(one, "accepted")
    assert (known.head_no, known.standings[SPOT]) == (4, Standing(1))
    assert decide(known, one, []) is None
