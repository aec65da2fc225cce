"""Random numbers that are a pure function of (seed, stream name, index).

No state is kept, so a chunk may be made alone, in any order, and two rooms of the simulator see
the same person without sharing memory. Distributions that belong to one feed live with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(n) for n in (30, 27, 31, 11))


class Stream:
    """One named stream of numbers; ``index`` is the row, the household, the village.

    The mixing function is SplitMix64's (Steele, Lea, Flood 2014).
    """

    def __init__(self, *path: object) -> None:
        self.path = path
        digest = blake2b("/".join(map(str, path)).encode(), digest_size=8).digest()
        self._base = np.array([int.from_bytes(digest, "little")], dtype=np.uint64)

    def of(self, name: str) -> Stream:
        """A stream below this one."""
        return Stream(*self.path, name)

    def bits(self, index: Ints) -> Words:
        """64 random bits for each index."""
        z = (index.astype(np.uint64) + np.uint64(1)) * _GOLDEN + self._base
        z = (z ^ (z >> _S30)) * _MIX1
        z = (z ^ (z >> _S27)) * _MIX2
        return np.asarray(z ^ (z >> _S31), dtype=np.uint64)

    def unit(self, index: Ints) -> Floats:
        """A number in [0, 1) for each index."""
        return np.asarray((self.bits(index) >> _S11) * 2.0**-53, dtype=np.float64)

    def below(self, index: Ints, limit: int | Ints) -> Ints:
        """An integer in [0, limit) for each index."""
        return np.asarray((self.unit(index) * limit).astype(np.int64), dtype=np.int64)

    def chance(self, index: Ints, share: float | Floats) -> NDArray[np.bool_]:
        """True with probability ``share``."""
        return np.asarray(self.unit(index) < share, dtype=np.bool_)

    def weighted(self, index: Ints, weights: Sequence[float]) -> Ints:
        """A position in ``weights`` for each index, in proportion to the weights."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64))
        found = np.searchsorted(edges / edges[-1], self.unit(index), side="right")
        return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)

    def one(self, index: int, limit: int) -> int:
        """One integer in [0, limit)."""
        return int(self.below(np.array([index], dtype=np.int64), limit)[0])


def span(start: int, stop: int) -> Ints:
    """The indices of a chunk."""
    return np.arange(start, stop, dtype=np.int64)
