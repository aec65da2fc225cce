"""Places inside boundaries: what ``ring_holds`` says, against an oracle in whole numbers."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Sequence

import duckdb
import polars as pl
import pytest

from dagster_project.contracts import functions

Corner = tuple[int, int]
Ring = Sequence[Corner]
SQUARE = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))"
HOLED = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))"
TWO = "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 1, 0 0)), ((2 0, 3 0, 3 1, 2 1, 2 0)))"
STAR = "POLYGON ((0 0, 4 0, 2 1, 4 4, 0 4, 0 0))"


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    """A connection that knows the functions; installing twice does no harm."""
    made = duckdb.connect()
    functions.install(made)
    functions.install(made)
    return made


@pytest.mark.parametrize(
    ("boundary", "lon", "lat", "inside"),
    [
        (SQUARE, 2, 2, True),
        (SQUARE, 5, 2, False),
        (SQUARE, -1, 0, False),
        (SQUARE, 4, 4, True),
        (SQUARE, 4, 2, True),
        (SQUARE, 4.000001, 2, False),
        (HOLED, 1.5, 1.5, False),
        (HOLED, 1, 1.5, True),
        (HOLED, 3, 1.5, True),
        (TWO, 0.5, 0.5, True),
        (TWO, 1.5, 0.5, False),
        (TWO, 2.5, 0.5, True),
        (STAR, 3.9, 1, False),
        (STAR, 2, 1, True),
        ("polygon((0 0,4 0,4 4,0 4))", 2, 2, True),
        ("SRID=4490;POLYGON\n((0 0 , 4 0 ,\t4 4, 0 4 , 0 0))", 2, 2, True),
        ("POLYGON ((-1e0 -1, 1 -1, 1 1, -1 1))", 0, 0, True),
        (None, 2, 2, None),
        (SQUARE, None, 2, None),
        (SQUARE, 2, None, None),
        ("", 2, 2, None),
        ("POINT (2 2)", 2, 2, None),
        ("LINESTRING (0 0, 4 4, 5 5)", 2, 2, None),
        ("POLYGON EMPTY", 2, 2, None),
        ("POLYGON ((0 0, 4 0))", 2, 2, None),
        ("POLYGON ((0 0, 4 0, 4))", 2, 0, None),
        ("POLYGON ((0 0, 4 0, 4 x, 0 4))", 2, 2, None),
        ("POLYGON ((0 0, 4 0, 4 4, 0 4), (1 1, 2 y, 1 2))", 3, 3, None),
    ],
)
def test_a_place_is_inside_outside_or_unknown(
    con: duckdb.DuckDBPyConnection,
    boundary: str | None,
    lon: float | None,
    lat: float | None,
    inside: bool | None,  # noqa: FBT001 - the expected answer of a table row
) -> None:
    """Edges and corners are inside, holes are not, and what cannot be read gives no answer."""
    answer = con.execute("SELECT ring_holds($1, $2, $3)", [boundary, lon, lat]).fetchone()
    assert answer == (inside,)


def holds(rings: Iterable[Ring], x: int, y: int) -> bool:
    """The oracle: whole numbers only, so that nothing is rounded (a half line to the north)."""
    crossed = False
    for ring in rings:
        for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
            side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            within = min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by)
            if side == 0 and within:
                return True
            if (ax > x) != (bx > x) and (side < 0) == (bx > ax):
                crossed = not crossed
    return crossed


def star(dice: random.Random, x: int, y: int, inner: int, outer: int) -> list[Corner]:
    """A simple polygon around a place: corners by angle, at any distance."""
    corners = dice.randint(3, 12)
    angles = sorted(dice.uniform(0, 2 * math.pi) for _ in range(corners))
    return [
        (round(x + size * math.cos(angle)), round(y + size * math.sin(angle)))
        for angle in angles
        for size in (dice.uniform(inner, outer),)
    ]


def text(rings: Iterable[Ring]) -> str:
    """The rings as a polygon in degrees; numbers are millionths."""
    told = (
        ", ".join(f"{x / 1e6:.6f} {y / 1e6:.6f}" for x, y in [*ring, ring[0]]) for ring in rings
    )
    return "POLYGON (" + ", ".join(f"({ring})" for ring in told) + ")"


def test_it_agrees_with_whole_numbers(con: duckdb.DuckDBPyConnection) -> None:
    """Random polygons with holes, and places at random, on corners and on edges: one answer."""
    dice = random.Random(5)  # noqa: S311 - a test's dice
    rows: list[tuple[str, int, int, bool]] = []
    for _ in range(300):
        x, y = 113_600_000 + dice.randint(-9_000, 9_000), 37_800_000 + dice.randint(-9_000, 9_000)
        rings = [star(dice, x, y, 400, 2_000)]
        if dice.random() < 0.5:
            rings.append(star(dice, x, y, 50, 380))
        places = [(x + dice.randint(-2_000, 2_000), y + dice.randint(-2_000, 2_000))]
        places += [(x + dice.randint(-400, 400), y + dice.randint(-400, 400)) for _ in range(6)]
        ring = dice.choice(rings)
        (ax, ay), (bx, by) = ring[0], ring[-1]
        places += [ring[0], (ax, ay + 1), (ax - 1, ay), ((ax + bx) // 2, (ay + by) // 2)]
        rows += [(text(rings), px, py, holds(rings, px, py)) for px, py in places]
    asked = pl.DataFrame(rows, schema=("wkt", "x", "y", "inside"), orient="row")
    con.register("asked", asked.to_arrow())
    other = con.execute(
        "SELECT wkt, x, y, inside FROM asked WHERE ring_holds(wkt, CAST(x / 1e6 AS DECIMAL(10, 6)),"
        " CAST(y / 1e6 AS DECIMAL(10, 6))) IS DISTINCT FROM inside"
    ).fetchall()
    assert not other
    assert {row[3] for row in rows} == {True, False}


def test_a_countys_components_take_a_moment(con: duckdb.DuckDBPyConnection) -> None:
    """74,173 places, each in its own of 452 boundaries, are asked in well under two seconds."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE areas AS SELECT n, format('POLYGON (({0} 37, {1} 37, {1} 38,"
        " {0} 38, {0} 37))', n, n + 1) AS wkt FROM range(452) t(n)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE places AS SELECT i % 452 AS n, CAST(i % 452 + 0.5 AS"
        " DECIMAL(10, 6)) AS lon, CAST(37.5 AS DECIMAL(10, 6)) AS lat FROM range(74173) t(i)"
    )
    began = time.perf_counter()
    found = con.execute(
        "SELECT count(*) FROM places JOIN areas USING (n) WHERE ring_holds(wkt, lon, lat)"
    ).fetchone()
    assert found == (74_173,)
    assert time.perf_counter() - began < 2
