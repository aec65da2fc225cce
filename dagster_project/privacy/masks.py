"""Masks: what a reader of the replica sees of a personal column, as DuckDB SQL.

Kinds and their form follow domain knowledge of de-identification (GB/T 37964 suppression and
generalisation). Pseudonyms, which keep columns joinable, are in ``pseudonym``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from dagster_project.contracts.model import Column

Mask = Literal["none", "scrub", "id", "name", "phone", "account", "address", "year", "drop"]

STRICTNESS: tuple[Mask, ...] = (
    "none", "scrub", "year", "address", "name", "id", "phone", "account", "drop",
)  # fmt: skip
"""What hides more stands behind what hides less."""

PERSONAL_LEVELS = ("L3", "L4")

# A column of such a format is personal whatever its contract says of levels and masks.
_BY_FORMAT: dict[str, Mask] = {"resident_id": "id", "person_name": "name", "phone": "phone"}

# Up to the first town-level name; anything before it must look like province, city and county.
_TOWN = (
    "^((?:[^省]{2,4}省)?(?:[^市]{1,5}市)?(?:[^县区]{1,5}[县区])?"
    "[^省市县区镇乡街道村号路]{1,6}(?:镇|乡|街道))"
)

# Inside free text: mobile numbers, however grouped, and digits long enough for a resident id or an
# account. Digits after a point are coordinates and amounts.
_NUMBERS = "(^|[^0-9.])(?:1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}|[0-9]{11,})[0-9Xx]*"


def mask_of(column: Column) -> Mask:
    """The mask a column gets in the replica.

    The contract's own mask first; then what the format asks for; a column of level L3 or L4
    without either is generalised to the year (dates) or dropped: nothing personal passes for want
    of a line in a contract.
    """
    if column.mask != "none":
        return cast("Mask", column.mask)
    if column.format in _BY_FORMAT:
        return _BY_FORMAT[column.format]
    if column.level not in PERSONAL_LEVELS:
        return "scrub" if column.textual else "none"
    return "year" if column.type in {"date", "timestamp"} else "drop"


def strictest(columns: Iterable[Column]) -> Mask:
    """The mask that hides most among those of several columns."""
    return max(map(mask_of, columns), key=STRICTNESS.index)


def expression(mask: Mask, name: str, duck_type: str) -> str:
    """The masked column as SQL over the row's own columns.

    Args:
        mask: The kind of mask.
        name: The column's name, unquoted.
        duck_type: The column's type; masks keep it where it can hold the masked value.

    Raises:
        KeyError: An unknown kind; contracts are checked against the kinds when they are read.
    """
    column = '"' + name.replace('"', '""') + '"'
    text = column if duck_type == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    return {
        "none": column,
        "scrub": f"regexp_replace({text}, '{_NUMBERS}', '\\1****', 'g')",
        "id": (
            f"CASE WHEN length({text}) = 18"
            f" THEN left({text}, 6) || '********' || right({text}, 4)"
            f" {_tail(text)}"
        ),
        "name": (
            f"CASE WHEN length({text}) > 2 THEN left({text}, 1) || '*' || right({text}, 1)"
            f" WHEN length({text}) = 2 THEN left({text}, 1) || '*'"
            f" WHEN {text} IS NOT NULL THEN '*' END"
        ),
        "phone": (
            f"CASE WHEN length({text}) = 11 AND left({text}, 1) = '1'"
            f" THEN left({text}, 3) || '****' || right({text}, 4)"
            f" {_tail(text)}"
        ),
        "account": f"CASE {_tail(text)}",
        "address": f"nullif(regexp_extract({text}, '{_TOWN}', 1), '')",
        "year": f"CAST(date_trunc('year', {column}) AS {duck_type})",
        "drop": f"CAST(NULL AS {duck_type})",
    }[mask]


def _tail(text: str) -> str:
    """The end of a CASE: the last four of a value long enough not to be told by them."""
    return (
        f"WHEN length({text}) >= 8 THEN '****' || right({text}, 4)"
        f" WHEN {text} IS NOT NULL THEN '****' END"
    )
