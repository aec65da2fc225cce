"""Ranges of days as people write them."""

from __future__ import annotations

import pytest

from dagster_project.components.steps.tasks.spans import span_between, span_of
from dagster_project.contracts.model import Sla
from dagster_project.errors import UsageError
from tests.unit.test_task_states import at

NOW = at("2026-11-22 12:00")


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-10", "2026-10-01", "2026-10-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-W45", "2026-11-02", "2026-11-08"),
        ("2026-W47", "2026-11-16", "2026-11-22"),
        ("2026-11", "2026-11-01", "2026-11-22"),
        ("2026-11-22", "2026-11-22", "2026-11-22"),
        ("2026-Q3", "2026-07-01", "2026-09-30"),
        ("2025", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_period_names_its_days(text: str, since: str, until: str) -> None:
    """Both ends are included, and nothing ahead is."""
    found = span_of(text, NOW)
    assert (str(found.since), str(found.until)) == (since, until)


@pytest.mark.parametrize("text", ["", "2026-13", "2026-W60", "November", "2026-11-31", "2027-01"])
def test_what_is_no_period_is_refused(text: str) -> None:
    """A sentence says how periods are written, or that it lies ahead."""
    with pytest.raises(UsageError):
        span_of(text, NOW)


def test_a_range_has_two_ends_and_a_bound() -> None:
    """Backwards, unreadable and endless ranges are refused; the instants are the county's."""
    found = span_between("2026-10-30", "2026-11-02", NOW)
    assert found.days == 4
    assert found.instants == (at("2026-10-30 00:00"), at("2026-11-03 00:00"))
    assert str(found) == "2026-10-30 to 2026-11-02, both included (4 days)"
    lasts = [str(last) for _, last in found.periods(Sla(1, "m"))]
    assert lasts == ["2026-10-31", "2026-11-30"]
    for since, until in (("2026-11-02", "2026-10-30"), ("x", "y"), ("2020-01-01", "2026-01-01")):
        with pytest.raises(UsageError):
            span_between(since, until, NOW)
