"""Watermarks as sources write them: told apart, compared, moved back in their own form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dagster_project.ingest.channels.watermarks import mark


@pytest.mark.parametrize(
    ("text", "overlap", "earlier"),
    [
        ("2026-11-22T10:00:00+08:00", 300, "2026-11-22T09:55:00+08:00"),
        ("2026-11-22 00:00:10.123456789", 11, "2026-11-21 23:59:59.123456789"),
        ("2026/11/22 10:00", 60, "2026/11/22 09:59"),
        ("2026-03-01T00:00:00Z", 1, "2026-02-28T23:59:59Z"),
        ("2026-03-01", 2, "2026-02-28"),
        ("2026-03-01", 86401, "2026-02-27"),
        ("2026/03/01", 1, "2026/02/28"),
        ("12345678901234567890", 5, "12345678901234567885"),
        ("7.50", 2, "5.50"),
        ("anything 2026", 0, ""),
    ],
)
def test_a_mark_is_moved_back_in_its_own_form(text: str, overlap: int, earlier: str) -> None:
    """Seconds of a time, whole days of a date, units of a number; else it is no mark."""
    found = mark(text)
    assert (found.earlier(overlap) if found else "") == earlier
    if found:
        assert found.earlier(0) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-11-22T09:59:59Z", "2026-11-22 18:00:00"),
        ("2026-11-22T10:00:00+08:00", "2026-11-22T10:00:00.000000001+08:00"),
        ("2026-11-22 10:00:00.09", "2026-11-22 10:00:00.1"),
        ("9", "10.0"),
        ("-2", "-1.5"),
        ("2026-11-22", "2026/11/23"),
    ],
)
def test_marks_are_compared_by_what_they_mean(one: str, other: str) -> None:
    """A zone, a fraction or a length of digits deceives nobody; no zone is the county's."""
    lesser, greater = mark(one), mark(other)
    assert lesser
    assert greater
    assert lesser.order < greater.order
    assert lesser.kind == greater.kind


@pytest.mark.parametrize("text", ["", "x", "2026-13-01", "2026-11-22T25:00:00", "1e3", "2026"])
def test_what_is_no_mark(text: str) -> None:
    """No calendar has these days; a year alone is a number."""
    found = mark(text)
    assert (found.kind if found else "") == ("number" if text == "2026" else "")


@pytest.mark.parametrize(
    ("text", "believable"),
    [
        ("9999-12-31", False), ("2026-11-22T16:00:01Z", False), ("2026-11-23 00:00:00", True),
        ("2026-11-23", True), ("2026-11-24", False), ("99991231", True),
    ],
)  # fmt: skip
def test_what_lies_ahead_is_not_believed(text: str, *, believable: bool) -> None:
    """An open end would hide everything that comes before it; numbers have no clock."""
    found = mark(text)
    assert found
    assert found.is_believable(datetime(2026, 11, 22, 16, tzinfo=UTC)) is believable
