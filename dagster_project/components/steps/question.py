"""One SELECT over a site's published replica, read-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from dagster_project.errors import UsageError
from dagster_project.lake.publish import connect, current
from dagster_project.paths import Home


@dataclass(frozen=True)
class Answer:
    """The rows of a SELECT; ``complete`` is false when there were more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    complete: bool


def ask(home: Home, query: str, limit: int) -> Answer:
    """Put a question to the published replica.

    Raises:
        UsageError: Nothing is published, or the SQL is wrong or more than one SELECT.
    """
    shown = current(home)
    if shown is not None and shown.root != str(home.published.resolve()):
        raise UsageError(
            "the replica was published at another place, and its views still read from there",
            where=str(home.published),
            todo="Run `countylake publish` once after moving a home",
        )
    con = connect(home)
    try:
        statements = con.extract_statements(query)
        if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
            # COPY could write beside the replica, even over the masked copies it reads.
            raise UsageError("this is not one SELECT", todo="Ask with a single SELECT or SHOW")
        found = con.execute(statements[0])
        columns = tuple(column[0] for column in found.description or ())
        rows = found.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise UsageError(
            f"the replica cannot answer ({str(error).splitlines()[0].rstrip('.')})",
            todo='`countylake sql "SHOW ALL TABLES"` lists its tables',
        ) from error
    finally:
        con.close()
    return Answer(columns, tuple(rows[:limit]), len(rows) <= limit)
