"""What a model's SQL may not hold, each finding with its line, its reason and the fix.

Three families: what gives another result on another day or run (clocks, chance, floating sums,
missing order), what column lineage gets silently wrong, and what Spark computes differently. The
first two are law: such a model is refused. The rules are about the text alone: no table is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.lineage.lines import line_of
from dagster_project.lineage.lint_rules import ADVICE, RULES, Rule
from dagster_project.lineage.opening.openable import refusals

DIALECT = "duckdb"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to change."""

    path: str
    line: int
    code: str
    reason: str
    fix: str

    @property
    def is_law(self) -> bool:
        """Whether a model that has it is refused: its figures could not be relied on or opened."""
        return self.code not in ADVICE

    def __str__(self) -> str:
        """``path:line: code: reason. fix.``."""
        return f"{self.path}:{self.line}: {self.code}: {self.reason}. {self.fix}."


@dataclass(frozen=True)
class _Hit:
    node: exp.Expr
    code: str
    reason: str
    fix: str


def lint_file(
    path: Path,
    layer: str,
    name: str = "",
    *,
    key: Sequence[str] = (),
    entities: Collection[str] = (),
) -> list[Finding]:
    """The findings of one SQL file; ``key`` is what a report's ORDER BY must cover."""
    text = path.read_text(encoding="utf-8")
    return lint(text, layer, name or str(path), key=key, entities=entities)


def lint(
    text: str,
    layer: str,
    path: str,
    *,
    key: Sequence[str] = (),
    entities: Collection[str] = (),
) -> list[Finding]:
    """The findings of one model.

    Args:
        text: The model's SQL.
        layer: gold, report or city.
        path: What the findings call the file.
        key: The table's key, if known: the final ORDER BY must cover it.
        entities: Tables of silver that hold living rows only.
    """
    try:
        tree = sqlglot.parse_one(text, read=DIALECT)
    except SqlglotError as error:
        what = str(error).splitlines()[0].rstrip(".")
        return [Finding(path, 1, "unreadable", f"the SQL cannot be read ({what})", "Correct it")]
    if not isinstance(tree, exp.Query):
        line = line_of(tree)
        return [Finding(path, line, "not-a-select", "the file is not one SELECT", "Write a SELECT")]
    return lint_tree(tree, layer, path, key=key, entities=entities)


def lint_tree(
    tree: exp.Query,
    layer: str,
    path: str,
    *,
    key: Sequence[str] = (),
    entities: Collection[str] = (),
) -> list[Finding]:
    """As ``lint``, of a SELECT that was parsed before; it is not changed."""
    hits = [
        _Hit(node, rule.code, rule.reason, rule.fix)
        for node in tree.walk()
        for rule in _rules_of(type(node))
        if rule.applies(node)
    ]
    hits += [_Hit(one.node, one.code, one.reason, one.fix) for one in refusals(tree)]
    hits += [*_stars(tree), *_names(tree), *_deleted(tree, entities)]
    hits += _final_order(tree, layer, key)
    found = {Finding(path, line_of(hit.node), hit.code, hit.reason, hit.fix) for hit in hits}
    return sorted(found)


_KINDS: dict[type[exp.Expr], tuple[Rule, ...]] = {}


def _rules_of(kind: type[exp.Expr]) -> tuple[Rule, ...]:
    if kind not in _KINDS:
        _KINDS[kind] = tuple(rule for rule in RULES if issubclass(kind, rule.kinds))
    return _KINDS[kind]


def _stars(tree: exp.Expr) -> Iterator[_Hit]:
    ctes = list(tree.find_all(exp.CTE))
    first = ctes[0].this if ctes else None
    for select in tree.find_all(exp.Select):
        starred = any(
            isinstance(p, exp.Star) or (isinstance(p, exp.Column) and isinstance(p.this, exp.Star))
            for p in select.expressions
        )
        if starred and select is not first:
            reason = "a new column of the input would change this table unseen"
            yield _Hit(select, "select-star", reason, "List the columns; * only in the first CTE")


def _names(tree: exp.Query) -> Iterator[_Hit]:
    """Outputs without a name of their own, or with one that is told differently elsewhere."""
    seen: set[str] = set()
    for projection in tree.selects:
        name = projection.alias_or_name
        if not name:
            reason = "an output column has no name of its own"
            yield _Hit(projection, "unnamed-column", reason, "Add AS with a name")
        elif name != name.lower():
            reason = f"the table would have the column {name}, and lineage {name.lower()}"
            yield _Hit(projection, "mixed-case", reason, "Write the name in small letters")
        elif name in seen and name != "*":
            reason = f"two output columns are called {name}"
            yield _Hit(projection, "repeated-column", reason, "Give each a name of its own")
        seen.add(name)


def _deleted(tree: exp.Expr, entities: Collection[str]) -> Iterator[_Hit]:
    for table in tree.find_all(exp.Table):
        if table.db != "silver" or table.name in entities:
            continue
        select = table.find_ancestor(exp.Select)
        where = select.args.get("where") if select else None
        join = table.find_ancestor(exp.Join)
        places = [place for place in (where, join and join.args.get("on")) if place is not None]
        if not any(_keeps_living(place, table.alias_or_name, select) for place in places):
            reason = f"silver.{table.name} also holds records that the department took back"
            alias = table.alias or ""
            prefix = f"{alias}." if alias else ""
            yield _Hit(table, "deleted-rows", reason, f"Add WHERE NOT {prefix}_is_deleted")


def _keeps_living(place: exp.Expr, alias: str, select: exp.Expr | None) -> bool:
    """Whether a condition holds ``NOT alias._is_deleted`` among its ANDs."""
    alone = select is not None and not select.args.get("joins")
    condition = place.this if isinstance(place, exp.Where) else place
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        if isinstance(part, exp.Not) and isinstance(part.this, exp.Column):
            column = part.this
            if column.name == "_is_deleted" and (column.table == alias or alone):
                return True
    return False


def _final_order(tree: exp.Query, layer: str, key: Sequence[str]) -> Iterator[_Hit]:
    order = tree.args.get("order")
    if order is None:
        if layer == "report":
            reason = "the rows of a report have no order, so its bytes differ from run to run"
            yield _Hit(tree, "no-order", reason, "Add ORDER BY over the whole key")
        return
    named = {part.name for ordered in order.expressions for part in ordered.find_all(exp.Column)}
    missing = [name for name in key if name not in named]
    if missing and layer == "report":
        reason = f"ORDER BY leaves rows with equal values in chance order ({', '.join(missing)})"
        yield _Hit(order, "partial-order", reason, "Order by the whole key")
