"""How much each word of a contract matters when it changes: the tables of grades, nothing else.

``breaking``: who reads silver, gold or a report, or who delivers the file, must do something.
``compatible``: they need not, but there is more, or it behaves in another way. ``cosmetic``: every
table is as it was; a text, one more spelling, another place of the same. A word that no table
names is breaking: who adds a word to contracts decides here what it does.

A limit that is loosened counts as breaking where readers may have relied on it (``maxLength``,
``required``), as ``acceptance`` has it; widening ``minimum`` and ``maximum`` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from dagster_project.contracts.model import DELIMITERS, DRIFT_KINDS, WORKBOOKS
from dagster_project.contracts.wording import Part, Words

Grade = Literal["breaking", "compatible", "cosmetic"]
GRADES: tuple[Grade, ...] = ("breaking", "compatible", "cosmetic")


@dataclass(frozen=True)
class Edit:
    """One word of a part that differs: None where it is not written, and the words around it."""

    word: str
    old: Any
    new: Any
    before: Words
    after: Words
    is_feed: bool
    headerless: bool = False


Judge = Callable[[Edit], Grade]


def _always(grade: Grade) -> Judge:
    return lambda _: grade


BREAKS, ADDS, SAYS = _always("breaking"), _always("compatible"), _always("cosmetic")


def _entries(*, less: Grade, more: Grade, otherwise: tuple[str, ...] = ()) -> Judge:
    """A list whose entries matter and not their order; ``otherwise`` holds where none is given."""

    def judge(edit: Edit) -> Grade:
        old, new = (_members(value, otherwise) for value in (edit.old, edit.new))
        if old - new:
            return less
        return more if new - old else "cosmetic"

    return judge


def _members(value: object, otherwise: tuple[str, ...]) -> set[str]:
    if not isinstance(value, list):
        return set(otherwise) if value is None else {str(value)}
    kinds = (WORKBOOKS if entry == "workbook" else (entry,) for entry in value)
    return {str(entry) for kind in kinds for entry in kind}


def _flag(*, on: Grade, off: Grade) -> Judge:
    """A word that is true or false; false where it is not written."""

    def judge(edit: Edit) -> Grade:
        if bool(edit.old) == bool(edit.new):
            return "cosmetic"
        return on if edit.new else off

    return judge


def _unless(otherwise: object, grade: Grade) -> Judge:
    """Writing out what holds anyway changes nothing."""

    def judge(edit: Edit) -> Grade:
        old, new = (otherwise if value is None else value for value in (edit.old, edit.new))
        return "cosmetic" if old == new else grade

    return judge


def _bound(*, upper: bool) -> Judge:
    """A limit of values: narrower breaks, wider only adds."""

    def judge(edit: Edit) -> Grade:
        if edit.new is None or edit.old is None:
            return "compatible" if edit.new is None else "breaking"
        try:
            wider = (Decimal(str(edit.new)) >= Decimal(str(edit.old))) == upper
        except InvalidOperation:
            wider = (str(edit.new) >= str(edit.old)) == upper
        if str(edit.old) == str(edit.new):
            return "cosmetic"
        return "compatible" if wider else "breaking"

    return judge


def _added_or_not(*, added: Grade, removed: Grade, changed: Grade) -> Judge:
    def judge(edit: Edit) -> Grade:
        if edit.old is None:
            return added
        return removed if edit.new is None else changed

    return judge


def _title(edit: Edit) -> Grade:
    """A file's header: the old one must still be read."""
    kept = edit.after.get("aliases")
    read = isinstance(kept, list) and edit.old in kept
    return "cosmetic" if read or not edit.is_feed else "breaking"


def _aliases(edit: Edit) -> Grade:
    """A header less is a file less; the new title may be the one that is gone."""
    gone = _members(edit.old, ()) - _members(edit.new, ()) - {str(edit.after.get("businessName"))}
    return "breaking" if gone else "cosmetic"


def _column_order(edit: Edit) -> Grade:
    return "breaking" if edit.headerless else "cosmetic"


def _implementation(edit: Edit) -> Grade:
    """Whether SQL or a threshold became stricter cannot be read from it."""
    old, new = edit.old, edit.new
    if edit.word in _ROW:  # one expression, written alone or as the object form has it
        old, new = (next(filter(None, map(w.get, _ROW)), "") for w in (edit.before, edit.after))
    if str(old).split() == str(new).split():
        return "cosmetic"
    return "breaking" if edit.after.get("severity") == "fail" else "compatible"


def _severity(edit: Edit) -> Grade:
    return "breaking" if edit.new == "fail" else "compatible"


def _local(edit: Edit) -> Grade:
    """The department's own folder and names of files; where we fetch ourselves is our matter."""
    return "breaking" if edit.before.get("type") == "local" else "cosmetic"


def _code_title(edit: Edit) -> Grade:
    """A title is a spelling, and what the code means."""
    synonyms = edit.after.get("synonyms") or []
    return "cosmetic" if edit.old in synonyms else "breaking"


def _synonyms(edit: Edit) -> Grade:
    gone = _members(edit.old, ()) - _members(edit.new, ()) - {str(edit.after.get("title"))}
    return "breaking" if gone else "cosmetic"


_ROW = ("implementation", "implementation.row")
_DESCRIBED = {"description": SAYS, "*.description": SAYS, "*.order": SAYS}

CONTRACT: Mapping[str, Judge] = {
    **_DESCRIBED,
    "name": SAYS,
    "domain": SAYS,
    "description.*": SAYS,
    "description": SAYS,
    "team": SAYS,
    "team.*": SAYS,
    "tags": SAYS,
    "sla.*": ADDS,
    "slaProperties": ADDS,
    "customProperties": SAYS,
    "department.name": SAYS,
    "reference": _flag(on="breaking", off="breaking"),
    "sheets": _unless("first", "breaking"),
    "header": _unless("present", "breaking"),
    "accepts.encodings": _entries(
        less="breaking", more="compatible", otherwise=("utf-8", "gb18030")
    ),
    "accepts.formats": _entries(less="breaking", more="compatible"),
    "accepts.delimiters": _entries(less="breaking", more="compatible", otherwise=DELIMITERS),
    "manifest": _flag(on="breaking", off="compatible"),
    "parts": _flag(on="compatible", off="breaking"),
    "vanishing": _unless(0.05, "compatible"),
    "volume": _unless(0.3, "compatible"),
    "gate.rows": ADDS,
    "gate.share": ADDS,
    # One failure of such a rule keeps a whole delivery waiting: its sender has to know.
    "gate.hard": _entries(less="compatible", more="breaking"),
    "shifts.nulls": _unless(0.1, "compatible"),
    "shifts.shares": _unless(0.2, "compatible"),
    "period.*": _added_or_not(added="breaking", removed="compatible", changed="breaking"),
    **{f"drift.{kind}": _unless(action, "compatible") for kind, action in DRIFT_KINDS.items()},
    # The entry tells of the table; only what it is known by, and who may have it, binds others.
    "catalogue.code": _added_or_not(added="cosmetic", removed="breaking", changed="breaking"),
    "catalogue.shareType": _added_or_not(added="cosmetic", removed="breaking", changed="breaking"),
    "catalogue.updateCycle": _added_or_not(
        added="cosmetic", removed="compatible", changed="compatible"
    ),
    "catalogue.*": SAYS,
    "mayBeEmpty": _flag(on="compatible", off="compatible"),
    "nameColumn": _added_or_not(added="compatible", removed="breaking", changed="breaking"),
    "coordinates.system": _unless("cgcs2000", "breaking"),
    "dueTime": _unless("20:30", "compatible"),
}

COLUMN: Mapping[str, Judge] = {
    **_DESCRIBED,
    "businessName": _title,
    "aliases": _aliases,
    "required": _flag(on="breaking", off="breaking"),
    "primaryKey": _flag(on="breaking", off="breaking"),
    "primaryKeyPosition": _unless(1, "breaking"),
    "logicalTypeOptions.minimum": _bound(upper=False),
    "logicalTypeOptions.maximum": _bound(upper=True),
    "logicalTypeOptions": SAYS,
    "relationships": _added_or_not(added="breaking", removed="compatible", changed="breaking"),
    "customProperties": SAYS,
    "mask": _unless("none", "breaking"),
    "pad": _unless(0, "breaking"),
    "nulls": _entries(less="breaking", more="compatible"),
    "textual": _flag(on="breaking", off="breaking"),
    "partial": _added_or_not(added="compatible", removed="breaking", changed="breaking"),
    # To say how a rate is rounded changes no figure; to say it otherwise does.
    "rounding.*": _added_or_not(added="compatible", removed="breaking", changed="breaking"),
    "openEnd": _flag(on="compatible", off="breaking"),
}

RULE: Mapping[str, Judge] = {
    "description": SAYS,
    "dimension": ADDS,
    "severity": _severity,
    "implementation": _implementation,
    "implementation.*": _implementation,
    "type": SAYS,
    "engine": SAYS,
}

SERVER: Mapping[str, Judge] = {
    **_DESCRIBED,
    "path": _local,
    "format": _local,
    "type": BREAKS,
    # What of a source is fetched decides which rows come; the way to it does not.
    "table": BREAKS,
    "schema": BREAKS,
    "database": BREAKS,
    "file": BREAKS,
    "channel": BREAKS,
    "*": SAYS,
}

CODE: Mapping[str, Judge] = {
    "title": _code_title,
    "synonyms": _synonyms,
    # The dates tell whoever reads the list; an expired code is still read.
    "valid_from": SAYS,
    "valid_to": SAYS,
}


def grade_of(part: Part, edit: Edit) -> Grade:
    """How much a changed word of a part matters."""
    if edit.word == "order":
        return _column_order(edit) if part == ("columns",) else "cosmetic"
    tables: Mapping[str, Mapping[str, Judge]] = {
        "columns": COLUMN,
        "rules": RULE,
        "servers": SERVER,
        "codes": CODE,
        "table": {"businessName": SAYS, "description": SAYS, "logicalType": SAYS},
    }
    table = CONTRACT if not part else tables.get(part[0], {})
    return _judge_for(table, edit.word)(edit)


def _judge_for(table: Mapping[str, Judge], word: str) -> Judge:
    """The judge of a word: by its name, by its beginning, by its end, else it breaks."""
    steps = word.split(".")
    stems = [f"{'.'.join(steps[:length])}.*" for length in range(len(steps) - 1, 0, -1)]
    last = f"*.{steps[-1]}" if stems else ""
    return next((table[name] for name in (word, *stems, last, "*") if name in table), BREAKS)


def grade_of_part(
    part: Part, words: Words, *, is_added: bool, is_feed: bool, headerless: bool
) -> Grade:
    """How much a whole column, rule, server or code matters that came or went."""
    if part[0] == "columns":
        asked = is_feed and (bool(words.get("required")) or headerless)
        return (
            "compatible" if is_added and not asked and not words.get("primaryKey") else "breaking"
        )
    if part[0] == "rules":
        return "breaking" if is_added and words.get("severity") == "fail" else "compatible"
    if part[0] == "servers":
        return "compatible" if is_added else "breaking"
    # A list more or less comes with the column that names it; a code more was refused until now.
    return "cosmetic" if is_added or len(part) < 3 else "breaking"  # noqa: PLR2004
