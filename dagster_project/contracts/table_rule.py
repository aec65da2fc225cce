"""Rules of a feed's records together, and what holds a delivery for its quality, in types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TableRule:
    """A rule of a feed's live records together, asked of silver after a merge.

    ``form`` says which of the fields speak: ``unique`` and ``group`` take ``columns``, a group
    ``holds`` as its condition over aggregates; ``sequence`` counts up within ``columns``;
    ``records`` selects the keys of the records that break it (``query``). ``where`` narrows the
    records that are asked. ``inputs`` are the feeds that it reads, its own among them. A rule
    without a dimension is a flag (预警): it opens cases and counts in no score. ``parameters`` are
    the thresholds as they were filled into its SQL.
    """

    id: str
    message: str
    form: Literal["unique", "group", "sequence", "records"]
    dimension: str = ""
    severity: Literal["fail", "warn"] = "warn"
    columns: tuple[str, ...] = ()
    where: str = ""
    holds: str = ""
    sequence: str = ""
    query: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Gate:
    """What holds a delivery for a person's decision because of its quality.

    More than ``rows`` rejected rows (None: any number), more than the share ``share`` of the rows
    that hold data, or one failure of a rule in ``hard``.
    """

    rows: int | None = None
    share: float = 0.1
    hard: tuple[str, ...] = ()
