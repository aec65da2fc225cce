"""Answers of rules that nobody asks any more: they must not stand in a score for ever.

An answer counts until the rule is asked again (``sql/gold/quality_beside.sql``). The last answer of
a rule that is gone is that nothing was checked; a flag's, too, so that one that comes back is asked
anew. Of feeds whose contract did not load nothing is
known, so theirs stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

from dagster_project.contracts.model import Contracts

DIFFERS = ".differs"
"""The end of the id of a comparison with the department that a data item comes from."""
_STANDING = f"""
SELECT table_name, rule_id
FROM lake.ops.check_result
WHERE suite = 'countylake' AND starts_with(table_name, 'silver.')
    AND (basis IS NOT NULL OR ends_with(rule_id, '{DIFFERS}'))
GROUP BY table_name, rule_id
HAVING arg_max(checked, checked_at) > 0
ORDER BY table_name, rule_id
"""


def retired(con: duckdb.DuckDBPyConnection, contracts: Contracts) -> list[tuple[str, str]]:
    """Table and id of every rule whose answer counts and that no contract has any more."""
    asked = {
        (f"silver.{feed.name}", rule.id)
        for feed in contracts.feeds.values()
        for rule in feed.table_rules
    }
    asked |= {
        (f"silver.{source.feed}", f"{entity.name}.{item.name}{DIFFERS}")
        for entity in contracts.items.entities.values()
        for item in entity.items
        for source in item.sources[1:]
    }
    loaded = {f"silver.{name}" for name in contracts.feeds}
    rows = con.execute(_STANDING).fetchall()
    return [(table, rule) for table, rule in rows if table in loaded and (table, rule) not in asked]


def retire(
    con: duckdb.DuckDBPyConnection, rules: Sequence[tuple[str, str]], run_id: str, at: datetime
) -> None:
    """Answer for rules that are gone that nothing was checked; call it in a transaction.

    The answer rests on nothing, so that a rule that comes back is asked anew.
    """
    for table, rule in rules:
        con.execute(
            "INSERT INTO lake.ops.check_result BY NAME SELECT ? AS run_id, ? AS table_name,"
            " 'countylake' AS suite, ? AS rule_id, '' AS column_name, 'warn' AS severity,"
            " true AS success, 0 AS checked, 0 AS failed, false AS sampled,"
            " ?::TIMESTAMPTZ AS checked_at, d.dimension, '' AS basis FROM"
            " (SELECT arg_max(dimension, checked_at) AS dimension FROM lake.ops.check_result"
            " WHERE table_name = ? AND rule_id = ?) AS d",
            [run_id, table, rule, at, table, rule],
        )
