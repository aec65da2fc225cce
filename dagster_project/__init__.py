"""CountyLake, the data lakehouse of a county government (县域数据归集湖仓)."""

from __future__ import annotations

__version__ = "0.1.0"
