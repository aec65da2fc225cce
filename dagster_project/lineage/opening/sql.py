"""The one SELECT that yields exactly one figure: the model's SQL with the row's key filled in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from sqlglot import exp

DIALECT = "duckdb"


def one_select(query: exp.Query, column: str, key: Mapping[str, object]) -> str:
    """The SELECT of one column of the row with this key.

    Args:
        query: The model's SELECT without placeholders.
        column: The figure's column.
        key: The row's key.
    """
    inner = query.copy()
    inner.set("order", None)
    conditions = [
        exp.NullSafeEQ(
            this=exp.column(name, table="figure", quoted=True), expression=literal(value)
        )
        for name, value in key.items()
    ]
    outer = exp.Select(
        expressions=[exp.column(column, table="figure", quoted=True)],
        from_=exp.From(this=exp.Subquery(this=inner, alias=exp.to_identifier("figure"))),
    )
    if conditions:
        outer.set("where", exp.Where(this=exp.and_(*conditions)))
    return outer.sql(dialect=DIALECT, pretty=True)


def literal(value: object) -> exp.Expr:
    """A value of a key as SQL."""
    if value is None:
        return exp.null()
    if isinstance(value, bool | int | Decimal):
        return exp.convert(value)
    if isinstance(value, datetime):
        kind = "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP"
        return exp.cast(exp.Literal.string(value.isoformat(sep=" ")), kind, dialect=DIALECT)
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE", dialect=DIALECT)
    return exp.Literal.string(str(value))
