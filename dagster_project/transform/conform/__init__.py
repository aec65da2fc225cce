"""Bronze to silver: contract -> one SQL statement: repair, type, check, split, merge.

Typical use, inside one transaction of the lake's writer::

    plan = compile_feed(feed, contracts)
    evolve(con, feed)
    counts = conform(con, plan, batch)

Reading files is ``ingest``'s, models over silver are ``transform.models``'s.
"""

from dagster_project.transform.conform.batch import conform
from dagster_project.transform.conform.facts import (
    BatchCounts,
    BatchInput,
    RepairInfo,
    RuleCount,
    RuleInfo,
)
from dagster_project.transform.conform.plan import Plan, compile_feed
from dagster_project.transform.conform.preview import Preview, PreviewRow, preview, preview_rows
from dagster_project.transform.conform.rebuild import rebuild, recheck
from dagster_project.transform.conform.tables import bronze_file, evolve

__all__ = [
    "BatchCounts",
    "BatchInput",
    "Plan",
    "Preview",
    "PreviewRow",
    "RepairInfo",
    "RuleCount",
    "RuleInfo",
    "bronze_file",
    "compile_feed",
    "conform",
    "evolve",
    "preview",
    "preview_rows",
    "rebuild",
    "recheck",
]
