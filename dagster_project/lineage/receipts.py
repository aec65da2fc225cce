"""The receipt of a report that is being sealed: its facts from the ledgers, and its place.

Everything about feeds and batches is read at the one snapshot at which the report's inputs were
read. The form of a receipt is ``protocol.receipt``'s; the content hashes of the inputs and the
choice of models and feeds are handed in; whether a receipt is true is found by running it again.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project import __version__
from dagster_project.clock import utc_text
from dagster_project.contracts.model import Column, Table
from dagster_project.lake.engine import quoted
from dagster_project.lake.ops import TABLES
from dagster_project.lake.table_state import columns_at, table_states
from dagster_project.lineage.describe import SqlModel
from dagster_project.protocol import receipt as form
from dagster_project.protocol.canonical import canonical_json, sha256_bytes
from dagster_project.protocol.held import Holds
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import Receipt

_COUNTS = ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")
_SEALED = "sealed_rows"
_TEMP = "temp.main.receipt_batches"
_LEDGERS = ("feed", "batch", "batch_file", "delivery", "rectification")
_MOST_STATES = 1_000
_LIVE: dict[str, tuple[tuple[str, int], ...]] = {}
"""Live rows of each batch by the state of a feed's table: the reports of a run share most of them.

A state names files that are written once, so that what was counted stays true.
"""
# A batch that was read again has no delivery of its own, but its source's.
_BATCHES = """
WITH live AS (SELECT batch_id, live_rows FROM receipt_live),
delivered AS (
  SELECT
    batch_id,
    arg_min(delivery_id, (received_at, delivery_id)) AS delivery_id,
    arg_min(channel, (received_at, delivery_id)) AS channel,
    min(received_at) AS received_at
  FROM {delivery}
  WHERE batch_id IS NOT NULL
  GROUP BY batch_id
),
files AS (
  SELECT batch_id, list(DISTINCT sha256 ORDER BY sha256)[:{most_files}] AS files
  FROM {batch_file}
  WHERE sha256 IS NOT NULL
  GROUP BY batch_id
),
ranked AS (
  SELECT
    b.*,
    coalesce(l.live_rows, 0) AS live_rows,
    d.delivery_id,
    d.channel,
    d.received_at,
    coalesce(f.files, []) AS files,
    coalesce(l.live_rows, 0) > 0 AND row_number() OVER (
      PARTITION BY b.feed
      ORDER BY coalesce(l.live_rows, 0) > 0 DESC, b.committed_at DESC, b.batch_id DESC
    ) <= {most} AS is_named
  FROM {batch} AS b
  LEFT JOIN live AS l ON l.batch_id = b.batch_id
  LEFT JOIN delivered AS d ON d.batch_id = coalesce(b.source_batch_id, b.batch_id)
  LEFT JOIN files AS f ON f.batch_id = coalesce(b.source_batch_id, b.batch_id)
  WHERE list_contains($feeds, b.feed)
)
"""
_NAMED = """
SELECT feed, batch_id, source_batch_id, delivery_id, channel, received_at, committed_at,
  contract_version, sha256, files, live_rows, {counts}
FROM ranked WHERE is_named ORDER BY feed, committed_at DESC, batch_id DESC
"""
_OTHERS = """
SELECT feed, count(*), sum(live_rows)::BIGINT, {sums},
  sha256(string_agg(concat_ws(' ', batch_id, coalesce(sha256, ''), {counts}), chr(10)
    ORDER BY batch_id))
FROM ranked WHERE NOT is_named GROUP BY feed
"""


@dataclass(frozen=True)
class Proof:
    """What a receipt is made of besides the ledgers.

    ``rows`` are the sealed rows; ``models`` are the gold and report models in the order of their
    building, the report's last, whose columns are ``columns``.
    """

    header: Header
    rows: pa.Table
    parameters: Mapping[str, str]
    models: Sequence[SqlModel]
    inputs: Sequence[form.Input]
    feeds: Sequence[form.FeedBehind]
    held: Holds
    columns: Sequence[Column] = ()


def make_receipt(con: duckdb.DuckDBPyConnection, proof: Proof) -> Receipt:
    """Make the receipt of a report, next in the site's chain.

    Args:
        con: The lake writer's connection, inside the transaction that seals.
        proof: What is proved.
    """
    header, contract = proof.header, proof.models[-1].contract
    last = con.execute(
        "SELECT receipt_no, receipt_hash FROM lake.ops.receipt ORDER BY receipt_no DESC LIMIT 1"
    ).fetchone()
    number, previous = (int(last[0]), str(last[1])) if last else (0, "")
    small = contract.small_cells
    return Receipt(
        receipt_no=number + 1,
        previous_hash=previous,
        site_code=header.sender,
        package_id=header.package_id,
        table=proof.models[-1].table,
        period=header.period,
        revision=header.revision,
        contract_version=header.contract_version,
        contract_hash=header.contract_hash,
        sql_hash=header.sql_hash,
        snapshot=header.snapshot,
        cut_off_at=header.cut_off_at,
        rows=header.rows,
        content_hash=header.content_hash,
        parameters=form.Given(**proof.parameters),
        models=tuple(made_by(model) for model in proof.models),
        inputs=tuple(proof.inputs),
        feeds=tuple(proof.feeds),
        rules=rule_results(con, contract, proof.rows),
        held=proof.held.held,
        small_cells=small
        and form.SmallCells(columns=small.columns, totals=small.totals, minimum=small.minimum),
        programme=programme(con),
        rounding=tuple(rate_roundings(proof.columns)),
    )


def rate_roundings(columns: Sequence[Column]) -> Iterator[form.RateRounding]:
    """How the rates of a report are rounded, of those whose two columns stand in it."""
    names = {column.name for column in columns}
    for column in columns:
        said = column.rounding
        if said is not None and {said.numerator, said.denominator} <= names:
            yield form.RateRounding(column=column.name, **asdict(said))


def record(con: duckdb.DuckDBPyConnection, receipt: Receipt) -> None:
    """Write a receipt down; call it in the transaction that seals its package."""
    con.execute(
        "INSERT INTO lake.ops.receipt BY NAME SELECT ? AS receipt_no, ? AS package_id,"
        " ? AS table_name, ? AS period, ? AS revision, ? AS snapshot,"
        " ?::TIMESTAMPTZ AS cut_off_at, ? AS content_hash, ? AS previous_hash,"
        " ? AS receipt_hash, ? AS receipt",
        [
            receipt.receipt_no,
            receipt.package_id,
            receipt.table,
            receipt.period,
            receipt.revision,
            receipt.snapshot,
            receipt.cut_off_at,
            receipt.content_hash,
            receipt.previous_hash,
            receipt.receipt_hash,
            canonical_json(receipt.told()).decode(),
        ],
    )


def made_by(model: SqlModel) -> form.MadeBy:
    """A model as a receipt keeps it, so that it can be run again when the model is another."""
    sql = model.query.sql(dialect="duckdb", comments=False)
    return form.MadeBy(
        table=model.table,
        sql=sql,
        sql_hash=sha256_bytes(sql.encode()),
        contract_version=model.contract.version,
        contract_hash=model.contract.hash,
    )


def programme(con: duckdb.DuckDBPyConnection) -> form.Programme:
    """The versions of this programme and of what computes with it."""
    row = con.execute(
        "SELECT extension_version FROM duckdb_extensions() WHERE extension_name = 'ducklake'"
    ).fetchone()
    return form.Programme(
        countylake=__version__,
        python=platform.python_version(),
        duckdb=duckdb.__version__,
        ducklake=str(row[0]) if row and row[0] else "unknown",
        pyarrow=pa.__version__,
        sqlglot=version("sqlglot"),
    )


def rule_results(
    con: duckdb.DuckDBPyConnection, contract: Table, rows: pa.Table
) -> tuple[form.RuleResult, ...]:
    """Judge the contract's rules on exactly the rows that are sealed."""
    if not contract.rules:
        return ()
    broken = ", ".join(f"count(*) FILTER (({rule.expression}) IS FALSE)" for rule in contract.rules)
    con.register(_SEALED, rows)
    try:
        found = con.execute(f"SELECT count(*), {broken} FROM {_SEALED}").fetchone()
    finally:
        con.unregister(_SEALED)
    checked, *failed = found or (0, *(0 for _ in contract.rules))
    return tuple(
        form.RuleResult(rule=rule.id, severity=rule.severity, checked=checked, failed=count)
        for rule, count in zip(contract.rules, failed, strict=True)
    )


def feeds_at(
    con: duckdb.DuckDBPyConnection, feeds: Sequence[str], snapshot: int
) -> tuple[form.FeedBehind, ...]:
    """What a receipt says of feeds: those that were registered at a snapshot, by name.

    Args:
        con: The lake writer's connection, or a reader.
        feeds: The feeds behind the report.
        snapshot: A snapshot that is committed.
    """
    bound = {"feeds": list(feeds)}
    ledgers = _ledgers(con, snapshot)
    ranked = _BATCHES.format(**ledgers, most=form.MOST_BATCHES, most_files=form.MOST_FILES)
    counts = ", ".join(_COUNTS)
    sums = ", ".join(f"sum({name})::BIGINT" for name in _COUNTS)
    con.register("receipt_live", _live_rows(con, feeds, snapshot))
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE receipt_batches AS {ranked} FROM ranked", bound)
        named = con.execute(_NAMED.format(counts=counts).replace("ranked", _TEMP)).fetchall()
        others = con.execute(
            _OTHERS.format(counts=counts, sums=sums).replace("ranked", _TEMP)
        ).fetchall()
    finally:
        con.unregister("receipt_live")
        con.execute(f"DROP TABLE IF EXISTS {_TEMP}")
    known = con.execute(
        f"SELECT f.feed, f.contract_version, f.contract_hash, coalesce(c.open_cases, 0)"
        f" FROM {ledgers['feed']} AS f LEFT JOIN (SELECT feed, count(*) AS open_cases"
        f" FROM {ledgers['rectification']} WHERE state = 'open' GROUP BY feed) AS c USING (feed)"
        f" WHERE list_contains($feeds, f.feed) ORDER BY f.feed",
        bound,
    ).fetchall()
    batches: dict[str, list[form.Batch]] = {}
    for row in named:
        batches.setdefault(row[0], []).append(_batch(*row[1:]))
    rest = {row[0]: _others(*row[1:]) for row in others}
    return tuple(
        form.FeedBehind(
            feed=feed,
            contract_version=version or "",
            contract_hash=digest or "",
            batches=tuple(batches.get(feed, ())),
            others=rest.get(feed, _NONE),
            open_cases=cases,
        )
        for feed, version, digest, cases in known
    )


def _ledgers(con: duckdb.DuckDBPyConnection, snapshot: int) -> dict[str, str]:
    """The ledgers as they were; what an older programme did not keep is empty."""
    present = columns_at(con, [f"ops.{name}" for name in _LEDGERS], snapshot)
    found = {}
    for name in _LEDGERS:
        had = present.get(f"ops.{name}", [])
        columns = ", ".join(
            quoted(column) if column in had else f"CAST(NULL AS {kind}) AS {quoted(column)}"
            for column, kind, _ in TABLES[name].columns
        )
        source = f"FROM lake.ops.{name} AT (VERSION => {int(snapshot)})" if had else "WHERE false"
        found[name] = f"(SELECT {columns} {source})"
    return found


def _live_rows(con: duckdb.DuckDBPyConnection, feeds: Sequence[str], snapshot: int) -> pa.Table:
    """How many rows of each batch stand in silver; counted once for each state of a table."""
    states = table_states(con, [f"silver.{feed}" for feed in feeds], snapshot)
    if len(_LIVE) > _MOST_STATES:
        _LIVE.clear()
    if lacking := [name for name, state in states.items() if state not in _LIVE]:
        parts = (
            f"SELECT '{name}' AS name, _batch_id, count(*) FROM lake.silver."
            f"{quoted(name.partition('.')[2])} AT (VERSION => {int(snapshot)})"
            " WHERE NOT _is_deleted GROUP BY ALL"
            for name in lacking
        )
        found: dict[str, list[tuple[str, int]]] = {name: [] for name in lacking}
        for name, batch_id, count in con.execute(" UNION ALL ".join(parts)).fetchall():
            found[name].append((str(batch_id), int(count)))
        _LIVE.update({states[name]: tuple(counts) for name, counts in found.items()})
    pairs = [pair for state in states.values() for pair in _LIVE[state]]
    return pa.table(
        {
            "batch_id": pa.array([name for name, _ in pairs], pa.string()),
            "live_rows": pa.array([count for _, count in pairs], pa.int64()),
        }
    )


def _counts(values: Sequence[Any]) -> form.Counts:
    return form.Counts(**{n: int(v or 0) for n, v in zip(_COUNTS, values, strict=True)})


_NONE = form.OtherBatches(count=0, live=0, counts=_counts([0] * len(_COUNTS)), hash="")


def _others(count: int, live: int, *values: Any) -> form.OtherBatches:
    *counts, digest = values
    return form.OtherBatches(count=count, live=live, counts=_counts(counts), hash=digest)


def _batch(  # noqa: PLR0917 - the columns of a query
    batch_id: str,
    source: str | None,
    delivery_id: str | None,
    channel: str | None,
    received_at: Any,
    committed_at: Any,
    contract_version: str | None,
    sha256: str | None,
    files: list[str],
    live: int,
    *counts: Any,
) -> form.Batch:
    return form.Batch(
        batch_id=batch_id,
        source_batch_id=source or "",
        delivery_id=delivery_id or "",
        channel=channel or "",
        received_at=utc_text(received_at) if received_at else "",
        committed_at=utc_text(committed_at) if committed_at else "",
        contract_version=contract_version or "",
        sha256=sha256 or "",
        files=tuple(files),
        counts=_counts(counts),
        live=live,
    )
