"""schemas/*.yaml -> typed contracts (ODCS 3.1): the single reader of ``schemas/``.

Nothing here knows the lake, a file's bytes, or Dagster.
"""

from dagster_project.contracts.codelists import spellings
from dagster_project.contracts.reader import load, load_one
from dagster_project.contracts.references import feed_order
from dagster_project.contracts.rules import CellRule, cell_rules, feed_rule_ids

__all__ = ["CellRule", "cell_rules", "feed_order", "feed_rule_ids", "load", "load_one", "spellings"]
