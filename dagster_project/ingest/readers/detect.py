"""What a file is by its first bytes, never by its extension, and what to do if it is no table.

Only the kind of file is judged here; encodings are ``decode``'s matter.
"""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.result import Format

HEAD = 8192
MAX_UNPACKED = 4 << 30
"""A workbook that unpacks to more than this is refused; real ones stay far below."""

SAVE_AS = "Open it in Excel or WPS, save it as .xlsx or as CSV (UTF-8), and deliver that file"

MAGIC = (
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"{\\rtf", "a rich-text document"),
    (b"\xff\xfe", 'text in UTF-16 ("Unicode text")'),
    (b"\xfe\xff", 'text in UTF-16 ("Unicode text")'),
)
MARKUP = (
    (b"<!doctype html", "a web page that only carries a table's name"),
    (b"<html", "a web page that only carries a table's name"),
    (b"<table", "a web page that only carries a table's name"),
    (b"<?xml", "an XML document (perhaps XML Spreadsheet 2003)"),
)
ZIP_PARTS = (
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)"),
    ("word/document.xml", "a Word document"),
    ("ppt/presentation.xml", "a presentation"),
    ("content.xml", "an OpenDocument file (.ods)"),
)


def detect(path: Path, feed: Feed, *, name: str) -> Format:
    """The file's true format.

    Raises:
        DeliveryError: The file is empty, encrypted, damaged, of a format that is not read, or of
            one that the contract does not accept.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise DeliveryError(
            "the file is empty (0 bytes)", where=name, todo="Export it again and deliver it"
        )
    kind = _kind(path, head, name)
    if kind not in feed.formats:
        raise DeliveryError(
            f"this is a {kind} file, and the contract of {feed.name} accepts only "
            f"{', '.join(feed.formats)}",
            where=name,
            todo="Deliver an accepted format, or extend the contract's accepts.formats",
        )
    return kind


def _kind(path: Path, head: bytes, name: str) -> Format:
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise DeliveryError(f"this is {_ole(path)}", where=name, todo=SAVE_AS)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path, name)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    pretenders = [what for magic, what in MAGIC if head.startswith(magic)]
    pretenders += [what for tag, what in MARKUP if start.startswith(tag)]
    if not pretenders and b"\x00" in head:
        pretenders = ["a binary file (it holds NUL bytes)"]
    if pretenders:
        raise DeliveryError(f"this is {pretenders[0]}, not a table", where=name, todo=SAVE_AS)
    return "csv"


def _ole(path: Path) -> str:
    """An OLE container is either an old workbook or an encrypted new one."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        if view.find("EncryptedPackage".encode("utf-16-le")) >= 0:
            return "a workbook encrypted with a password"
        if view.find("WordDocument".encode("utf-16-le")) >= 0:
            return "a Word document"
    return "an old Excel or WPS workbook (.xls, .et)"


def _zip(path: Path, name: str) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DeliveryError(
            "this workbook is damaged or was uploaded only in part",
            where=name,
            todo="Deliver it again, whole",
        ) from error
    parts = {entry.filename for entry in entries}
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED:
        raise DeliveryError(
            f"this archive unpacks to {unpacked / (1 << 30):.1f} GiB, more than is read",
            where=name,
            todo="Deliver the table as CSV, or in several workbooks",
        )
    if "xl/workbook.xml" in parts:
        return "xlsx"
    what = next((what for part, what in ZIP_PARTS if part in parts), "a zip archive")
    raise DeliveryError(f"this is {what}, not an .xlsx workbook", where=name, todo=SAVE_AS)
