"""Where every column and every figure comes from: columns, traces, run events.

Nothing here builds a table or imports Dagster.
"""
