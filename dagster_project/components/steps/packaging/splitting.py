"""A report's table, divided into the rows of its periods.

By the contract's ``periodColumn`` alone, so that whoever verifies a package finds the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.contracts.model import Table
from dagster_project.contracts.report_period import SPELLED, Period, period_of_value


@dataclass(frozen=True)
class Parts:
    """The rows of each period, in the table's order; ``nowhere`` counts rows that name none."""

    whole: pa.Table
    rows: Mapping[Period, pa.Table]
    nowhere: int = 0

    def of(self, period: Period) -> pa.Table:
        """The rows of one period; none, if the table has none of it."""
        return self.rows.get(period, self.whole.slice(0, 0))

    def refused(self, contract: Table, current: Period) -> list[str]:
        """Which rows cannot be reported, as sentences: they name no period, or one to come."""
        told = []
        if self.nowhere:
            told.append(
                f"{self.nowhere} rows of report.{contract.name} name no period and are not"
                f" reported. Let column {contract.period_column} hold {SPELLED[contract.period]}."
            )
        told += [
            f"{self.rows[period].num_rows} rows of report.{contract.name} are of {period.name},"
            f" which has not begun by {current.last}, and are not reported."
            f" Correct the dates that column {contract.period_column} is made of."
            for period in sorted(self.rows)
            if period > current
        ]
        return told


def divided(contract: Table, table: pa.Table) -> Parts:
    """The rows of each period of a table whose contract has a ``periodColumn``."""
    column = table.column(contract.period_column)
    named = {
        value: period_of_value(contract.period, value) for value in column.unique().to_pylist()
    }
    rows = {}
    for period in sorted({one for one in named.values() if one is not None}):
        values = [value for value, one in named.items() if one == period]
        rows[period] = table.filter(pc.is_in(column, value_set=pa.array(values, column.type)))
    found = sum(one.num_rows for one in rows.values())
    return Parts(table, rows, table.num_rows - found)


def rows_of(contract: Table, table: pa.Table, period: str) -> pa.Table:
    """The rows of a report's table that a package of a period holds.

    Args:
        contract: The report's contract; without a ``periodColumn`` these are all rows.
        table: The whole table, as ``replaying.as_of`` gives it.
        period: The period's name in packages.
    """
    if not contract.period_column:
        return table
    parts = divided(contract, table)
    return next((part for one, part in parts.rows.items() if one.name == period), table.slice(0, 0))
