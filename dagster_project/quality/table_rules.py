"""Table rules asked of silver: how many live records they judge, and which ones break them.

The SQL is the contract room's (``tablesql``). What becomes of a broken rule is ``findings``' work.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from dagster_project.contracts.functions import install
from dagster_project.contracts.model import Feed
from dagster_project.contracts.table_rule import TableRule
from dagster_project.contracts.tablesql import DAY, asked, breaking, uses_day

BREAKING = "breaking"
"""The temp table of the records that break rules, made by ``evaluate``."""
LONGEST_S = 600.0
"""So many seconds one rule may take: the lake waits for it, and SQL can count for ever."""


@dataclass(frozen=True)
class Judged:
    """A table rule's answer: of ``checked`` live records ``failed`` break it."""

    feed: str
    rule: TableRule
    checked: int
    failed: int


def evaluate(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    rules: Iterable[TableRule],
    day: date,
    most_s: float = LONGEST_S,
) -> list[Judged]:
    """Ask some table rules of a feed.

    The records that break them are added to the temp table ``breaking`` (feed, rule_id, record_key,
    batch_id, sheet, source_row, record_hash), one row per rule and record; ``forget`` drops it.

    Args:
        con: A connection to the lake; inside a transaction it sees that transaction's silver.
        feed: The feed whose records are judged.
        rules: Some of its rules; every feed that they read must have been delivered.
        day: What ``:day`` stands for.
        most_s: How long one rule may take.

    Raises:
        duckdb.Error: A rule could not be asked of these records, or took longer
            (``InterruptException``). Its text may hold cells: tell its kind only.
    """
    con.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {BREAKING} (feed VARCHAR, rule_id VARCHAR,"
        " record_key VARCHAR, batch_id VARCHAR, sheet VARCHAR, source_row BIGINT,"
        " record_hash VARCHAR)"
    )
    judged = []
    for rule in rules:
        with _at_most(con, most_s):
            judged.append(_evaluate(con, feed, rule, day))
    return judged


@contextlib.contextmanager
def _at_most(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what a connection does when it takes longer."""
    watch = threading.Timer(seconds, con.interrupt)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watch.join()


def _evaluate(con: duckdb.DuckDBPyConnection, feed: Feed, rule: TableRule, day: date) -> Judged:
    con.execute(f"DELETE FROM temp.{BREAKING} WHERE feed = ? AND rule_id = ?", [feed.name, rule.id])
    found = breaking(feed, rule)
    install(con, found)
    given = {"feed": feed.name, "rule": rule.id, **_day(found, day)}
    con.execute(f"INSERT INTO temp.{BREAKING} SELECT $feed, $rule, * FROM ({found})", given)
    failed = con.execute(
        f"SELECT count(*) FROM temp.{BREAKING} WHERE feed = ? AND rule_id = ?",
        [feed.name, rule.id],
    ).fetchone()
    question = asked(feed, rule)
    checked = con.execute(question, _day(question, day) or None).fetchone()
    assert failed is not None  # noqa: S101 - a count always has a row
    assert checked is not None  # noqa: S101
    return Judged(feed.name, rule, int(checked[0]), int(failed[0]))


def _day(sql: str, day: date) -> dict[str, str]:
    return {DAY: day.isoformat()} if f"${DAY}" in sql else {}


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Give back the memory of the broken records."""
    con.execute(f"DROP TABLE IF EXISTS temp.{BREAKING}")


def question(feed: Feed, rule: TableRule) -> str:
    """What a rule asks, thresholds filled in; another title or severity asks the same."""
    return hashlib.sha256(breaking(feed, rule).encode()).hexdigest()


def basis(feed: Feed, rule: TableRule, versions: Sequence[str], day: date) -> str:
    """What an answer rests on: the rule, the state of its inputs, the day where it asks for it.

    Equal bases have equal answers.

    Args:
        feed: The feed whose records are judged.
        rule: The rule.
        versions: The state of each input, in the order of the rule's ``inputs``.
        day: What ``:day`` stands for.
    """
    told = [
        breaking(feed, rule),
        asked(feed, rule),
        rule.severity,
        rule.dimension,
        list(versions),
        day.isoformat() if uses_day(rule) else "",
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
