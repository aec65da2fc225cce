"""``python -m dagster_project.quality``: one run's second opinion, in a process of its own.

It reads one JSON object from standard input::

    {"home": "…", "run_id": "…", "relations": [
        {"kind": "feed" | "report", "table": "population", "batch_id": "…", "rows": 1, "sql": "…"}]}

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
from dagster_project.lake.engine import quoted
from dagster_project.paths import Home, schemas_dir
from dagster_project.quality.expectations import Suite, for_feed, for_table
from dagster_project.quality.gx import Outcome, validate
from dagster_project.quality.pages import write_index
from dagster_project.settings import load_settings

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SAMPLE_ABOVE = 200_000


@dataclass(frozen=True)
class Relation:
    """What is validated: a suite and the frame it is about."""

    suite: Suite
    batch_id: str
    frame: pd.DataFrame
    is_sampled: bool


def _suite(asked: dict[str, Any], contracts: Contracts, columns: tuple[str, ...]) -> Suite:
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


def _relation(
    con: duckdb.DuckDBPyConnection, asked: dict[str, Any], contracts: Contracts
) -> Relation:
    """Read one relation: only the columns that its suite looks at, and of very many rows a sample.

    The sample is taken by the hash of a row's place, so that it is the same every time.
    """
    source = con.sql(asked["sql"])
    suite = _suite(asked, contracts, tuple(source.columns))
    wanted = {name for e in suite.expectations for name in e.columns} | {"_sheet", "_source_row"}
    names = ", ".join(quoted(name) for name in source.columns if name in wanted) or "*"
    rows = int(asked.get("rows", 0))
    sample = ""
    if rows > SAMPLE_ABOVE:
        edge = f"{int(0xFFFFFFFF * SAMPLE_ABOVE / rows):08x}"
        sample = f" WHERE substr(md5(concat(_sheet, ':', _source_row)), 1, 8) < '{edge}'"
    table = con.execute(f"SELECT {names} FROM ({asked['sql']}){sample}").to_arrow_table()
    return Relation(suite, asked.get("batch_id", ""), _frame(table), bool(sample))


def _frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow-backed frame; Great Expectations compares decimals with floats only."""
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    fields = [
        pa.field(f.name, pa.float64() if pa.types.is_decimal(f.type) else f.type)
        for f in table.schema
    ]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def relations(
    con: duckdb.DuckDBPyConnection, asked: list[dict[str, Any]], contracts: Contracts
) -> list[Relation]:
    """Read what was asked for; of several batches of a feed each is its own relation."""
    return [_relation(con, one, contracts) for one in asked]


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
    lake = Lake(home, load_settings(home))
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
