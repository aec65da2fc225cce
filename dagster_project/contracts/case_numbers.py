"""How a case's number is made, in SQL and here: the same parts give the same number.

What the parts are is the matter of each ledger of cases.
"""

from __future__ import annotations

import hashlib
from typing import Final

CASE_PATTERN: Final = "JH[0-9A-F]{12}"
"""A case number; it begins with letters, so that no spreadsheet takes it for a figure."""


def case_number(*parts: str) -> str:
    """The number of a case that is told by these texts."""
    told = hashlib.md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest()
    return f"JH{told[:12].upper()}"


def case_number_sql(*parts: str) -> str:
    """The same of SQL expressions; one that is NULL is left out."""
    return f"'JH' || upper(left(md5(concat_ws(chr(31), {', '.join(parts)})), 12))"
