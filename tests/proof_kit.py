"""A real receipt of a report that is made by one SELECT from nothing, for packages of tests."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import Given, MadeBy, Programme, Receipt

SQL = "SELECT 1"
SQL_HASH = hashlib.sha256(SQL.encode()).hexdigest()
"""What the header of a package with such a receipt names as its ``sql_hash``."""


def certify(header: Header, rows: pa.Table) -> Receipt:
    """The receipt of a package; it is the site's first one, whatever its number."""
    assert header.rows == rows.num_rows
    versions = ("countylake", "python", "duckdb", "ducklake", "pyarrow", "sqlglot")
    model = MadeBy(
        table=f"report.{header.report}",
        sql=SQL,
        sql_hash=SQL_HASH,
        contract_version=header.contract_version,
        contract_hash=header.contract_hash,
    )
    return Receipt(
        receipt_no=1,
        previous_hash="",
        site_code=header.sender,
        package_id=header.package_id,
        table=model.table,
        period=header.period,
        revision=header.revision,
        contract_version=header.contract_version,
        contract_hash=header.contract_hash,
        sql_hash=header.sql_hash,
        snapshot=header.snapshot,
        cut_off_at=header.cut_off_at,
        rows=header.rows,
        content_hash=header.content_hash,
        parameters=Given(
            cut_off_at="2023-05-31 12:00:00+00", day="2023-05-31", site_code=header.sender
        ),
        models=(model,),
        inputs=(),
        feeds=(),
        rules=(),
        held=(),
        small_cells=None,
        programme=Programme(**dict.fromkeys(versions, "1.0")),
    )
