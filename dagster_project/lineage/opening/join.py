"""What a demand on joined rows demands of each of the relations that are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from sqlglot import exp

from dagster_project.lineage.opening.facts import is_unique
from dagster_project.lineage.opening.level import Level
from dagster_project.lineage.opening.shape import (
    VALUES,
    WANTED,
    WANTED_FROM,
    Shape,
    from_,
    has_sub,
    of,
    ordered,
    same,
)
from dagster_project.lineage.opening.tree import OWNER, SUB, Source, Sub, own_columns


class Joins(Level):
    """Demands on the relations of one SELECT that must be kept for its rows to come out right."""

    def _join(
        self,
        low: Sequence[exp.Expr],
        used: Sequence[exp.Expr],
        once: Sequence[exp.Expr] | None,
        values: str = VALUES,
    ) -> None:
        """Demand the rows that are joined to the demanded ones."""
        select = self.select
        used = [*used, *low]
        pool = self._pool(low)
        for sub in self._subs(used):
            self._sub(sub, low, values)
        if any(source.kind == "outer" for source in select.sources):
            for source in select.sources:
                self._outer(source, low, used, values)
            return
        if len(select.sources) == 1:
            self._single(pool, used, once if not select.subs else None, values)
            return
        picks = once is not None and self._rows_add(used)
        done: list[Source] = []
        late: list[Source] = []
        for source in (one for one in select.sources if one.kind == "core"):
            if self._adds(source, used):
                self._narrow(source, low, used, once if picks else None, values)
                done.append(source)
            else:
                late.append(source)
        while late:
            source = self._next(late, done, pool)
            late.remove(source)
            self._linked(source, pool, done, used, values)
            done.append(source)
        for place, source in enumerate(select.sources):
            if source.kind in {"left", "semi", "anti"} and not self._is_idle(source, used):
                self._attached(place, pool, used, values)

    def _single(
        self,
        pool: Sequence[exp.Expr],
        used: Sequence[exp.Expr],
        once: Sequence[exp.Expr] | None,
        values: str,
    ) -> None:
        source = self.select.sources[0]
        shape = Shape(
            ordered(self._as_made(source, one) for one in pool),
            self._columns(source, used),
            once=None if once is None else tuple(self._as_made(source, one) for one in once),
        )
        self._add(source.node, shape, values)

    def _narrow(
        self,
        source: Source,
        low: Sequence[exp.Expr],
        used: Sequence[exp.Expr],
        once: Sequence[exp.Expr] | None,
        values: str,
    ) -> None:
        """Of a source in which nothing appears by itself, just the rows that are joined."""
        select = self.select
        names = sorted(self._columns(source, used))
        columns = [exp.column(name, table=source.alias) for name in names]
        chosen = [exp.alias_(one, f"c_{n}") for n, one in enumerate(columns)]
        base = exp.Select(
            expressions=chosen or [exp.alias_(exp.Literal.number(1), "c_0")],
            distinct=exp.Distinct(),
            **self._where(low, values),
        )
        if once is not None:
            # The same joined row is picked for every source: ranked by all columns of all.
            order = [
                exp.column(name, table=one.alias)
                for one in select.sources
                for name in sorted(self._columns(one, used))
            ]
            base.set("distinct", None)
            rank = exp.Window(
                this=exp.RowNumber(),
                partition_by=[one.copy() for one in once],
                order=exp.Order(expressions=[exp.Ordered(this=one) for one in order]),
            )
            first = exp.EQ(this=rank, expression=exp.Literal.number(1))
            base.set("qualify", exp.Qualify(this=first))
        conditions = tuple(
            same(of(name), of(f"c_{n}", table=WANTED)) for n, name in enumerate(names)
        )
        shape = Shape(
            conditions,
            frozenset(names),
            once=tuple(of(name) for name in names) if once is not None else None,
        )
        self._add(source.node, shape, f"({self.sql(base)})", select.sources)

    def _next(
        self, late: Sequence[Source], done: Sequence[Source], pool: Sequence[exp.Expr]
    ) -> Source:
        """The source that is best bound by what is known: by equalities before other conditions."""

        def bonds(source: Source) -> tuple[int, int]:
            links = self._links(source, pool, done)
            return sum(isinstance(one, exp.EQ | exp.NullSafeEQ) for one in links), len(links)

        return max(late, key=bonds)

    def _links(
        self, source: Source, pool: Sequence[exp.Expr], done: Sequence[Source]
    ) -> list[exp.Expr]:
        """Conditions on a source that read nothing but it, sources before it, and the demand."""
        known = {source.alias, *(one.alias for one in done)}
        return [
            one
            for one in pool
            if source.alias in (aliases := self._aliases(one)) and aliases <= known
        ]

    def _linked(
        self,
        source: Source,
        pool: Sequence[exp.Expr],
        done: Sequence[Source],
        used: Sequence[exp.Expr],
        values: str,
    ) -> None:
        """Of a source in which rows may appear by themselves, all that meet the rows before it."""
        links = self._links(source, pool, done)
        known = {one.alias for one in done}
        near = {alias for one in links for alias in self._aliases(one)} & known
        while True:
            more = {
                alias
                for one in pool
                if (aliases := self._aliases(one)) <= known and aliases & near
                for alias in aliases
            }
            if more <= near:
                break
            near |= more
        beside = [one for one in done if one.alias in near]
        filters = [one for one in pool if self._aliases(one) and self._aliases(one) <= near]
        start = [exp.to_table(WANTED_FROM), *(self._table(one) for one in beside)]
        self._bind(source, links, start, filters, used, values, beside)

    def _attached(
        self, place: int, pool: Sequence[exp.Expr], used: Sequence[exp.Expr], values: str
    ) -> None:
        """Of a source beside which rows stay without it: all that meet the rows before it."""
        select = self.select
        source, before = select.sources[place], select.sources[:place]
        known = {one.alias for one in before}
        on = [one for one in source.on if not has_sub(one)]
        links = [one for one in on if source.alias in self._aliases(one)]
        filters = [one for one in on if source.alias not in self._aliases(one)]
        filters += [one for one in pool if self._aliases(one) <= known]
        kept = [one for one in before if one.kind == "core" or not self._is_idle(one, used)]
        start: list[exp.Expr] = [exp.to_table(WANTED_FROM), *self._joined(kept)]
        self._bind(source, links, start, filters, used, values, kept)

    def _bind(  # noqa: PLR0917 - the parts of one SELECT
        self,
        source: Source,
        links: Sequence[exp.Expr],
        start: Sequence[exp.Expr],
        filters: Sequence[exp.Expr],
        used: Sequence[exp.Expr],
        values: str,
        beside: Sequence[Source],
    ) -> None:
        known: dict[str, tuple[exp.Column, str]] = {}

        def told(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Column):
                return node
            if node.meta.get(OWNER) == self.select.number and node.table == source.alias:
                return of(node.name)
            key = f"{node.table}.{node.name}"
            _, name = known.setdefault(key, (node.copy(), f"c_{len(known)}"))
            return of(name, table=WANTED)

        conditions = ordered([one.transform(told) for one in links])
        chosen: list[exp.Expr] = [exp.alias_(one, name) for one, name in known.values()]
        query = exp.Select(
            expressions=chosen or [exp.alias_(exp.Literal.number(1), "c_0")],
            distinct=exp.Distinct(),
        )
        from_(query, start, values)
        if filters:
            query.set("where", exp.Where(this=exp.and_(*(one.copy() for one in filters))))
        shape = Shape(conditions, self._columns(source, used))
        self._add(source.node, shape, f"({self.sql(query)})", beside)

    def _outer(
        self, source: Source, low: Sequence[exp.Expr], used: Sequence[exp.Expr], values: str
    ) -> None:
        """Of RIGHT and FULL joins all rows, or those of the key that both sides share."""
        conditions = []
        for one in low:
            own = one.transform(self._shared(source))
            if self._aliases(own) == {source.alias}:
                conditions.append(self._as_made(source, own))
        node_shape = Shape(ordered(conditions), self._columns(source, used))
        self._add(source.node, node_shape, values)

    def _shared(self, source: Source) -> Callable[[exp.Expr], exp.Expr]:
        """Replace COALESCE(a.k, b.k) by this source's k, where a FULL JOIN says a.k = b.k."""
        sources = self.select.sources
        pairs: list[set[str]] = []
        if len(sources) == 2:  # noqa: PLR2004
            pairs = [
                {one.left.sql(), one.right.sql()}
                for one in sources[1].on
                if isinstance(one, exp.EQ)
            ]

        def replaced(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Coalesce):
                both = [node.this, *node.expressions]
                if {one.sql() for one in both} in pairs:
                    own = next(one for one in both if one.table == source.alias)
                    return cast("exp.Expr", own).copy()
            return node

        return replaced

    def _is_idle(self, source: Source, used: Sequence[exp.Expr]) -> bool:
        """Whether a LEFT JOIN gives no column and meets one row at most."""
        select = self.select
        others = [
            *used,
            *select.where,
            *(on for one in select.sources if one is not source for on in one.on),
        ]
        if source.kind != "left" or source.alias in {
            column.table for column in own_columns(select.number, *others)
        }:
            return False
        return is_unique(source.node, self._equal_to(source), self._fixed(source))

    def _equal_to(self, source: Source) -> frozenset[str]:
        """The columns of a source that the ON makes equal to something else."""
        names = set()
        for one in source.on:
            if isinstance(one, exp.EQ):
                for side, other in ((one.left, one.right), (one.right, one.left)):
                    own = isinstance(side, exp.Column) and side.table == source.alias
                    if own and source.alias not in self._aliases(other):
                        names.add(side.name)
        return frozenset(names)

    @staticmethod
    def _fixed(source: Source) -> frozenset[str]:
        """The columns of a source that the ON makes equal to 1."""
        return frozenset(
            one.left.name
            for one in source.on
            if isinstance(one, exp.EQ)
            and isinstance(one.left, exp.Column)
            and one.left.table == source.alias
            and isinstance(one.right, exp.Literal)
            and one.right.name == "1"
        )

    def _subs(self, used: Sequence[exp.Expr]) -> list[Sub]:
        everything = [*used, *self.select.where]
        everything += [on for one in self.select.sources for on in one.on]
        places = {
            node.meta[SUB]
            for expression in everything
            for node in expression.find_all(exp.Select, exp.SetOperation)
            if SUB in node.meta
        }
        return [self.select.subs[place] for place in sorted(places)]

    def _sub(self, sub: Sub, low: Sequence[exp.Expr], values: str) -> None:
        """Demand the rows that a subquery reads for any of the demanded rows."""
        known: dict[str, tuple[exp.Expr, str]] = {}

        def told(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Column):
                return node
            if node.meta.get(OWNER) == sub.node.number:
                return of(f"{node.table}.{node.name}")
            key = f"{node.table}.{node.name}"
            _, name = known.setdefault(key, (node.copy(), f"c_{len(known)}"))
            return of(name, table=WANTED)

        conditions = [one.transform(told) for one in sub.bonds if not has_sub(one)]
        if sub.member is not None and not has_sub(sub.member[0]):
            known["member"] = (sub.member[0].copy(), "c_0")
            value, column = of("c_0", table=WANTED), of(sub.member[1])
            met = exp.EQ(this=column, expression=value)
            conditions = [exp.or_(met, column.copy().is_(exp.null()), value.copy().is_(exp.null()))]
        chosen: list[exp.Expr] = [exp.alias_(one, name) for one, name in known.values()]
        query = exp.Select(
            expressions=chosen or [exp.alias_(exp.Literal.number(1), "c_0")],
            distinct=exp.Distinct(),
            **self._where(low, values, subs=False),
        )
        shape = Shape(ordered(conditions), frozenset(sub.node.names))
        self._add(sub.node, shape, f"({self.sql(query)})", self.select.sources)
