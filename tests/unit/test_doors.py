"""Through whose folder a registered site speaks, however many relays lie between."""

from __future__ import annotations

import pytest

from dagster_project.city.register import Child, door_of, is_passed_on

VIA = {
    "140300": "",
    "140321": "140300",
    "140321100": "140321",
    "140400": "",
    "140421": "140422",
    "140422": "140421",
    "140499": "140498",
}
CHILDREN = {code: Child.model_construct(via=via) for code, via in VIA.items()}


@pytest.mark.parametrize(
    ("code", "door"),
    [
        ("140300", "140300"),
        ("140321", "140300"),
        ("140321100", "140300"),
        ("140421", ""),
        ("140499", ""),
        ("999999", ""),
    ],
)
def test_a_site_comes_through_the_folder_of_its_outermost_relay(code: str, door: str) -> None:
    """A stranger, a ring and a relay that nobody knows lead nowhere."""
    assert door_of(CHILDREN, code) == door


@pytest.mark.parametrize(
    ("code", "relay", "passed_on"),
    [
        ("140321", "140300", True),
        ("140321100", "140300", True),
        ("140300", "140300", False),
        ("140321100", "140400", False),
    ],
)
def test_only_the_outermost_relay_speaks_for_others(
    code: str,
    relay: str,
    passed_on: bool,  # noqa: FBT001 - of a table
) -> None:
    """A relay passes on whoever reports through it, at any depth, but not itself."""
    assert is_passed_on(CHILDREN, code, relay) is passed_on
