"""One worksheet of an .xlsx package, looked through before its cells are read by calamine.

Found here: how far its filled cells reach (whatever it claims), what it hides, error texts,
formulas without a stored value, and numbers with more digits than a binary number holds. Rows in
the plain form that nearly all programs write are told by regular expressions, which is several
times faster than a parser; everything else goes to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.parsers import expat

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.base import Marks
from dagster_project.ingest.readers.books.xmlstream import follow, local, parsed, parser
from dagster_project.ingest.readers.detect import SAVE_AS

LONGEST_ROW = 8 << 20
"""A row with more bytes than this is left to the parser."""
MAX_COLUMN, MAX_ROW, NUMBER = 16_384, 1_048_576, 1 << 30

# Possessive throughout: no row is tried twice. \1 is the row's own number in every cell's place.
_ROW = re.compile(
    rb'\s*+<row r="(\d{1,7})"([^>]*+)>(?:(?<=/>)|'
    rb'(?:\s*+<c r="([A-Z]{1,3}+)\1"[^>]*+>(?:(?<=/>)|'
    rb"(?:<f[^>]*+>(?:(?<=/>)|[^<]*+</f>))?+"
    rb"(?:<v>[^<]*+</v>|<v ?/>|<is>(?:<t[^>]*+>(?:(?<=/>)|[^<]*+</t>))?+</is>)?+"
    rb"</c>)\s*+)*+</row>)"
)
_END = b"</row>"
_LONG = re.compile(rb"<v>-?\d{16}")
_CELL = re.compile(
    rb'<c r="([A-Z]{1,3})(\d+)"([^>]*+)>'
    rb"(?:(<f[^>]*+>)(?:(?<=/>)|([^<]*+)</f>))?+(<v>([^<]*+)</v>|<v ?/>)?+</c>"
)
_FILLED = re.compile(rb'<c r="([A-Z]+)(\d+)"[^>]*+(?<!/)>')
_ODD = re.compile(
    rb'<c r="([A-Z]++)(\d++)" s="\d++"(?: t="n")?+><v>(-[\d.Ee+-]++|60(?:\.\d++)?+)</v>'
)
_MAYBE_ODD = (b"<v>-", b"<v>60<", b"<v>60.")
ODD = 100_000
"""So many numbers that may be no days are kept; a column of dates holds few, one of money many."""
FORMULAS = 256 << 20
"""Characters of formulas that are kept, each as often as it is used."""
_SHARED = re.compile(rb'si="(\d+)"')
_DIGITS = re.compile(r"-?\d{16,}")
_ENTITIES = (
    (b"&lt;", b"<"),
    (b"&gt;", b">"),
    (b"&quot;", b'"'),
    (b"&apos;", b"'"),
    (b"&amp;", b"&"),
)


@dataclass
class Found:
    """What is known of a sheet: how far filled cells reach at most, and its marks."""

    height: int = 0
    width: int = 0
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    formulas: dict[int, dict[int, str]] = field(default_factory=dict)
    errors: dict[int, dict[int, str]] = field(default_factory=dict)
    exact: dict[int, dict[int, str]] = field(default_factory=dict)
    odd: dict[int, dict[int, str]] = field(default_factory=dict)
    formula_text: int = field(default=0, compare=False)

    def formula(self, row: int, column: int, text: str, where: str) -> None:
        """Keep a formula without a stored value.

        Raises:
            DeliveryError: All of them are too long: one shared formula is repeated in each cell.
        """
        self.formula_text += len(text)
        if self.formula_text > FORMULAS:
            raise DeliveryError(
                f"its formulas without stored values hold more than {FORMULAS >> 20} MiB of text",
                where=where,
                todo=SAVE_AS,
                reason="too_large",
            )
        self.formulas.setdefault(row, {})[column] = text

    def marks(self) -> Marks:
        """The marks, without merged ranges (calamine reads those)."""
        return Marks(
            (),
            frozenset(self.hidden_rows),
            frozenset(self.hidden_columns),
            self.formulas,
            self.errors,
            self.exact,
            self.odd,
        )


def column_number(letters: str | bytes) -> int:
    """A column's number from its letters."""
    number = 0
    for letter in letters.encode() if isinstance(letters, str) else letters:
        number = number * 26 + letter - 64
    return number


def survey(chunks: Iterable[bytes], where: str, *, exact: bool = False) -> Found:
    """Look through a worksheet.

    Args:
        chunks: The part's bytes.
        where: The file and the sheet.
        exact: Empty cells with a style do not count for how far the sheet reaches; this is slower.

    Raises:
        DeliveryError: The XML is damaged or declares entities.
    """
    found = Found()
    with parsed(where, placed=False):
        _Survey(found, where, exact=exact).run(chunks)
    return found


class _Survey:
    """Cuts a part into rows; what is plain is matched, all else is parsed."""

    def __init__(self, found: Found, where: str, *, exact: bool) -> None:
        self._found, self._cells, self._exact = found, _Cells(found, where), exact
        self._where = where
        self._stream = parser(where)
        self._cells.listen(self._stream, where)
        self._shared = dict[bytes, bytes]()
        self._last_column = b"A"

    def run(self, chunks: Iterable[bytes]) -> None:
        """Take all of the part."""
        held, in_rows, plain = b"", False, True
        for chunk in chunks:
            data = held + chunk
            held = b""
            if plain and not in_rows:
                before, tag, data = data.partition(b"<sheetData>")
                self._parse(before + tag)
                in_rows = bool(tag)
                if not tag:  # perhaps its first letters are there
                    continue
            if plain and in_rows:
                end = data.rfind(_END) + len(_END)
                if end >= len(_END):
                    self._rows(data[:end])
                    data = data[end:]
                if b"</sheetData" in data or len(data) > LONGEST_ROW:
                    plain = False
                else:
                    held = data
                    continue
            self._parse(data)
        self._parse(held)
        self._stream.Parse(b"", True)  # noqa: FBT003 - the library's own form

    def _parse(self, data: bytes) -> None:
        if data:
            self._stream.Parse(data, False)  # noqa: FBT003 - the library's own form

    def _rows(self, data: bytes) -> None:
        """Rows up to a row's end: plain ones are matched as long as they come, then parsed."""
        at, last, furthest = 0, b"", 0
        hidden, found = b" hidden=" in data, self._found
        for row in _ROW.finditer(data):
            if row.start() != at:
                break
            at, last = row.end(), row[1]
            if row[3]:
                furthest = int(last)
                if (len(row[3]), row[3]) > (len(self._last_column), self._last_column):
                    self._last_column = row[3]
            if hidden and (b' hidden="1"' in row[2] or b' hidden="true"' in row[2]):
                found.hidden_rows.add(int(last))
        if last:
            self._cells.row = int(last)
        plain = data if at == len(data) else data[:at]
        if self._exact:
            filled = _FILLED.findall(plain)
            found.height = max(found.height, *(int(row) for _, row in filled), 0)
            found.width = max(found.width, *map(column_number, {column for column, _ in filled}), 0)
        else:
            found.height = max(found.height, furthest)
            self._columns(plain)
        self._special(plain)
        if at < len(data):
            self._parse(data[at:])

    def _columns(self, data: bytes) -> None:
        """The furthest column, also where a row's cells are out of order."""
        if _beyond(self._last_column).search(data):
            letters = set(re.findall(rb'<c r="([A-Z]+)', data))
            self._last_column = max(letters, key=lambda column: (len(column), column))
        if data:
            self._found.width = max(self._found.width, column_number(self._last_column))

    def _special(self, data: bytes) -> None:
        """Formulas without a value, error texts, long or odd numbers; most pieces hold none."""
        if len(self._found.odd) < ODD and any(mark in data for mark in _MAYBE_ODD):
            for letters, row, number in _ODD.findall(data):
                self._put(self._found.odd, row, letters, number.decode())
        if not (b"<f" in data or b' t="e"' in data or _LONG.search(data)):
            return
        for letters, row, attributes, formula, text, value, content in _CELL.findall(data):
            if formula and not content and not (value and b't="str"' in attributes):
                shared = _SHARED.search(formula)
                if shared and text:
                    self._shared[shared[1]] = text
                known = text or (self._shared.get(shared[1], b"") if shared else b"")
                place = int(row), column_number(letters)
                self._found.formula(*place, "=" + _unescaped(known), self._where)
            elif b't="e"' in attributes:
                self._put(self._found.errors, row, letters, _unescaped(content))
            elif _DIGITS.fullmatch(number := content.decode("ascii", "replace")) and (
                b"t=" not in attributes or b't="n"' in attributes
            ):
                self._put(self._found.exact, row, letters, number)

    @staticmethod
    def _put(known: dict[int, dict[int, str]], row: bytes, letters: bytes, text: str) -> None:
        known.setdefault(int(row), {})[column_number(letters)] = text


def _unescaped(text: bytes) -> str:
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text.decode("utf-8", "replace")


_BEYOND = dict[bytes, "re.Pattern[bytes]"]()


def _beyond(letters: bytes) -> re.Pattern[bytes]:
    """A cell in a column beyond one: a longer name, or a later one of the same length."""
    if letters not in _BEYOND:
        later = [b"[A-Z]{%d,}" % (len(letters) + 1)]
        for n, letter in enumerate(letters):
            if letter < ord("Z"):
                rest = b"[A-Z]" * (len(letters) - n - 1)
                later.append(letters[:n] + b"[%c-Z]" % (letter + 1) + rest)
        _BEYOND[letters] = re.compile(b'<c r="(?:' + b"|".join(later) + rb")\d")
    return _BEYOND[letters]


class _Cells:
    """The parser's view of a worksheet."""

    def __init__(self, found: Found, where: str) -> None:
        self.row, self._where = 0, where
        self._found, self._column = found, 0
        self._shared = dict[str, str]()
        self._kind = self._formula_id = ""
        self._has_formula = self._has_value = False
        self._texts: list[str] | None = None
        self._value = self._formula = ""

    def listen(self, stream: expat.XMLParserType, where: str) -> None:
        """Take the parser's events."""
        follow(stream, where, self._start, self._end)
        stream.CharacterDataHandler = self._text

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = local(tag)
        if name == "c":
            self._open_cell(attributes)
        elif name in {"v", "t"}:
            self._texts, self._has_value = [], True
        elif name == "f":
            self._texts, self._has_formula = [], True
            self._formula_id = attributes.get("si", "")
        elif name == "row":
            self.row = _number(attributes.get("r", ""), self.row + 1, NUMBER)
            self._column = 0
            if attributes.get("hidden") in {"1", "true"}:
                self._found.hidden_rows.add(self.row)
        elif name == "col" and attributes.get("hidden") in {"1", "true"}:
            first = _number(attributes.get("min", ""), 1, MAX_COLUMN)
            last = _number(attributes.get("max", ""), first, MAX_COLUMN)
            self._found.hidden_columns.update(range(first, last + 1))

    def _end(self, tag: str) -> None:
        name = local(tag)
        if name in {"v", "t"} and self._texts is not None:
            self._value, self._texts = self._value + "".join(self._texts), None
        elif name == "f" and self._texts is not None:
            self._formula, self._texts = "".join(self._texts), None
        elif name == "c":
            self._close_cell()

    def _text(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)

    def _open_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r", "")
        letters = place.rstrip("0123456789")
        if letters and letters.isascii() and letters.isalpha():
            self._column = column_number(letters.upper())
            self.row = _number(place[len(letters) :], self.row, NUMBER)
        else:
            self._column += 1
        self._kind = attributes.get("t", "n")
        self._value = self._formula = self._formula_id = ""
        self._has_formula = self._has_value = False

    def _close_cell(self) -> None:
        found, value = self._found, self._value
        if self._has_value or self._has_formula:
            found.height = max(found.height, self.row)
            found.width = max(found.width, self._column)
        if self._has_formula and not value and not (self._kind == "str" and self._has_value):
            if self._formula and self._formula_id:
                self._shared[self._formula_id] = self._formula
            text = self._formula or self._shared.get(self._formula_id, "")
            found.formula(self.row, self._column, f"={text}", self._where)
        elif self._kind == "e":
            found.errors.setdefault(self.row, {})[self._column] = value
        elif self._kind == "n" and _DIGITS.fullmatch(value.strip()):
            found.exact.setdefault(self.row, {})[self._column] = value.strip()
        elif self._kind == "n" and value.startswith(("-", "60")) and len(found.odd) < ODD:
            found.odd.setdefault(self.row, {})[self._column] = value.strip()


def _number(raw: str, fallback: int, most: int) -> int:
    """A number that a place states, ``most`` if it is larger: it must not look like a small one."""
    if not (raw.isascii() and raw.isdigit()):
        return fallback
    return most if len(raw) > len(str(most)) else min(int(raw), most)
