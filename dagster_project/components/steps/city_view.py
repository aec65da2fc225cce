"""What a receiving site's published view says, for people and machines: all sites, or one.

The figures are made by ``sql/city`` and only read here, from the replica; nothing is computed.
"""

from __future__ import annotations

from typing import Any

import duckdb

from dagster_project.errors import UsageError
from dagster_project.lake.publish import connect
from dagster_project.paths import Home

Row = dict[str, Any]

_SITES = """
SELECT site_code, site_name, day, rank, tier, tier_title, coefficient, score, newest_day,
       days_behind, missing_since_day, is_never_reported, last_received_at, due_cnt, on_time_cnt,
       late_cnt, missing_cnt, report_missing_since_day, waiting_cnt, rejected_cnt, item_cnt,
       mounted_cnt, lagging_cnt, held_cnt
FROM city.site_overview
WHERE ? IN ('', site_code)
ORDER BY rank NULLS LAST, site_code
"""
_TIERS = """
SELECT tier.tier, tier.title, tier.from_score, COUNT(sites.site_code) AS site_cnt
FROM ops.tier AS tier LEFT JOIN city.site_overview AS sites ON sites.tier = tier.tier
GROUP BY ALL ORDER BY tier.from_score DESC
"""
_INDICATORS = """
SELECT indicator, title, unit, numerator_cnt, denominator_cnt, value, state, minimum_cnt, weight,
       rank, ranked_cnt
FROM city.assessment WHERE site_code = ? ORDER BY position
"""
_REPORTS = """
SELECT report, title, state, missing_since_day, COUNT(*) AS period_cnt, MIN(period) AS first_period,
       MAX(period) AS last_period
FROM city.report_by_site
WHERE site_code = ? AND (is_missing OR pending IS NOT NULL)
GROUP BY report, title, state, missing_since_day
ORDER BY missing_since_day, report, first_period
"""
_FEEDS = """
SELECT feed, title, department_name, state, update_cycle, last_update_at, data_age_days,
       is_zombie, is_held, held_since_at, held_row_cnt, score, task_status
FROM city.feed_by_site
WHERE site_code = ?
  AND (NOT is_mounted OR is_held OR is_zombie OR (is_update_promised AND NOT is_on_time)
    OR task_status IN ('failed', 'partial'))
ORDER BY state, feed
"""


def all_sites(home: Home) -> Row:
    """Every registered site in one row, best first, and how many have each colour.

    Raises:
        UsageError: Nothing was published yet, or no view is in what was published.
    """
    with _published(home) as con:
        return {"tiers": _rows(con, _TIERS), "sites": _rows(con, _SITES, "")}


def one_site(home: Home, code: str) -> Row:
    """One site: its indicators, its reports that are missing or wait, its feeds that lag.

    Raises:
        UsageError: No such site, or nothing was published yet.
    """
    with _published(home) as con:
        found = _rows(con, _SITES, code)
        if not found:
            known = ", ".join(sorted(one["site_code"] for one in _rows(con, _SITES, ""))) or "none"
            raise UsageError(
                f"no site {code} is registered here", todo=f"Name one of these: {known}"
            )
        return {
            "site": found[0],
            "indicators": _rows(con, _INDICATORS, code),
            "reports": _rows(con, _REPORTS, code),
            "feeds": _rows(con, _FEEDS, code),
        }


def _published(home: Home) -> duckdb.DuckDBPyConnection:
    con = connect(home)
    try:
        con.execute("SELECT 1 FROM city.site_overview LIMIT 1")
    except duckdb.CatalogException as error:
        con.close()
        raise UsageError(
            "the published replica holds no view of sites",
            where=str(home.published),
            todo="Run `countylake city receive` first",
        ) from error
    return con


def _rows(con: duckdb.DuckDBPyConnection, query: str, *bound: str) -> list[Row]:
    found = con.execute(query, list(bound))
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
