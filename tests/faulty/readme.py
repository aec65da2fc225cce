"""The README of ``data_samples/faulty``, made from the table of expectations."""

from __future__ import annotations

from tests.faulty.table import NOT_IN_ONE_FILE, Expected, expectations

_HEAD = """\
# Faulty files

One named file per fault that departments' files really have. Each must be read exactly as
`tests/faulty/expected/*.yaml` says, or refused for the reason given there; in either case every
record of it is accounted for.

    countylake read data_samples/faulty/T23_末行合计_不符.csv
    countylake read data_samples/faulty/D15_金额各式.csv \\
        --contract data_samples/faulty/contracts/amount.yaml

**All persons, ids, phones and amounts are invented.** Ids pass their check digits because the
checks must have something to pass. The licence is the repository's.

`make samples` writes the files again, with the same bytes (`tests/faulty/make.py`); only the
encrypted workbook is kept as it is, for encryption is salted. `contracts/` holds small contracts by
which some of the files are read. D numbers are the rows of the table of dirt below.
"""
_GROUPS = {
    "D": "Values, and files that pretend to be another kind",
    "E": "Encodings",
    "T": "Delimited text",
    "A": "Packed files",
    "W": "Workbooks",
}
_DIRT = {
    "D01": "GB18030, Big5",
    "D02": "mojibake 乱码",
    "D03": "byte order marks, UTF-16",
    "D04": "full-width characters 全角",
    "D05": "blanks and prefixes",
    "D06": "id with a small x",
    "D07": "id in scientific notation",
    "D08": "id cut by a spreadsheet",
    "D09": "lost zeros",
    "D10": "15-digit ids",
    "D11": "masked values 脱敏",
    "D12": "dates",
    "D13": "days that do not exist",
    "D14": "spellings of nothing",
    "D15": "money and units",
    "D16": "percentages",
    "D17": "titles, headers of several lines",
    "D18": "totals and notes",
    "D19": "many, hidden and oversized sheets",
    "D20": "files that pretend",
    "D21": "delimiters, line ends, quotes, ragged rows",
    "D22": "rare characters and separators in names",
    "D23": "phones",
    "D24": "duplicates",
    "D25": "departments that contradict each other",
    "D26": "words for codes",
    "D27": "impossible times",
    "D28": "empty and half-uploaded files",
    "D29": "snapshot and increment confused",
    "D30": "formulas, errors, mixed types",
    "D31": "coordinates",
}


def shown() -> dict[str, list[str]]:
    """For each row of the table of dirt, the files that show it."""
    found: dict[str, list[str]] = {number: [] for number in _DIRT}
    for case in _first():
        for number in {*case.domain, case.file[:3]} & set(_DIRT):
            found[number].append(case.file)
    return found


def readme() -> str:
    """The text of the README."""
    parts = [_HEAD]
    for letter, title in _GROUPS.items():
        lines = [
            f"| `{case.file}` | {case.fault} | {_outcome(case)} | {case.shows} |"
            for case in _first()
            if case.file.startswith(letter)
        ]
        head = "| file | 缺陷 | verdict | what it shows |\n|---|---|---|---|"
        parts.append("\n".join((f"## {title}\n", head, *sorted(lines))) + "\n")
    dirt = [
        f"| {number} | {_DIRT[number]} | {_named(number, files)} |"
        for number, files in shown().items()
    ]
    head = "## The table of dirt\n\n| row | dirt | files |\n|---|---|---|"
    parts.append("\n".join((head, *dirt)) + "\n")
    return "\n".join(parts)


def _named(number: str, files: list[str]) -> str:
    return NOT_IN_ONE_FILE.get(number) or ", ".join(name.partition("_")[0] for name in files)


def _first() -> list[Expected]:
    """Each file's first case, which says what it shows."""
    return list({case.file: case for case in reversed(expectations())}.values())[::-1]


def _outcome(case: Expected) -> str:
    if case.refused:
        return f"refused: `{case.refused['reason']}`"
    rows = sum(sheet.data_rows for sheet in case.sheets)
    aside = sum(sheet.set_aside for sheet in case.sheets)
    dropped = sum(sum(sheet.dropped.values()) for sheet in case.sheets)
    words = [f"{rows} rows"]
    words += [f"{aside} put aside"] if aside else []
    words += [f"{dropped} dropped"] if dropped else []
    return ", ".join(words)
