"""CountyLake, the data lakehouse of a county government (县域数据归集湖仓)."""

from __future__ import annotations

import os

__version__ = "0.1.0"

# Polars' allocator gives pages back to the system after a second and faults them in again at the
# next block: a sixth of the time of reading a large table. It reads this when it is imported.
os.environ.setdefault("_RJEM_MALLOC_CONF", "muzzy_decay_ms:-1")
