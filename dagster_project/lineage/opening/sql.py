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
    narrow = _narrowed(inner, column, key) if isinstance(inner, exp.Select) else None
    if narrow is None:
        conditions = [_is(exp.column(name, table="figure"), value) for name, value in key.items()]
        narrow = exp.Select(
            expressions=[exp.column(column, table="figure")],
            from_=exp.From(this=exp.Subquery(this=inner, alias=exp.to_identifier("figure"))),
        ).where(*conditions)
    return narrow.sql(dialect=DIALECT, pretty=True)


def _narrowed(query: exp.Select, column: str, key: Mapping[str, object]) -> exp.Select | None:
    """The query itself, of one column and one row; None where its key cannot be put into WHERE."""
    outputs = {one.alias_or_name: one for one in query.expressions}
    names = [column, *key]
    group = query.args.get("group")
    parts = [query.args.get(part) for part in ("distinct", "qualify", "having")]
    if any(parts) or not {*names} <= {*outputs} or any(one.is_star for one in outputs.values()):
        return None
    keys = [outputs[name].unalias() for name in key]
    if group is None:
        if any(one.find(exp.AggFunc) for one in outputs.values()):
            return None
    elif not {*group.expressions} >= {*keys} or {*group.args} - {"expressions"}:
        return None
    read = [*keys, outputs[column].unalias(), *(group.expressions if group else ())]
    by_place = group is not None and any(isinstance(one, exp.Literal) for one in group.expressions)
    if by_place or any(one.find(exp.Window) for one in read):
        return None
    for one in [found for part in read for found in part.find_all(exp.Column)]:
        named = outputs.get(one.name) if not one.table else None
        if named is not None and named.unalias() != one:
            return None  # it may be the output's name that is meant
    conditions = [_is(one.copy(), value) for one, value in zip(keys, key.values(), strict=True)]
    query.set("expressions", [outputs[column]])
    return query.where(*conditions)


def _is(expression: exp.Expr, value: object) -> exp.Expr:
    """Equality as one writes it."""
    if not isinstance(expression, exp.Column | exp.Func | exp.Literal | exp.Paren):
        expression = exp.paren(expression)
    if value is None:
        return exp.Is(this=expression, expression=exp.null())
    return exp.EQ(this=expression, expression=literal(value))


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
