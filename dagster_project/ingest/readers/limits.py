"""How much of a file is read before it is taken for an attack or a mistake.

The values come from the settings; nothing is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.settings import Settings

MIB, GIB = 1 << 20, 1 << 30
COLUMNS = 16_384
"""No table has more columns: it is what spreadsheets hold."""


@dataclass(frozen=True)
class Limits:
    """Bounds in bytes and cells; whatever is larger is refused by name.

    ``workbook_bytes`` bounds a workbook as it lies on disk, ``package_bytes`` all of its parts
    unpacked, ``cells`` all cells of its sheets, ``unpacked_bytes`` what a gzip or zip file may
    unpack to. ``ratio`` (unpacked to packed) tells a decompression bomb; it is asked only above
    ``ratio_from`` bytes. ``record_bytes`` bounds one record of a text table: a longer one has an
    unclosed quote before it, or is an attack.
    """

    workbook_bytes: int = 100 * MIB
    cells: int = 20_000_000
    package_bytes: int = 2 * GIB
    unpacked_bytes: int = 16 * GIB
    ratio: int = 200
    ratio_from: int = 64 * MIB
    record_bytes: int = 16 * MIB

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """How large a file may be on this machine."""
        return cls(
            workbook_bytes=settings.workbook_mb * MIB,
            cells=settings.workbook_cells,
            unpacked_bytes=settings.unpacked_gb * GIB,
        )
