"""A feed's contract -> its plan: every rule and repair with its bit, and the row rules as trees.

The plan is pure: it knows neither a batch nor a connection. ``select`` turns it into SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.contracts import cell_rules
from dagster_project.contracts.model import Column, Contracts, Feed, Rule
from dagster_project.contracts.rules import DEFECTS, place_rule
from dagster_project.contracts.units import power
from dagster_project.errors import ContractError
from dagster_project.transform.conform import coordinates, naming
from dagster_project.transform.conform.ast import Node
from dagster_project.transform.conform.cells import Cell, compile_cell
from dagster_project.transform.conform.checks import Check, rule_info
from dagster_project.transform.conform.facts import RepairInfo, RuleInfo

DEFECT_MESSAGES = {
    "ragged": "行的单元格数与表头不一致",
    "garbled": "含已丢失、无法恢复的字符",
    "formula": "含没有保存计算结果的公式",
}
# Bits of one BIGINT word that are used; a column's bits always share a word.
WORD_BITS = 60
# The greatest power of ten between two units that exact arithmetic has room for.
MOST = 8
PERCENT = ("%", "％")
# The code list of characters that are written in parts.
GLYPHS = "name_glyph"


@dataclass(frozen=True)
class Slot:
    """One bit of one word."""

    word: int
    mask: int


@dataclass(frozen=True)
class RowRule:
    """A rule over several columns; it fails when ``condition`` is FALSE."""

    rule: RuleInfo
    condition: Node


@dataclass(frozen=True)
class Plan:
    """How a feed is conformed.

    Attributes:
        feed: The contract.
        rules: Every rule that is switched on, also those between departments.
        repairs: Every repair a column may need.
        cells: One per column, in the contract's order.
        row_rules: Rules over several columns.
        slots: Where a rule's bit is; rules between departments have none.
        repair_slots: Where each repair's bit is, in the order of ``repairs``.
        off: Ids of rules that are switched off.
        units: Units that the file states for columns, in place of the contract's.
        names: Columns that may hold the name of the record they refer to, with the parent's column.
        statements: The SQL made so far, kept by ``select``.
    """

    feed: Feed
    rules: tuple[RuleInfo, ...]
    repairs: tuple[RepairInfo, ...]
    cells: tuple[Cell, ...] = field(repr=False)
    row_rules: tuple[RowRule, ...] = field(repr=False)
    slots: dict[str, Slot] = field(repr=False)
    repair_slots: tuple[Slot, ...] = field(repr=False)
    contracts: Contracts = field(repr=False)
    off: frozenset[str] = frozenset()
    units: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    statements: dict[tuple[frozenset[str], str], tuple[str, tuple[str, ...]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def without(self, rule_id: str) -> Plan:
        """The same plan with one rule switched off.

        Raises:
            ContractError: The feed has no such rule.
        """
        if all(rule.id != rule_id for rule in self.rules):
            raise ContractError(
                f"feed {self.feed.name} has no rule {rule_id}", where=self.feed.path
            )
        return compile_feed(self.feed, self.contracts, off=self.off | {rule_id}, units=self.units)

    def with_units(self, units: Mapping[str, str]) -> Plan:
        """The same plan for a file whose header or preamble states units (``单位：万元``).

        Every number of such a column is multiplied exactly. A cell that names a unit of its own
        besides could mean either: it is not read, which is the reason ``<column>.type``.

        Args:
            units: Column -> unit, as ``ops.batch.units`` keeps it; other columns are ignored.

        Raises:
            ContractError: A unit measures something else than the contract's.
        """
        powers = _powers(self.feed, units)
        shares = {column.name for column in self.feed.columns if column.share}
        if units == self.units or not (any(powers.values()) or shares & powers.keys()):
            return self
        return compile_feed(self.feed, self.contracts, off=self.off, units=units)

    def rule(self, rule_id: str) -> RuleInfo:
        """The rule of that id.

        Raises:
            KeyError: No such rule, or it is switched off.
        """
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)

    @property
    def words(self) -> int:
        """How many words hold the reasons of a row."""
        return 1 + max((slot.word for slot in self.slots.values()), default=0)

    @property
    def repair_words(self) -> int:
        """How many words hold the repairs of a row."""
        return 1 + max((slot.word for slot in self.repair_slots), default=0)

    @property
    def defects(self) -> dict[str, Slot]:
        """Marks of the reader that set a row aside, and the bit of each one's rule."""
        return {rule.kind: self.slots[rule.id] for rule in DEFECTS if rule.id in self.slots}

    def mask(self, word: int, severity: str) -> int:
        """All bits of a word whose rules have that severity."""
        slots = (self.slots.get(rule.id) for rule in self.rules if rule.severity == severity)
        return sum(slot.mask for slot in slots if slot and slot.word == word)


def compile_feed(
    feed: Feed,
    contracts: Contracts,
    *,
    off: Iterable[str] = (),
    units: Mapping[str, str] | None = None,
) -> Plan:
    """Compile a contract.

    Args:
        feed: The contract.
        contracts: All contracts; the feed's code lists are looked up in them.
        off: Ids of rules to leave out.
        units: Units that the file states for columns.

    Raises:
        ContractError: The contract has no key, names an unknown format or code list, or one of
            its rules is no boolean SQL over its own columns.
    """
    switched_off = frozenset(off)
    if not feed.key:
        raise ContractError(
            f"feed {feed.name} has no business key",
            where=feed.path,
            todo="Mark its key columns with primaryKey",
        )
    powers = _powers(feed, units or {})
    cells = tuple(
        _without(_cell(column, feed, contracts, powers.get(column.name)), switched_off)
        for column in feed.columns
    )
    own = [*feed.rules, *([place_rule(feed)] if feed.coordinates else [])]
    row_rules = tuple(_row_rule(rule, feed) for rule in own if rule.id not in switched_off)
    defects = (rule for rule in DEFECTS if rule.id not in switched_off)
    groups = [[rule_info(rule, DEFECT_MESSAGES[rule.kind], "") for rule in defects]]
    groups += [[*(check.rule for check in c.checks), *_references(c, switched_off)] for c in cells]
    groups += [[rule.rule] for rule in row_rules]
    rules = tuple(rule for group in groups for rule in group)
    inside = [[r.id for r in g if r.kind != "reference" or r.severity == "fail"] for g in groups]
    slots = dict(zip((i for g in inside for i in g), _slots([len(g) for g in inside]), strict=True))
    repairs = [
        [RepairInfo(r.id, c.column.name, r.logged, r.listed) for r in c.repairs] for c in cells
    ]
    return Plan(
        feed=feed,
        rules=rules,
        repairs=tuple(repair for group in repairs for repair in group),
        cells=cells,
        row_rules=row_rules,
        slots=slots,
        repair_slots=tuple(_slots([len(g) for g in repairs])),
        contracts=contracts,
        off=switched_off,
        units=dict(units or {}),
        names=naming.named(feed.columns, contracts),
    )


def _powers(feed: Feed, units: Mapping[str, str]) -> dict[str, int]:
    """The powers of ten between the units of a file and the contract's."""
    powers = {}
    for column in feed.columns:
        if column.name not in units or column.type not in ("integer", "decimal"):
            continue
        stated = units[column.name]
        found = power(stated, column.unit)
        if column.share and stated in PERCENT:
            found = 0 if column.share == "percent" else -2
        if found is None or abs(found) > MOST:
            raise ContractError(
                f"the file counts {column.name} in {stated}, the contract in"
                f" {column.unit or 'no unit'}, and there is no exact way from one to the other",
                where=f"{feed.path}:{column.line}",
                todo="Correct the unit in the file's header or in the contract",
            )
        powers[column.name] = found
    return powers


def _cell(column: Column, feed: Feed, contracts: Contracts, power: int | None) -> Cell:
    code_list = contracts.codes.get(column.codes) if column.codes else None
    if column.codes and code_list is None:
        raise ContractError(
            f"column {column.name} names the unknown code list {column.codes}",
            where=f"{feed.path}:{column.line}",
            todo="Add it to schemas/codes or correct the name",
        )
    cell = compile_cell(column, code_list, feed.path, contracts.codes.get(GLYPHS), power or None)
    if naming.named([column], contracts):
        cell = replace(cell, repairs=(*cell.repairs, naming.repair(column)))
    place = feed.coordinates
    if place and column.name in (place.longitude, place.latitude):
        cell = replace(cell, repairs=(*cell.repairs, *coordinates.repairs(place, column)))
    if power is None:
        return cell
    # The header says that these are percentages: a small one is clear without its sign.
    checks = (replace(c, broken=exp.false()) if c.rule.kind == "share" else c for c in cell.checks)
    return replace(cell, checks=tuple(checks))


def _without(cell: Cell, off: frozenset[str]) -> Cell:
    kept: tuple[Check, ...] = tuple(check for check in cell.checks if check.rule.id not in off)
    return cell if len(kept) == len(cell.checks) else replace(cell, checks=kept)


def _references(cell: Cell, off: frozenset[str]) -> list[RuleInfo]:
    column, parent = cell.column, cell.column.reference
    if parent is None:
        return []
    message, value = f"{column.title}在{parent.shown}中不存在", f"{parent.feed}.{parent.column}"
    asked = (r for r in cell_rules(column) if r.kind == "reference" and r.id not in off)
    return [rule_info(rule, message, value) for rule in asked]


def _row_rule(rule: Rule, feed: Feed) -> RowRule:
    info = RuleInfo(
        rule.id, "row", rule.dimension, "", rule.severity, rule.message, rule.expression
    )
    try:
        return RowRule(info, sqlglot.parse_one(rule.expression, dialect="duckdb"))
    except SqlglotError as error:
        raise ContractError(
            f"rule {rule.id} is not SQL",
            where=f"{feed.path}:{rule.line}",
            todo="Write one boolean expression over the feed's columns",
        ) from error


def _slots(sizes: Iterable[int]) -> list[Slot]:
    made: list[Slot] = []
    word = used = 0
    for size in sizes:
        if used + size > WORD_BITS:
            word, used = word + 1, 0
        made += [Slot(word, 1 << (used + i)) for i in range(size)]
        used += size
    return made
