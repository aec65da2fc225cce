"""What is in a text's bytes and in no cell: NULs, Ctrl-Z at the end, delimiters of three bytes.

Works on UTF-8 in pieces cut anywhere; records and cells are ``records``' matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dagster_project.errors import DeliveryError

FULL_WIDTH = "，"
STAND_INS = "\x1f\x1e\x1d\x1c\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14"
"""Control characters that may stand for a full-width comma where a text does not use them."""
CTRL_Z = b"\x1a"
MOST_PADDING = 1 << 16
"""So many bytes from a Ctrl-Z to a file's end are padding; CP/M filled whole sectors."""


@dataclass
class Tidy:
    """A text without NULs, without Ctrl-Z at its end, with one-byte delimiters.

    ``stand_in`` stands for the full-width comma. ``nuls`` counts those removed so far.
    """

    stand_in: str = ""
    nuls: int = 0
    _held: bytes = field(default=b"", repr=False)

    def chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same text, tidied."""
        for chunk in chunks:
            data = chunk
            if b"\x00" in data:
                self.nuls += data.count(b"\x00")
                data = data.replace(b"\x00", b"")
            if self._held:
                data, self._held = self._held + data, b""
            if data.find(CTRL_Z, max(len(data) - MOST_PADDING, 0)) >= 0:
                data = self._without_end(data)
            if self.stand_in:
                data = self._translated(data)
            if data:
                yield data
        if self._held and not self._held.startswith(CTRL_Z):
            yield self._held

    def _without_end(self, data: bytes) -> bytes:
        """The text up to a Ctrl-Z that nothing but blank lines follows, as far as can be seen."""
        bare = data.rstrip(CTRL_Z + b"\r\n")
        at = data.find(CTRL_Z, len(bare))
        if at < 0 or len(data) - at > MOST_PADDING:
            return data
        self._held = data[at:]
        return data[:at]

    def _translated(self, data: bytes) -> bytes:
        comma = FULL_WIDTH.encode()
        for cut in (comma[:2], comma[:1]):
            if not self._held and data.endswith(cut):
                data, self._held = data[: -len(cut)], cut
        return data.replace(comma, self.stand_in.encode())


def stand_in(chunks: Iterable[bytes], *, name: str) -> str:
    """A control character that a text does not use, to stand for its full-width commas.

    Raises:
        DeliveryError: It uses all of them.
    """
    free = STAND_INS.encode()
    for chunk in chunks:
        free = bytes(code for code in free if code not in chunk)
    if not free:
        raise DeliveryError(
            "the text holds so many control characters that its full-width commas cannot be told",
            where=name,
            todo="Export it with commas (,) or tabs between the cells",
            reason="not_a_table",
        )
    return chr(free[0])
