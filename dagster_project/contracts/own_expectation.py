"""One expectation that a county wrote itself, typed. Reading it is ``own_suites``' work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OwnExpectation:
    """One expectation of the county, its words settled.

    ``name`` is its class in Great Expectations. ``arguments`` are its keywords; ``named`` are those
    that name ``columns`` of the contract. ``condition`` chooses rows as Great Expectations writes
    it.
    """

    id: str
    type: str
    name: str
    arguments: Mapping[str, Any]
    named: tuple[str, ...]
    columns: tuple[str, ...]
    sentence: str
    severity: str = "warn"
    condition: Mapping[str, Any] | None = None
