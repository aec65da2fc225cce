"""What conform says of its own work: rules, repairs, one batch in, counts out.

Plain values only: no SQL is made here and no table is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

Kind = Literal["rule", "warn", "repair", "cosmetic"]


@dataclass(frozen=True)
class RuleInfo:
    """One rule as documents, Great Expectations and Dagster checks need it.

    ``kind`` is ``row``, a mark of the reader (``ragged``) or a kind of ``contracts.cell_rules``.
    ``value`` is what the rule compares with: a pattern, a length, bounds, a code list's name, the
    parent ``feed.column``, or the SQL of a row rule.
    """

    id: str
    kind: str
    dimension: str
    column: str
    severity: Literal["fail", "warn"]
    message: str
    value: str = ""


@dataclass(frozen=True)
class RepairInfo:
    """One kind of repair of one column; ``logged`` repairs keep raw and fixed value per cell.

    A repair that is logged but not ``listed`` changed a whole column alike: it is counted as a
    repair, and ``ops.batch.units`` says once what a line per cell would say over and over.
    """

    id: str
    column: str
    logged: bool
    listed: bool = True


class Dropped(Protocol):
    """A row that the reader set aside."""

    @property
    def sheet(self) -> str:
        """Worksheet; empty for text files."""

    @property
    def row(self) -> int:
        """Record number in the file or sheet."""

    @property
    def kind(self) -> str:
        """title, blank, total or footnote."""

    @property
    def text(self) -> str:
        """The row's text."""


class Stated(Protocol):
    """A control total that the file states of itself."""

    @property
    def sheet(self) -> str:
        """Worksheet; empty for text files."""

    @property
    def row(self) -> int:
        """Record number in the file or sheet."""

    @property
    def column(self) -> str:
        """The contract's column."""

    @property
    def stated(self) -> str:
        """The total as text."""


@dataclass(frozen=True)
class BatchInput:
    """One delivered table, read and waiting in a Parquet file of the reader's form.

    ``adopt`` says that the file lies in bronze's own folder and may become bronze as it is.
    ``units`` are the units that the file states for columns (``金额（万元）``).
    """

    batch_id: str
    sha256: str
    path: str
    format: str
    encoding: str
    delivered_at: datetime
    run_id: str
    committed_at: datetime
    rows: Path
    adopt: bool = False
    dropped: Sequence[Dropped] = ()
    control_totals: Sequence[Stated] = ()
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RuleCount:
    """How often one rule or repair was evaluated, and how often it failed (or repaired).

    ``replaced`` is None for a whole batch. Of a replay of some rows it is how many of them had
    failed before: the landed batch now fails ``failed - replaced`` more often than it did.
    """

    rule_id: str
    kind: Kind
    dimension: str
    column: str
    checked: int
    failed: int
    replaced: int | None = None


@dataclass(frozen=True)
class BatchCounts:
    """What became of a batch: ``read = accepted + rejected + duplicate + superseded + dropped``.

    ``replaced`` is None of a whole batch; of a replay of some of its rows, their number.
    """

    batch_id: str
    read: int
    accepted: int
    rejected: int
    duplicate: int
    superseded: int
    dropped: int
    inserted: int
    updated: int
    deleted: int
    live: int
    replaced: int | None = None
    rules: Sequence[RuleCount] = field(default=(), repr=False)
