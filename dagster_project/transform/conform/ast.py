"""Small words for building DuckDB expressions as sqlglot trees.

Only grammar lives here: no rule, no contract, no table name. Every identifier is quoted and every
value is a literal node, so no text of a contract is ever pasted into SQL.

Nodes are shared between trees instead of copied (copying was 90 % of the time to compile a feed):
trees made here are only ever rendered, never edited in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, reduce

from sqlglot import exp

Node = exp.Expr

SHORT_LIST = 4


def col(name: str, table: str = "") -> exp.Column:
    """A quoted column."""
    return exp.column(name, table=table or None, quoted=True)


def text(value: str) -> exp.Literal:
    """A string literal."""
    return exp.Literal.string(value)


def number(value: int) -> Node:
    """An integer literal."""
    return exp.Literal.number(value)


def null() -> exp.Null:
    """NULL."""
    return exp.Null()


def param(name: str) -> exp.Placeholder:
    """A parameter, bound when the batch runs."""
    return exp.Placeholder(this=name)


def fn(name: str, *arguments: Node | str | int) -> exp.Anonymous:
    """A DuckDB function by its own name; plain Python values become literals."""
    return exp.Anonymous(this=name, expressions=[_node(a) for a in arguments])


def _node(value: Node | str | int) -> Node:
    if isinstance(value, str):
        return text(value)
    return number(value) if isinstance(value, int) else value


def cast(value: Node, kind: str) -> exp.Cast:
    """CAST, which errs on a value that does not fit."""
    return exp.Cast(this=value, to=_type(kind))


@cache
def _type(kind: str) -> exp.DataType:
    return exp.DataType.build(kind, dialect="duckdb")


def array(values: Iterable[str]) -> Node:
    """A list of strings."""
    return _array(tuple(values))


@cache
def _array(values: tuple[str, ...]) -> Node:
    return fixed(exp.Array(expressions=[text(value) for value in values]))


def fixed(tree: Node) -> Node:
    """A part that is the same in many cells, rendered once for all of them."""
    return exp.Var(this=sql(tree))


def alias(value: Node, name: str) -> Node:
    """A value under a quoted name."""
    return exp.alias_(value, name, quoted=True, copy=False)


def try_cast(value: Node, kind: str) -> exp.TryCast:
    """TRY_CAST, which gives NULL for a value that does not fit."""
    return exp.TryCast(this=value, to=_type(kind))


def case(
    branches: Iterable[tuple[Node, Node]], otherwise: Node | None = None, on: Node | None = None
) -> Node:
    """CASE; DuckDB evaluates each branch only on the rows that reach it."""
    made = exp.Case(this=on)
    for condition, value in branches:
        made = made.when(condition, value, copy=False)
    return made.else_(otherwise if otherwise is not None else null(), copy=False)


def _paren(value: Node) -> Node:
    atoms = (exp.Column, exp.Literal, exp.Anonymous, exp.Case, exp.Cast, exp.Paren, exp.Null)
    return value if isinstance(value, (*atoms, exp.Placeholder)) else exp.Paren(this=value)


def binary(kind: type[exp.Binary], left: Node, right: Node | str | int) -> exp.Binary:
    """``left kind right``."""
    return kind(this=_paren(left), expression=_paren(_node(right)))


def eq(left: Node, right: Node | str | int) -> Node:
    """``=``."""
    return binary(exp.EQ, left, right)


def ne(left: Node, right: Node | str | int) -> Node:
    """``<>``."""
    return binary(exp.NEQ, left, right)


def ge(left: Node, right: Node | str | int) -> Node:
    """``>=``."""
    return binary(exp.GTE, left, right)


def gt(left: Node, right: Node | str | int) -> Node:
    """``>``."""
    return binary(exp.GT, left, right)


def lt(left: Node, right: Node | str | int) -> Node:
    """``<``."""
    return binary(exp.LT, left, right)


def le(left: Node, right: Node | str | int) -> Node:
    """``<=``."""
    return binary(exp.LTE, left, right)


def mod(left: Node, divisor: int) -> Node:
    """Remainder."""
    return binary(exp.Mod, left, divisor)


def div(left: Node, divisor: int) -> Node:
    """Whole-number quotient."""
    return binary(exp.IntDiv, left, divisor)


def ratio(left: Node, right: Node) -> Node:
    """Quotient, not cut to a whole number."""
    return binary(exp.Div, left, right)


def mul(left: Node, right: Node | int) -> Node:
    """Product."""
    return binary(exp.Mul, left, right)


def plus(values: Sequence[Node]) -> Node:
    """The sum of all values; 0 of none."""
    if not values:
        return number(0)
    return reduce(lambda a, b: exp.Add(this=a, expression=b), [_paren(v) for v in values])


def minus(left: Node, right: Node | int) -> Node:
    """Difference."""
    return binary(exp.Sub, left, right)


def has_bits(word: Node, mask: int) -> Node:
    """Whether any bit of ``mask`` is set in ``word``."""
    return ne(exp.BitwiseAnd(this=_paren(word), expression=number(mask)), 0)


def all_of(conditions: Iterable[Node]) -> Node:
    """AND of all; TRUE of none."""
    made = [_paren(c) for c in conditions]
    return reduce(lambda a, b: exp.And(this=a, expression=b), made) if made else exp.true()


def any_of(conditions: Iterable[Node]) -> Node:
    """OR of all; FALSE of none."""
    made = [_paren(c) for c in conditions]
    return reduce(lambda a, b: exp.Or(this=a, expression=b), made) if made else exp.false()


def negate(condition: Node) -> Node:
    """NOT."""
    return exp.Not(this=_paren(condition))


def is_null(value: Node) -> Node:
    """IS NULL."""
    return exp.Is(this=_paren(value), expression=exp.Null())


def not_null(value: Node) -> Node:
    """IS NOT NULL."""
    return negate(is_null(value))


def is_false(condition: Node) -> Node:
    """IS FALSE: neither true nor unknown."""
    return exp.Is(this=_paren(condition), expression=exp.false())


def differs(left: Node, right: Node) -> Node:
    """IS DISTINCT FROM."""
    return exp.NullSafeNEQ(this=_paren(left), expression=_paren(right))


def one_of(value: Node, options: Iterable[str]) -> Node:
    """Whether the value is one of some strings; FALSE for none.

    Longer lists are a function call, not IN: DuckDB turns every IN of more than a few constants
    into a join of its own, and forty joins cost a second before the first row.
    """
    listed = list(options)
    if not listed:
        return exp.false()
    if len(listed) <= SHORT_LIST:
        return exp.In(this=_paren(value), expressions=[text(option) for option in listed])
    return fn("list_contains", array(listed), value)


def matches(value: Node, pattern: str) -> Node:
    """The whole value matches an RE2 pattern."""
    return fn("regexp_full_match", value, pattern)


def like(value: Node, pattern: str) -> Node:
    """LIKE."""
    return exp.Like(this=_paren(value), expression=text(pattern))


def sql(tree: exp.Expr) -> str:
    """The tree as DuckDB SQL."""
    return tree.sql(dialect="duckdb", copy=False)
