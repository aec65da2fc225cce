"""Privacy: masks, pseudonyms, the plan of the read replica, small-cell suppression.

Levels travel along column lineage; whoever knows it passes the resolved columns in.
"""

from __future__ import annotations
