"""What a demand on one relation demands of the relations that it reads.

A demand is a set of values and conditions between them and a relation's rows. The rule that every
plan here keeps: if each relation below holds all its demanded rows and, wherever rows below may be
missing, no other rows that meet the demand, then this relation's demanded rows come out as they
are. So the rows that no demand reaches - which were not opened - cannot change a figure.

A demand that *gives* asks for less: only the rows whose values flow into the asked columns. It
proves nothing and only tells the rows that give from those that decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.opening.facts import is_key, only_decides, only_of, weighing
from dagster_project.lineage.opening.join import Joins
from dagster_project.lineage.opening.shape import (
    HERE,
    MADE,
    VALUES,
    WANTED,
    WANTED_FROM,
    Part,
    Shape,
    from_,
    has_sub,
    of,
    ordered,
    put,
    reads,
    same,
)
from dagster_project.lineage.opening.stage import windows
from dagster_project.lineage.opening.tree import (
    SUB,
    Node,
    Select,
    SetOperation,
    Source,
    Sub,
    own_columns,
)


def parts(node: Node, shape: Shape) -> list[Part]:
    """The demands on what a relation reads."""
    if isinstance(node, SetOperation):
        return list(_of_branches(node, shape))
    if isinstance(node, Select):
        return _Plan(node, shape).parts()
    return []


def _of_branches(node: SetOperation, shape: Shape) -> Iterator[Part]:
    whole = not shape.giving and (node.distinct or not node.adds)
    for place, branch in enumerate(node.branches):
        if shape.giving and place and not node.adds:
            return  # what EXCEPT and INTERSECT compare with gives no values
        rename = dict(zip(node.names, branch.names, strict=True))
        outputs: dict[str, exp.Expr] = {old: of(new) for old, new in rename.items()}
        needed = node.names if whole else shape.needed
        once = shape.once
        if whole:
            # Rows that are alike become one, or meet one another, as a whole.
            once = tuple(of(name) for name in node.names) if node.adds else None
        yield Part(
            branch,
            Shape(
                tuple(put(one, outputs) for one in shape.conditions),
                frozenset(rename.get(name, name) for name in needed),
                shape.giving,
                tuple(put(one, outputs) for one in once) if once is not None else None,
            ),
            None,
            (),
        )


class _Plan(Joins):
    """Plans one demand on one SELECT."""

    def parts(self) -> list[Part]:
        """The demands on the SELECT's sources and subqueries."""
        select = self.select
        self.low = [put(one, select.outputs) for one in self.shape.conditions]
        if not select.sources:
            return []
        (self._giving if self.shape.giving else self._sound)()
        return self.made

    # -- What must be opened -------------------------------------------------------------------

    def _sound(self) -> None:
        select = self.select
        once = self.shape.once
        wholes = None if once is None else [put(one, select.outputs) for one in once]
        exprs = [select.outputs[name] for name in sorted(self.shape.columns & {*select.names})]
        if select.distinct:
            exprs = list(select.outputs.values())
            wholes = exprs
        if select.grouped:
            self._sound_group(exprs)
        elif select.qualify or windows(*exprs):
            self._sound_windows(exprs)
        else:
            low = [one for one in self.low if not has_sub(one)]
            self._join(low, exprs, wholes)

    def _sound_group(self, exprs: list[exp.Expr]) -> None:
        select = self.select
        wanted = [*exprs, *([select.having] if select.having else [])]
        low = [one for one in self.low if is_key(select, one)]
        if select.group and not select.having and all(is_key(select, one) for one in exprs):
            self._join(low, [*exprs, *select.group], list(select.group))
            return
        used = [*wanted, *select.group]
        weigh = None if select.sets or not self._rows_add(used) else weighing(wanted)
        if weigh is None:
            self._join(low, used, None)
            return
        self._join([*low, weigh], used, None)
        if select.group:
            # A group of which no row counts is there all the same: one of its rows shows it.
            keys = [exp.alias_(key.copy(), f"k_{n}") for n, key in enumerate(select.group)]
            base = exp.Select(expressions=keys, **self._where(low, VALUES))
            base.set("group", exp.Group(expressions=[key.copy() for key in select.group]))
            none = exp.Filter(
                this=exp.Count(this=exp.Star()), expression=exp.Where(this=weigh.copy())
            )
            base.set("having", exp.Having(this=exp.EQ(this=none, expression=exp.Literal.number(0))))
            conditions = [
                same(key, of(f"k_{n}", table=WANTED)) for n, key in enumerate(select.group)
            ]
            keys_only = list(select.group)
            self._join(conditions, keys_only, keys_only, f"({self.sql(base)})")

    def _sound_windows(self, exprs: list[exp.Expr]) -> None:
        select = self.select
        wanted = [*exprs, *([select.qualify] if select.qualify else [])]
        low = [one for one in self.low if not (windows(one) or has_sub(one))]
        tuples = {tuple(one.args.get("partition_by") or ()) for one in windows(*wanted)}
        if all(only_of(select, one, keys) for one in low for keys in tuples):
            self._join(low, wanted, None)
            return
        self._join(low, wanted, None)
        for keys in sorted(tuples, key=str):
            self._join(*self._partition(keys, low, wanted))

    def _partition(
        self, keys: Sequence[exp.Expr], low: Sequence[exp.Expr], wanted: list[exp.Expr]
    ) -> tuple[list[exp.Expr], list[exp.Expr], None, str]:
        """All rows of the partitions in which a demanded row stands."""
        named = [exp.alias_(key.copy(), f"k_{n}") for n, key in enumerate(keys)]
        base = exp.Select(
            expressions=named or [exp.alias_(exp.Literal.number(1), "k_0")],
            distinct=exp.Distinct(),
            **self._where(low, VALUES),
        )
        conditions = [same(key, of(f"k_{n}", table=WANTED)) for n, key in enumerate(keys)]
        return conditions, wanted, None, f"({self.sql(base)})"

    # -- What gives values ---------------------------------------------------------------------

    def _giving(self) -> None:
        select = self.select
        names = sorted(self.shape.needed & {*select.names})
        exprs = [select.outputs[name] for name in names]
        rows = ROWS in self.shape.needed
        for one in exprs:
            for sub in self._subs_in(one):
                self._add(sub.node, Shape((), frozenset(sub.node.names), giving=True), VALUES)
        if select.grouped:
            low = [one for one in self.low if is_key(select, one)]
            weigh = None if rows else weighing(exprs)
            self._give(exprs, [*low, weigh] if weigh is not None else low, None, rows=rows)
            return
        tops = [one for one in exprs if windows(one)]
        plain = [one for one in exprs if not windows(one)]
        ranked = bool(select.qualify) or any(windows(one) for one in self.low)
        if plain or rows or not tops:
            self._give(plain, None if ranked else self.low, None, rows=rows)
        for keys in sorted(
            {tuple(w.args.get("partition_by") or ()) for w in windows(*tops)}, key=str
        ):
            self._give_partition(tops, keys)

    def _subs_in(self, expression: exp.Expr) -> list[Sub]:
        return [
            self.select.subs[node.meta[SUB]]
            for node in expression.find_all(exp.Select, exp.SetOperation)
            if SUB in node.meta
        ]

    def _give_partition(self, tops: Sequence[exp.Expr], keys: Sequence[exp.Expr]) -> None:
        chosen = [
            one for one in windows(*tops) if tuple(one.args.get("partition_by") or ()) == keys
        ]
        named = {f"k_{n}": key.copy() for n, key in enumerate(keys)}
        base = self._ranked(named or {"k_0": exp.Literal.number(1)}, VALUES)
        conditions = [same(key, of(f"k_{n}", table=WANTED)) for n, key in enumerate(keys)]
        counted = any(isinstance(one, exp.Star) for w in chosen for one in w.find_all(exp.Star))
        bare = [part for w in chosen for part in (w.this, w.args.get("order")) if part is not None]
        rows = counted or not own_columns(self.select.number, *bare)
        self._give(bare, conditions, f"({base})", rows=rows)

    def _ranked(self, chosen: dict[str, exp.Expr], values: str) -> str:
        """SQL of expressions over just those rows that come out and meet the demand."""
        select = self.select
        inner = exp.Select(
            expressions=[
                *(exp.alias_(one.copy(), name) for name, one in chosen.items()),
                *(
                    exp.alias_(one.copy(), f"o_{n}")
                    for n, one in enumerate(select.outputs.values())
                ),
            ]
        )
        from_(inner, self._joined(select.sources, here=True), "")
        if select.where:
            inner.set("where", exp.Where(this=exp.and_(*(one.copy() for one in select.where))))
        if select.qualify:
            inner.set("qualify", exp.Qualify(this=select.qualify.copy()))
        outputs: dict[str, exp.Expr] = {
            name: exp.column(f"o_{n}", table=MADE) for n, name in enumerate(select.names)
        }
        conditions = [put(one, outputs) for one in self.shape.conditions]
        outer = exp.Select(
            expressions=[exp.column(name, table=MADE) for name in chosen],
            distinct=exp.Distinct(),
        )
        from_(
            outer,
            [exp.to_table(WANTED_FROM), exp.Subquery(this=inner, alias=exp.to_identifier(MADE))],
            values,
        )
        if conditions:
            outer.set("where", exp.Where(this=exp.and_(*conditions)))
        return self.sql(outer)

    def _give(
        self,
        exprs: Sequence[exp.Expr],
        low: Sequence[exp.Expr] | None,
        values: str | None,
        *,
        rows: bool,
    ) -> None:
        """Per source, the rows whose values flow into expressions; ``low`` None: ranked rows."""
        select = self.select
        counts = any(
            isinstance(star.parent, exp.Count) for one in exprs for star in one.find_all(exp.Star)
        )
        flows: dict[str, set[str]] = {}
        for one in exprs:
            for column in own_columns(select.number, one):
                if not only_decides(one, column):
                    flows.setdefault(column.table, set()).add(column.name)
        if rows or counts:
            flows.setdefault(select.sources[0].alias, set()).add(ROWS)
        for source in select.sources:
            needed = flows.get(source.alias)
            if needed:
                self._give_source(source, frozenset(needed), exprs, low, values)

    def _give_source(
        self,
        source: Source,
        needed: frozenset[str],
        exprs: Sequence[exp.Expr],
        low: Sequence[exp.Expr] | None,
        values: str | None,
    ) -> None:
        select = self.select
        if low is not None and len(select.sources) == 1 and not select.subs:
            conditions = [self._as_made(source, one) for one in (*select.where, *low)]
            shape = Shape(ordered(conditions), needed, giving=True)
            self._add(source.node, shape, values or VALUES)
            return
        names = sorted(self._columns(source, [*exprs, *(low or self.low), *self._ranks()]))
        columns = {f"c_{n}": exp.column(name, table=source.alias) for n, name in enumerate(names)}
        here = exp.column(HERE, table=source.alias)
        if low is None:
            inner = self._ranked({**columns, HERE: here}, VALUES)
            sql = f"(SELECT * FROM ({inner}) WHERE {HERE})"
        else:
            query = exp.Select(
                expressions=[exp.alias_(one, name) for name, one in columns.items()]
                or [exp.alias_(exp.Literal.number(1), "c_0")],
                distinct=exp.Distinct(),
                **self._where(low, values or VALUES, here=True),
            )
            sql = f"({self.sql(query.where(here))})"
        conditions = [same(of(name), of(f"c_{n}", table=WANTED)) for n, name in enumerate(names)]
        shape = Shape(tuple(conditions), needed, giving=True)
        self._add(source.node, shape, sql, select.sources, list(reads(select.where)))

    def _ranks(self) -> list[exp.Expr]:
        select = self.select
        return [*select.outputs.values(), *([select.qualify] if select.qualify else [])]
