"""Whether the rates of a table are what their receipt says: numerator ÷ denominator, rounded so.

The rows are those of a package, or of the lake; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from dagster_project.contracts.rounding import Rounding
from dagster_project.protocol.receipt import RateRounding

MOST = 20
"""How many rows of one rate are named."""


def rate_faults(roundings: Iterable[RateRounding], rows: pa.Table) -> list[str]:
    """Sentences about rates that are not what the receipt's rule makes of the row's two columns.

    A rate of which a part was blanked is not judged: nobody can compute it.
    """
    found = []
    for one in roundings:
        if not {one.column, one.numerator, one.denominator} <= set(rows.column_names):
            found.append(f"column {one.column}: the row lacks what it is made of.")
            continue
        rule = Rounding(**one.model_dump(exclude={"column"}))
        columns = (rows.column(name).to_pylist() for name in rule_columns(one))
        wrong = [
            number
            for number, (value, top, bottom) in enumerate(zip(*columns, strict=True), 1)
            if top is not None and bottom is not None and value != rule.rate(top, bottom)
        ]
        named = ", ".join(str(number) for number in wrong[:MOST])
        if wrong:
            found.append(
                f"column {one.column}: in {len(wrong)} rows ({named}) it is not {one.numerator} ÷"
                f" {one.denominator} rounded by {one.rule}."
            )
    return found


def rule_columns(one: RateRounding) -> tuple[str, str, str]:
    """The rate, its numerator and its denominator."""
    return one.column, one.numerator, one.denominator
