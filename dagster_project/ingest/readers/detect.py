"""What a file is by its content, never by its extension, and what to do if it is no table.

Only the kind of file is judged here; encodings are ``decode``'s matter, archives around a table
``container``'s, and whether a contract takes the format is ``read``'s.
"""

from __future__ import annotations

import codecs
import mmap
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

import olefile

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.result import Format

HEAD = 65_536
STRANGE = 0.05
"""Text holds at most this share of control characters (NULs and stray bytes are told later)."""
PLAUSIBLE = 0.9
"""Bytes are UTF-16 when at least this share of what they decode to is what tables hold."""

SAVE_AS = "Open it in Excel or WPS, save it as .xlsx or as CSV (UTF-8), and deliver that file"
AGAIN = "Deliver it again, whole"
NO_PASSWORD = "Remove the password and deliver it again"  # noqa: S105 - a sentence

OLE, ZIP = olefile.MAGIC, b"PK\x03\x04"
PARQUET, SEALED_PARQUET = b"PAR1", b"PARE"

MAGIC = (
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"MSCF", "a cabinet archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x00\x01\x00\x00Standard ", "an Access database"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC\n", "an ORC file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\x00", "an image"),
    (b"MM\x00*", "an image"),
    (b"{\\rtf", "a rich-text document"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
)
UNSUPPORTED = (
    (b"mime-version:", "a web archive (.mht)"),
    (b"from: <saved by", "a web archive (.mht)"),
)
ZIP_PARTS: tuple[tuple[str, str], ...] = (
    ("word/document.xml", "a Word document"),
    ("ppt/presentation.xml", "a presentation"),
    ("OFD.xml", "an OFD document"),
    ("Index/Document.iwa", "an Apple document (Numbers, Pages or Keynote)"),
)
OLE_STREAMS = (
    ("WordDocument", "a Word document"),
    ("PowerPoint Document", "a presentation"),
    ("__properties_version1.0", "an Outlook message"),
    ("VisioDocument", "a drawing"),
)
OLD_BIFF = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
"""How workbooks of Excel 2, 3 and 4 begin; they have no container."""
_FILEPASS, _EOF = 0x2F, 0x0A
_ODS = b"application/vnd.oasis.opendocument.spreadsheet"
_SPREADSHEET_2003 = "urn:schemas-microsoft-com:office:spreadsheet"
_FLAT_ODS = "urn:oasis:names:tc:opendocument:xmlns:office"
_UNREADABLE = (OSError, ValueError, NotImplementedError, RuntimeError)
_JSON = re.compile(r"\[\s*[\[{\"\]]|\{\s*[\"}]")
_DBASE = frozenset(b"\x03\x30\x31\x83\x8b\xf5")


def detect(path: Path, *, name: str) -> Format:
    """The file's true format; ``csv`` is any text.

    Args:
        path: The file, without an archive around it.
        name: How it is called in sentences.

    Raises:
        DeliveryError: The file is empty, encrypted, damaged, or of a format that is not read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise DeliveryError(
            "the file is empty (0 bytes)",
            where=name,
            todo="Export it again and deliver it",
            reason="empty",
        )
    if head.startswith(OLE):
        return _ole(path, name)
    if head.startswith(ZIP):
        return _zip(path, name)
    if head.startswith(OLD_BIFF):
        return "xls"
    if head.startswith(PARQUET):
        return "parquet"
    if head.startswith(SEALED_PARQUET):
        raise _encrypted(name, "a Parquet file")
    for magic, what in MAGIC:
        if head.startswith(magic):
            raise _no_table(what, name)
    return _text(path, head, name)


def _text(path: Path, head: bytes, name: str) -> Format:
    text = _readable(head)
    start = text.removeprefix("\ufeff").lstrip().lower()
    if start.startswith("<"):
        return _markup(start, name)
    if _JSON.match(start):
        return "json"
    for opening, what in UNSUPPORTED:
        if start.encode(errors="replace").startswith(opening):
            raise _unread(what, name)
    if _is_dbase(path, head):
        raise _unread("a dBase table (.dbf)", name)
    if _is_binary(head):
        raise _no_table("a binary file", name)
    return "csv"


def _readable(head: bytes) -> str:
    """The first bytes as characters, good enough to find markup in."""
    for mark, codec in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return head.decode(codec, "replace")
    if head[1:2] == b"\x00" and head[:1] == b"<":
        return head.decode("utf-16-le", "replace")
    if head[:2] == b"\x00<":
        return head.decode("utf-16-be", "replace")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _markup(start: str, name: str) -> Format:
    """HTML or XML, by the first of their elements and name spaces."""
    if _SPREADSHEET_2003 in start and "<html" not in start[: start.find(_SPREADSHEET_2003)]:
        return "xml2003"
    if _FLAT_ODS in start:
        raise _unread("a flat OpenDocument file (.fods)", name)
    if any(tag in start for tag in ("<html", "<table", "<!doctype html", "<body", "<head")):
        return "html"
    if start.startswith("<?xml"):
        raise _no_table("an XML document", name)
    return "csv"


def _is_binary(head: bytes) -> bool:
    """Whether bytes are neither text nor UTF-16; NULs at the end are padding."""
    body = head.rstrip(b"\x00") or head
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    strange = sum(body.count(bytes([n])) for n in range(32) if n not in b"\t\n\v\f\r\x1a\x1b")
    if strange <= STRANGE * len(body):
        return False
    whole = head[: len(head) & ~1]
    return not any(_is_plausible(whole.decode(c, "replace")) for c in ("utf-16-le", "utf-16-be"))


def _is_plausible(text: str) -> bool:
    """Whether most characters are such as tables hold: ASCII, Chinese, punctuation."""
    usual = sum(
        "\t" <= character < "\x7f"
        or "\u3000" <= character < "\u3040"
        or "一" <= character <= "鿿"
        or "\uff01" <= character <= "\uff5e"
        for character in text
    )
    return usual >= PLAUSIBLE * len(text)


def _is_dbase(path: Path, head: bytes) -> bool:
    """A header of a table file: version, date of change, number and size of records."""
    if len(head) < 32 or head[0] not in _DBASE:  # noqa: PLR2004 - its first block
        return False
    month, day = head[2], head[3]
    rows, start, width = struct.unpack("<IHH", head[4:12])
    plausible = 1 <= month <= 12 and 1 <= day <= 31 and start >= 65 and width > 1  # noqa: PLR2004
    return plausible and abs(path.stat().st_size - (start + rows * width)) <= start + width


def _ole(path: Path, name: str) -> Format:
    """An OLE container holds an old workbook, an encrypted new one, or another document."""
    try:
        with olefile.OleFileIO(str(path)) as container:
            streams = {entry[-1] for entry in container.listdir()}
            book = next((known for known in ("Workbook", "Book") if known in streams), "")
            hidden = "EncryptedPackage" in streams
            hidden = hidden or bool(book and _has_filepass(container.openstream(book)))
    except Exception as error:  # olefile fails in many ways on what is damaged
        if _mentions(path, "EncryptedPackage"):
            raise _encrypted(name) from error
        raise DeliveryError(
            "this document is damaged or was uploaded only in part",
            where=name,
            todo=AGAIN,
            reason="damaged",
        ) from error
    if hidden:
        raise _encrypted(name)
    if book:
        return "xls"
    what = next((w for stream, w in OLE_STREAMS if stream in streams), "an old Office document")
    raise _no_table(what, name)


def _has_filepass(stream: IO[bytes]) -> bool:
    """Whether a workbook's first records say that the rest is encrypted."""
    while len(head := stream.read(4)) == 4:  # noqa: PLR2004 - a record's head
        kind, size = struct.unpack("<HH", head)
        if kind in {_FILEPASS, _EOF}:
            return bool(kind == _FILEPASS)
        stream.read(size)
    return False


def _mentions(path: Path, stream: str) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(stream.encode("utf-16-le")) >= 0


def _zip(path: Path, name: str) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            parts = {entry.filename for entry in entries}
            if any(entry.flag_bits & 1 for entry in entries):
                raise _encrypted(name)
            if "xl/workbook.xml" in parts:
                return "xlsx"
            if "xl/workbook.bin" in parts:
                return "xlsb"
            if "content.xml" in parts:
                return _open_document(archive, parts, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, *_UNREADABLE) as error:
        raise DeliveryError(
            "this workbook is damaged or was uploaded only in part",
            where=name,
            todo=AGAIN,
            reason="damaged",
        ) from error
    what = next((what for part, what in ZIP_PARTS if part in parts), "a zip archive")
    raise _no_table(what, name)


def _open_document(archive: zipfile.ZipFile, parts: set[str], name: str) -> Format:
    if "META-INF/manifest.xml" in parts:
        with archive.open("META-INF/manifest.xml") as manifest:
            if b"encryption-data" in manifest.read(1 << 20):
                raise _encrypted(name)
    if "mimetype" in parts:
        with archive.open("mimetype") as mimetype:
            if not mimetype.read(200).startswith(_ODS):
                raise _no_table("an OpenDocument text or presentation", name)
    return "ods"


def _no_table(what: str, name: str) -> DeliveryError:
    return DeliveryError(
        f"this is {what}, not a table", where=name, todo=SAVE_AS, reason="not_a_table"
    )


def _unread(what: str, name: str) -> DeliveryError:
    return DeliveryError(
        f"this is {what}, which is not read", where=name, todo=SAVE_AS, reason="unsupported"
    )


def _encrypted(name: str, what: str = "a workbook") -> DeliveryError:
    return DeliveryError(
        f"this is {what} encrypted with a password",
        where=name,
        todo=NO_PASSWORD,
        reason="encrypted",
    )
