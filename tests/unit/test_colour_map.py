"""The map of the five colours: real boundaries, hostile names, and files that are no boundaries."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dagster_project.city.colour_map import FILLS, Mark, draw, read_shapes
from dagster_project.errors import UsageError
from dagster_project.paths import SAMPLES

BOUNDARIES = SAMPLES / "register" / "yangquan_boundaries.geojson"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ET.Element:
    """The picture as whoever opens it reads it."""
    return ET.fromstring(picture)  # noqa: S314 - our own picture


def test_each_county_is_drawn_in_its_colour() -> None:
    """Five boundaries; one without a score is grey, one without a boundary is in the list only."""
    shapes = read_shapes(BOUNDARIES)
    assert {one.code: one.name for one in shapes} == {
        "140302": "城区",
        "140303": "矿区",
        "140311": "郊区",
        "140321": "平定县",
        "140322": "盂县",
    }
    marks = [
        Mark("140321", "平定县", "green", "绿 93.00"),
        Mark("140399", "别处", "red", "红 1.00"),
    ]
    picture = parsed(draw(shapes, marks, "五色图"))
    fills = {path.findtext(f"{SVG}title"): path.get("fill") for path in picture.iter(f"{SVG}path")}
    assert fills == dict.fromkeys(["城区", "矿区", "郊区", "盂县"], FILLS[""]) | {
        "平定县": FILLS["green"]
    }
    words = [one.text for one in picture.iter(f"{SVG}text")]
    assert "平定县　绿 93.00" in words
    assert "别处　红 1.00" in words


def test_every_point_lies_within_the_picture() -> None:
    """No boundary is cut off, and north is up: 盂县 lies above 平定县."""
    shapes = read_shapes(BOUNDARIES)
    picture = parsed(draw(shapes, [], "五色图"))
    _, _, wide, high = map(float, str(picture.get("viewBox")).split())
    labels = {}
    for path in picture.iter(f"{SVG}path"):
        points = str(path.get("d")).replace("M", "L").replace("Z", "").split("L")[1:]
        for x, y in (map(float, point.split(",")) for point in points):
            assert 0 <= x <= wide
            assert 0 <= y <= high
    for text in picture.iter(f"{SVG}text"):
        labels[text.text] = float(str(text.get("y")))
    assert labels["盂县"] < labels["平定县"]


def test_a_name_cannot_steer_the_picture() -> None:
    """Foreign text is text."""
    shapes = read_shapes(BOUNDARIES)
    evil = '"><script>alert(1)</script>'
    picture = parsed(draw(shapes, [Mark("140321", evil, "red", evil)], evil))
    assert not list(picture.iter(f"{SVG}script"))
    assert picture.findtext(f"{SVG}title") == evil


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "{}",
        '{"features": [{"properties": {"code": "1", "name": "x"}, "geometry": {"type": "Point"}}]}',
        json.dumps(
            {
                "features": [
                    {
                        "properties": {"code": "1", "name": "x"},
                        "geometry": {"type": "Polygon", "coordinates": [[["a", "b"]]]},
                    }
                ]
            }
        ),
    ],
)
def test_what_are_no_boundaries_is_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    """A wrong file is named, with what it should be."""
    file = tmp_path / "x.geojson"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="boundaries cannot be read") as told:
        read_shapes(file)
    assert str(file) in str(told.value)
