"""What ``status`` keeps telling: a refusal is not forgotten because a later run had nothing new."""

from __future__ import annotations

import duckdb
import pytest

from dagster_project.components.steps import overview


@pytest.mark.parametrize(
    ("later", "told"), [("skipped", "the file is empty."), ("success", "")], ids=str
)
def test_a_refusal_is_told_until_the_feed_takes_something(later: str, told: str) -> None:
    """A run without deliveries answers nothing; a delivery that was taken does."""
    with duckdb.connect() as con:
        con.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.ops")
        con.execute(
            "CREATE TABLE lake.ops.task_run AS SELECT 'feed' AS kind, 'house' AS task, * FROM"
            " (VALUES ('failed', 'the file is empty.', TIMESTAMP '2023-05-31 08:00:00'),"
            f" ('{later}', NULL, TIMESTAMP '2023-05-31 09:00:00')) t(status, error, finished_at)"
        )
        (row,) = con.execute(overview._TASKS).df().to_dict("records")  # noqa: SLF001
    assert (row["last_error"] or "", row["last_status"]) == (told, later)
