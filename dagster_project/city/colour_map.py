"""The map of the five colours (五色图): boundaries and scores to one SVG that needs nothing else.

Which colour a site has is decided by ``sql/city``; here it is only drawn. Boundaries are GeoJSON
polygons whose features have a ``code`` and a ``name``; in what coordinate system does not matter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from dagster_project.errors import UsageError

FILLS = {
    "green": "#5cb56f",
    "blue": "#5b9bd5",
    "yellow": "#f2d24b",
    "orange": "#ef9a3d",
    "red": "#d9534f",
    "": "#d0d0d0",
}
"""Of the tiers, and of a site without a score."""
WIDTH, LIST_WIDTH, LINE, MARGIN = 640, 340, 26, 24
Ring = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Shape:
    """One site's boundary: its outer and inner rings, in degrees."""

    code: str
    name: str
    rings: tuple[Ring, ...]


@dataclass(frozen=True)
class Mark:
    """What is told of one site."""

    code: str
    name: str
    tier: str
    words: str


def read_shapes(path: Path) -> list[Shape]:
    """The boundaries of a GeoJSON file.

    Raises:
        UsageError: The file cannot be read, or is not of polygons with codes and names.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        found = [_shape(one) for one in features]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"the boundaries cannot be read ({type(error).__name__})",
            where=str(path),
            todo="Name a GeoJSON file of polygons whose features have a code and a name",
        ) from error
    return found


def _shape(feature: Mapping[str, Any]) -> Shape:
    said = feature["properties"]
    rings = tuple(
        tuple((float(point[0]), float(point[1])) for point in ring)
        for ring in _rings(feature["geometry"])
    )
    if not all(rings) or not rings:
        raise ValueError(said["code"])
    return Shape(str(said["code"]), str(said["name"]), rings)


def draw(shapes: Sequence[Shape], marks: Sequence[Mark], title: str) -> str:
    """The picture: each boundary in its site's colour, and all sites in a list beside it."""
    tiers = {mark.code: mark.tier for mark in marks}
    place, height = _projection(shapes)
    high = max(height, MARGIN * 3 + LINE * (len(marks) + 1))
    wide = WIDTH + LIST_WIDTH
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high:.0f}" width="{wide}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{wide}" height="{high:.0f}" fill="#ffffff"/><g font-family="sans-serif">',
    ]
    # A small site that lies within another is drawn above it.
    for shape in sorted(shapes, key=_extent, reverse=True):
        path = " ".join(_path(ring, place) for ring in shape.rings)
        lines.append(
            f'<path d="{path}" fill="{FILLS[tiers.get(shape.code, "")]}" fill-rule="evenodd"'
            f' stroke="#444444" stroke-width="1"><title>{escape(shape.name)}</title></path>'
        )
    for shape in shapes:
        x, y = place(*_centre(max(shape.rings, key=_area)))
        lines.append(_text(x, y, shape.name, size=12, anchor="middle"))
    lines.append(_text(WIDTH, MARGIN + LINE / 2, title, size=16))
    for number, mark in enumerate(marks, start=1):
        top = MARGIN * 2 + LINE * number
        lines.append(
            f'<rect x="{WIDTH}" y="{top - 13:.0f}" width="16" height="16"'
            f' fill="{FILLS[mark.tier]}" stroke="#444444"/>'
        )
        lines.append(_text(WIDTH + 26, top, f"{mark.name}　{mark.words}", size=14))
    return "\n".join([*lines, "</g></svg>", ""])


def _rings(geometry: Mapping[str, Any]) -> Iterator[Any]:
    if geometry["type"] == "Polygon":
        yield from geometry["coordinates"]
    elif geometry["type"] == "MultiPolygon":
        for polygon in geometry["coordinates"]:
            yield from polygon
    else:
        raise ValueError(geometry["type"])


def _projection(shapes: Sequence[Shape]) -> tuple[Any, float]:
    """From degrees to the picture, north up, without distortion at its middle; and its height."""
    points = [point for shape in shapes for ring in shape.rings for point in ring]
    west, east = min(p[0] for p in points), max(p[0] for p in points)
    south, north = min(p[1] for p in points), max(p[1] for p in points)
    shrink = math.cos(math.radians((south + north) / 2))
    scale = (WIDTH - 2 * MARGIN) / max((east - west) * shrink, 1e-9)

    def place(lon: float, lat: float) -> tuple[float, float]:
        return MARGIN + (lon - west) * shrink * scale, MARGIN + (north - lat) * scale

    return place, (north - south) * scale + 2 * MARGIN


def _path(ring: Ring, place: Any) -> str:
    points = (place(*point) for point in ring)
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points) + "Z"


def _area(ring: Ring) -> float:
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))) / 2


def _extent(shape: Shape) -> float:
    return max(_area(ring) for ring in shape.rings)


def _centre(ring: Ring) -> tuple[float, float]:
    """The centre of a ring's area; of its box where it has none."""
    (west, south), cross, lon, lat = ring[0], 0.0, 0.0, 0.0
    for a, b in pairwise((x - west, y - south) for x, y in ring):
        part = a[0] * b[1] - b[0] * a[1]
        cross, lon, lat = cross + part, lon + (a[0] + b[0]) * part, lat + (a[1] + b[1]) * part
    if cross:
        return west + lon / (3 * cross), south + lat / (3 * cross)
    lons, lats = [point[0] for point in ring], [point[1] for point in ring]
    return (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2


def _text(x: float, y: float, words: str, *, size: int, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' fill="#222222">{escape(words)}</text>'
    )
