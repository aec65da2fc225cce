"""Longitude and latitude of one place: exchanged, zero, or of another system (domain D31).

The two are judged together, between typing and the columns' checks. A pair that lies in the
contract's rectangle only when exchanged is exchanged; 0, 0 says that there is no place. GCJ-02 is
undone by iteration and BD-09 by its published inverse; WGS 84 and CGCS2000 differ by centimetres
and count as one. What is left outside the rectangle is the row rule ``<longitude>.place``'s matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlglot import exp

from dagster_project.contracts.model import Column, Coordinates
from dagster_project.transform.conform.ast import (
    Node,
    alias,
    all_of,
    case,
    cast,
    col,
    eq,
    fn,
    ge,
    is_null,
    le,
    minus,
    mul,
    negate,
    null,
    plus,
    ratio,
    text,
    try_cast,
)
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.stages import stage, stage_name

_FOREIGN = ("gcj02", "bd09")
_ROUNDS = 5  # each one gains three digits or more
# Krasovsky 1940: half the longer axis in metres, squared eccentricity.
_AXIS, _ECCENTRICITY = 6378245.0, 0.00669342162296594323
_BAIDU = math.pi * 3000 / 180


def located(place: Coordinates, columns: Mapping[str, Column], source: exp.Select) -> exp.Select:
    """The typed rows with both values put right; ``<longitude>$g`` says what was done.

    Args:
        place: The feed's two columns, its rectangle and the system of its files.
        columns: The feed's columns.
        source: Rows with the stages t and v.
    """
    pair = columns[place.longitude], columns[place.latitude]
    lon, lat = (stage(column, "v") for column in pair)
    done = case(
        [
            (all_of([eq(lon, 0), eq(lat, 0)]), text("zero")),
            (
                all_of([negate(_is_within(place, lon, lat)), _is_within(place, lat, lon)]),
                text("swapped"),
            ),
        ]
    )
    tree = _over(source, [exp.Star(), alias(done, _mark(place))])
    mark = col(_mark(place))
    replaced = []
    for column, other in zip(pair, (lat, lon), strict=True):
        exchanged = try_cast(other, column.duck_type)
        branches = [(eq(mark, "zero"), null()), (eq(mark, "swapped"), exchanged)]
        replaced.append(alias(case(branches, stage(column, "v")), stage_name(column.name, "v")))
        said = case([(eq(mark, "zero"), null())], stage(column, "t"))
        replaced.append(alias(said, stage_name(column.name, "t")))
    tree = _over(tree, [exp.Star(replace=replaced)])
    return _converted(place, pair, tree) if place.system in _FOREIGN else tree


def repairs(place: Coordinates, column: Column) -> tuple[Repair, ...]:
    """What ``located`` did to one of the two columns."""
    mark = col(_mark(place))
    made = [
        Repair(word, logged=True, happened=eq(mark, word), always=True)
        for word in ("swapped", "zero")
    ]
    if place.system in _FOREIGN:
        moved = negate(is_null(stage(column, "v")))
        # A whole column alike: the contract says once from which system it was converted.
        made.append(Repair("datum", logged=True, listed=False, happened=moved, always=True))
    return tuple(made)


def _mark(place: Coordinates) -> str:
    return stage_name(place.longitude, "g")


def _is_within(place: Coordinates, lon: Node, lat: Node) -> Node:
    west, south, east, north = (exp.Literal.number(bound) for bound in place.within)
    return all_of([ge(lon, west), le(lon, east), ge(lat, south), le(lat, north)])


def _over(inner: exp.Select, columns: list[Node]) -> exp.Select:
    return exp.select(*columns, copy=False).from_(inner.subquery("s", copy=False), copy=False)


def _converted(place: Coordinates, pair: tuple[Column, Column], source: exp.Select) -> exp.Select:
    """Both values in WGS 84, rounded to the columns' scales; doubles of a few stages between."""
    names = [stage_name(column.name, letter) for letter in "ij" for column in pair]
    delivered = [cast(stage(column, "v"), "DOUBLE") for column in pair]
    tree = _over(
        source, [exp.Star(), *(alias(d, n) for d, n in zip(delivered, names, strict=False))]
    )
    lon, lat, now_lon, now_lat = (col(name) for name in names)
    if place.system == "bd09":
        tree = _over(tree, [exp.Star(replace=_named(names[:2], _without_baidu(lon, lat)))])
    tree = _over(tree, [exp.Star(), *_named(names[2:], (lon, lat))])
    for _ in range(_ROUNDS):
        east, north = _shift(now_lon, now_lat)
        tree = _over(
            tree,
            [exp.Star(replace=_named(names[2:], (minus(lon, east), minus(lat, north))))],
        )
    replaced = [
        alias(
            try_cast(fn("round", col(name), column.scale), column.duck_type),
            stage_name(column.name, "v"),
        )
        for column, name in zip(pair, names[2:], strict=True)
    ]
    return _over(tree, [exp.Star(replace=replaced)])


def _named(names: list[str], values: tuple[Node, Node]) -> list[Node]:
    return [alias(value, name) for value, name in zip(values, names, strict=True)]


def _real(value: float) -> Node:
    return cast(text(repr(value)), "DOUBLE")


def _times(factor: float, value: Node) -> Node:
    return mul(_real(factor), value)


def _without_baidu(lon: Node, lat: Node) -> tuple[Node, Node]:
    x, y = minus(lon, _real(0.0065)), minus(lat, _real(0.006))
    length = fn("sqrt", plus([mul(x, x), mul(y, y)]))
    radius = minus(length, _times(0.00002, fn("sin", _times(_BAIDU, y))))
    angle = minus(fn("atan2", y, x), _times(0.000003, fn("cos", _times(_BAIDU, x))))
    return mul(radius, fn("cos", angle)), mul(radius, fn("sin", angle))


def _shift(lon: Node, lat: Node) -> tuple[Node, Node]:
    """By how many degrees GCJ-02 moves a place of WGS 84 (the published formula)."""
    x, y = minus(lon, _real(105.0)), minus(lat, _real(35.0))
    root = fn("sqrt", fn("abs", x))
    both = _waves(x, ((20.0, 6.0), (20.0, 2.0)))
    east = plus(
        [
            *(_real(300.0), x, _times(2.0, y), _times(0.1, mul(x, x)), _times(0.1, mul(x, y))),
            *(_times(0.1, root), both, _waves(x, ((20.0, 1.0), (40.0, 1 / 3)))),
            _waves(x, ((150.0, 1 / 12), (300.0, 1 / 30))),
        ]
    )
    north = plus(
        [
            *(_real(-100.0), _times(2.0, x), _times(3.0, y), _times(0.2, mul(y, y))),
            *(_times(0.1, mul(x, y)), _times(0.2, root), both),
            *(
                _waves(y, ((20.0, 1.0), (40.0, 1 / 3))),
                _waves(y, ((160.0, 1 / 12), (320.0, 1 / 30))),
            ),
        ]
    )
    angle = _times(math.pi / 180, lat)
    sine = fn("sin", angle)
    magic = minus(_real(1.0), _times(_ECCENTRICITY, mul(sine, sine)))
    slant = fn("sqrt", magic)
    degree = 180 / math.pi
    across = ratio(_times(degree, mul(east, slant)), _times(_AXIS, fn("cos", angle)))
    along = ratio(_times(degree, mul(north, mul(magic, slant))), _real(_AXIS * (1 - _ECCENTRICITY)))
    return across, along


def _waves(value: Node, waves: tuple[tuple[float, float], ...]) -> Node:
    """Two thirds of a sum of sines: amplitude and frequency in half turns of each."""
    summed = plus([_times(a, fn("sin", _times(f * math.pi, value))) for a, f in waves])
    return _times(2 / 3, summed)
