"""A walk as a Mermaid flowchart: tables as boxes, columns in them, kinds of edges on the arrows."""

from __future__ import annotations

from collections.abc import Iterator

from dagster_project.lineage.atlas.atlas import KINDS, LAYERS, Atlas
from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.walk import VALUES, Link, Spot, Walk


def flowchart(atlas: Atlas, walk: Walk) -> str:
    """The ways along which values flow, column by column; conditions as dotted lines of tables.

    A walk that begins at a whole table is drawn table by table.
    """
    tables = {table for table, _ in walk.starts}
    by_table = len(walk.starts) > 1
    drawn = _TableChart(atlas, walk) if by_table else _ColumnChart(atlas, walk)
    lines = ["flowchart LR", *drawn.lines()]
    lines += [f"  class {drawn.ids[table]} asked" for table in sorted(tables) if by_table]
    if not by_table:
        lines += [f"  class {drawn.node(spot)} asked" for spot in walk.starts]
    lines.append("  classDef asked stroke-width:3px,font-weight:bold")
    return "\n".join(lines) + "\n"


class _Chart:
    """Numbers tables: names may hold what Mermaid does not take as an id."""

    def __init__(self, atlas: Atlas, walk: Walk) -> None:
        self.atlas, self.walk = atlas, walk
        every = dict.fromkeys([*(table for table, _ in walk.starts), *walk.tables])
        layers = list(LAYERS)
        ordered = sorted(every, key=lambda table: layers.index(table.partition(".")[0]))
        self.ids = {table: f"t{number}" for number, table in enumerate(ordered)}

    def node(self, spot: Spot) -> str:
        """A column's id."""
        raise NotImplementedError

    def lines(self) -> Iterator[str]:
        """The chart's lines."""
        raise NotImplementedError

    def name(self, table: str) -> str:
        """A table's label: its title and its name."""
        title = self.atlas.table_title(table)
        return _text(f"{title} {table}".strip())


class _TableChart(_Chart):
    def lines(self) -> Iterator[str]:
        """A box a table; an arrow says how many columns flow along it."""
        for table, one in self.ids.items():
            yield f'  {one}["{self.name(table)}"]'
        counts: dict[tuple[str, str], set[str]] = {}
        deciding: set[tuple[str, str]] = set()
        for link in self.walk.links:
            pair = (link.source_table, link.table)
            if link.how == "value":
                counts.setdefault(pair, set()).add(link.column)
            else:
                deciding.add(pair)
        for (source, table), columns in sorted(counts.items()):
            yield f'  {self.ids[source]} -->|"{len(columns)}"| {self.ids[table]}'
        for source, table in sorted(deciding - counts.keys()):
            yield f"  {self.ids[source]} -.-> {self.ids[table]}"


class _ColumnChart(_Chart):
    def __init__(self, atlas: Atlas, walk: Walk) -> None:
        super().__init__(atlas, walk)
        self.flows = [link for link in walk.links if link.how == "value"]
        ends = [spot for link in self.flows for spot in (link.source, link.target)]
        self.columns: dict[str, dict[str, int]] = {}
        for table, column in [*walk.starts, *ends]:
            known = self.columns.setdefault(table, {})
            known.setdefault(column, len(known))

    def node(self, spot: Spot) -> str:
        return f"{self.ids[spot[0]]}c{self.columns[spot[0]][spot[1]]}"

    def lines(self) -> Iterator[str]:
        """A box a table with the columns that take part; conditions go from box to box."""
        for table, one in self.ids.items():
            if table not in self.columns:
                continue
            yield f'  subgraph {one}["{self.name(table)}"]'
            for column in self.columns[table]:
                yield f'    {self.node((table, column))}["{self._label((table, column))}"]'
            yield "  end"
        for link in self.flows:
            kind = KINDS.get(link.kind, link.kind)
            yield f'  {self.node(link.source)} -->|"{kind}"| {self.node(link.target)}'
        for source, table, kinds in self._deciding():
            yield f'  {self.ids[source]} -.->|"{kinds}"| {self.ids[table]}'

    def _label(self, spot: Spot) -> str:
        title = self.atlas.title(spot)
        return _text(title if spot[1] == ROWS else f"{title} {spot[1]}".strip())

    def _deciding(self) -> Iterator[tuple[str, str, str]]:
        """What decides about rows between tables that are drawn."""
        kinds: dict[tuple[str, str], dict[str, None]] = {}
        for link in self.walk.links:
            if link.kind not in VALUES and self._is_drawn(link):
                pair = (link.source_table, link.table)
                kinds.setdefault(pair, {})[KINDS.get(link.kind, link.kind)] = None
        yield from ((*pair, "、".join(names)) for pair, names in kinds.items())

    def _is_drawn(self, link: Link) -> bool:
        return link.source_table in self.columns and link.table in self.columns


def _text(label: str) -> str:
    return label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
