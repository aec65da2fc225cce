"""Two counties and a city as the demo leaves them: every package verifies, every byte counts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from verify_kit import Copy, flip, naming

from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake import sums
from dagster_project.paths import Home
from tests.conftest import Demo

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.xdist_group("demo")]
PACKAGE = "140322-population_by_town-"
FLIPS, AT_ONCE = 36, 12


@pytest.fixture(scope="module")
def city(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The city's home at another place."""
    return Copy.of(Home(demo.root / "city"), tmp_path_factory.mktemp("city") / "home")


def test_the_county_verifies(demo: Demo, tmp_path: Path) -> None:
    """Every report of the samples comes out again from a copy, also from the files."""
    copy = Copy.of(Home(demo.root / "county"), tmp_path / "home")
    done = copy.verify(files=True)
    assert (done.every_fault, done.every_note) == ((), ())
    assert {one.made for one in done.verdicts} == {"same bytes"}
    assert {one.report for one in done.verdicts} >= {"population_by_town", "three_assets"}
    assert done.looked["answers"] >= done.packages > 20
    assert done.looked["silver rows"] > 10_000


def test_any_byte_counts(demo: Demo, tmp_path: Path) -> None:
    """One byte anywhere in what is kept of a county: a sentence names the file, each time."""
    chance = random.Random(7)  # noqa: S311 - a test's own choice of bytes
    home = Home(demo.root / "county")
    known = sums.read(home)
    kinds = {
        "landing": sorted(home.landing.glob("*")),
        "outbox": sorted(p for p in home.outbox.glob("*-r*/**/*") if p.is_file()),
        "answers": sorted(home.acknowledgements.rglob("*.json")),
        "lake": [home.data / name for name in sorted(known)],
    }
    for round_no in range(FLIPS // AT_ONCE):
        copy = Copy.of(home, tmp_path / str(round_no))
        chosen = {path for files in kinds.values() for path in chance.sample(files, AT_ONCE // 4)}
        for path in chosen:
            flip(
                copy.home.root / path.relative_to(home.root),
                chance.randrange(path.stat().st_size),
            )
        faults = copy.verify().every_fault
        for path in chosen:
            place = str(path.relative_to(home.root))
            assert naming(faults, place), (place, faults)


def test_the_city_verifies(city: Copy) -> None:
    """What came of both counties is as it came, merged as it came, and answered as decided."""
    done = city.verify()
    assert (done.every_fault, done.every_note) == ((), ())
    assert done.packages == done.looked["answers"] > 40
    assert done.looked["rows merged"] > 1_000
    name = next(one.package_id for one in done.verdicts if one.package_id.startswith(PACKAGE))
    assert [one.made for one in city.verify(name).verdicts] == ["kept as it came"]


def test_what_changes_at_the_city_is_named(city: Copy, tmp_path: Path) -> None:
    """A byte of a kept package, a merged figure, a lost row, a number, an answer, a stranger."""
    copy = Copy.of(city.home, tmp_path / "city")
    with Workshop.at(copy.home.root, "receive").lake.reader() as con:
        row = con.execute(
            "SELECT package_id FROM ops.received WHERE starts_with(package_id, ?)", [PACKAGE]
        ).fetchone()
    assert row
    name = str(row[0])
    folder = copy.home.received / "140322" / name
    flip(folder / "receipts.json")
    flip(copy.home.exchange / "140322" / "down" / f"{name}.ack.json")
    other = next((copy.home.received / "140321").glob("140321-house_by_town-*"))
    stranger = other.with_name(other.name[:-1] + "9")
    other.rename(stranger)
    mine = "site_code = '140321'"
    copy.lies(
        f"UPDATE lake.city.component_by_town SET component_cnt = 77 WHERE {mine} AND"
        f" town_code = (SELECT max(town_code) FROM lake.city.component_by_town WHERE {mine})",
        f"DELETE FROM lake.city.three_assets WHERE {mine}",
        "DELETE FROM lake.ops.received WHERE site_code = '140322' AND package_no = 3",
    )
    faults = copy.verify().every_fault
    for words in (
        (f"{name}/receipts.json", "the file was changed"),
        (f"{name}.ack.json", "Remove it"),
        ("city.component_by_town", "140321-component_by_town-", "not as it holds them"),
        ("city.three_assets", "140321-three_assets-", "or missing"),
        ("chain of site 140322", "number 4 after number 2"),
        (str(other), "cannot be read"),
        (str(stranger), "accepted no such package"),
    ):
        assert naming(faults, *words), (words, faults)
