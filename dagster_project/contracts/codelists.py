"""``schemas/codes/*.csv`` -> code lists. Which column uses which list is the contracts' matter."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from dagster_project.contracts.model import Code, CodeList, Problem

HEADER = ["code", "title", "synonyms", "valid_from", "valid_to"]


def read_codes(folder: Path, name: str) -> tuple[dict[str, CodeList], list[Problem]]:
    """Read every code list of a folder; one that is wrong is left out and named.

    Args:
        folder: ``schemas/codes``.
        name: How problems name the folder.
    """
    lists: dict[str, CodeList] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.csv")):
        found = _read(path, f"{name}/{path.name}")
        if isinstance(found, CodeList):
            lists[path.stem] = found
        else:
            problems.append(found)
    return lists, problems


def spellings(codes: CodeList) -> Iterator[tuple[str, str]]:
    """Every accepted spelling with its code: the code itself, its title, its synonyms."""
    for entry in codes.entries:
        for spelling in dict.fromkeys((entry.code, entry.title, *entry.synonyms)):
            yield spelling, entry.code


def _read(path: Path, name: str) -> CodeList | Problem:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return Problem(name, 0, "the code list cannot be read; save it as UTF-8 text")
    notes = [line for line in lines if line.startswith("#")]
    said = [line.removeprefix("#").strip() for line in notes]
    titles = [line.removeprefix("title:").strip() for line in said if line.startswith("title:")]
    source = " ".join(line for line in said if not line.startswith("title:"))
    if not source.startswith("source:"):
        return Problem(name, 1, "the code list names no source; begin with `# source: …`")
    start = len(notes)
    rows = csv.reader(lines[start:])
    if next(rows, None) != HEADER:
        return Problem(name, start + 1, f"the header is not `{','.join(HEADER)}`; write it so")
    entries: list[Code] = []
    for row in rows:
        entry = _entry(row)
        if isinstance(entry, str):
            return Problem(name, start + rows.line_num, entry)
        entries.append(entry)
    source = source.removeprefix("source:").strip()
    codes = CodeList(path.stem, source, tuple(entries), "".join(titles[:1]))
    return _ambiguous(codes, name, start) or codes


def _entry(row: list[str]) -> Code | str:
    if len(row) != len(HEADER) or not row[0] or not row[1]:
        return f"the row does not have a code, a title and {len(HEADER)} cells; fill it in"
    try:
        since, until = (date.fromisoformat(cell) if cell else None for cell in row[3:])
    except ValueError:
        return "a validity date is not YYYY-MM-DD; write it so"
    return Code(row[0], row[1], tuple(filter(None, row[2].split("|"))), since, until)


def _ambiguous(codes: CodeList, name: str, start: int) -> Problem | None:
    """A spelling of two codes would repair a cell to the wrong one."""
    if not codes.entries:
        return Problem(name, start + 1, "the code list is empty; add its codes")
    seen: dict[str, str] = {}
    lines = {entry.code: start + 2 + number for number, entry in enumerate(codes.entries)}
    for entry in codes.entries:
        own = dict.fromkeys((entry.code, entry.title, *entry.synonyms))
        for spelling in own:
            if spelling in seen:
                what = f"`{spelling}` is a spelling of `{seen[spelling]}` and of `{entry.code}`"
                return Problem(name, lines[entry.code], f"{what}; keep it with one of them")
            seen[spelling] = entry.code
    return None
