"""Every plant of a feed: general faults from its columns, its own from its kit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dagster_project.contracts import cell_rules
from dagster_project.contracts.model import CodeList, Column, Feed, Rule
from dagster_project.errors import CountyLakeError
from dagster_project.simulate.cells import Checker, faulty
from dagster_project.simulate.plants import Cells, Kit, Plant, Turn, put
from dagster_project.simulate.repairs import repair_plants

_EVERY = 5_000  # one plant of a kind per so many rows
_MOST = 300
_TWICE = 2
_COPIES = 3
_SPARE = 8  # a shorter file has no row to spare for copies
CLEAN = 14  # rows without a fault for each that is rejected, where a feed can grow
_FEWEST = 10  # and where it cannot: one more in ten, and the whole file would be held


def plants(
    feed: Feed,
    kit: Kit,
    codes: Mapping[str, CodeList],
    checker: Checker,
    *,
    header: Sequence[str] = (),
) -> Iterator[Plant]:
    """What is planted in a file of this feed.

    Args:
        feed: The feed's contract.
        kit: The feed's own part.
        codes: Every code list.
        checker: Tells which rule a cell breaks.
        header: A text file's header; workbooks have neither ragged rows nor a second header.

    Raises:
        CountyLakeError: A rule of the contract has no plant.
    """
    for column in feed.columns:
        for rule in cell_rules(column):
            if rule.severity == "fail":
                yield _cell_fault(column, rule.kind, rule.id, checker)
    for contract_rule in feed.rules:
        yield _row_fault(feed, kit, contract_rule)
    for table_rule in feed.table_rules:
        if table_rule.id in kit.rules:
            yield replace(
                _own(feed, kit, table_rule.id, is_warning=True), is_table=True, may_lack_rows=True
            )
    if header:
        yield Plant("row.ragged", "rejected", put(), reasons=("row.ragged",), raw=",多余")
    yield from repair_plants(feed, codes)
    yield from _hard_texts(feed)
    yield Plant("duplicate", "duplicate", put())
    if kit.older:
        yield Plant("superseded", "superseded", kit.older)
    nothing: Cells = {column.name: None for column in feed.columns}
    yield Plant("blank", "dropped", put(**nothing))
    if header:
        names = (column.name for column in feed.columns)
        again: Cells = dict(zip(names, header, strict=True))
        yield Plant("repeated_header", "dropped", put(**again))


def _hard_texts(feed: Feed) -> Iterator[Plant]:
    """Free text with a comma, quotes and a line break: legal in a cell, and to be kept."""
    free = (c for c in feed.columns if c.textual and c.mask in {"none", "address"})
    column = next((c for c in free if not c.is_key), None)
    if column is None:
        return
    name = column.name

    def change(row: Cells, _turn: Turn) -> Cells | None:
        return {name: f'{row[name]}, "旧址"\n二号院'} if row[name] else None

    yield Plant(
        f"{name}~quoted", "accepted", change, in_place=True, is_truth=True, may_lack_rows=True
    )


def shared_out(made: Iterable[Plant], rows: int) -> list[tuple[Plant, int]]:
    """How often each plant is set in a file of so many rows.

    A file that is too short for all its faults gets every second, third, … of them, so that no
    delivery of the county is held for their number.
    """
    every = list(made)
    kinds = sum(plant.verdict == "rejected" for plant in every)
    often = _TWICE if rows >= kinds * CLEAN * _TWICE else 1
    bearable = max(1, min(kinds, rows // _FEWEST))
    counted: list[tuple[Plant, int]] = []
    nth = 0
    for plant in every:
        times = max(often, min(rows // _EVERY, _MOST))
        if plant.verdict == "rejected":
            is_borne = (nth + 1) * bearable // kinds > nth * bearable // kinds
            times, nth = times if is_borne else 0, nth + 1
        elif plant.name in {"duplicate", "superseded", "blank"}:
            times = max(_COPIES, min(rows // _EVERY, _MOST)) if rows >= _SPARE else 0
        elif plant.name == "repeated_header":
            times = 1
        counted.append((plant, times))
    return counted


def _cell_fault(column: Column, kind: str, rule_id: str, checker: Checker) -> Plant:
    def change(row: Cells, _turn: Turn) -> Cells | None:
        for value in faulty(column, kind, row):
            if checker.broken(column, value) == kind:
                return {column.name: value}
        return None

    return Plant(rule_id, "rejected", change, reasons=(rule_id,))


def _row_fault(feed: Feed, kit: Kit, rule: Rule) -> Plant:
    return _own(feed, kit, rule.id, is_warning=rule.severity == "warn")


def _own(feed: Feed, kit: Kit, rule_id: str, *, is_warning: bool) -> Plant:
    if rule_id not in kit.rules:
        raise CountyLakeError(
            f"the simulator plants nothing for the rule {rule_id}",
            where=feed.path or feed.name,
            todo="Add a change that breaks it to the feed's kit in dagster_project/simulate",
        )
    return Plant(
        rule_id,
        "accepted" if is_warning else "rejected",
        kit.rules[rule_id],
        in_place=is_warning,
        is_warning=is_warning,
        reasons=(rule_id,),
    )
