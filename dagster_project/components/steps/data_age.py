"""How old a feed's published data are: since when nothing newer of it was merged, or known to be.

The models say the same of a cut-off (``gold.catalogue_item``); here it is said of the present.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import duckdb

from dagster_project.lake.engine import literal

DAY_S = 86_400
# A source that was asked and has nothing newer says that what it gave is still the newest.
_UNTIL = """
WITH delivered AS (
    SELECT feed, max(received_at) AS at FROM lake.ops.delivery
    WHERE outcome IN ('merged', 'unchanged')
    GROUP BY feed
),
answered AS (
    SELECT task AS feed, max(finished_at) AS at FROM lake.ops.task_run
    WHERE kind = 'feed' AND status = 'skipped' AND reason IS NULL
        AND list_contains({asked}::VARCHAR[], task)
    GROUP BY task
)
SELECT feed, greatest(delivered.at, coalesce(answered.at, delivered.at))
FROM delivered LEFT JOIN answered USING (feed)
"""


def data_until(con: duckdb.DuckDBPyConnection, asked: Collection[str]) -> dict[str, datetime]:
    """When the newest published data of each feed came; a feed that never delivered is left out.

    Args:
        con: A reader's or the writer's connection.
        asked: Feeds whose sources answer for themselves, be it that nothing is new.
    """
    listed = ", ".join(map(literal, sorted(asked)))
    return dict(con.execute(_UNTIL.format(asked=f"[{listed}]")).fetchall())


def age_days(until: datetime | None, now: datetime) -> int | None:
    """Whole days of 24 hours; None where there are no data."""
    return None if until is None else max(0, int((now - until).total_seconds() // DAY_S))
