"""schemas/*.yaml -> typed contracts (ODCS 3.1): the single reader of ``schemas/``.

Nothing here knows the lake, a file's bytes, or Dagster.
"""
