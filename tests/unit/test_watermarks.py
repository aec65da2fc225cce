"""How watermark columns count: what lies before a mark, and which marks nobody believes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dagster_project.errors import UsageError
from dagster_project.ingest.channels.database.scale import Kind, Scale

NOW = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "mark", "overlap", "before"),
    [
        ("timestamp", "2026-01-01 00:00:10.5", 11, "2025-12-31 23:59:59.500000"),
        ("timestamp", "2026-01-01 00:00:10", 0, "2026-01-01 00:00:10"),
        ("zoned", "2026-01-01 00:00:10.000001+08", 10, "2026-01-01 00:00:00.000001+08:00"),
        ("date", "2026-03-01", 300, "2026-02-28"),
        ("number", "9007199254740993", 5, "9007199254740988"),
        ("number", "10.50", 1, "9.50"),
        ("text", "20260101000010", 20, "20251231235950"),
        ("text", "2026-01-01T00:00:10.123", 10, "2026-01-01T00:00:00"),
        ("text", "2026/03/01", 5, "2026/02/28"),
    ],
)
def test_the_overlap_is_taken_in_the_marks_own_form(
    kind: Kind, mark: str, overlap: int, before: str
) -> None:
    """Seconds of times, whole days of dates, units of numbers; fractions and zones are kept."""
    assert Scale.of(kind, mark).back(mark, overlap) == before


def test_an_overlap_of_words_is_refused() -> None:
    """From a mark that is no time nothing can be taken; without an overlap it is as it is."""
    scale = Scale.of("text", "A-17")
    assert scale.back("A-17", 0) == "A-17"
    with pytest.raises(UsageError, match="overlap"):
        scale.back("A-17", 5)


@pytest.mark.parametrize(
    ("kind", "newest", "bounds"),
    [
        ("timestamp", None, ("1900-01-01 00:00:00", "2026-11-23 00:00:00")),
        ("zoned", None, ("1900-01-01 00:00:00+08", "2026-11-23 00:00:00+08")),
        ("date", None, ("1900-01-01", "2026-11-23")),
        ("number", None, ("", "")),
        ("text", "99991231000000", ("19000101000000", "20261123000000")),
        ("text", "A-17", ("", "")),
    ],
)
def test_only_times_are_doubted(kind: Kind, newest: str | None, bounds: tuple[str, str]) -> None:
    """What lies ahead of the county's clock is not believed, and neither is nobody's year."""
    assert Scale.of(kind, newest).bounds(NOW) == bounds


@pytest.mark.parametrize(
    ("newest", "given", "asked"),
    [
        ("2026/11/02", "2026-10-05", "2026/10/05"),
        ("20261102", "2026-10-05", "20261005"),
        ("2026-11-02 08:00:00", "2026-10-05", "2026-10-05 00:00:00"),
        ("A-17", "A-12", "A-12"),
    ],
)
def test_a_window_is_asked_in_the_columns_own_form(newest: str, given: str, asked: str) -> None:
    """Texts compare as they are written: another form would fetch another range, or none."""
    assert Scale.of("text", newest).checked(given) == asked


@pytest.mark.parametrize(
    ("kind", "mark"), [("number", "1; DROP TABLE x"), ("timestamp", "gestern"), ("date", "' OR 1")]
)
def test_a_window_of_another_form_is_refused(kind: Kind, mark: str) -> None:
    """What a person gives must fit the column; nothing else reaches the database."""
    with pytest.raises(UsageError):
        Scale(kind).checked(mark)
