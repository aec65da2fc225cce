"""What keeps a model's SELECT inside its tables, on the text alone.

A SELECT that a receipt holds is run again by whoever verifies a home that somebody else may have
written to. So whatever it could read or do beyond the tables that it names is refused for former
SELECTs, too: another catalog, another state, files, the session, the server's log. Which layers
may be read is ``load``'s; what makes a result doubtful is the lint's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

OUTSIDE = frozenset(
    {
        "current_connection_id",
        "current_query",
        "current_query_id",
        "current_setting",
        "currval",
        "getenv",
        "getvariable",
        "in_search_path",
        "nextval",
        "pg_sleep",
        "setseed",
        "sleep_ms",
        "write_log",
    }
)
"""Functions that ask or touch something other than their arguments."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # a dot or a slash would make it a file's
_NO_QUERY = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Describe, exp.Show, exp.Pragma)


def escapes(query: exp.Query) -> Iterator[tuple[exp.Expr, str]]:
    """Every place at which a SELECT could reach beyond the tables that it names, and a sentence."""
    for node in query.walk():
        if isinstance(node, exp.Table):
            if sentence := _table(node):
                yield node, sentence
        elif isinstance(node, _NO_QUERY) and not isinstance(node, exp.Query):
            yield node, f"A model may hold no {node.key.upper()}. Write one SELECT."
        elif isinstance(node, exp.Anonymous) and node.name.lower() in OUTSIDE:
            yield node, f"A model may not call {node.name.lower()}(). Remove it."


def _table(table: exp.Table) -> str:
    if not isinstance(table.this, exp.Identifier):
        return "A model may not call a table function. Read a table."
    if table.args.get("catalog"):
        return f"A model names a table as layer.table only. Write {table.db}.{table.name}."
    if table.args.get("when") or table.args.get("version"):
        return f"A model may not choose the state of {table.name}. Remove AT."
    if not table.db and table.name not in _visible(table):
        return f"'{table.name}' has no layer. Write it as layer.{table.name}."
    if table.db and not _NAME.fullmatch(table.name):
        return f"'{table.name}' is no table's name. Write small letters, digits and _."
    return ""


def _visible(table: exp.Table) -> set[str]:
    """The CTEs that a table's name may mean where it stands; a later one cannot be meant."""
    names: set[str] = set()
    below: exp.Expr = table
    at = table.parent
    while at is not None:
        if isinstance(at, exp.With):
            for cte in at.expressions:
                if cte is below:
                    if at.args.get("recursive"):
                        names.add(cte.alias_or_name)
                    break
                names.add(cte.alias_or_name)
        elif isinstance(at, exp.Query) and below is not at.args.get("with_"):
            given = at.args.get("with_")
            names |= {cte.alias_or_name for cte in given.expressions} if given else set()
        below, at = at, at.parent
    return names
