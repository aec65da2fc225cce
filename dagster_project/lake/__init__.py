"""The lake: attach, the one writer lock, commit, snapshots, the read replica, maintenance.

It knows nothing of contracts: whoever builds tables passes names, SQL and comments in.
"""

from __future__ import annotations

from dagster_project.lake.lake import Lake, Transaction, Writer

__all__ = ["Lake", "Transaction", "Writer"]
