"""The closed sets of words a contract may use, beyond what the JSON Schema lists.

No reading and no checking here.
"""

from __future__ import annotations

from typing import Final

DIMENSIONS: Final = {"conformity": "normativity"}
"""The standard's word for a quality dimension -> the word of GB/T 36344 we use; others agree."""

PLACEHOLDERS: Final = frozenset({"delivered_at"})
"""What a rule's expression may name besides columns."""

TEXT_ENDINGS: Final = (".csv", ".txt", ".tsv", ".gz", ".zip")
BOOK_ENDINGS: Final = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".et", ".xml", ".html", ".zip")
MACHINE_ENDINGS: Final = {
    "json": (".json", ".jsonl", ".ndjson", ".gz", ".zip"),
    "parquet": (".parquet", ".zip"),
}
"""How names of delivered files may end; what a file really is, its content tells."""

UNREPEATABLE: Final = frozenset({
    "ago", "current_catalog", "current_connection_id", "current_database", "current_date",
    "current_localtime", "current_localtimestamp", "current_query", "current_query_id",
    "current_role", "current_schema", "current_schemas", "current_setting",
    "current_transaction_id", "current_user", "current_version", "currval", "error",
    "format_type", "gen_random_uuid", "get_block_size",
    "get_current_time", "get_current_timestamp", "getenv", "getvariable", "in_search_path",
    "localtime", "localtimestamp", "nextval", "now", "pg_conf_load_time", "pg_get_constraintdef",
    "pg_get_viewdef", "pg_postmaster_start_time", "pg_sleep", "random",
    "session_user", "setseed", "sleep_ms", "stats", "today", "transaction_timestamp",
    "txid_current", "user", "uuid", "uuidv4", "uuidv7", "version", "write_log",
})  # fmt: skip
"""SQL functions that give another answer tomorrow or touch what is no row: no rule calls them.

They are those that DuckDB itself does not list as consistent, its clocks and settings, and its
macros that read its catalogue.
"""

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

RETURN_COLUMNS: Final = ("校核意见", "校核编号")
"""What a returned copy adds at the right of a department's table: the findings, the case number.

They come back with the corrected file: no contract names them, and nobody is told of them.
"""
RETURN_MARK: Final = "_校核_"
"""What a returned copy's name adds, before the day of the delivery that it is a copy of."""
