"""The closed sets of words a contract may use, beyond what the JSON Schema lists.

No reading and no checking here.
"""

from __future__ import annotations

from typing import Final

DIMENSIONS: Final = {"conformity": "normativity"}
"""The standard's word for a quality dimension -> the word of GB/T 36344 we use; others agree."""

PLACEHOLDERS: Final = frozenset({"delivered_at"})
"""What a rule's expression may name besides columns."""

UNREPEATABLE: Final = frozenset(
    {"now", "random", "today", "uuid", "gen_random_uuid", "current_localtimestamp", "nextval"}
)
"""SQL functions that give another answer tomorrow: no rule may call them."""

RESERVED: Final = frozenset({
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both",
    "case", "cast", "check", "collate", "column", "constraint", "create", "default",
    "deferrable", "desc", "describe", "distinct", "do", "else", "end", "except", "false",
    "fetch", "for", "foreign", "from", "group", "having", "in", "initially", "intersect",
    "into", "lambda", "lateral", "leading", "limit", "not", "null", "offset", "on", "only",
    "or", "order", "pivot", "placing", "primary", "qualify", "references", "returning",
    "select", "show", "some", "summarize", "symmetric", "table", "then", "to", "trailing",
    "true", "union", "unique", "unpivot", "using", "variadic", "when", "where", "window", "with",
})  # fmt: skip
"""Words SQL keeps for itself: a column of that name could not be written plainly in a model."""
