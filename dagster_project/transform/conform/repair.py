"""What a repair of a column is; the rooms beside make them."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.transform.conform.ast import Node


@dataclass(frozen=True)
class Repair:
    """A repair of one column and when it happened, seen from raw text, clean text and value.

    See ``facts.RepairInfo`` for ``logged`` and ``listed``. A repair that looks at more than its own
    cell happens ``always``, also to a cell that is plain.
    """

    id: str
    logged: bool
    happened: Node
    listed: bool = True
    always: bool = False
