"""What a demand on one relation demands of the relations that it reads.

A demand is a set of values and conditions between them and a relation's rows. The rule that every
plan here keeps: if each relation below holds all its demanded rows and, wherever rows below may be
missing, no other rows that meet the demand, then this relation's demanded rows come out as they
are. So the rows that no demand reaches - which were not opened - cannot change a figure.

A demand that *gives* asks for less: only the rows whose values flow into the asked columns. It
proves nothing and only tells the rows that give from those that decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.opening_tree import (
    OWNER,
    RELATION,
    SUB,
    Leaf,
    Node,
    Select,
    SetOperation,
    Source,
    Sub,
    aggregates,
    own_columns,
    windows,
)

DIALECT = "duckdb"
MADE = "__made"
"""In a demand's conditions: the relation's rows."""
WANTED = "__wanted"
"""In a demand's conditions: the demand's values."""
VALUES = "__values__"
"""In a plan's SQL: the place for the table of the demand's values."""
HERE = "__here"
NULL_IGNORING = (exp.Count, exp.Sum, exp.Min, exp.Max)


@dataclass(frozen=True)
class Shape:
    """A demand without its values.

    ``conditions`` hold for a demanded row and one of the values; ``needed`` are the columns that
    must be right. With ``once`` it is enough if of the rows that agree in these expressions one is
    opened. ``giving`` asks only for the rows whose values flow into ``needed``.
    """

    conditions: tuple[exp.Expr, ...]
    needed: frozenset[str]
    giving: bool = False
    once: tuple[exp.Expr, ...] | None = None

    @property
    def columns(self) -> frozenset[str]:
        """All columns that the demand speaks of."""
        more = (*self.conditions, *(self.once or ()))
        return self.needed | {
            one.name for part in more for one in part.find_all(exp.Column) if one.table == MADE
        }


    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns of the values that the conditions speak of."""
        every = (one for part in self.conditions for one in part.find_all(exp.Column))
        return tuple(sorted({one.name for one in every if one.table == WANTED}))


@dataclass(frozen=True)
class Part:
    """A demand on a relation below: ``sql`` yields its values, or None if they stay the same."""

    node: Node
    shape: Shape
    sql: str | None
    needs: tuple[Node, ...]


def text(expression: exp.Expr) -> str:
    """SQL in which every name is quoted."""
    return expression.sql(dialect=DIALECT, identify=True)


def relation(node: Node) -> str:
    """The name under which a relation's rows can be read."""
    return f"relation_{node.number}"


def bound(expression: exp.Expr) -> exp.Expr:
    """A copy whose subqueries read relations by their names."""
    copy = expression.copy()
    for table in list(copy.find_all(exp.Table)):
        node = table.meta.get(RELATION)
        if node is not None:
            table.replace(exp.to_table(relation(node)).as_(table.alias_or_name))
    return copy


def reads(expressions: Iterable[exp.Expr]) -> Iterator[Node]:
    """The relations that subqueries in expressions read."""
    for expression in expressions:
        for table in expression.find_all(exp.Table):
            if RELATION in table.meta:
                yield table.meta[RELATION]


def of(name: str, *, table: str = MADE) -> exp.Column:
    """A column of the demanded rows."""
    return exp.column(name, table=table, quoted=True)


def same(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Equality in which NULL is a value."""
    return exp.NullSafeEQ(this=exp.paren(left.copy()), expression=exp.paren(right.copy()))


def _put(expression: exp.Expr, outputs: dict[str, exp.Expr]) -> exp.Expr:
    """Say the relation's columns by what they are made of."""

    def replaced(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.table == MADE:
            return exp.paren(outputs[node.name].copy())
        return node

    return expression.transform(replaced)


def _has_sub(expression: exp.Expr) -> bool:
    return expression.find(exp.Select, exp.SetOperation) is not None


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
                tuple(_put(one, outputs) for one in shape.conditions),
                frozenset(rename.get(name, name) for name in needed),
                shape.giving,
                tuple(_put(one, outputs) for one in once) if once is not None else None,
            ),
            None,
            (),
        )


def adds_only(node: Node, needed: frozenset[str]) -> bool:
    """Whether more rows below can only mean more rows here, as far as these columns say.

    Then no row can appear here because rows below were not opened.
    """
    if isinstance(node, Leaf):
        return node.root is None or adds_only(node.root, needed)
    if isinstance(node, SetOperation):
        if not node.adds:
            return False
        places = [node.names.index(name) for name in needed if name in node.names]
        if node.distinct:
            places = list(range(len(node.names)))
        return all(
            adds_only(branch, frozenset(branch.names[place] for place in places))
            for branch in node.branches
        )
    if not isinstance(node, Select):
        return False
    exprs = [node.outputs[name] for name in needed if name in node.outputs]
    if node.distinct:
        exprs = list(node.outputs.values())
    if node.subs or node.qualify or node.having or windows(*exprs):
        return False
    if node.grouped and not (node.group and all(_is_key(node, one) for one in exprs)):
        return False
    if any(source.kind != "core" for source in node.sources):
        return False
    used = [*exprs, *node.where, *node.group, *(on for one in node.sources for on in one.on)]
    return all(
        adds_only(
            source.node,
            frozenset(c.name for c in own_columns(node.number, *used) if c.table == source.alias),
        )
        for source in node.sources
    )


def _is_key(select: Select, expression: exp.Expr) -> bool:
    """Whether an expression is the same for all rows of a group."""
    if any(aggregates(expression)) or _has_sub(expression):
        return False

    def hidden(node: exp.Expr) -> exp.Expr:
        return exp.null() if node in select.group else node

    return not own_columns(select.number, expression.transform(hidden))


@dataclass
class _Plan:
    """Plans one demand on one SELECT."""

    select: Select
    shape: Shape
    low: list[exp.Expr] = field(default_factory=list)
    made: list[Part] = field(default_factory=list)

    def parts(self) -> list[Part]:
        """The demands on the SELECT's sources and subqueries."""
        select = self.select
        self.low = [_put(one, select.outputs) for one in self.shape.conditions]
        if not select.sources:
            return []
        (self._giving if self.shape.giving else self._sound)()
        return self.made

    # -- What must be opened -------------------------------------------------------------------

    def _sound(self) -> None:
        select = self.select
        once = self.shape.once
        wholes = None if once is None else [_put(one, select.outputs) for one in once]
        exprs = [select.outputs[name] for name in sorted(self.shape.columns & {*select.names})]
        if select.distinct:
            exprs = list(select.outputs.values())
            wholes = exprs
        if select.grouped:
            self._sound_group(exprs)
        elif select.qualify or windows(*exprs):
            self._sound_windows(exprs)
        else:
            low = [one for one in self.low if not _has_sub(one)]
            self._join(low, exprs, wholes)

    def _sound_group(self, exprs: list[exp.Expr]) -> None:
        select = self.select
        wanted = [*exprs, *([select.having] if select.having else [])]
        low = [one for one in self.low if _is_key(select, one)]
        if select.group and not select.having and all(_is_key(select, one) for one in exprs):
            self._join(low, [*exprs, *select.group], list(select.group))
            return
        used = [*wanted, *select.group]
        weigh = None if select.sets or not self._rows_add(used) else _weigh(wanted)
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
            self._join(conditions, keys_only, keys_only, f"({self._sql(base)})")

    def _sound_windows(self, exprs: list[exp.Expr]) -> None:
        select = self.select
        wanted = [*exprs, *([select.qualify] if select.qualify else [])]
        low = [one for one in self.low if not (windows(one) or _has_sub(one))]
        tuples = {tuple(one.args.get("partition_by") or ()) for one in windows(*wanted)}
        if all(_only_of(select, one, keys) for one in low for keys in tuples):
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
        return conditions, wanted, None, f"({self._sql(base)})"

    # -- Joins ---------------------------------------------------------------------------------

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
        return [one for one in (*self.select.where, *ons, *low) if not _has_sub(one)]

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
            self._sub(sub, pool, low, values)
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
        for source in select.sources:
            if source.kind != "core":
                continue
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
            _ordered(self._as_made(source, one) for one in pool),
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
        self._add(source.node, shape, f"({self._sql(base)})", select.sources)

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

    def _aliases(self, expression: exp.Expr) -> set[str]:
        return {column.table for column in own_columns(self.select.number, expression)}

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
        on = [one for one in source.on if not _has_sub(one)]
        links = [one for one in on if source.alias in self._aliases(one)]
        filters = [one for one in on if source.alias not in self._aliases(one)]
        filters += [one for one in pool if self._aliases(one) <= known]
        kept = [one for one in before if one.kind == "core" or not self._is_idle(one, used)]
        start: list[exp.Expr] = [exp.to_table(WANTED_FROM), *self._joined(kept)]
        self._bind(source, links, start, filters, used, values, kept)

    def _bind(
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

        conditions = _ordered([one.transform(told) for one in links])
        chosen: list[exp.Expr] = [exp.alias_(one, name) for one, name in known.values()]
        query = exp.Select(
            expressions=chosen or [exp.alias_(exp.Literal.number(1), "c_0")],
            distinct=exp.Distinct(),
        )
        _from(query, start, values)
        if filters:
            query.set("where", exp.Where(this=exp.and_(*(one.copy() for one in filters))))
        shape = Shape(conditions, self._columns(source, used))
        self._add(source.node, shape, f"({self._sql(query)})", beside)

    def _outer(
        self, source: Source, low: Sequence[exp.Expr], used: Sequence[exp.Expr], values: str
    ) -> None:
        """Of RIGHT and FULL joins all rows, or those of the key that both sides share."""
        conditions = []
        for one in low:
            own = one.transform(self._shared(source))
            if self._aliases(own) == {source.alias}:
                conditions.append(self._as_made(source, own))
        node_shape = Shape(_ordered(conditions), self._columns(source, used))
        self._add(source.node, node_shape, values)

    def _shared(self, source: Source):  # type: ignore[no-untyped-def]  # noqa: ANN202
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
                    return next(one for one in both if one.table == source.alias).copy()
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
                    if isinstance(side, exp.Column) and side.table == source.alias:
                        if source.alias not in self._aliases(other):
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

    # -- Subqueries ----------------------------------------------------------------------------

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

    def _sub(
        self, sub: Sub, pool: Sequence[exp.Expr], low: Sequence[exp.Expr], values: str
    ) -> None:
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

        conditions = [one.transform(told) for one in sub.bonds if not _has_sub(one)]
        if sub.member is not None and not _has_sub(sub.member[0]):
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
        shape = Shape(_ordered(conditions), frozenset(sub.node.names))
        self._add(sub.node, shape, f"({self._sql(query)})", self.select.sources)

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
            low = [one for one in self.low if _is_key(select, one)]
            weigh = None if rows else _weigh(exprs)
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
        _from(inner, self._joined(select.sources, here=True), "")
        if select.where:
            inner.set("where", exp.Where(this=exp.and_(*(one.copy() for one in select.where))))
        if select.qualify:
            inner.set("qualify", exp.Qualify(this=select.qualify.copy()))
        outputs: dict[str, exp.Expr] = {
            name: exp.column(f"o_{n}", table=MADE) for n, name in enumerate(select.names)
        }
        conditions = [_put(one, outputs) for one in self.shape.conditions]
        outer = exp.Select(
            expressions=[exp.column(name, table=MADE) for name in chosen],
            distinct=exp.Distinct(),
        )
        _from(
            outer,
            [exp.to_table(WANTED_FROM), exp.Subquery(this=inner, alias=exp.to_identifier(MADE))],
            values,
        )
        if conditions:
            outer.set("where", exp.Where(this=exp.and_(*conditions)))
        return self._sql(outer)

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
                if not _only_decides(one, column):
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
            shape = Shape(_ordered(conditions), needed, giving=True)
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
            sql = f"({self._sql(query.where(here))})"
        conditions = [same(of(name), of(f"c_{n}", table=WANTED)) for n, name in enumerate(names)]
        shape = Shape(tuple(conditions), needed, giving=True)
        self._add(source.node, shape, sql, select.sources, list(reads(select.where)))

    def _ranks(self) -> list[exp.Expr]:
        select = self.select
        return [*select.outputs.values(), *([select.qualify] if select.qualify else [])]

    # -- Writing SQL ---------------------------------------------------------------------------

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
            needs = (*(one.node for one in self.select.sources), *needs)
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
            join = source.join
            assert join is not None
            copy = join.copy()
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
        _from(query, [*start, *self._joined(self.select.sources, here=here)], values)
        where = [*self.select.where, *low]
        if not here or not subs:
            where = [one for one in where if not _has_sub(one)]
        if where:
            query.set("where", exp.Where(this=exp.and_(*(one.copy() for one in where))))
        return {name: value for name, value in query.args.items() if value}

    @staticmethod
    def _sql(query: exp.Expr) -> str:
        return text(bound(query))


WANTED_FROM = "__from__"


def _from(query: exp.Select, parts_: Sequence[exp.Expr], values: str) -> None:
    """Set FROM: the demand's values first, then tables and joins."""
    tables: list[exp.Expr] = []
    for part in parts_:
        if isinstance(part, exp.Table) and part.name == WANTED_FROM:
            raw = f'"{VALUES}"' if values == VALUES else values
            tables.append(exp.Var(this=f'{raw} AS "{WANTED}"'))
        else:
            tables.append(part)
    query.set("from_", exp.From(this=tables[0]))
    query.set(
        "joins",
        [
            one if isinstance(one, exp.Join) else exp.Join(this=one, kind="CROSS")
            for one in tables[1:]
        ],
    )


def _ordered(conditions: Iterable[exp.Expr]) -> tuple[exp.Expr, ...]:
    return tuple(sorted(conditions, key=lambda one: one.sql()))


def _only_of(select: Select, expression: exp.Expr, keys: Sequence[exp.Expr]) -> bool:
    """Whether an expression is the same for all rows of a partition."""

    def hidden(node: exp.Expr) -> exp.Expr:
        return exp.null() if node in keys else node

    return not own_columns(select.number, expression.transform(hidden))


def _weigh(exprs: Sequence[exp.Expr]) -> exp.Expr | None:
    """The condition under which a row counts in any of the aggregates; None for always."""
    conditions: list[exp.Expr] = []
    for expression in exprs:
        for aggregate in aggregates(expression):
            own: list[exp.Expr] = []
            if isinstance(aggregate.parent, exp.Filter):
                own.append(aggregate.parent.expression.this)
            argument = aggregate.this
            if isinstance(argument, exp.Distinct):
                argument = argument.expressions[0] if len(argument.expressions) == 1 else None
            if (
                isinstance(aggregate, NULL_IGNORING)
                and argument is not None
                and not isinstance(argument, exp.Star)
                and not aggregate.expressions
            ):
                own.append(exp.Not(this=exp.Is(this=exp.paren(argument), expression=exp.null())))
            if not own or any(_has_sub(one) for one in own):
                return None
            conditions.append(exp.paren(exp.and_(*(one.copy() for one in own))))
    return exp.paren(exp.or_(*conditions)) if conditions else None


def _only_decides(output: exp.Expr, column: exp.Column) -> bool:
    """Whether the column stands in a FILTER and gives no value."""
    node: exp.Expr = column
    while node is not output and node.parent is not None:
        if isinstance(node.parent, exp.Filter) and node is not node.parent.this:
            return True
        node = node.parent
    return False


def is_unique(node: Node, equal: frozenset[str], first: frozenset[str] = frozenset()) -> bool:
    """Whether a relation has one row at most for values of some columns.

    Args:
        node: The relation.
        equal: Columns that are fixed.
        first: Columns that are fixed to 1.
    """
    if isinstance(node, Leaf) and node.root is not None:
        return is_unique(node.root, equal, first)
    if not isinstance(node, Select):
        return False
    if node.distinct:
        return {*node.names} <= equal
    fixed = {node.outputs[name] for name in equal if name in node.outputs}
    if node.grouped:
        return not node.sets and {*node.group} <= fixed
    for name in first:
        one = node.outputs.get(name)
        if isinstance(one, exp.Window) and isinstance(one.this, exp.RowNumber):
            if {*(one.args.get("partition_by") or ())} <= fixed:
                return True
    if len(node.sources) == 1 and not node.subs:
        below = {one.name for one in fixed if isinstance(one, exp.Column)}
        ones = {
            node.outputs[name].name
            for name in first
            if isinstance(node.outputs.get(name), exp.Column)
        }
        return is_unique(node.sources[0].node, frozenset(below), frozenset(ones))
    return False
