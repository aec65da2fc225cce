"""Where an undescribed table is looked at: a file, or a source that a channel fetches from.

What comes out is the same for all: a file that the readers read, its rows as text, and what a
contract says of where they came from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from dagster_project.components.steps.describing.fetched_origins import fetched, is_fetched, words
from dagster_project.components.steps.describing.profiling import Table
from dagster_project.contracts.inference import Dictionary, Heading
from dagster_project.contracts.inference.titles import INCREMENT, SNAPSHOT
from dagster_project.contracts.model import WORKBOOKS
from dagster_project.contracts.words import BOOK_ENDINGS, MACHINE_ENDINGS, TEXT_ENDINGS
from dagster_project.errors import UsageError
from dagster_project.ingest.readers.read import read
from dagster_project.ingest.readers.result import ReadResult

BOOKKEEPING = ("_extra", "_defect", "_sheet", "_source_row", "_batch_id")
UNKNOWN_DEPARTMENT = ("department", "部门")
SQLITE = b"SQLite format 3\0"
"""How a database begins that is one file."""
_TIME = re.compile(
    r"(?:19|20)\d{2}[-_.年]?(?:\d{1,2}[-_.月]?(?:\d{1,2}日?)?|[Qq第][1-4一二三四](?:季度)?)?"
    r"(?:[-_T ]?\d{4,6})?(?=\D|$)"
)
_DAILY = re.compile(r"(?:19|20)\d{2}(?:\d{4}|[-_.年]\d{1,2}[-_.月]\d{1,2})")
_MONTHLY = re.compile(r"(?:19|20)\d{2}[-_.年]?(?:0[1-9]|1[0-2]|[1-9](?=月))(?:月|\D|$)")
_ENCODINGS = {
    "utf-8-sig": "utf-8",
    "utf_8": "utf-8",
    "gbk": "gb18030",
    "utf-16-le": "utf-16",
    "utf-16-be": "utf-16",
    "big5hkscs": "big5",
    "cp950": "big5",
}
"""Codecs as contracts call them."""
_KNOWN = ("utf-8", "gb18030", "big5", "utf-16", "cp1252")


@dataclass(frozen=True)
class Asked:
    """What somebody asked for: a source and what only people know of it."""

    name: str
    source: str
    table: str = ""
    credentials: str = ""
    department: tuple[str, str] = ("", "")
    title: str = ""
    key: tuple[str, ...] = ()
    delivery: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """A look at a source. ``file`` can be read by the contract that is inferred."""

    file: Path
    table: Table
    heading: Heading
    is_database: bool = False


def looked_at(asked: Asked, dictionary: Dictionary, scratch: Path) -> Origin:
    """Read the source as far as inference needs it.

    Raises:
        UsageError: There is no such file.
        DeliveryError: The file is refused.
    """
    if is_fetched(asked.source):
        return _fetched(asked, dictionary, scratch)
    path = Path(asked.source).expanduser()
    if not path.is_file():
        raise UsageError(
            "there is no such file", where=asked.source, todo="Name a delivered file or a URL"
        )
    with path.open("rb") as opened:
        if opened.read(len(SQLITE)) == SQLITE:
            return _fetched(replace(asked, source=f"sqlite:{path}"), dictionary, scratch)
    result, table = rows_of(path, scratch)
    return Origin(path, table, _heading_of_file(asked, path, result, dictionary))


def _fetched(asked: Asked, dictionary: Dictionary, scratch: Path) -> Origin:
    """A look at what a channel brings."""
    found = fetched(asked.source, asked.table, asked.credentials, asked.options, scratch)
    result, table = rows_of(found.file, scratch)
    # A database that is one file lies in its department's folder, as other files do.
    folder = Path(asked.source.partition(":")[2]).parent if found.server.path else Path()
    heading = _heading_of_file(
        asked, folder / (found.server.table or found.file.name), result, dictionary
    )
    server = found.server
    if server.path:
        server = replace(server, path=f"{heading.department_name}/{Path(server.path).name}")
    is_database = server.type in {"postgresql", "mysql", "sqlite"}
    return Origin(
        found.file,
        replace(table, source=found.columns),
        replace(
            heading,
            servers=(words(server),),
            title=asked.title or bare(server.table) or asked.name,
            formats=heading.formats if server.type in {"sftp", "s3"} else (),
            frequency=(1, "d"),
        ),
        is_database=is_database,
    )


def rows_of(path: Path, scratch: Path) -> tuple[ReadResult, Table]:
    """A file's rows by shape alone."""
    rows = scratch / "look.parquet"
    result = read(path, None, "look", rows, name=path.name)
    titles = tuple(n for n in pq.read_schema(rows).names if n not in BOOKKEEPING)
    everywhere = result.units.get("*", "")
    units = {title: result.units.get(title, "") for title in titles}
    return result, Table(rows, titles, {t: u or "" for t, u in units.items()} | {"*": everywhere})


def _heading_of_file(
    asked: Asked, path: Path, result: ReadResult, dictionary: Dictionary
) -> Heading:
    code, name, ask = department(asked, path, dictionary)
    stem = path.name.removesuffix("".join(path.suffixes[-2:])) or path.stem
    kind = result.format
    encoding = _ENCODINGS.get(result.encoding, result.encoding)
    title = asked.title or bare(path.stem)
    server: dict[str, Any] = {
        "server": "inbox",
        "type": "local",
        "path": f"{name}/{glob(path, kind)}",
        "format": kind,
    }
    asked_words = dict(ask)
    delivery, why = delivery_of(asked, stem)
    if why:
        asked_words["delivery"] = why
    sheets: Any = "all" if sum(sheet.rows > 0 for sheet in result.sheets) > 1 else "first"
    return Heading(
        name=asked.name,
        title=title or asked.name,
        department_code=code,
        department_name=name,
        delivery=delivery,
        servers=(server,),
        frequency=frequency(path.name),
        encodings=tuple(dict.fromkeys(("utf-8", "gb18030", *([encoding] * (encoding in _KNOWN))))),
        formats=("workbook",) if kind in WORKBOOKS else (kind,),
        sheets=sheets,
        ask=asked_words,
    )


def department(
    asked: Asked, path: Path, dictionary: Dictionary
) -> tuple[str, str, Mapping[str, str]]:
    """The department: as said, or that of the folder the file lies in."""
    code, name = asked.department
    folder = path.resolve().parent.name
    name = name or (folder if folder in dictionary.departments else "")
    code = code or dictionary.departments.get(name, "")
    if code and name:
        return code, name, {}
    made_code, made_name = UNKNOWN_DEPARTMENT
    ask = {"department": "whose file is it? --department CODE:名称"}
    return code or made_code, name or made_name, ask


def bare(stem: str) -> str:
    """A file's name without dates, versions and what is left between them.

    >>> bare("低保发放名册_20261122"), bare("2026年11月低保（终稿）")
    ('低保发放名册', '低保（终稿）')
    """
    return re.sub(r"[-_ .]+$|^[-_ .]+", "", _TIME.sub("", stem)).strip("_- .")


def glob(path: Path, kind: str) -> str:
    """The names of the same file next time: every period becomes ``*``, a false ending too."""
    suffix = "".join(path.suffixes[-2:]) if path.suffix in {".gz", ".zip"} else path.suffix
    stem = path.name.removesuffix(suffix)
    # Brackets of a name mean something else in a glob.
    stem = re.sub(r"[\[\]?*]", "?", stem)
    made = re.sub(r"\*+", "*", _TIME.sub("*", stem))
    endings = {"csv": TEXT_ENDINGS, **MACHINE_ENDINGS}.get(kind, BOOK_ENDINGS)
    if PurePosixPath(f"x{suffix}").suffix.lower() not in endings:
        suffix = ".*"
    return f"{made}{suffix}" if "*" in made else f"{made}*{suffix}"


def frequency(name: str) -> tuple[int, str]:
    """How often the file comes, by the period that its name states."""
    if _DAILY.search(name):
        return 1, "d"
    if _MONTHLY.search(name):
        return 1, "m"
    return (1, "y") if _TIME.search(name) else (1, "d")


def delivery_of(asked: Asked, name: str) -> tuple[str, str]:
    """Whether a delivery is the whole table, and what to ask where only the name says so."""
    if asked.delivery:
        return asked.delivery, ""
    text = f"{asked.title}{name}"
    if INCREMENT.search(text):
        return "incremental", ""
    if SNAPSHOT.search(text):
        return "full", ""
    return "incremental", "or full: is each file the whole table?"
