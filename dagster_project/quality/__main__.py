"""``python -m dagster_project.quality``: one run's second opinion, in a process of its own.

It reads one JSON object from standard input::

    {"home": "…", "run_id": "…", "relations": [
        {"suite": "…", "provider": "…", "batch_id": "…", "rows": 1, "sql": "…"}]}

and answers with one JSON object of counts. Which relations, their suites (``suite.to_json``) and
the SELECTs that yield what they ask are decided by the caller. Results go to ``ops.check_result``,
pages to the home's Data Docs, the suites in Great Expectations' own form below ``suites`` there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from dagster_project import clock
from dagster_project.errors import CountyLakeError
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.quality.gx import Examiner, Outcome
from dagster_project.quality.pages import Line, Page, write_index, write_page
from dagster_project.quality.suite import Suite, from_json
from dagster_project.settings import load_settings

if TYPE_CHECKING:
    import pandas as pd

PAST = 9
"""So many earlier runs of a rule stand on its page."""


@dataclass(frozen=True)
class Relation:
    """What is validated: a suite, the frame it is about, and what is known of its rules.

    ``ours`` is how many rows each rule failed in the merge, ``past`` the shares of earlier runs.
    """

    suite: Suite
    provider: str
    batch_id: str
    rows: int
    frame: pd.DataFrame
    ours: Mapping[str, int]
    past: Mapping[str, tuple[float, ...]]

    @property
    def is_sampled(self) -> bool:
        """Whether only some rows are asked."""
        return self.rows > len(self.frame)


def frame(con: duckdb.DuckDBPyConnection, sql: str) -> pd.DataFrame:
    """What a SELECT yields, as a frame over Arrow: its decimals are compared exactly."""
    import pandas as pd  # noqa: PLC0415

    made: pd.DataFrame = con.execute(sql).to_arrow_table().to_pandas(types_mapper=pd.ArrowDtype)
    return made


def relations(
    con: duckdb.DuckDBPyConnection, asked: Sequence[Mapping[str, Any]]
) -> Iterator[Relation]:
    """Read what was asked for, one after the other: a frame is gone before the next is read."""
    ours = _ours(con, [one["batch_id"] for one in asked if one.get("batch_id")])
    past = _past(con)
    for one in asked:
        suite, batch_id = from_json(one["suite"]), one.get("batch_id", "")
        found = frame(con, one["sql"])
        rows = int(one.get("rows") or len(found))
        sampled = bool(one.get("sampled"))
        yield Relation(
            suite,
            one.get("provider", ""),
            batch_id,
            rows if sampled else len(found),
            found,
            {} if sampled else ours.get(batch_id, {}),
            past.get(suite.name, {}),
        )


def _ours(con: duckdb.DuckDBPyConnection, batches: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many rows each rule failed in the merge, by batch."""
    found: dict[str, dict[str, int]] = {}
    for batch, rule, failed in con.execute(
        "SELECT batch_id, rule_id, failed FROM lake.ops.batch_rule"
        " WHERE list_contains(?, batch_id) AND kind IN ('rule', 'warn')",
        [list(batches)],
    ).fetchall():
        found.setdefault(batch, {})[rule] = int(failed)
    return found


def _past(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, tuple[float, ...]]]:
    """The shares that failed in earlier runs, by table and rule."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for table, rule, shares in con.execute(
        "SELECT table_name, rule_id, list_slice(list(failed / greatest(checked, 1)"
        " ORDER BY checked_at), ?, -1)"
        " FROM lake.ops.check_result"
        " WHERE suite IN ('great_expectations', 'own') GROUP BY table_name, rule_id",
        [-PAST],
    ).fetchall():
        found.setdefault(table, {})[rule] = tuple(shares)
    return found


def _row(run_id: str, relation: Relation, outcome: Outcome, at: datetime) -> list[Any]:
    e = outcome.expectation
    return [
        run_id,
        relation.batch_id,
        relation.suite.name,
        "own" if e.is_own else "great_expectations",
        e.rule_id,
        e.column,
        e.severity,
        outcome.success,
        outcome.checked,
        outcome.failed,
        relation.is_sampled,
        at,
    ]


def store(lake: Lake, run_id: str, rows: list[list[Any]]) -> None:
    """Write the results in one transaction and one file."""
    if not rows:
        return
    line = f"({', '.join('?' for _ in rows[0])})"
    with (
        lake.writer("storing the second opinion") as writer,
        writer.transaction("store the second opinion", run_id=run_id),
    ):
        writer.con.execute(
            "INSERT INTO lake.ops.check_result (run_id, batch_id, table_name, suite, rule_id,"
            " column_name, severity, success, checked, failed, sampled, checked_at)"
            f" VALUES {', '.join(line for _ in rows)}",
            [cell for row in rows for cell in row],
        )


def _page(relation: Relation, outcomes: Sequence[Outcome], at: datetime) -> Page:
    return Page(
        table=relation.suite.name,
        title=relation.suite.title,
        provider=relation.provider,
        batch_id=relation.batch_id,
        rows=relation.rows,
        asked=len(relation.frame),
        at=at,
        lines=tuple(
            Line(
                outcome,
                None if outcome.expectation.is_own else relation.ours.get(rule_id),
                relation.past.get(rule_id, ()),
            )
            for outcome in outcomes
            for rule_id in [outcome.expectation.rule_id]
        ),
    )


def run(asked: Mapping[str, Any]) -> dict[str, int]:
    """Validate, render, store.

    Args:
        asked: The object described above.

    Returns:
        ``relations``, ``rules`` and ``failed`` (rules that did not hold).
    """
    home = Home(Path(asked["home"]))
    (home.docs / "suites").mkdir(parents=True, exist_ok=True)
    lake, examiner, at = Lake(home, load_settings(home)), Examiner(), clock.now()
    rows: list[list[Any]] = []
    pages: list[Page] = []
    with lake.reader() as con:
        for relation in relations(con, asked["relations"]):
            outcomes = examiner.validate(relation.suite, relation.frame)
            rows += [_row(asked["run_id"], relation, outcome, at) for outcome in outcomes]
            pages.append(_page(relation, outcomes, at))
            write_page(home.docs, pages[-1])
            text = json.dumps(examiner.suite(relation.suite), ensure_ascii=False, indent=1)
            (home.docs / "suites" / f"{relation.suite.name}.json").write_text(text, "utf-8")
    store(lake, asked["run_id"], rows)
    write_index(home.docs, pages)
    failed = sum(len(page.failed) for page in pages)
    return {"relations": len(pages), "rules": len(rows), "failed": failed}


def main() -> int:
    """Read, work, answer."""
    try:
        answer = run(json.load(sys.stdin))
    except CountyLakeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
