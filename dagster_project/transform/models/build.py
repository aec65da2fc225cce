"""One model -> one table of the lake, written only when its content changed.

The caller holds the writer's lock and an open transaction; nothing here commits, and nothing here
decides which models are built. Small-cell suppression is handed in: this room does not know it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Column, Table
from dagster_project.errors import ModelError
from dagster_project.transform.models.content import content_hash, describe
from dagster_project.transform.models.model import Model, Parameters
from dagster_project.transform.models.versions import input_versions, newest_builds

RESULT = "temp.main.model_result"
Suppress = Callable[[duckdb.DuckDBPyConnection, str, Table], object]


@dataclass(frozen=True)
class BuildResult:
    """What one build did.

    ``evaluated`` is false when nothing that the model depends on had changed; ``changed`` is true
    when the table was written. ``snapshot`` is the lake's snapshot that held the inputs.
    """

    table: str
    evaluated: bool
    changed: bool
    rows: int
    content_hash: str
    snapshot: int
    inputs: dict[str, str]


def build(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    parameters: Parameters,
    *,
    run_id: str,
    built_at: datetime,
    suppress: Suppress | None = None,
    columns: Sequence[Column] = (),
    force: bool = False,
    begun: Callable[[], object] | None = None,
) -> BuildResult:
    """Build one model's table inside the caller's transaction.

    Args:
        con: A writer's connection: the lake is attached and in use.
        model: What to build; its inputs are built already.
        parameters: What the run gives to the SQL.
        run_id: The run that builds, for ``ops.model_build``.
        built_at: The instant of the build, for ``ops.model_build``.
        suppress: Blanks small cells of the result; needed for a report whose contract has them.
        columns: Titles of all columns (see ``lineage.describe``); the contract's own otherwise.
        force: Evaluate even when nothing changed, and compare with the table itself.
        begun: Called when something has changed, before the SELECT is evaluated.

    Raises:
        ModelError: The SELECT fails or its result breaks the table's contract.
    """
    builds = newest_builds(con)
    snapshot, versions = input_versions(con, model, builds)
    made_from = versions | _given(model, parameters)
    held = _titles(con, model)
    last = builds.get(model.table) if held else None
    same = last is not None and (last.sql_hash, last.inputs) == (model.hash, made_from)
    if last is not None and same and all(versions.values()) and not force:
        done = (last.rows, last.content_hash, snapshot, versions)
        return BuildResult(model.table, False, False, *done)  # noqa: FBT003 - see the fields
    if begun is not None:
        begun()
    try:
        _evaluate(con, model, parameters, suppress)
        found = describe(con, RESULT)
        check_contract(con, RESULT, model, found)
        digest, rows = content_hash(con, RESULT, found)
        changed = last is None or last.content_hash != digest
        if force and not changed:  # whoever forces does not trust what is on record
            changed = content_hash(con, model.table)[0] != digest
        if changed:
            held = _write(con, model, found, held)
        _comment(con, model, found, held, columns or model.contract.columns)
    finally:
        with contextlib.suppress(duckdb.Error):  # an aborted transaction has dropped it already
            con.execute(f"DROP TABLE IF EXISTS {RESULT}")
    done = (rows, digest, snapshot, versions)
    result = BuildResult(model.table, True, changed, *done)  # noqa: FBT003 - see the fields
    _record(con, model, result, made_from, (run_id, built_at, parameters.cut_off_at))
    return result


def _record(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    result: BuildResult,
    made_from: dict[str, str],
    when: tuple[str, datetime, datetime],
) -> None:
    """Put an evaluation on record, whether or not it changed the table."""
    con.execute(
        "INSERT INTO ops.model_build (table_name, layer, run_id, built_at, cut_off_at, "
        "sql_hash, inputs, content_hash, row_count, snapshot) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            model.table,
            model.layer,
            *when,
            model.hash,
            json.dumps(made_from, sort_keys=True),
            result.content_hash,
            result.rows,
            result.snapshot,
        ],
    )


def _given(model: Model, parameters: Parameters) -> dict[str, str]:
    """What else decides the result: the contract, and the parameters that the SQL really uses."""
    given = {f":{name}": text for name, text in parameters.texts().items()}
    used = {f":{name}" for name in model.parameters}
    return {"contract": model.contract.hash} | {n: t for n, t in given.items() if n in used}


def _titles(con: duckdb.DuckDBPyConnection, model: Model) -> dict[str, str]:
    """The columns of the table as it is, with their comments; empty when there is no table."""
    rows = con.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = ? "
        "AND table_name = ? AND database_name = CURRENT_DATABASE()",
        [model.layer, model.name],
    ).fetchall()
    return {str(name): str(comment or "") for name, comment in rows}


def _evaluate(
    con: duckdb.DuckDBPyConnection, model: Model, parameters: Parameters, suppress: Suppress | None
) -> None:
    """Evaluate the SELECT into a temp table, and blank its small cells."""
    counts_persons = model.contract.small_cells is not None
    if counts_persons and suppress is None:
        raise ModelError(
            f"{model.table} counts persons and was to be built without small-cell suppression",
            where=model.path,
            todo="Hand `privacy.suppress.suppress` to the build",
        )
    con.execute(f"DROP TABLE IF EXISTS {RESULT}")
    try:
        con.execute(f"CREATE TEMP TABLE model_result AS {model.sql(parameters)}")
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException) as error:
        raise ModelError(
            f"the SELECT of {model.table} cannot be evaluated ({reason_of(error)})",
            where=model.path,
            todo="Correct the SQL, or the contract of the table that it reads",
        ) from error
    if counts_persons and suppress is not None:
        suppress(con, RESULT, model.contract)


def reason_of(error: duckdb.Error) -> str:
    """Why a SELECT fails; the engine quotes the value that it cannot cast, which is a cell."""
    if isinstance(error, duckdb.ConversionException):
        return "a value does not fit the type that it is cast to"
    return str(error).splitlines()[0].rstrip(".")


def check_contract(
    con: duckdb.DuckDBPyConnection, relation: str, model: Model, found: dict[str, str]
) -> None:
    """Hold a result against its table's contract: columns, types, a key that is unique.

    Raises:
        ModelError: It does not hold.
    """
    contract = model.contract
    for column in contract.columns:
        kind = found.get(column.name)
        # A contract's timestamp is an instant in ops tables and wall-clock time in feeds.
        if (kind or "").removesuffix(" WITH TIME ZONE") != column.duck_type:
            said = "is missing" if kind is None else f"is {kind}"
            raise ModelError(
                f"column {column.name} of {model.table} {said}, "
                f"its contract says {column.duck_type}",
                where=f"{contract.path}:{column.line}" if column.line else model.path,
                todo="Make SQL and contract agree",
            )
    floats = [name for name, kind in found.items() if kind in {"FLOAT", "DOUBLE"}]
    if floats:
        raise ModelError(
            f"{model.table} holds floating numbers in {', '.join(floats)}",
            where=model.path,
            todo="Cast them to DECIMAL or BIGINT",
        )
    missing = [name for name in contract.key if name not in found]
    if missing or not contract.key:
        raise ModelError(
            f"the key of {model.table} is not among its columns ({', '.join(missing) or 'none'})",
            where=contract.path or model.path,
            todo="Name the columns that identify a row under primaryKey",
        )
    names = ", ".join(_quoted(name) for name in contract.key)
    twice = con.execute(
        f"SELECT COUNT(*) FROM (SELECT {names} FROM {relation} GROUP BY {names} "
        f"HAVING COUNT(*) > 1)"
    ).fetchone()
    if twice and twice[0]:
        raise ModelError(
            f"{twice[0]} keys ({names}) of {model.table} occur more than once",
            where=model.path,
            todo="Group by the whole key, or correct the key in the contract",
        )


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")


def _write(
    con: duckdb.DuckDBPyConnection, model: Model, found: dict[str, str], held: dict[str, str]
) -> dict[str, str]:
    """Replace the table's rows; make the table anew only when its columns changed.

    Returns:
        The comments that the table's columns have now.
    """
    if held and describe(con, model.table) == found:
        con.execute(f"DELETE FROM {model.table}")
        con.execute(f"INSERT INTO {model.table} SELECT * FROM {RESULT}")
        return held
    con.execute(f"CREATE OR REPLACE TABLE {model.table} AS SELECT * FROM {RESULT}")
    return {}


def _comment(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    found: dict[str, str],
    held: dict[str, str],
    columns: Sequence[Column],
) -> None:
    """Put the Chinese titles on the table and its columns, where they are not there yet."""
    titles = {c.name: c.title for c in columns if c.name in found and c.title}
    if all(held.get(name) == title for name, title in titles.items()):
        return
    title = exp.Literal.string(model.contract.title).sql(dialect="duckdb")
    con.execute(f"COMMENT ON TABLE {model.table} IS {title}")
    for name, text in titles.items():
        title = exp.Literal.string(text).sql(dialect="duckdb")
        con.execute(f"COMMENT ON COLUMN {model.table}.{_quoted(name)} IS {title}")
