"""The word ``catalogue`` of a contract: its entry in the 政务信息资源目录, and whether it is sound.

The words are those of the core metadata (GB/T 21063.3, 《政务信息资源目录编制指南（试行）》).
What an entry is worth today (mounted, updated) is asked of the lake, not here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from dagster_project.contracts.document import Document
from dagster_project.contracts.model import Column, Feed, Level, Problem, Sla, Table

WITHHELD: Final = "3"
"""Share type 不予共享, which needs a law, a regulation or a decision of the State as its ground."""
UNCHANGING: Final = "不更新"
CLOSED: Final = "3"
"""Open type 不予开放."""
PERSONAL: Final = frozenset({"L3", "L4"})
CYCLES: Final[Mapping[str, frozenset[tuple[int, str]]]] = {
    "实时": frozenset({(1, "d")}),
    "每日": frozenset({(1, "d")}),
    "每周": frozenset({(1, "w"), (7, "d")}),
    "每月": frozenset({(1, "m")}),
    "每季度": frozenset({(1, "q"), (3, "m")}),
    "每半年": frozenset({(2, "q"), (6, "m")}),
    "每年": frozenset({(1, "y"), (4, "q"), (12, "m")}),
    UNCHANGING: frozenset(),
}
"""What each update cycle means as ``frequency`` of ``slaProperties``; 不更新 promises nothing."""

_CREDIT_CODE: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_UNITS: Final = {"d": "day", "w": "week", "m": "month", "q": "quarter", "y": "year"}


@dataclass(frozen=True)
class Catalogued:
    """What a contract says of its entry; ``""`` where it says nothing.

    ``required`` is 应归集: the item is among those that the county has to collect.
    """

    code: str = ""
    share_type: str = ""
    share_condition: str = ""
    share_mode: str = ""
    legal_basis: str = ""
    open_type: str = ""
    open_condition: str = ""
    update_cycle: str = ""
    provider_code: str = ""
    published: str = ""
    related: tuple[str, ...] = ()
    required: bool = True

    @property
    def promises_updates(self) -> bool:
        """Whether anything can be due: 不更新 promises nothing."""
        return self.update_cycle != UNCHANGING


def catalogued(contract: Feed | Table) -> Catalogued:
    """The typed words of a contract's entry."""
    said: Mapping[str, Any] = contract.catalogue
    return Catalogued(
        code=said.get("code", ""),
        share_type=said.get("shareType", ""),
        share_condition=said.get("shareCondition", ""),
        share_mode=said.get("shareMode", ""),
        legal_basis=said.get("legalBasis", ""),
        open_type=said.get("open", ""),
        open_condition=said.get("openCondition", ""),
        update_cycle=said.get("updateCycle", ""),
        provider_code=said.get("providerCode", ""),
        published=said.get("published", ""),
        related=tuple(said.get("related", ())),
        required=said.get("required", True),
    )


def table_level(columns: Sequence[Column]) -> Level:
    """A table is as sensitive as its most sensitive column (``domain``: table = max of columns)."""
    return max((column.level for column in columns), default="L1")


def channels(feed: Feed) -> str:
    """The kinds of channels that bring a feed, as ``ops.delivery`` names them."""
    kinds = ("inbox" if server.type == "local" else server.type for server in feed.servers)
    return "、".join(dict.fromkeys(kinds))


def catalogue_problems(
    contract: Feed | Table, document: Document, sla: Sla | None = None
) -> Iterator[Problem]:
    """What does not fit within one contract's catalogue entry.

    Args:
        contract: The feed or table.
        document: Its file, for the lines.
        sla: How often a feed is promised; tables are made whenever their inputs change.
    """
    if not contract.catalogue:
        return
    place = _place(document)
    for sentence in _faults(catalogued(contract), contract.columns, sla):
        yield document.problem(sentence, *place)


def repeated_codes(contracts: Sequence[Feed | Table]) -> Iterator[tuple[Feed | Table, Problem]]:
    """Entries whose code another contract has already: a code names one resource."""
    codes = [catalogued(contract).code for contract in contracts]
    twice = {code for code, times in Counter(codes).items() if code and times > 1}
    first: dict[str, str] = {}
    for contract, code in zip(contracts, codes, strict=True):
        if code in twice and first.setdefault(code, contract.path) != contract.path:
            what = f"the resource code {code} is that of {first[code]}"
            yield contract, Problem(contract.path, 1, f"{what}; give this entry its own number")


def is_credit_code(code: str) -> bool:
    """Whether it is a 统一社会信用代码 with a right check character (GB 32100)."""
    if len(code) != 18 or any(one not in _CREDIT_CODE for one in code):  # noqa: PLR2004
        return False
    weighed = sum(_CREDIT_CODE.index(one) * pow(3, i, 31) for i, one in enumerate(code[:17]))
    return _CREDIT_CODE[(31 - weighed % 31) % 31] == code[17]


def _faults(words: Catalogued, columns: Sequence[Column], sla: Sla | None) -> Iterator[str]:
    if words.share_type == WITHHELD and not words.legal_basis:
        yield (
            "`catalogue` does not share the table (shareType 3) and names no ground; add"
            " `legalBasis` with the law, regulation or decision, or share it with a condition"
        )
    if words.provider_code and not is_credit_code(words.provider_code):
        yield "`providerCode` has a wrong check character; copy it from the unit's certificate"
    if words.published and not _is_day(words.published):
        yield f"`published` is {words.published}, which is no day; write YYYY-MM-DD"
    if words.code in words.related:
        yield "`related` names the entry itself; leave it out"
    if words.open_type not in {"", CLOSED} and table_level(columns) in PERSONAL:
        yield (
            "`open` opens a table that has columns of level L3 or L4 to the public; write"
            " `open: '3'`, or catalogue a table without them"
        )
    if sla and words.update_cycle and not _agree(words.update_cycle, sla):
        yield (
            f"`catalogue` promises {words.update_cycle} and `slaProperties` every {sla.every}"
            f" {_UNITS[sla.unit]}; make the update cycle and the frequency agree"
        )


def _agree(cycle: str, sla: Sla) -> bool:
    meant = CYCLES.get(cycle, frozenset())
    return not meant or (sla.every, sla.unit) in meant


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _place(document: Document) -> tuple[str | int, ...]:
    for number, entry in enumerate(document.data.get("customProperties", ())):
        if entry.get("property") == "catalogue":
            return "customProperties", number, "value"
    return ("customProperties",)
