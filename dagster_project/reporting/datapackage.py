"""``datapackage.json``: what is in a package, in the words of Data Package v2.

The part that describes the table (``table_schema``) follows from contract and table alone, so that
it is the same bytes wherever and whenever it is made; the rest tells of one sealing. Hashes of the
package's files and who signs them are the manifest's matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.contracts.model import Column, Table
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import file_hashes
from dagster_project.protocol.manifest import Header

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
TABLE_PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"


def table_schema(contract: Table, columns: Sequence[Column], table: pa.Table) -> dict[str, Any]:
    """The Table Schema of a report: its fields with Chinese titles, units and levels, and its key.

    Args:
        contract: The report's contract.
        columns: All columns with what they inherit.
        table: The normalised table; its types are the fields'.
    """
    notes = {
        column.name: {
            "title": column.title,
            "description": column.description,
            "unit": column.unit,
            "level": column.level,
        }
        for column in columns
    }
    described: dict[str, Any] = {
        "$schema": TABLE_PROFILE,
        "fields": values.describe(table, notes),
    }
    if contract.key:
        described["primaryKey"] = list(contract.key)
    return described


def datapackage(
    header: Header, contract: Table, columns: Sequence[Column], data: Path, table: pa.Table
) -> dict[str, Any]:
    """The description of a package with one resource, the report's Parquet file.

    Args:
        header: What the package says of itself.
        contract: The report's contract.
        columns: All columns with what they inherit.
        data: The written Parquet file.
        table: The normalised table that it holds.
    """
    sha256, sm3 = file_hashes(data)
    told = {"title": contract.title, "description": contract.description}
    return {
        "$schema": PROFILE,
        "name": header.package_id.lower(),
        "id": header.package_id,
        **{word: text for word, text in told.items() if text},
        "version": contract.version,
        "created": header.sealed_at,
        "resources": [
            {
                "name": header.report,
                "path": fmt.data_path(header.report),
                "title": contract.title,
                "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                "bytes": data.stat().st_size,
                "hash": f"sha256:{sha256}",
                "sm3": sm3,
                "rowCount": header.rows,
                "schema": table_schema(contract, columns, table),
            }
        ],
    }
