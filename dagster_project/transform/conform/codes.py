"""Values of code lists: synonyms become codes, lost zeros come back.

Identity numbers and other formats are in ``identity``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.contracts import spellings
from dagster_project.contracts.model import CodeList, Column
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    case,
    fn,
    lt,
    matches,
    negate,
    one_of,
    text,
)
from dagster_project.transform.conform.repair import Repair

_SHOWN = 8
"""Lists of as many codes are told as a whole; of longer ones the title."""


@dataclass(frozen=True)
class Spelling:
    """A code list as conform uses it: codes, and every other spelling of a code."""

    codes: tuple[str, ...]
    synonyms: dict[str, str]
    asked: str = ""
    """What a cell should hold, in words for who fills it in."""

    @classmethod
    def of(cls, codes: CodeList) -> Spelling:
        """From a contract's list, whose spellings are unambiguous."""
        others = {s: code for s, code in spellings(codes) if s != code}
        return cls(codes.codes, others, _asked(codes))

    @property
    def known(self) -> tuple[str, ...]:
        """Codes and synonyms: none of them is a spelling of NULL."""
        return (*self.codes, *self.synonyms)


def repaired(value: Node, column: Column, spelling: Spelling) -> Node:
    """The code that a cell means; unchanged when it means none."""
    branches = [(one_of(value, spelling.codes), value)]
    if spelling.synonyms:
        found = case([(text(s), text(code)) for s, code in spelling.synonyms.items()], on=value)
        branches.append((one_of(value, spelling.synonyms), found))
    return case(branches, padded(value, column))


def padded(value: Node, column: Column) -> Node:
    """Digits filled with zeros up to the width of the code."""
    if not column.pad:
        return value
    return case([(_is_short(value, column.pad), fn("lpad", value, column.pad, "0"))], value)


def repairs(t: Node, column: Column, spelling: Spelling | None) -> tuple[Repair, ...]:
    """What ``repaired`` (or ``padded``, without a list) did."""
    made = []
    unpadded: list[Node] = []
    if spelling and spelling.synonyms:
        word = one_of(t, spelling.synonyms)
        made.append(Repair("code_synonym", logged=True, happened=word))
        unpadded = [negate(word)]
    if column.pad:
        codes = [negate(one_of(t, spelling.codes))] if spelling else []
        short = all_of([_is_short(t, column.pad), *unpadded, *codes])
        made.append(Repair("zero_pad", logged=True, happened=short))
    return tuple(made)


def _is_short(value: Node, width: int) -> Node:
    return all_of([lt(fn("strlen", value), width), matches(value, "[0-9]+")])


def _asked(codes: CodeList) -> str:
    if len(codes.entries) <= _SHOWN:
        return f"应为{'、'.join(f'{one.code} {one.title}' for one in codes.entries)}之一"
    return f"不在代码表“{codes.title or codes.name}”中"
