"""What the SELECT of a table rule may say: silver alone, and the same answer whenever it is asked.

Two walls: words of the SELECT are compared here, and DuckDB binds it where it can open no file
(``table_checks``). Names of columns are DuckDB's question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
from sqlglot import exp

from dagster_project.contracts.rowsql import called, looks_at_clock, statements
from dagster_project.contracts.tablesql import DAY

_NAMED = re.compile(r"(?<!:):([A-Za-z_]\w*)")
_NO_TABLE = (exp.Pivot, exp.TableFromRows, exp.Describe, exp.Summarize, exp.Show, exp.Command)
_TABLE_WORDS = frozenset({"this", "db", "catalog", "alias"})
_WHICHEVER = frozenset({"any_value", "arbitrary", "first", "last"})
"""Aggregates that give one value of several, whichever comes first."""
_IN_ORDER = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)
_CLOCK_WORDS = frozenset({"user", "localtime", "localtimestamp"})
"""Words that DuckDB takes for functions where no column has their name."""


def query_faults(text: str, key: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the SELECT of a rule, as sentences.

    Args:
        text: The SELECT, thresholds filled in.
        key: The key columns of the rule's feed, which it must give; none are asked of a feed
            without a key, which is refused for that.
    """
    tree = statements(text)
    if tree is None:
        yield f"`records` is not SQL{_complaint(text)}; correct it"
        return
    if len(tree) != 1 or not isinstance(tree[0], exp.Query):
        yield "`records` is not one SELECT; write a SELECT of this feed's key columns"
        return
    query = tree[0]
    given = tuple(name.lower() for name in query.named_selects)
    if key and sorted(given) != sorted(key):
        yield f"`records` gives {', '.join(given) or 'nothing'}; it must give {', '.join(key)}"
    yield from _source_faults(query)
    if any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star)):
        yield "`records` holds a star; name the columns, so that a new one changes nothing"
    if fault := repeatable_fault(query) or _order_fault(query):
        yield fault


def _complaint(text: str) -> str:
    """Where DuckDB stumbles over a text, in brackets."""
    try:
        duckdb.extract_statements(_NAMED.sub(r"$\1", text))
    except duckdb.Error as error:
        said = str(error).splitlines()[0].removeprefix("Parser Error: ")
        return f" ({said})"
    return ""


def repeatable_fault(tree: exp.Expr) -> str:
    """Whether SQL gives another answer tomorrow, or names what nobody fills in; as a sentence."""
    words = {c.name.lower() for c in tree.find_all(exp.Column) if not c.table}
    if looks_at_clock(tree) or words & _CLOCK_WORDS:
        return "it looks at a clock or at chance; use `:day` for the day of the run"
    odd = [node.name for node in tree.find_all(exp.Placeholder) if node.name != DAY]
    odd += [node.name for node in tree.find_all(exp.Parameter)]
    return f"it names `:{odd[0]}`, which is no parameter of it; add it or correct it" if odd else ""


def _source_faults(query: exp.Query) -> Iterator[str]:
    for table in query.find_all(exp.Table):
        is_silver = (table.db, table.catalog) == ("silver", "")
        if not (is_silver or (not table.db and _is_named_before(table))):
            yield f"it reads `{table.sql(dialect='duckdb')}`; only `silver.<feed>` may be read"
        elif not isinstance(table.this, exp.Identifier) or _more_than_a_name(table):
            yield (
                f"it says more of `{table.name}` than its name and alias; leave out samples,"
                " versions, names of columns and joins in brackets"
            )
    for lateral in query.find_all(exp.Lateral):
        if not isinstance(lateral.this, exp.Subquery | exp.Unnest):
            shown = lateral.this.sql(dialect="duckdb")
            yield f"it reads `{shown}`; only `silver.<feed>` may be read"
    if query.find(*_NO_TABLE):
        yield "it turns or describes a table; write a SELECT with GROUP BY"


def _more_than_a_name(table: exp.Table) -> bool:
    said = {name for name, value in table.args.items() if value}
    alias = table.args.get("alias")
    return bool(said - _TABLE_WORDS or (alias and alias.args.get("columns")))


def _is_named_before(table: exp.Table) -> bool:
    """Whether a WITH around the place gives this name; elsewhere DuckDB takes it for a file."""
    inside: exp.Expr = table
    known: list[exp.Expr] = []
    while (node := inside.parent) is not None:
        if isinstance(node, exp.With):
            own = bool(node.args.get("recursive"))
            known += node.expressions[: node.expressions.index(inside) + own]
        elif not isinstance(inside, exp.With) and (given := node.args.get("with_")):
            known += given.expressions
        inside = node
    return any(one.alias.lower() == table.name.lower() for one in known)


def _order_fault(query: exp.Query) -> str:
    """Whether rows are chosen by the order in which they happen to be read, as a sentence."""
    calls = {called(node) for node in query.find_all(exp.Func)}
    unordered = [
        window
        for window in query.find_all(exp.Window)
        if window.find(*_IN_ORDER) and not _has_order(window, query)
    ]
    on_some = [node for node in query.find_all(exp.Distinct) if node.args.get("on")]
    by_place = [node for node in query.find_all(exp.Join) if node.method == "POSITIONAL"]
    by_chance = query.find(exp.Limit, exp.Offset, exp.Fetch, exp.TableSample)
    if calls & _WHICHEVER or unordered or on_some or by_place or by_chance:
        return (
            "it chooses rows by the order in which they are read, which changes; use min, max or"
            " a window with ORDER BY"
        )
    return ""


def _has_order(window: exp.Window, query: exp.Query) -> bool:
    if window.args.get("order"):
        return True
    named = window.args.get("alias") or window.args.get("this_alias")
    name = named.name.lower() if named is not None else ""
    return any(
        one.args.get("order") and one.this is not None and one.this.name.lower() == name
        for one in query.find_all(exp.Window)
        if name
    )
