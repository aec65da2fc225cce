"""A draft -> the YAML text of a contract, in the order and style of ``schemas/feeds``.

No cell's value is written, but for spellings of "no value". Comments stand only where a person
should decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster_project.contracts.amend import quoted
from dagster_project.contracts.inference.guess import Draft, Guess
from dagster_project.contracts.model import Column

_SAFE = re.compile(r"[A-Za-z0-9\u3400-\u9fff_./（）()-]+")

CYCLES = {(1, "d"): "每日", (1, "w"): "每周", (1, "m"): "每月", (1, "y"): "每年"}
"""How often a feed comes -> the catalogue's word for it."""


@dataclass(frozen=True)
class Heading:
    """What a contract says besides its columns. ``servers`` are written as they are."""

    name: str
    title: str
    department_code: str
    department_name: str
    delivery: str
    servers: tuple[Mapping[str, Any], ...]
    frequency: tuple[int, str] = (1, "d")
    encodings: tuple[str, ...] = ("utf-8", "gb18030")
    formats: tuple[str, ...] = ("csv",)
    sheets: Any = "first"
    ask: Mapping[str, str] = field(default_factory=dict)


def contract(heading: Heading, draft: Draft) -> str:
    """The text of the contract."""
    return "\n".join([*_head(heading, draft), *_columns(draft.columns)]) + "\n"


def _head(heading: Heading, draft: Draft) -> Iterator[str]:
    ask = heading.ask
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: countylake.feeds.{heading.name}"
    yield f"name: {scalar(heading.title)}{_note(ask.get('title', ''))}"
    yield "version: 1.0.0"
    yield "status: active"
    yield "team:"
    yield f"  name: {scalar(heading.department_name)}"
    yield "servers:"
    for server in heading.servers:
        yield from _server(server)
    every, unit = heading.frequency
    yield "slaProperties:"
    yield (
        f"  - {{property: frequency, value: {every}, unit: {unit}}}"
        f"{_note(ask.get('frequency', ''))}"
    )
    yield "  - {property: timeOfAvailability, value: '20:00'}"
    yield "customProperties:"
    code, name = heading.department_code, scalar(heading.department_name)
    yield (
        f"  - {{property: department, value: {{code: {code}, name: {name}}}}}"
        f"{_note(ask.get('department', ''))}"
    )
    yield f"  - {{property: delivery, value: {heading.delivery}}}{_note(ask.get('delivery', ''))}"
    if draft.order_by:
        yield f"  - {{property: orderBy, value: {draft.order_by}}}"
    if heading.sheets != "first":
        yield f"  - {{property: sheets, value: {flow(heading.sheets)}}}"
    if heading.formats:
        accepts = {"encodings": heading.encodings, "formats": heading.formats}
        yield f"  - {{property: accepts, value: {flow(accepts)}}}"
    if draft.coordinates:
        place = draft.coordinates
        yield "  - property: coordinates"
        yield (
            f"    value: {{longitude: {place.longitude}, latitude: {place.latitude},"
            f" within: [{', '.join(place.within)}]}}  # files in gcj02 or bd09? Add `system`"
        )
    yield "  # the entry of the catalogue, once it has a code:"
    yield "  # - property: catalogue"
    cycle = CYCLES.get(heading.frequency, "每日")
    yield f"  #   value: {{code: 000000/000001, shareType: '2', updateCycle: {cycle}}}"
    yield "schema:"
    yield f"  - name: {heading.name}"
    yield f"    businessName: {scalar(heading.title)}"
    yield "    logicalType: object"
    yield "    properties:"


def _server(server: Mapping[str, Any]) -> Iterator[str]:
    plain = {word: value for word, value in server.items() if word != "customProperties"}
    custom = server.get("customProperties", ())
    if not custom:
        yield f"  - {flow(plain)}"
        return
    for number, (word, value) in enumerate(plain.items()):
        yield f"  {'-' if number == 0 else ' '} {word}: {flow(value)}"
    yield "    customProperties:"
    for entry in custom:
        yield f"      - {flow(entry)}"


def _columns(guesses: Sequence[Guess]) -> Iterator[str]:
    for guess in guesses:
        yield f"      - name: {guess.column.name}{_note(guess.ask)}"
        yield from (f"        {line}" for line in _column(guess))


def _column(guess: Guess) -> Iterator[str]:
    column = guess.column
    yield f"businessName: {scalar(column.title)}"
    yield f"logicalType: {'number' if column.type == 'decimal' else column.type}"
    if column.type == "decimal":
        yield f"physicalType: DECIMAL({column.precision}, {column.scale})"
    options = _options(column)
    if "pattern" in options:
        yield "logicalTypeOptions:"
        yield from (f"  {word}: {flow(value)}" for word, value in options.items())
    elif options:
        yield f"logicalTypeOptions: {flow(options)}"
    if column.key_position:
        yield "primaryKey: true"
        yield f"primaryKeyPosition: {column.key_position}"
    if column.required:
        yield "required: true"
    yield f"classification: {column.level}"
    if guess.parent:
        yield f"relationships: [{{type: foreignKey, to: {guess.parent}}}]"
    if custom := _custom(column):
        yield "customProperties:"
        yield from (f"  - {{property: {w}, value: {flow(v)}}}" for w, v in custom.items())


def _options(column: Column) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if column.max_length:
        made["maxLength"] = column.max_length
    if column.pattern:
        made["pattern"] = column.pattern
    for word, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
        if bound:
            made[word] = _Plain(bound) if column.type in {"integer", "decimal"} else bound
    return made


def _custom(column: Column) -> dict[str, Any]:
    words: dict[str, Any] = {
        "aliases": list(column.aliases),
        "format": column.format,
        "codes": column.codes,
        "pad": column.pad,
        "nulls": list(column.nulls),
        "unit": column.unit,
        "share": column.share,
        "partial": column.partial,
        "openEnd": column.open_end,
        "mask": "" if column.mask == "none" else column.mask,
        "textual": column.textual,
    }
    return {word: value for word, value in words.items() if value}


class _Plain(str):
    """A number that is written as it is."""

    __slots__ = ()


def scalar(text: str) -> str:
    """A text as a block's value: plain where YAML takes it for a text."""
    return quoted("".join(one for one in text if one.isprintable()) or "-")


def flow(value: Any) -> str:
    """A value in flow style."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | _Plain):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{word}: {flow(one)}" for word, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(one) for one in value) + "]"
    return quoted(str(value))


def _note(text: str) -> str:
    return f"  # {text}" if text else ""
