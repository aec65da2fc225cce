"""How much text the cells of one workbook may hold together, however small its file is."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.errors import DeliveryError

MOST = 512 << 20
"""Characters in all cells of a workbook."""


@dataclass
class Text:
    """The characters that were given to cells so far."""

    where: str
    spent: int = 0

    def take(self, characters: int) -> None:
        """Count further ones.

        Raises:
            DeliveryError: They are too many.
        """
        self.spent += characters
        if self.spent > MOST:
            raise too_long(self.where)


def too_long(where: str) -> DeliveryError:
    """The refusal of a workbook whose cells hold too much text."""
    return DeliveryError(
        f"the cells of this workbook hold more than {MOST >> 20} MiB of text",
        where=where,
        todo="Deliver the table as CSV (UTF-8), or in several workbooks",
        reason="too_large",
    )
