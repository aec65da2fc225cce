"""What inference knows of a table: counted, never cell by cell. Counting is ``profiling``'s work.

The values that are kept (``words``) are those of columns with few different ones, for code lists;
none of them is ever shown or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = ("integer", "decimal", "date", "timestamp", "flag")
"""Types that a column is tried as."""
FORMATS = ("resident_id", "uscc", "phone", "person_name")
"""Formats that a column is tried as; conform knows what they mean."""


@dataclass(frozen=True)
class Shape:
    """How the filled cells of a column are written, as shares from 0 to 1.

    ``digits`` are cells of digits only, ``zeros`` those of them that begin with 0 and go on,
    ``wide`` the commonest number of characters and ``wide_share`` how many cells have it.
    ``han`` have a Chinese character, ``letters`` a Latin one, ``timed`` a time of day that is not
    midnight, ``months`` a bare month like 202305, ``surnames`` begin like a Chinese name,
    ``luhn`` are card numbers with a right check digit, ``private`` hold a phone or an id number
    inside a text, ``figures`` and ``dates`` look as if they might be a number or a day. ``parts``
    are the lengths of a short, a middle and a long cell.
    """

    digits: float = 0.0
    zeros: float = 0.0
    wide: int = 0
    wide_share: float = 0.0
    shortest: int = 0
    longest: int = 0
    bytes: int = 0
    han: float = 0.0
    letters: float = 0.0
    timed: float = 0.0
    months: float = 0.0
    surnames: float = 0.0
    luhn: float = 0.0
    private: float = 0.0
    figures: float = 0.0
    dates: float = 0.0
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a table.

    ``filled`` cells say something by the usual spellings of nothing; ``distinct`` counts their
    different texts over all rows. ``fits`` is the number of filled cells that conform reads as a
    kind or a format, out of ``tried`` of them; ``repairs`` is how often it repaired, by
    ``kind.repair``. ``whole`` and ``scale`` are the digits before and behind the point,
    ``least`` and ``most`` the smallest and the greatest number.
    """

    title: str
    rows: int
    filled: int
    distinct: int
    tried: int
    shape: Shape
    fits: Mapping[str, int] = field(default_factory=dict)
    repairs: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)
    oddities: Mapping[str, int] = field(default_factory=dict)
    whole: int = 0
    scale: int = 0
    least: str = ""
    most: str = ""
    unit: str = ""
    parents: Mapping[str, float] = field(default_factory=dict)
    source: SourceColumn | None = None

    def fit(self, kind: str) -> float:
        """The share of tried cells that conform reads as a kind or a format."""
        return self.fits.get(kind, 0) / self.tried if self.tried else 0.0

    @property
    def spoken(self) -> str:
        """What people call the column: the source's comment, else its title."""
        return self.source.comment if self.source and self.source.comment else self.title

    @property
    def full(self) -> float:
        """The share of rows with a value."""
        return self.filled / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class SourceColumn:
    """What the source itself says of a column: a database's catalogue, a Parquet file's schema."""

    name: str
    type: str = ""
    nullable: bool | None = None
    key_position: int = 0
    comment: str = ""


@dataclass(frozen=True)
class KeyCandidate:
    """Columns that tell rows apart: ``share`` is different values per different row."""

    titles: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class TableProfile:
    """A table that was looked at. ``distinct`` counts rows that differ in anything."""

    columns: tuple[ColumnProfile, ...]
    rows: int
    distinct: int
    keys: tuple[KeyCandidate, ...] = ()
    sampled: bool = False

    def column(self, title: str) -> ColumnProfile:
        """The column of that title.

        Raises:
            KeyError: No such column.
        """
        for column in self.columns:
            if column.title == title:
                return column
        raise KeyError(title)
