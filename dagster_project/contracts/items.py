"""``schemas/items.yaml`` -> entities and their data items, each with its sources in order.

A data item has one source department (数源部门) and is collected once; here it is said who that is.
An entity in which something does not fit is left out as a whole and named; feeds never suffer. What
is collected twice without a word in ``items.yaml`` is found by ``repeated``. How values of several
departments meet is ``transform.items``' work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dagster_project.contracts.document import Document, read
from dagster_project.contracts.entities import OTHERS, DataItems, Entity, Item, Source
from dagster_project.contracts.model import CodeList, Column, Contracts, Feed, Problem
from dagster_project.contracts.profile import form_problems
from dagster_project.contracts.repeated import repeated
from dagster_project.contracts.words import RESERVED

FILE: Final = "items.yaml"
LEVELS: Final = ("L1", "L2", "L3", "L4")


def problems(contracts: Contracts) -> list[Problem]:
    """What loading does not judge: items that two departments collect without a declaration.

    What is wrong within ``items.yaml`` itself stands in ``Contracts.problems``.
    """
    return repeated(contracts)


def read_items(
    root: Path,
    feeds: Mapping[str, Feed],
    codes: Mapping[str, CodeList],
    problems: list[Problem],
) -> DataItems:
    """Read ``items.yaml`` of a schemas folder, which need not have one.

    Args:
        root: The ``schemas`` folder.
        feeds: The feeds that loaded.
        codes: The code lists.
        problems: Where to note what is wrong.
    """
    name = f"{root.name}/{FILE}"
    if not (root / FILE).exists():
        return DataItems(path=name)
    document = read(root / FILE, name)
    if isinstance(document, Problem):
        problems.append(document)
        return DataItems(path=name)
    faults = list(form_problems(document, "items"))
    if faults:
        problems += faults
        return DataItems(path=name)
    reader = _Reader(document, feeds, codes, frozenset(_written(root)))
    entities = {}
    for stem in document.data.get("entities") or {}:
        faults = list(reader.faults(stem))
        problems += faults
        if not faults:
            entities[stem] = reader.entity(stem)
    apart = document.data.get("separate") or ()
    problems += reader.separate_faults()
    pairs = frozenset(frozenset(one["columns"]) for one in apart)
    return DataItems(entities, pairs, name)


def _written(root: Path) -> Iterator[str]:
    return (path.stem for path in (root / "feeds").glob("*.yaml"))


@dataclass(frozen=True)
class _Reader:
    """The file with what its names must mean."""

    document: Document
    feeds: Mapping[str, Feed]
    codes: Mapping[str, CodeList]
    written: frozenset[str]

    def _said(self, stem: str) -> dict[str, Any]:
        said: dict[str, Any] = self.document.data["entities"][stem]
        return said

    def _problem(self, sentence: str, *path: str | int) -> Problem:
        return self.document.problem(sentence, "entities", *path)

    def faults(self, stem: str) -> Iterator[Problem]:
        """Why an entity cannot be used; nothing if it can."""
        said = self._said(stem)
        if stem in self.feeds or stem in self.written:
            what = f"entity `{stem}` has the name of a feed, and both would be silver.{stem}"
            yield self._problem(f"{what}; give the entity another name", stem)
        missing = [*self._key_faults(stem), *self._source_faults(stem)]
        yield from missing
        if missing:
            return
        taken = {said["key"]: "the key"}
        for item in self._items(stem):
            for column in (item.name, *(one.name for one in origin_columns(item))):
                if column in taken:
                    what = f"item `{item.name}` needs the column `{column}`, as does"
                    sentence = f"{what} {taken[column]}; rename the item"
                    yield self._problem(sentence, stem, "items", item.name)
                taken[column] = f"item `{item.name}`"
            for sentence in self._item_faults(item):
                yield self._problem(f"item `{item.name}`: {sentence}", stem, "items", item.name)

    def _key_faults(self, stem: str) -> Iterator[Problem]:
        kinds: dict[str, str] = {}
        for feed, column in self._said(stem)["feeds"].items():
            if sentence := self._unknown(feed, column):
                yield self._problem(sentence, stem, "feeds", feed)
            else:
                kinds[feed] = self.feeds[feed].column(column).type
        if len(set(kinds.values())) > 1:
            shown = ", ".join(f"{feed} has {kind}" for feed, kind in kinds.items())
            what = f"the key of `{stem}` has several types ({shown})"
            yield self._problem(f"{what}; make the types equal", stem, "feeds")

    def _source_faults(self, stem: str) -> Iterator[Problem]:
        keyed = self._said(stem)["feeds"]
        used: dict[str, str] = {}
        for name, item in self._said(stem)["items"].items():
            if name in RESERVED:
                what = f"item `{name}` is a word that SQL keeps for itself; rename it"
                yield self._problem(what, stem, "items", name)
            for number, source in enumerate(_sources(item)):
                place = (stem, "items", name, "sources", number)
                if sentence := self._unknown(source.feed, source.column):
                    yield self._problem(sentence, *place)
                elif source.feed not in keyed:
                    what = f"`{source}` supplies `{name}`, but nothing says where {source.feed}"
                    todo = f"holds the key; add it under `feeds` of `{stem}`"
                    yield self._problem(f"{what} {todo}", *place)
                elif str(source) in used:
                    what = f"`{source}` supplies `{used[str(source)]}` and `{name}`"
                    yield self._problem(f"{what}; leave it with one of them", *place)
                used.setdefault(str(source), name)

    def _unknown(self, feed: str, column: str) -> str:
        if feed not in self.feeds:
            if feed in self.written:
                return f"the contract of `{feed}` did not load or is a draft; see to that first"
            return f"there is no feed `{feed}`; correct the name or remove it"
        if not any(one.name == column for one in self.feeds[feed].columns):
            return f"{feed} has no column `{column}`; correct the name or remove it"
        return ""

    def _item_faults(self, item: Item) -> Iterator[str]:
        names = [source.feed for source in item.sources]
        for feed in {name for name in names if names.count(name) > 1}:
            yield f"{feed} is named as a source twice; keep one of its columns"
        wanted = item.column
        if wanted.codes and wanted.codes not in self.codes:
            yield f"there is no code list `{wanted.codes}`; correct the name"
            return
        for source in item.sources:
            yield from self._fit(wanted, source)

    def _fit(self, wanted: Column, source: Source) -> Iterator[str]:
        """Whether one source's values mean what the item's do."""
        theirs = self.feeds[source.feed].column(source.column)
        if source.map:
            known = self.codes[wanted.codes].codes if wanted.codes else tuple(source.map.values())
            if strange := sorted(set(source.map.values()) - set(known)):
                what = f"`{source}` is mapped to {', '.join(strange)}"
                yield f"{what}, which the code list {wanted.codes} lacks; correct the map"
            codes = self.codes[theirs.codes].codes if theirs.codes in self.codes else ()
            lacking = [code for code in codes if code not in source.map]
            if lacking and OTHERS not in source.map:
                what = f"the map of `{source}` lacks {', '.join(lacking)}"
                yield f"{what}; add them, or `'{OTHERS}'` for all others"
        elif theirs.type != wanted.type:
            todo = "make the types equal or add a `map`"
            yield f"it is {wanted.type} but `{source}` is {theirs.type}; {todo}"
        elif theirs.codes != wanted.codes:
            what = f"`{source}` has {_list_of(theirs)}, the item has {_list_of(wanted)}"
            yield f"{what}; add a `map` from its values to the item's"

    def separate_faults(self) -> Iterator[Problem]:
        """Pairs said to be different things whose columns do not exist."""
        for number, one in enumerate(self.document.data.get("separate") or ()):
            for name in one["columns"]:
                if sentence := self._unknown(*_split(name)):
                    yield self.document.problem(sentence, "separate", number)

    def _items(self, stem: str) -> list[Item]:
        return [self._item(stem, name) for name in self._said(stem)["items"]]

    def _item(self, stem: str, name: str) -> Item:
        said = self._said(stem)["items"][name]
        sources = tuple(_sources(said))
        columns = [self.feeds[source.feed].column(source.column) for source in sources]
        plain = [c for source, c in zip(sources, columns, strict=True) if not source.map]
        first = plain[0] if plain else Column(name, said["title"], "string")
        codes = said.get("codes", first.codes)
        scale = max(column.scale for column in plain or [first])
        whole = max(column.precision - column.scale for column in plain or [first])
        made = replace(
            _guarded(first, columns),
            name=name,
            precision=min(whole + scale, 38),  # wide enough for every source's amounts
            scale=scale,
            title=said["title"],
            type="string" if codes != first.codes else first.type,
            description=said.get("description", ""),
            codes=codes,
        )
        line = self.document.line("entities", stem, "items", name)
        return Item(name, said["title"], sources, made, line)

    def entity(self, stem: str) -> Entity:
        """The entity of that name, which has no faults."""
        said = self._said(stem)
        keys = [self.feeds[feed].column(column) for feed, column in said["feeds"].items()]
        key = replace(_guarded(keys[0], keys), name=said["key"], key_position=1, required=True)
        items = self._items(stem)
        columns = [key, *(c for item in items for c in (item.column, *origin_columns(item)))]
        return Entity(
            name=stem,
            title=said["title"],
            version=self.document.data["version"],
            key=key,
            feeds=said["feeds"],
            items=tuple(items),
            columns=tuple(columns),
            description=said.get("description", ""),
            path=self.document.path,
            line=self.document.line("entities", stem),
            hash=self.document.hash,
        )


def origin_columns(item: Item) -> tuple[Column, ...]:
    """Where an item's value comes from: feed, batch, sheet and row of the file."""
    return (
        Column(f"{item.name}_source", f"{item.title}（来自归集任务）", "string"),
        Column(f"{item.name}_batch_id", f"{item.title}（批次编号）", "string"),
        Column(f"{item.name}_sheet", f"{item.title}（工作表）", "string"),
        Column(f"{item.name}_source_row", f"{item.title}（文件内行号）", "integer"),
    )


def _guarded(first: Column, columns: list[Column]) -> Column:
    """A column as the first one, guarded as the one that asks for most."""
    strictest = max(columns, key=lambda c: (LEVELS.index(c.level), c.mask != "none"))
    return replace(
        first,
        aliases=(),
        required=False,
        key_position=0,
        level=strictest.level,
        mask=strictest.mask if strictest.mask != "none" else first.mask,
        nulls=(),
        reference=None,
        line=0,
    )


def _sources(said: Mapping[str, Any]) -> Iterator[Source]:
    for one in said["sources"]:
        if isinstance(one, str):
            yield Source(*_split(one))
        else:
            words = {str(theirs): ours for theirs, ours in one.get("map", {}).items()}
            yield Source(*_split(one["column"]), words, one.get("blank", False))


def _split(name: str) -> tuple[str, str]:
    feed, _, column = name.partition(".")
    return feed, column


def _list_of(column: Column) -> str:
    return f"the code list {column.codes}" if column.codes else "no code list"
