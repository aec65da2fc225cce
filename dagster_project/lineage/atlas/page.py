"""The lineage of a whole site as one page: a file that opens from disk, without a network.

The page holds names, titles, kinds and counts; no cell ever comes here. How it looks and moves is
in ``view``. Its policy lets the browser run the page's own script and fetch nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from dagster_project.clock import SHANGHAI
from dagster_project.contracts.model import Column
from dagster_project.lineage.atlas.atlas import KINDS, LAYERS, Atlas, Card
from dagster_project.lineage.columns import ROWS, Edge, ModelLineage

SCRIPTS = ("words", "model", "layout", "scene", "panel", "main")
"""The parts of the script, in order."""
EVERY, OF_ROWS = -2, -1
"""In an edge: it is of every column alike; it is of the table's rows."""


@dataclass(frozen=True)
class Heading:
    """What the page says of itself: whose it is, when it was made, and what is not on it.

    ``refused`` are sentences: models that were not loaded, so that their tables are missing.
    """

    code: str
    name: str
    at: datetime
    covered: int
    columns: int
    refused: tuple[str, ...] = ()


def render(atlas: Atlas, heading: Heading) -> str:
    """The page."""
    view = files("dagster_project.lineage.atlas") / "view"
    script = "\n".join((view / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    script = f"(() => {{\n'use strict';\n{script}\n}})();"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = json.dumps(content(atlas, heading), ensure_ascii=False, separators=(",", ":"))
    filled = {
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        "title": html.escape(f"血缘 · {heading.name}"),
        "style": (view / "page.css").read_text(encoding="utf-8"),
        # A data block ends at the first end tag, whatever its type.
        "data": data.replace("<", "\\u003c"),
        "script": script,
    }
    page = (view / "page.html").read_text(encoding="utf-8")
    # In one pass: what was filled in is not looked at again, whatever it holds.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], page)


def content(atlas: Atlas, heading: Heading) -> dict[str, Any]:
    """What the page's script reads: every table with its columns and edges, by position."""
    layers, kinds = list(LAYERS), list(KINDS)
    cards = sorted(atlas.cards.values(), key=lambda card: layers.index(card.layer))
    departments = sorted({card.department for card in cards if card.department})
    place = {card.table: number for number, card in enumerate(cards)}
    columns = {
        card.table: {one.name: number for number, one in enumerate(card.columns)} for card in cards
    }
    acts: dict[str, int] = {}
    return {
        "site": {"code": heading.code, "name": heading.name},
        "at": _local(heading.at),
        "coverage": [heading.covered, heading.columns],
        "refused": heading.refused,
        "layers": [[name, LAYERS[name]] for name in layers],
        "kinds": [[name, KINDS[name]] for name in kinds],
        "departments": departments,
        "tables": [
            _table(card, departments)
            | {"e": _edges(atlas.network.lineages.get(card.table), place, columns, kinds, acts)}
            for card in cards
        ],
        "acts": list(acts),
    }


def _table(card: Card, departments: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "t": card.table,
        "z": card.title,
        "d": departments.index(card.department) if card.department else -1,
        "l": card.level,
        "v": card.version,
        "k": [number for number, one in enumerate(card.columns) if one.name in card.key],
        "p": card.path,
        "f": card.contract,
        "x": card.description,
        "s": card.sql,
        "n": card.rows,
        "a": _local(card.at) if card.at else "",
        "c": [_column(one) for one in card.columns],
    }
    return {name: value for name, value in told.items() if value not in ("", None, [])}


def _column(one: Column) -> list[str]:
    kind = f"{one.type}({one.precision},{one.scale})" if one.type == "decimal" else one.type
    # A ledger's title goes on with what its values mean.
    title, _, meaning = one.title.partition("：")
    told = [one.name, title if title != one.name else "", kind, one.level, one.unit]
    told.append(one.description or meaning)
    while not told[-1]:
        told.pop()
    return told


def _edges(
    lineage: ModelLineage | None,
    place: Mapping[str, int],
    columns: Mapping[str, Mapping[str, int]],
    kinds: list[str],
    acts: dict[str, int],
) -> list[list[Any]]:
    """``[column, source table, source column, kind, acts]``; one for all where all have it."""
    if lineage is None:
        return []
    own = columns[lineage.table]
    alike: dict[Edge, list[str]] = {}
    for edge in lineage.edges:
        same = Edge("", edge.source_table, edge.source_column, edge.kind, edge.by)
        alike.setdefault(same, []).append(edge.column)
    told = []
    for edge, names in alike.items():
        source = columns[edge.source_table].get(edge.source_column, OF_ROWS)
        by = [acts.setdefault(one, len(acts)) for one in edge.by]
        is_of_every = len(names) == len(own) and kinds.index(edge.kind) > _AGGREGATION
        for target in [EVERY] if is_of_every else _places(names, own):
            one: list[Any] = [target, place[edge.source_table], source, kinds.index(edge.kind)]
            told.append([*one, by] if by else one)
    return told


_AGGREGATION = list(KINDS).index("aggregation")


def _places(names: Iterable[str], own: Mapping[str, int]) -> list[int]:
    return [own.get(name, OF_ROWS) if name != ROWS else OF_ROWS for name in names]


def _local(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
