"""When another revision of a period must be sealed, and what it says is the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dagster_project.protocol.held import HeldFeed, Holds
from dagster_project.reporting.revision import CHANGED, LATE, Last, Wanted, why_anew

OLD, NEW, RECIPE, OTHER = "a" * 64, "b" * 64, "c" * 64, "d" * 64
HELD = Holds(
    held=(
        HeldFeed(
            feed="house",
            title="实有房屋",
            hold_id="house-1",
            kind="quality",
            since="2023-05-31T10:00:00Z",
            data_until="",
            rows=1,
            reasons=(),
        ),
    )
)
LAST = Last("140321-r-2023-r1", 1, "report", OLD, RECIPE, Holds(), "accepted", "", OLD)
REJECTED = replace(LAST, outcome="rejected", answer="column x is missing.")
WITHDRAWN = replace(LAST, package_id="140321-r-2023-r2", kind="withdrawal", content_hash="")
SAME = Wanted(OLD, recipe_hash=RECIPE)
PAST = replace(SAME, is_past=True)
ANSWER = "answers the rejection of 140321-r-2023-r1 (column x is missing)"


@pytest.mark.parametrize(
    ("last", "wanted", "reason"),
    [
        (None, SAME, ""),
        (LAST, SAME, None),
        (LAST, replace(SAME, recipe_hash=OTHER), None),
        (LAST, replace(SAME, content_hash=NEW), CHANGED),
        (LAST, replace(PAST, content_hash=NEW), LATE),
        (
            LAST,
            replace(PAST, content_hash=NEW, recipe_hash=OTHER),
            f"{CHANGED}; the SQL or the contracts that make them changed, too",
        ),
        (LAST, replace(SAME, holds=HELD), "house is held (house-1), it never had data"),
        (LAST, replace(PAST, holds=HELD), None),
        (replace(LAST, held=HELD), PAST, "house is no longer held (house-1)"),
        (LAST, replace(SAME, again=True), "sealed again on purpose, its figures are the same"),
        (REJECTED, SAME, None),
        (REJECTED, replace(SAME, recipe_hash=OTHER), ANSWER),
        (REJECTED, replace(SAME, content_hash=NEW), f"{ANSWER}; {CHANGED}"),
        (REJECTED, replace(SAME, again=True), ANSWER),
        (replace(REJECTED, recipe_hash=""), replace(SAME, recipe_hash=OTHER), None),
        (WITHDRAWN, SAME, None),
        (WITHDRAWN, replace(SAME, holds=HELD, recipe_hash=OTHER), None),
        (
            WITHDRAWN,
            replace(SAME, content_hash=NEW),
            "reported again after the withdrawal 140321-r-2023-r2",
        ),
        (WITHDRAWN, replace(SAME, again=True), "reported again after the withdrawal "),
    ],
)
def test_a_revision_is_sealed_for_a_reason_only(
    last: Last | None, wanted: Wanted, reason: str | None
) -> None:
    """News, an answer to a rejection, or a person's will; equal figures alone are none."""
    said = why_anew(last, wanted)
    assert (said or "").startswith(reason or "")
    assert (said is None) == (reason is None)


def test_a_persons_reason_comes_first_and_is_no_news() -> None:
    """It is written down where a revision is sealed, and seals none by itself."""
    assert why_anew(LAST, SAME, "补报") is None
    assert why_anew(None, SAME, "补报") == "补报"
    assert why_anew(LAST, replace(SAME, content_hash=NEW), "补报") == f"补报; {CHANGED}"
    assert len(why_anew(LAST, replace(SAME, again=True), "x" * 900) or "") == 400
