"""How values and rows flow through one qualified query, as sqlglot's scopes show it.

For every output column: the table columns whose values reach it, and those that decide which rows
count. What an edge is called and how it is told is ``columns``' business; nothing here reads text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

ROWS = "*"
"""The source column that stands for a table's rows."""

Source = tuple[str, str]
"""``silver.house``, ``usage``."""
Found = dict[Source, int]
"""Per source the kinds of its ways, one bit each."""

IDENTITY, TRANSFORMATION, AGGREGATION, FILTER, JOIN, GROUP, WINDOW = (1 << n for n in range(7))
VALUES = IDENTITY | TRANSFORMATION | AGGREGATION
_SAME = (exp.Alias, exp.Paren)
_PARTIAL = {"SEMI", "ANTI"}


class LostError(Exception):
    """A part of a query whose origin cannot be found; ``columns`` tells it."""

    def __init__(self, node: exp.Expr) -> None:
        super().__init__(type(node).__name__)
        self.node = node


def outputs(scope: Scope) -> list[str]:
    """The names of a scope's output columns, in order."""
    return list(cast("exp.Query", scope.expression).named_selects)


class Flow:
    """Walks the scopes of one query back to its tables, each part once."""

    def __init__(self, root: Scope) -> None:
        self._root = root
        self._scopes = {id(scope.expression): scope for scope in root.traverse()}
        self._values: dict[int, list[Found]] = {}
        self._conditions: dict[int, Found] = {}
        self._places: dict[int, dict[str, int]] = {}

    def values(self) -> list[Found]:
        """Per output column, what flows into it, and what decides within its own expression."""
        return [dict(found) for found in self._columns(self._root)]

    def conditions(self) -> Found:
        """What decides which rows there are."""
        return dict(self._rows_by(self._root))

    def rows(self) -> list[Source]:
        """The tables whose rows become the query's rows, whatever their columns hold."""
        return list(self._rows(self._root))

    def _columns(self, scope: Scope) -> list[Found]:
        """Per output of a scope, what flows into it."""
        known = self._values.get(id(scope))
        if known is not None:
            return known
        if branches := scope.set_operation_scopes:
            parts = [self._columns(branch) for branch in branches]
            if isinstance(scope.expression, exp.Except | exp.Intersect):
                parts = parts[:1]
            found: list[Found] = [{} for _ in parts[0]]
            for part in parts:
                for into, more in zip(found, part, strict=True):
                    _add(into, more)
        else:
            found = []
            for projection in _selects(scope):
                one: Found = {}
                self._visit(scope, projection, IDENTITY, one)
                found.append(one)
        self._values[id(scope)] = found
        return found

    def _visit(self, scope: Scope, node: exp.Expr, kind: int, found: Found) -> None:
        """Add what flows from ``node`` into an output; ``kind`` is what is done to it above."""
        if isinstance(node, exp.Column):
            _add(found, self._of_column(scope, node), kind)
        elif isinstance(node, exp.TableColumn):
            raise LostError(node)
        elif isinstance(node, _SAME):
            self._visit(scope, node.this, kind, found)
        elif isinstance(node, exp.Query):
            self._visit_query(node, kind, found)
        elif isinstance(node, exp.Exists):
            self._visit_query(node.this, FILTER if kind & VALUES else kind, found, exists=True)
        elif isinstance(node, exp.Filter):
            self._visit(scope, node.this, kind, found)
            self._visit(scope, node.expression, FILTER if kind & VALUES else kind, found)
        elif isinstance(node, exp.Window):
            self._visit_window(scope, node, kind, found)
        elif isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            rows = dict.fromkeys(self._counted(scope), IDENTITY)
            _add(found, rows, max(kind, AGGREGATION))
        else:
            done = AGGREGATION if isinstance(node, exp.AggFunc) else TRANSFORMATION
            for child in node.iter_expressions():
                self._visit(scope, child, max(kind, done), found)

    def _visit_query(
        self, node: exp.Expr, kind: int, found: Found, *, exists: bool = False
    ) -> None:
        """A subquery inside an expression: its values, and what decides which one it gives."""
        inner = node.unnest() if isinstance(node, exp.Subquery) else node
        scope = self._scopes.get(id(inner))
        if scope is None:
            raise LostError(inner)
        decided = self._rows_by(scope)
        if not exists:
            for one in self._columns(scope):
                _add(found, one, kind)
        elif not decided:
            decided = dict.fromkeys(self._rows(scope), FILTER)
        _add(found, decided, kind)

    def _visit_window(self, scope: Scope, node: exp.Window, kind: int, found: Found) -> None:
        self._visit(scope, node.this, max(kind, AGGREGATION), found)
        deciding = WINDOW if kind & VALUES else kind
        for part in _window_parts(scope, node):
            self._visit(scope, part, deciding, found)

    def _of_column(self, scope: Scope, column: exp.Column) -> Found:
        """Where a column comes from; that of a correlated subquery is found further out."""
        at: Scope | None = scope
        if not column.table and (place := self._place(scope, column.name)) is not None:
            return self._columns(scope)[place]  # ORDER BY names an output
        while at is not None:
            source = at.sources.get(column.table)
            if isinstance(source, exp.Table):
                return {(f"{source.db}.{source.name}", column.name): IDENTITY}
            if source is not None:
                place = self._place(source, column.name)
                if place is None:
                    break
                return self._columns(source)[place]
            at = at.parent
        raise LostError(column)

    def _place(self, scope: Scope, name: str) -> int | None:
        places = self._places.get(id(scope))
        if places is None:
            named = enumerate(outputs(scope))
            places = self._places[id(scope)] = {name: place for place, name in named}
        return places.get(name)

    def _counted(self, scope: Scope) -> Iterator[Source]:
        """The rows that ``COUNT(*)`` counts: those of every source that is joined, and no more."""
        for name in _sources(scope, partial=False):
            yield from self._rows(scope.sources.get(name))

    def _rows(self, source: exp.Table | Scope | None) -> Iterator[Source]:
        if isinstance(source, exp.Table):
            yield (f"{source.db}.{source.name}", ROWS)
        elif isinstance(source, Scope):
            for branch in source.set_operation_scopes or [source]:
                yield from self._counted(branch)

    def _rows_by(self, scope: Scope) -> Found:
        """The table columns that decide which rows reach ``scope``, here or further down."""
        if id(scope) in self._conditions:
            return self._conditions[id(scope)]
        found: Found = {}
        if scope.set_operation_scopes:
            self._set_operation(scope, found)
        else:
            self._own_conditions(scope, found)
            for name in _sources(scope):
                origin = scope.sources.get(name)
                if isinstance(origin, Scope):
                    _add(found, self._rows_by(origin))
        self._conditions[id(scope)] = found
        return found

    def _set_operation(self, scope: Scope, found: Found) -> None:
        """Branches bring their conditions; where equal rows meet, every value decides."""
        takes = isinstance(scope.expression, exp.Except | exp.Intersect)
        distinct = bool(scope.expression.args.get("distinct"))
        for branch in scope.set_operation_scopes:
            _add(found, self._rows_by(branch))
            if takes or distinct:
                for one in self._columns(branch):
                    _add(found, one, FILTER if takes else GROUP)
            if takes:
                _add(found, dict.fromkeys(self._rows(branch), FILTER), FILTER)

    def _own_conditions(self, scope: Scope, found: Found) -> None:
        args = scope.expression.args
        for name in ("where", "having", "qualify"):
            if node := args.get(name):
                self._visit(scope, node.this, FILTER, found)
        for node in _grouped(scope):
            self._visit(scope, node, GROUP, found)
        if args.get("limit") or args.get("offset"):
            for name in ("limit", "offset", "order"):
                if node := args.get(name):
                    self._visit(scope, node, FILTER, found)
        for join in args.get("joins") or ():
            self._visit_join(scope, join, found)

    def _visit_join(self, scope: Scope, join: exp.Join, found: Found) -> None:
        name = join.this.alias_or_name
        on = join.args.get("on")
        if on is not None:
            self._visit(scope, on, JOIN, found)
        if on is None or all(column.table != name for column in on.find_all(exp.Column)):
            # Nothing of what is joined is asked: that it has rows decides.
            _add(found, dict.fromkeys(self._rows(scope.sources.get(name)), JOIN), JOIN)


def _add(into: Found, more: Mapping[Source, int], kind: int = IDENTITY) -> None:
    """Add ways, each after ``kind`` was done to it; of values the most that was done stands."""
    for source, ways in more.items():
        if kind & ~VALUES:
            passed = kind
        else:
            value = ways & VALUES
            passed = (ways & ~VALUES) | (max(value, kind) if value else 0)
        both = into.get(source, 0) | passed
        value = both & VALUES
        into[source] = (both & ~VALUES) | (1 << value.bit_length() >> 1)


def _selects(scope: Scope) -> Iterable[exp.Expr]:
    return cast("exp.Query", scope.expression).selects


def _grouped(scope: Scope) -> Iterator[exp.Expr]:
    """What rows are put together by: GROUP BY and DISTINCT."""
    select = scope.expression
    if group := select.args.get("group"):
        yield from group.iter_expressions()
        if group.args.get("all"):
            yield from (one for one in _selects(scope) if one.find(exp.AggFunc) is None)
    if distinct := select.args.get("distinct"):
        on = distinct.args.get("on")
        if on is None:
            yield from _selects(scope)
        else:
            yield on
            if order := select.args.get("order"):
                yield from order.expressions


def _sources(scope: Scope, *, partial: bool = True) -> Iterator[str]:
    """The names of FROM and the joins; without ``partial`` only of those that bring rows."""
    start = scope.expression.args.get("from_")
    if start is not None:
        yield start.this.alias_or_name
    for join in scope.expression.args.get("joins") or ():
        if partial or str(join.args.get("kind") or "").upper() not in _PARTIAL:
            yield join.this.alias_or_name


def _window_parts(scope: Scope, window: exp.Window) -> Iterator[exp.Expr]:
    """PARTITION BY and ORDER BY of a window, also of one that the query names."""
    yield from window.args.get("partition_by") or ()
    if order := window.args.get("order"):
        yield from order.expressions
    if spec := window.args.get("spec"):
        yield from spec.iter_expressions()
    if name := window.args.get("alias"):
        for named in scope.expression.args.get("windows") or ():
            if named.name.lower() == name.name.lower():
                yield from _window_parts(scope, named)
