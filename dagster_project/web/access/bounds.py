"""How much anybody may ask for, and how fast; nothing here knows what is asked."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from dagster_project.protocol.folders import Limits

_MOST_KEYS = 10_000


@dataclass(frozen=True)
class Bounds:
    """The bounds of one site's interface.

    ``per_s``, ``burst``: requests of one token. ``strange_per_s``, ``strange_burst``: requests of
    one address without a valid token. ``idle_s``: seconds that a body may stand still;
    ``body_s``: that it may take in all; ``answer_s``: that a whole request may take. ``uploads``,
    ``uploads_each``: packages that are taken in at once, of all children and of one. ``parked``,
    ``parked_bytes``: what one child may leave undecided. ``spare_bytes``: what must stay free on
    the disk.
    """

    per_s: float = 20.0
    burst: int = 200
    strange_per_s: float = 0.2
    strange_burst: int = 20
    idle_s: float = 20.0
    body_s: float = 900.0
    answer_s: float = 1800.0
    uploads: int = 16
    uploads_each: int = 2
    parked: int = 2000
    parked_bytes: int = 8 << 30
    spare_bytes: int = 1 << 30
    package: Limits = field(default_factory=Limits)

    @property
    def archive_bytes(self) -> int:
        """The most that a package's archive may measure: its files and what tells of them."""
        return self.package.total_bytes + 512 * self.package.files + 512


class Buckets:
    """One bucket of permissions per key; it fills steadily and is never fuller than full.

    Args:
        per_s: Permissions that come in each second.
        burst: The most that are kept.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Take one permission: 0 if there was one, else the seconds until there is."""
        now = self._clock()
        level, at = self._level.pop(key, (float(self._burst), now))
        level = min(float(self._burst), level + (now - at) * self._per_s)
        taken = level >= 1
        self._level[key] = (level - 1 if taken else level, now)
        if len(self._level) > _MOST_KEYS:
            # The longest unused one is full again, or its owner gains one burst.
            self._level.popitem(last=False)
        return 0.0 if taken else (1 - level) / self._per_s
