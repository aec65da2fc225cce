"""One cell: what its text says once blanks, wrappers and spellings are undone, as a typed value.

By the words of ``schemas/README.md``; a cell that says nothing is None, one that cannot be read as
its type is ``UNREAD``.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from tests.oracle.forms import Column

Value = str | int | Decimal | date | datetime | bool | None


class Unread:
    """A cell that is not of its column's type."""


UNREAD = Unread()
BLANKS = " \t\n\r\v\f\u00a0\u3000\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"
SERIAL_BASE = datetime(1899, 12, 30)  # noqa: DTZ001 - a wall clock
SERIALS = (20000, 60000)
OPEN_END = ("长期", "永久", "长期有效", "永久有效", "9999-12-31")
CHECKS = "10X98765432"
DAY = r"([12]\d{3})[-/.年](\d{1,2})[-/.月](\d{1,2})[日号]?"
TIME = r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ORG_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
CENTENARIANS = 996


def clean(raw: str, column: Column) -> str | None:
    """The cell's text; None where it says nothing."""
    text = raw.strip(BLANKS)
    if wrapped := re.fullmatch(r'(?s)="(.*)"', text):
        text = wrapped.group(1).strip(BLANKS)
    elif text.startswith("'"):
        text = text[1:].removesuffix("'").strip(BLANKS)
    if not column.textual and column.format != "person_name":
        text = unicodedata.normalize("NFKC", text).strip(BLANKS)
    return None if not text or text in column.nulls else text


def typed(text: str, column: Column) -> Value | Unread:
    """The value that a clean text says."""
    if column.type == "string":
        return _string(text, column)
    if column.type == "boolean":
        code = column.words.get(text)
        return UNREAD if code is None else code == "1"
    if column.type in {"integer", "number"}:
        return _number(text, column) if column.type == "number" else _whole(text)
    when = moment(text)
    if when is None:
        is_open = column.open_end and text in OPEN_END
        return date(9999, 12, 31) if is_open else UNREAD
    return when.date() if column.type == "date" else when


def _whole(text: str) -> int | Unread:
    bare = re.sub(r"\.0+$", "", text)
    grouped = re.fullmatch(r"[+-]?(\d+|\d{1,3}(,\d{3})+)", bare, re.ASCII)
    return int(bare.replace(",", "")) if grouped else UNREAD


def _string(text: str, column: Column) -> str:
    if column.codes:
        if text in column.words:
            return column.words[text]
        return text.zfill(column.pad) if column.pad and text.isdigit() else text
    if column.format == "resident_id":
        return _eighteen(text.upper())
    if column.format == "uscc":
        return text.upper()
    if column.format == "phone":
        return re.sub(r"(?<=\d)[- ](?=\d)", "", text) if text.startswith("1") else text
    return text.zfill(column.pad) if column.pad and text.isdigit() else text


def _eighteen(text: str) -> str:
    """A number of the first generation as one of the second."""
    if re.fullmatch(r"[1-9]\d{14}", text) and int(text[12:]) < CENTENARIANS:
        body = f"{text[:6]}19{text[6:]}"
        return body + CHECKS[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]
    return text


def _number(text: str, column: Column) -> Decimal | Unread:
    bare = re.sub(r"^([+-]?)(￥|¥|RMB|人民币)?\s*", r"\1", text)
    times = Decimal(1)
    if column.unit in {"元", "㎡", "亩"}:
        found = re.fullmatch(r"(.*?)\s*([万亿]?)\s*(元|圆|㎡|平方米|亩)?", bare)
        assert found is not None
        bare = found.group(1)
        times = {"": Decimal(1), "万": Decimal(10_000), "亿": Decimal(10**8)}[found.group(2)]
    elif column.unit:
        bare = bare.removesuffix(column.unit).strip()
    if not re.fullmatch(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d*)?", bare, re.ASCII):
        return UNREAD
    try:
        exact = Decimal(bare.replace(",", "")) * times
    except InvalidOperation:
        return UNREAD
    stored = exact.quantize(Decimal(1).scaleb(-column.scale))
    return stored if stored == exact else UNREAD


def moment(text: str) -> datetime | None:
    """A day or a time of day as people and spreadsheets write them."""
    if re.fullmatch(r"\d{5}(\.\d+)?", text) and SERIALS[0] <= float(text) <= SERIALS[1]:
        return SERIAL_BASE + timedelta(seconds=round(float(text) * 86400))
    found = re.fullmatch(rf"{DAY}(?:[ T]{TIME})?", text) or re.fullmatch(
        r"([12]\d{3})(\d{2})(\d{2})()()()", text
    )
    if found is None:
        return None
    try:
        return datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        return None


def is_resident_id(text: str, today: date) -> bool:
    """GB 11643: shape, check digit, a day of birth that was."""
    if not re.fullmatch(r"[1-9]\d{16}[\dX]", text, re.ASCII):
        return False
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(d) * w for d, w in zip(text[:17], WEIGHTS, strict=True))
    return CHECKS[total % 11] == text[17] and date(1850, 1, 1) <= born <= today


def is_credit_code(text: str) -> bool:
    """GB 32100 with GB 11714 inside."""
    if len(text) != len("91140321MA0H0A1B6J") or any(c not in LETTERS for c in text):
        return False
    total = sum(LETTERS.index(c) * pow(3, n, 31) for n, c in enumerate(text[:17]))
    inner = sum(ORG_LETTERS.index(c) * w for c, w in zip(text[8:16], ORG_WEIGHTS, strict=True))
    check = {10: "X", 11: "0"}.get(11 - inner % 11, str(11 - inner % 11))
    is_digits = re.fullmatch(r"\d{6}", text[2:8]) is not None
    return is_digits and LETTERS[-total % 31] == text[17] and check == text[16]


def is_phone(text: str) -> bool:
    """A mobile number, or a land line with its area."""
    return re.fullmatch(r"1[3-9]\d{9}|0\d{2,3}-?\d{7,8}", text, re.ASCII) is not None


def is_name(text: str) -> bool:
    """Two to fifty characters, no digit, nothing unreadable."""
    odd = re.search(r"[0-9?？\ue000-\uf8ff\ufffd⿰-⿻]", text)
    return 2 <= len(text) <= 50 and odd is None
