"""How far a delivery may be from the feed's last ones before it is told, as the contract says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shifts:
    """Limits as shares.

    ``nulls``: by how much of the rows a column may be more or less empty. ``shares``: how much of a
    coded column's cells may be of other codes.
    """

    nulls: float = 0.1
    shares: float = 0.2
