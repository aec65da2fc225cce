"""Cron lines name the instants that Dagster's own reader finds."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from dagster._utils.schedules import cron_string_iterator, reverse_cron_string_iterator

from dagster_project.clock import SHANGHAI
from dagster_project.contracts.cron import Cron, in_words

LINES = (
    "0 2 * * *",
    "30 20 * * *",
    "*/7 8-18/2 * * 1-5",
    "0 0 1 * *",
    "59 23 31 * *",
    "0 12 L * *",
    "0 12 L 2 *",
    "15 6 1,15 * *",
    "0 6 13 * FRI",
    "0 0 29 2 *",
    "5 4 * JAN,jul sun",
    "0 3 * * 7",
    "0 9 1 3,6,9,12 *",
)


@pytest.mark.parametrize("line", LINES)
def test_a_line_names_what_dagster_finds(line: str) -> None:
    """Over midnights, ends of months, leap days and weekdays: the next and the previous instant."""
    chance = random.Random(line)  # noqa: S311 - no secret
    cron = Cron.parse(line)
    for _ in range(6):
        moment = datetime(
            chance.randrange(2023, 2029),
            chance.randrange(1, 13),
            chance.randrange(1, 29),
            chance.randrange(24),
            chance.randrange(60),
            30,
            tzinfo=UTC,
        )
        ahead = cron_string_iterator(moment.timestamp(), line, "Asia/Shanghai")
        back = reverse_cron_string_iterator(moment.timestamp(), line, "Asia/Shanghai")
        assert cron.next(moment) == next(ahead)
        assert cron.previous(moment) == next(back)


def test_an_instant_of_the_line_is_previous_and_not_next() -> None:
    """At the very minute the line's instant has come."""
    at = datetime(2028, 2, 29, 2, 0, tzinfo=SHANGHAI)
    cron = Cron.parse("0 2 * * *")
    assert cron.previous(at) == at
    assert cron.next(at) == datetime(2028, 3, 1, 2, 0, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 2 * * *", "daily 02:00"),
        ("30 6 * * 1,4", "Mon/Thu 06:30"),
        ("0 12 L * *", "day last 12:00"),
        ("0 6 1 1,7 *", "day 1 of Jan/Jul 06:00"),
        ("*/5 * * * *", "*/5 * * * *"),
        ("@daily", "daily 00:00"),
    ],
)
def test_plain_lines_are_said_in_words(line: str, words: str) -> None:
    """What no short sentence says is shown as it is."""
    assert in_words(line) == words


@pytest.mark.parametrize(
    "line",
    [
        *("", "0 2 * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 31 2 *", "0 0 * 13 *"),
        *("a * * * *", "0 0 * * 8", "5-1 * * * *", "*/0 * * * *", "*/x * * * *"),
    ],
)
def test_what_is_no_line_is_refused_with_a_reason(line: str) -> None:
    """A typing error is named, and never read as something else."""
    with pytest.raises(ValueError, match=r"\w"):
        Cron.parse(line)
