"""One SELECT on which there is a demand: what it reads, and the SQL of its demands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from dagster_project.lineage.opening.facts import adds_only
from dagster_project.lineage.opening.shape import (
    HERE,
    VALUES,
    WANTED_FROM,
    Part,
    Shape,
    bound,
    from_,
    has_sub,
    of,
    reads,
    relation,
    text,
)
from dagster_project.lineage.opening.tree import Node, Select, Source, own_columns


@dataclass
class Level:
    """A demand on one SELECT; ``low`` are its conditions, said of the SELECT's sources."""

    select: Select
    shape: Shape
    low: list[exp.Expr] = field(default_factory=list)
    made: list[Part] = field(default_factory=list)

    def _rows_add(self, used: Sequence[exp.Expr]) -> bool:
        """Whether the joined rows can only become more by more rows below."""
        select = self.select
        return not select.subs and all(
            source.kind == "core" and self._adds(source, used) for source in select.sources
        )

    def _adds(self, source: Source, used: Sequence[exp.Expr]) -> bool:
        return adds_only(source.node, self._columns(source, used))

    def _columns(self, source: Source, used: Sequence[exp.Expr]) -> frozenset[str]:
        """The columns of a source that a level reads."""
        select = self.select
        everything = [*used, *select.where, *(on for one in select.sources for on in one.on)]
        return frozenset(
            column.name
            for column in own_columns(select.number, *everything)
            if column.table == source.alias
        )

    def _pool(self, low: Sequence[exp.Expr]) -> list[exp.Expr]:
        """The conditions on joined rows: WHERE, the ON of inner joins, the demand's own."""
        ons = [on for one in self.select.sources if one.kind == "core" for on in one.on]
        return [one for one in (*self.select.where, *ons, *low) if not has_sub(one)]

    def _aliases(self, expression: exp.Expr) -> set[str]:
        return {column.table for column in own_columns(self.select.number, expression)}

    def _add(
        self,
        node: Node,
        shape: Shape,
        values: str,
        beside: Sequence[Source] = (),
        more: Sequence[Node] = (),
    ) -> None:
        needs = (*(one.node for one in beside), *more)
        kept = values == VALUES
        if not kept:
            below = reads([self.select.query])
            needs = (*(one.node for one in self.select.sources), *below, *needs)
        self.made.append(Part(node, shape, None if kept else f"SELECT * FROM {values}", needs))

    def _as_made(self, source: Source, expression: exp.Expr) -> exp.Expr:
        """The source's columns said as columns of the demanded rows."""

        def told(node: exp.Expr) -> exp.Expr:
            is_own = isinstance(node, exp.Column) and node.table == source.alias
            return of(node.name) if is_own else node

        return expression.transform(told)

    def _table(self, source: Source, *, here: bool = False) -> exp.Expr:
        table = exp.to_table(relation(source.node))
        if here:
            marked = exp.Select(
                expressions=[exp.Star(), exp.alias_(exp.true(), HERE)],
                from_=exp.From(this=table),
            )
            return exp.Subquery(this=marked, alias=exp.to_identifier(source.alias))
        return table.as_(source.alias)

    def _joined(self, sources: Sequence[Source], *, here: bool = False) -> list[exp.Expr]:
        """The FROM as it was written, over relations."""
        made: list[exp.Expr] = [self._table(sources[0], here=here)]
        for source in sources[1:]:
            copy = (source.join or exp.Join()).copy()
            copy.set("this", self._table(source, here=here))
            if not source.on and not copy.args.get("using") and not copy.side:
                copy.set("kind", "CROSS")
            made.append(copy)
        return made

    def _where(
        self,
        low: Sequence[exp.Expr],
        values: str,
        *,
        here: bool = False,
        subs: bool = True,
    ) -> dict[str, exp.Expr | list[exp.Expr]]:
        """FROM and WHERE of the joined rows that meet the demand."""
        query = exp.Select()
        start: list[exp.Expr] = [exp.to_table(WANTED_FROM)]
        from_(query, [*start, *self._joined(self.select.sources, here=here)], values)
        where = [*self.select.where, *low]
        if not here or not subs:
            where = [one for one in where if not has_sub(one)]
        if where:
            query.set("where", exp.Where(this=exp.and_(*(one.copy() for one in where))))
        return {name: value for name, value in query.args.items() if value}

    @staticmethod
    def sql(query: exp.Expr) -> str:
        """SQL whose subqueries read relations."""
        return text(bound(query))
