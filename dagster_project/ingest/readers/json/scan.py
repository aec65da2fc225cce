"""The values of a JSON text, one after another, in bounded memory.

Numbers are never numbers here: they keep their written form. What values mean is decided elsewhere.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.limits import MIB

AGAIN = "Deliver it again, whole"
TOO_DEEP = "objects are nested too deeply to be a table"
CORRECT = "Have it written by a JSON library and deliver it again"

_BLANKS = re.compile(r"[ \t\n\r]*")
_NEXT = {
    False: re.compile(r"[ \t\n\r]*(?=\{)"),
    True: re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=\{)"),
}
"""What stands between two objects: of JSON Lines, of an array."""
_CUT = re.compile(r"[-+.\\\w]*\s*")
"""What may remain of a number or a word where a file was cut."""
_CLOSING = '"]}'
_MARGIN = 16
"""A fault so far before the end of what was read is none of the cut there."""


class Number(str):
    """A number as it is written; as a text it is itself."""

    __slots__ = ()


class _WrongError(Exception):
    """What the decoder finds that JSON does not allow, or that has no one meaning."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _WrongError("an object names a field twice")
    return made


def _refused(constant: str) -> None:
    raise _WrongError(f"{constant} is no value of JSON")


def _decoder(number: type[str]) -> Callable[[str, int], tuple[Any, int]]:
    """A decoder of one value; texts may hold control characters as they are."""
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_float=number,
        parse_int=number,
        parse_constant=_refused,
        strict=False,
    ).raw_decode


_EXACT, _PLAIN = _decoder(Number), _decoder(str)
"""The second one is faster, and enough where no array can hold a number."""
_FAILURES = (json.JSONDecodeError, RecursionError, _WrongError)


@dataclass(frozen=True, slots=True)
class Run:
    """Objects that follow one another; ``nested`` says that some may hold objects or arrays."""

    objects: list[dict[str, Any]]
    nested: bool
    size: int


class Scanner:
    """A JSON text that is read from its beginning to its end, once.

    Args:
        chunks: The text as UTF-8, cut anywhere.
        where: The file, for sentences.
        longest: No object may take more characters.
    """

    def __init__(self, chunks: Iterator[bytes], *, where: str, longest: int) -> None:
        self.where, self.record = where, 0
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self._chunks, self._longest = chunks, longest
        self._text, self._at, self._line, self._done = "", 0, 1, False

    def peek(self) -> str:
        """The character that the next value or mark begins with; empty at the end."""
        while True:
            mark = self._text[self._at : self._at + 1]
            if mark and mark not in " \t\n\r":
                return mark
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, mark: str) -> None:
        """Go past a mark.

        Raises:
            DeliveryError: Something else stands there.
        """
        if self.peek() != mark:
            raise self.expected(f"`{mark}`")
        self._at += 1

    def value(self) -> Any:
        """The value that begins here, however it is nested.

        Raises:
            DeliveryError: It is no JSON, cut, too long or too deep.
        """
        return self.value_and_text()[0]

    def value_and_text(self) -> tuple[Any, str]:
        """The value that begins here, and how it is written.

        Raises:
            DeliveryError: It is no JSON, cut, too long or too deep.
        """
        self.peek()
        while True:
            try:
                value, end = _EXACT(self._text, self._at)
            except _FAILURES as error:
                self._go_on_after(error, self._at)
                continue
            is_closed = self._text[end - 1] in _CLOSING or end + _MARGIN < len(self._text)
            if is_closed or not self._more():  # a number where the text so far ends may go on
                begin, self._at = self._at, end
                return value, self._text[begin:end]

    def runs(self, *, in_array: bool) -> Iterator[Run]:
        """Objects up to the end of the text, or of the array whose first object begins here.

        Raises:
            DeliveryError: Something else than objects is among them, or one cannot be read.
        """
        between = _NEXT[in_array].match
        while True:
            text, begin, failure = self._text, self._at, None
            may_nest = text.find("[", begin) >= 0
            scan, at, found = _EXACT if may_nest else _PLAIN, begin, list[dict[str, Any]]()
            try:
                while True:
                    value, at = scan(text, at)
                    found.append(value)
                    gap = between(text, at)
                    if gap is None:
                        break
                    at = gap.end()
            except _FAILURES as error:
                failure = error
            self._at = at
            self.record += len(found)
            if found:
                nested = may_nest or text.count("{", begin, at) > len(found)
                yield Run(found, nested, at - begin)
            if failure is not None:
                self._go_on_after(failure, at)
            elif not self._another(in_array=in_array):
                return

    def expected(self, what: str) -> DeliveryError:
        """The refusal of what comes next, where something else is expected."""
        found = self.peek()
        return self.wrong(f"{what} is expected, and here is {_shown(found)}", cut=not found)

    def wrong(self, what: str, *, cut: bool = False, at: int = -1) -> DeliveryError:
        """A refusal with the line and the number of the record; for a cut text it says so."""
        line = self._line + self._text.count("\n", 0, self._at if at < 0 else at)
        where = f"{self.where}, line {line}, record {self.record + 1}"
        if cut:
            what = "the file ends in the middle of its records: it was uploaded only in part"
            return DeliveryError(what, where=where, todo=AGAIN, reason="damaged")
        return DeliveryError(what, where=where, todo=CORRECT, reason="malformed")

    def _another(self, *, in_array: bool) -> bool:
        """Whether an object follows the one that was read; if so, go to its beginning."""
        mark = self.peek()
        if in_array and mark == "]":
            self._at += 1
            return False
        if not in_array and not mark:
            return False
        if in_array:
            self.take(",")
            mark = self.peek()
        if mark != "{":
            raise self.expected("a record (an object)")
        return True

    def _go_on_after(self, error: Exception, at: int) -> None:
        """Read more of a text whose value at a place ends too early, unless more cannot help."""
        if isinstance(error, _WrongError):
            raise self.wrong(str(error), at=at) from error
        if isinstance(error, RecursionError):
            raise self.wrong(TOO_DEEP, at=at) from error
        if not isinstance(error, json.JSONDecodeError):
            raise error
        what, place = error.msg, error.pos
        is_open = what.startswith("Unterminated string")
        text, waiting = self._text, len(self._text) - at
        if is_open or place + _MARGIN >= len(text):
            if waiting > self._longest:
                raise DeliveryError(
                    f"a record takes more than {self._longest / MIB:g} MiB",
                    where=f"{self.where}, record {self.record + 1}",
                    todo="Deliver it in smaller records; perhaps a quotation mark is missing",
                    reason="too_large",
                ) from error
            if self._more():
                return
        cut = self._done and (is_open or bool(_CUT.fullmatch(text, place)))
        raise self.wrong(f"this is no valid JSON ({_worded(what)})", cut=cut, at=place) from error

    def _more(self) -> bool:
        """Read on, at least as much as still waits; what was used is given up."""
        rest = self._text[self._at :]
        parts, size = [rest], 0
        wanted = max(min(len(rest), self._longest - len(rest)), 0)
        while not self._done and size <= wanted:
            chunk = next(self._chunks, b"")
            parts.append(self._decode(chunk, final=not chunk))
            size, self._done = size + len(parts[-1]), not chunk
        if not size:
            return False
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = "".join(parts), 0
        return True


def _shown(mark: str) -> str:
    """A character that is no part of anybody's text."""
    if not mark:
        return "nothing"
    return f"`{mark}`" if mark in "[]{},:" else "another value"


def _worded(what: str) -> str:
    return what[:1].lower() + what[1:].removesuffix(" starting at").removesuffix(": ")
