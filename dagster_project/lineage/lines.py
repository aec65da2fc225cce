"""On which line of a model's file something stands.

Only what sqlglot remembers of the text is asked; comments and blanks count like any other line.
"""

from __future__ import annotations

from sqlglot import exp


def line_of(node: exp.Expr) -> int:
    """The first line that any part of ``node``, or else what surrounds it, was read from."""
    at: exp.Expr | None = node
    while at is not None:
        lines = [int(part.meta["line"]) for part in at.walk() if "line" in part.meta]
        if lines:
            return min(lines)
        at = at.parent
    return 1


def line_of_name(tree: exp.Expr, name: str) -> int:
    """The first line on which an identifier of that name stands; the query's own otherwise."""
    named = (node for node in tree.find_all(exp.Identifier) if node.name.lower() == name.lower())
    lines = [int(node.meta["line"]) for node in named if "line" in node.meta]
    return min(lines, default=line_of(tree))
