"""The functions that a table rule may call beside DuckDB's own: temporary macros, pure SQL.

What belongs here is what several contracts need and SQL cannot say in a line. It is no place for
rules (they stand in the contracts), nor for anything that needs an extension or reads a table.

``ring_holds(boundary_wkt, lon, lat)`` tells whether a place lies inside a boundary: a ``POLYGON``
or ``MULTIPOLYGON`` in well-known text, holes included, by casting a ray eastward and counting the
edges it crosses (even-odd; O'Rourke, Computational Geometry in C, §7.4). A place on an edge is
inside. It is NULL where an argument is NULL or the text is no such boundary: whether a boundary
can be read at all is a question of its own, asked by its contract.
"""

from __future__ import annotations

import duckdb

_ON_EDGE = "1e-9"
"""How far from an edge, in degrees, still counts as on it: a tenth of a millimetre."""

_POLYGON = r"^\s*(SRID=\d+;)?\s*(MULTI)?POLYGON\s*\("

# A ring's numbers as x1, y1, x2, y2, …; NULL where they are no pairs of at least three corners.
_RING_NUMBERS = r"""
CREATE OR REPLACE TEMP MACRO ring_numbers(ring) AS list_filter(
    [TRY_CAST(string_split_regex(trim(ring, E' \t\r\n'), '\s*,\s*|\s+') AS DOUBLE[])],
    lambda numbers: len(numbers) >= 6 AND len(numbers) % 2 = 0
        AND list_count(numbers) = len(numbers)
)[1]
"""

# Each corner with the one that follows; behind the last comes the first, so that a ring may be
# closed or not. An edge without length does no harm.
_RING_EDGES = """
CREATE OR REPLACE TEMP MACRO ring_edges(numbers) AS list_zip(
    numbers[1:-:2],
    numbers[2:-:2],
    list_concat(numbers[3:-:2], numbers[1:1]),
    list_concat(numbers[4:-:2], numbers[2:2])
)
"""

# 2: the place is on the edge; 1: the ray to the east crosses it; 0: neither.
_EDGE_MET = f"""
CREATE OR REPLACE TEMP MACRO edge_met(edge, x, y) AS CASE
    WHEN x >= least(edge[1], edge[3]) - {_ON_EDGE} AND x <= greatest(edge[1], edge[3]) + {_ON_EDGE}
        AND y >= least(edge[2], edge[4]) - {_ON_EDGE}
        AND y <= greatest(edge[2], edge[4]) + {_ON_EDGE}
        AND abs((edge[3] - edge[1]) * (y - edge[2]) - (edge[4] - edge[2]) * (x - edge[1]))
            <= {_ON_EDGE} * (abs(edge[3] - edge[1]) + abs(edge[4] - edge[2])) THEN 2
    WHEN (edge[2] > y) <> (edge[4] > y)
        AND (edge[3] - edge[1]) * (y - edge[2]) / (edge[4] - edge[2]) + edge[1] > x THEN 1
    ELSE 0
END
"""

# A list of one element names an intermediate result, which a macro has no other word for.
_RING_HOLDS = rf"""
CREATE OR REPLACE TEMP MACRO ring_holds(boundary_wkt, lon, lat) AS CASE
    WHEN lon IS NULL OR lat IS NULL THEN NULL
    WHEN regexp_matches(boundary_wkt, '{_POLYGON}', 'i') THEN list_transform(
        [list_transform(
            regexp_extract_all(boundary_wkt, '\(([^()]+)\)', 1),
            lambda ring: ring_numbers(ring)
        )],
        lambda rings: CASE WHEN len(rings) = list_count(rings) THEN list_transform(
            [flatten(list_transform(
                rings,
                lambda numbers: list_transform(
                    ring_edges(numbers),
                    lambda edge: edge_met(edge, CAST(lon AS DOUBLE), CAST(lat AS DOUBLE))
                )
            ))],
            lambda met: list_contains(met, 2) OR list_sum(met) % 2 = 1
        )[1] END
    )[1]
END
"""


_FUNCTIONS = {
    "ring_numbers": _RING_NUMBERS,
    "ring_edges": _RING_EDGES,
    "edge_met": _EDGE_MET,
    "ring_holds": _RING_HOLDS,
}


def install(con: duckdb.DuckDBPyConnection, sql: str = "") -> None:
    """Make the functions known to a connection; they are gone with it.

    Args:
        con: Any connection; what it has attached does not matter. Calling it again does no harm.
        sql: What will be asked; nothing is done where it names none of them.
    """
    if sql and not any(name in sql.lower() for name in _FUNCTIONS):
        return
    for macro in _FUNCTIONS.values():
        con.execute(macro)
