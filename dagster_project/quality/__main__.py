"""``python -m dagster_project.quality``: one run's second opinion, in a process of its own.

It reads one JSON object from standard input::

    {"home": "…", "run_id": "…", "relations": [
        {"kind": "feed" | "report", "table": "population", "batch_id": "…", "sql": "SELECT …"}]}

and answers with one JSON object of counts. Which relations, and the SELECT that yields them (a
batch after its repairs, with every row that arrived), is decided by the caller. Results go to
``ops.check_result``, pages to the home's Data Docs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from dagster_project import clock
from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts
from dagster_project.errors import CountyLakeError, UsageError
from dagster_project.lake import Lake
from dagster_project.paths import Home, schemas_dir
from dagster_project.quality.expectations import Suite, for_feed, for_table
from dagster_project.quality.gx import Outcome, validate
from dagster_project.quality.pages import write_index
from dagster_project.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ABOVE = 200_000


@dataclass(frozen=True)
class Relation:
    """What is validated: a suite and the frame it is about."""

    suite: Suite
    batch_id: str
    frame: pd.DataFrame
    is_sampled: bool


def _suite(asked: dict[str, str], contracts: Contracts, columns: tuple[str, ...]) -> Suite:
    try:
        if asked["kind"] == "feed":
            return for_feed(contracts.feeds[asked["table"]], contracts)
        return for_table(contracts.tables["report", asked["table"]], contracts, columns)
    except KeyError as error:
        raise UsageError(
            f"there is no contract for {asked['table']}",
            where="schemas",
            todo="Add it, or mend the one that does not load",
        ) from error


def _frame(con: duckdb.DuckDBPyConnection, sql: str, *, feed: bool) -> tuple[pd.DataFrame, bool]:
    """The rows as an Arrow-backed frame; of very many a sample by the hash of a row's place."""
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    counted = con.execute(f"SELECT count(*) FROM ({sql})").fetchone()
    rows = int(counted[0]) if counted else 0
    is_sampled = feed and rows > SAMPLE_ABOVE
    if is_sampled:
        edge = f"{int(0xFFFFFFFF * SAMPLE_ABOVE / rows):08x}"
        place = "md5(concat(_sheet, ':', _source_row))"
        sql = f"SELECT * FROM ({sql}) WHERE substr({place}, 1, 8) < '{edge}'"
    table: pa.Table = con.execute(sql).to_arrow_table()
    decimals = {
        field.name: pa.float64() for field in table.schema if pa.types.is_decimal(field.type)
    }
    schema = pa.schema([pa.field(f.name, decimals.get(f.name, f.type)) for f in table.schema])
    return table.cast(schema).to_pandas(types_mapper=pd.ArrowDtype), is_sampled


def relations(
    con: duckdb.DuckDBPyConnection, asked: list[dict[str, str]], contracts: Contracts
) -> list[Relation]:
    """Read what was asked for; of several batches of a feed each is its own relation."""
    found = []
    for one in asked:
        frame, is_sampled = _frame(con, one["sql"], feed=one["kind"] == "feed")
        suite = _suite(one, contracts, tuple(frame.columns))
        found.append(Relation(suite, one.get("batch_id", ""), frame, is_sampled))
    return found


def _row(run_id: str, relation: Relation, outcome: Outcome, at: datetime) -> list[Any]:
    e = outcome.expectation
    return [
        run_id,
        relation.batch_id,
        relation.suite.name,
        "great_expectations",
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


def run(asked: dict[str, Any]) -> dict[str, int]:
    """Validate, render, store.

    Args:
        asked: The object described above.

    Returns:
        ``relations``, ``rules`` and ``failed`` (rules that did not hold).
    """
    home = Home(Path(asked["home"]))
    lake = Lake(home, Settings())
    with lake.reader() as con:
        found = relations(con, asked["relations"], load(schemas_dir()))
    at = clock.now()
    rows: list[list[Any]] = []
    entries: list[dict[str, object]] = []
    outcomes = iter(validate([(r.suite, r.frame) for r in found], home.docs))
    for relation in found:
        own = list(islice(outcomes, len(relation.suite.expectations)))
        rows += [_row(asked["run_id"], relation, o, at) for o in own]
        entries.append(
            {
                "table": relation.suite.name,
                "title": relation.suite.title,
                "rows": len(relation.frame),
                "rules": len(own),
                "failed_rules": sum(not o.success for o in own),
                "checked_at": f"{at:%Y-%m-%d %H:%M}",
            }
        )
    store(lake, asked["run_id"], rows)
    write_index(home.docs, entries)
    failed = sum(int(str(entry["failed_rules"])) for entry in entries)
    return {"relations": len(found), "rules": len(rows), "failed": failed}


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
