"""Places: exchanged, zero, outside, and of other systems (domain D31)."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Literal

import pytest

from dagster_project.components.steps.checks import feed_checks
from dagster_project.contracts import feed_rule_ids, load
from dagster_project.contracts.model import Column, Coordinates, Feed
from dagster_project.paths import schemas_dir
from dagster_project.transform.conform import compile_feed
from tests.conform_kit import Judged, feed_of, judge, plan_of

WITHIN = ("113.441143", "37.662684", "114.046117", "38.110831")


def _feed(system: Literal["cgcs2000", "gcj02", "bd09"] = "cgcs2000", scale: int = 6) -> Feed:
    feed = feed_of(
        Column("no", "编号", "string", key_position=1, required=True),
        Column(
            "lon",
            "经度",
            "decimal",
            precision=12,
            scale=scale,
            unit="°",
            minimum="73",
            maximum="136",
        ),
        Column("lat", "纬度", "decimal", precision=12, scale=scale, minimum="3", maximum="54"),
        Column("must", "必填", "decimal", scale=6),
    )
    return replace(feed, coordinates=Coordinates("lon", "lat", WITHIN, system))


def _judge(feed: Feed, *pairs: tuple[str | None, str | None]) -> list[Judged]:
    return judge(plan_of(feed), *({"no": "1", "lon": lon, "lat": lat} for lon, lat in pairs))


def _pair(row: Judged) -> tuple[object, object]:
    return row.values["lon"], row.values["lat"]


def test_a_pair_that_lies_in_the_county_when_exchanged_is_exchanged() -> None:
    """Both values change places, both changes are logged, and no rule complains of them."""
    here = (Decimal("113.630107"), Decimal("37.804988"))
    plain, swapped, dressed = _judge(
        _feed(),
        ("113.630107", "37.804988"),
        ("37.804988", "113.630107"),
        (" 37.804988°", "１１３．６３０１０７"),
    )
    assert (_pair(plain), plain.logged, plain.reasons) == (here, (), ())
    for row in (swapped, dressed):
        assert (_pair(row), row.reasons) == (here, ())
        assert row.logged == (("lon", "swapped"), ("lat", "swapped"))


def test_zero_and_zero_is_no_place() -> None:
    """Both become NULL and say why; where a place is required, the row is rejected for that."""
    (zero,) = _judge(_feed(), ("0", "0.000000"))
    assert (_pair(zero), zero.ok) == ((None, None), True)
    assert zero.logged == (("lon", "zero"), ("lat", "zero"))
    feed = _feed()
    columns = tuple(replace(c, required=True) if c.name == "lon" else c for c in feed.columns)
    (rejected,) = _judge(replace(feed, columns=columns), ("0", "0"))
    assert rejected.reasons == ("lon.required",)


def test_a_place_outside_is_warned_of_and_kept() -> None:
    """Neither order lies inside: nobody guesses. One value alone, or a grid in metres, neither."""
    outside, half, single, metres = _judge(
        _feed(),
        ("112.550000", "37.870000"),
        ("0", "37.804988"),
        ("113.63", None),
        ("38420321.5", "4186452.1"),
    )
    assert (outside.reasons, outside.ok) == (("lon.place",), True)
    assert _pair(outside) == (Decimal("112.550000"), Decimal("37.870000"))
    assert (half.reasons, half.logged) == (("lon.range",), ())
    assert (single.reasons, single.ok) == ((), True)
    assert not metres.ok


def _delta(lon: float, lat: float) -> tuple[float, float]:
    """The published shift of GCJ-02, written down once more."""
    x, y = lon - 105, lat - 35
    wave = (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave
    north += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave
    east += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    squared = 0.00669342162296594323
    magic = 1 - squared * math.sin(math.radians(lat)) ** 2
    across = east / (6378245.0 / math.sqrt(magic) * math.cos(math.radians(lat)) * math.pi / 180)
    along = north / (6378245.0 * (1 - squared) / magic**1.5 * math.pi / 180)
    return across, along


def _baidu(lon: float, lat: float) -> tuple[float, float]:
    factor = math.pi * 3000 / 180
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * factor)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * factor)
    return radius * math.cos(angle) + 0.0065, radius * math.sin(angle) + 0.006


@pytest.mark.parametrize("scale", [6, 8])
def test_gcj02_is_undone_to_the_last_stored_digit(scale: int) -> None:
    """The shift of half a kilometre is undone; what is stored is rounded once, at the end."""
    true = (113.630107, 37.804988)
    across, along = _delta(*true)
    (row,) = _judge(_feed("gcj02", 8), (f"{true[0] + across:.8f}", f"{true[1] + along:.8f}"))
    found = [float(value) for value in (row.values["lon"], row.values["lat"])]
    assert found == pytest.approx(true, abs=1.1e-8)
    (exact,) = _judge(_feed("gcj02", scale), ("113.636000", "37.805500"))
    assert exact.values["lon"].as_tuple().exponent == -scale
    assert ("lon", "datum") in exact.logged
    assert exact.reasons == ()


def test_published_places_come_out_as_published() -> None:
    """Three places that converters of this kind publish, in both systems."""
    places = {
        ("121.531541859", "31.175303984"): (121.5272106, 31.1774276),
        ("113.917176481", "22.540796132"): (113.912316, 22.543847),
        ("116.384047225", "39.913345455"): (116.377817, 39.911954),
    }
    feed = replace(
        _feed("gcj02", 7), coordinates=Coordinates("lon", "lat", ("73", "3", "136", "54"), "gcj02")
    )
    columns = tuple(
        replace(c, precision=12, scale=9) if c.type == "decimal" else c for c in feed.columns
    )
    rows = _judge(replace(feed, columns=columns), *places)
    for row, (lon, lat) in zip(rows, places.values(), strict=True):
        assert float(row.values["lon"]) == pytest.approx(lon, abs=2e-7)
        assert float(row.values["lat"]) == pytest.approx(lat, abs=2e-7)


def test_bd09_is_undone_within_a_metre() -> None:
    """Its published inverse is an approximation: good to some 1e-6 of a degree."""
    true = (113.630107, 37.804988)
    across, along = _delta(*true)
    there = _baidu(true[0] + across, true[1] + along)
    swapped = tuple(reversed(there))
    for pair in (there, swapped):
        (row,) = _judge(_feed("bd09"), (f"{pair[0]:.6f}", f"{pair[1]:.6f}"))
        found = [float(value) for value in (row.values["lon"], row.values["lat"])]
        assert found == pytest.approx(true, abs=1e-5)


def test_the_rules_of_such_a_feed_are_listed() -> None:
    """The warning stands where documents and checks look for rules."""
    feed = _feed()
    assert tuple(rule.id for rule in plan_of(feed).rules) == feed_rule_ids(feed)
    assert plan_of(feed).rule("lon.place").severity == "warn"
    (row,) = judge(plan_of(feed).without("lon.place"), {"no": "1", "lon": "112", "lat": "37"})
    assert row.reasons == ()


def test_the_warning_is_a_check_of_the_feed() -> None:
    """The orchestrator shows it under a name that it allows."""
    found = [check for check in feed_checks(_feed()) if check.kind == "place"]
    assert [(check.name, check.blocking) for check in found] == [("place", False)]
    assert not [c for c in feed_checks(replace(_feed(), coordinates=None)) if c.kind == "place"]


def test_every_contract_with_a_longitude_says_what_a_place_is() -> None:
    """Wherever the county's files hold places, exchanged ones are put right."""
    contracts = load(schemas_dir())
    feeds = [f for f in contracts.feeds.values() if any(c.name == "lon" for c in f.columns)]
    assert {"asset", "component", "division", "hotline_order"} < {feed.name for feed in feeds}
    for feed in feeds:
        (row,) = judge(compile_feed(feed, contracts), {"lon": "37.804988", "lat": "113.630107"})
        assert _pair(row) == (Decimal("113.630107"), Decimal("37.804988"))
