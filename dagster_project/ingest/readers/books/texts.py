"""How much text a workbook's package gives to its cells, measured before a library makes it.

One shared string of a megabyte, shown in every cell, is a small file and terabytes of text: each
cell gets its own copy, and the process ends when there is no more memory. What a part unpacks to is
bounded by ``package``, the cells by ``packaged``.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import bounds
from dagster_project.ingest.readers.books.bounds import too_long
from dagster_project.ingest.readers.books.grid import AS_CSV
from dagster_project.ingest.readers.books.package import Package
from dagster_project.ingest.readers.books.xmlstream import (
    entities,
    follow,
    local,
    parsed,
    parser,
)

MOST = bounds.MOST
"""Bytes of text in all cells of a workbook, and of its shared strings."""

_TAG = re.compile(rb"<[^>]*+>")
_CDATA = b"<![CDATA["
_HIDING = (_CDATA, b"<!--", b"<?mso")
_STRING_ENDS = (b"si>", b"si/>", b"si />", b"si >")
_LEAST = 64
DECLARATIONS = tuple(
    mark.encode(codec)
    for mark in ("<!DOCTYPE", "<!ENTITY")
    for codec in ("ascii", "utf-16-le", "utf-16-be")
)


@dataclass(frozen=True)
class Strings:
    """The shared strings, looked over: none has more bytes than ``longest``."""

    part: str = ""
    longest: int = 0


def overlooked(package: Package, part: str, name: str, most: int) -> Strings:
    """Look over the shared strings without parsing them.

    Args:
        package: The open package.
        part: Their part.
        name: How the file is called in sentences.
        most: So many strings there may be.

    Raises:
        DeliveryError: They are too many or too long, or the part is damaged or declares entities.
    """
    size = ends = longest = 0
    held = b""
    for chunk in package.chunks(part):
        size += len(chunk)
        data = held + chunk
        if any(mark in data for mark in DECLARATIONS):
            raise entities(f"{name}, part {part}")
        *whole, held = data.split(b"</si>")
        longest = max(longest, *map(len, whole), len(held)) if whole else max(longest, len(held))
        ends += sum(chunk.count(mark) for mark in _STRING_ENDS)
        if size > MOST or ends > 2 * most:
            raise too_long(f"{name}, part {part}")
        if any(mark in data for mark in _HIDING):
            longest = MOST  # what looks like an end may be none
        held = held[-_LEAST:] if longest >= MOST else held
    return Strings(part, longest)


def lengths(package: Package, strings: Strings, name: str) -> array[int]:
    """The shared strings' lengths in characters.

    Raises:
        DeliveryError: The part is damaged.
    """
    found, where = _Lengths(), f"{name}, part {strings.part}"
    _follow(package, strings.part, where, found)
    return found.lengths


class _Lengths:
    """The lengths while the part is parsed."""

    def __init__(self) -> None:
        self.lengths, self._at, self.ends = array("L"), 0, False

    def start(self, tag: str, _: dict[str, str]) -> None:
        """An element begins."""
        if local(tag) == "si":
            self._at = 0

    def end(self, tag: str) -> None:
        """An element ends."""
        if local(tag) == "si":
            self.lengths.append(self._at)

    def text(self, text: str) -> None:
        """Characters of a string."""
        self._at += len(text)


def _follow(package: Package, part: str, where: str, taker: _Lengths | _Shown) -> None:
    """Parse a part until its taker has enough."""
    with parsed(where, placed=False):
        stream = parser(where)
        follow(stream, where, taker.start, taker.end)
        stream.CharacterDataHandler = taker.text
        for chunk in package.chunks(part):
            stream.Parse(chunk, False)  # noqa: FBT003 - the library's own form
            if taker.ends:
                return
        stream.Parse(b"", True)  # noqa: FBT003 - the library's own form


def written(package: Package, part: str) -> int:
    """Bytes of text that stand in a worksheet's own cells, at most."""
    held, size = b"", 0
    for chunk in package.chunks(part):
        data = held + chunk
        cut = data.rfind(b"<")
        data, held = (data[:cut], data[cut:]) if cut > 0 else (data, b"")
        size += len(data) if _CDATA in data else len(_TAG.sub(b"", data))
        if size > MOST:
            break
    return size + len(held)


@dataclass
class _Shown:
    """How many characters of shared strings a worksheet's cells show."""

    lengths: array[int]
    total: int = 0
    ends: bool = False
    _index: list[str] | None = None
    _is_shared: bool = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(tag)
        if name == "c":
            self._is_shared = attributes.get("t") == "s"
        elif name == "v" and self._is_shared:
            self._index = []

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._index is not None and local(tag) == "v":
            raw, self._index = "".join(self._index).strip(), None
            at = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else -1  # noqa: PLR2004
            if 0 <= at < len(self.lengths):
                self.total += self.lengths[at]
                self.ends = self.total > MOST

    def text(self, text: str) -> None:
        """Characters of an index."""
        if self._index is not None:
            self._index.append(text)


def shown(package: Package, part: str, where: str, strings: Strings) -> int:
    """Characters of shared strings that a worksheet's cells show, each as often as it is shown.

    Raises:
        DeliveryError: The part is damaged.
    """
    counted = _Shown(lengths(package, strings, where))
    _follow(package, part, where, counted)
    return counted.total


def overgrown(where: str) -> DeliveryError:
    """The refusal of a part that no spreadsheet program makes so large."""
    return DeliveryError(
        "this part of the workbook is far larger than any that a spreadsheet program writes",
        where=where,
        todo=AS_CSV,
        reason="too_large",
    )
