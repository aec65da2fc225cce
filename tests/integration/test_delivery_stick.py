"""A county without a network reports by a stick that is carried to the city and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from exchange_kit import CityKit, CountyKit, make_city, make_county

from dagster_project.components.steps.city_stick import visit
from dagster_project.components.steps.delivering import deliver, standing
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CityKit, CountyKit, Path]:
    """A city, a county that shares no folder with it, and a stick."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    site = county.site.model_copy(update={"exchange": "nowhere"})
    county.home.site_file.write_text(
        county.home.site_file.read_text("utf-8").replace(county.site.exchange, "nowhere"), "utf-8"
    )
    county.site = site
    keys = tmp_path / "keys"
    keys.mkdir()
    for path in [*tmp_path.glob("keys-*/*.pem")]:
        (keys / path.name).symlink_to(path)
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(keys))
    stick = tmp_path / "stick"
    stick.mkdir()
    return city, county, stick


def at_county(county: CountyKit) -> Workshop:
    """The county's workshop."""
    return Workshop.at(county.home.root)


def at_city(city: CityKit) -> Workshop:
    """The city's workshop, without contracts of the test's report: any shape is taken."""
    return Workshop.at(city.home.root, "receive")


@pytest.mark.thorough
def test_a_stick_goes_up_full_and_comes_back_with_answers(
    sites: tuple[CityKit, CountyKit, Path],
) -> None:
    """Twice carried: the packages are the city's, the answers the county's, the stick is empty."""
    city, county, stick = sites
    ids = [county.report_day(n).package_id for n in (1, 2)]
    there = deliver(at_county(county), to=stick)
    assert (there.delivered, there.waiting, there.fault) == (ids, ids, "")
    shown = visit(at_city(city), stick)
    assert shown.brought.packages == ids
    assert {one.package_id for one in shown.received.decisions} == set(ids)
    assert sorted(shown.given.answers) == ids
    back = deliver(at_county(county), to=stick)
    assert [one.package_id for one in back.answers] == ids
    answered = {one.outcome for one in back.answers}
    assert answered <= {"accepted", "rejected"}
    assert standing(at_county(county)).waiting == ()
    assert not list((stick / "140321").glob("*/1*"))
    assert visit(at_city(city), stick).received.decisions == []


@pytest.mark.thorough
def test_strangers_and_odd_things_on_a_stick_are_left_there(
    sites: tuple[CityKit, CountyKit, Path], tmp_path: Path
) -> None:
    """A site that is not registered, and a package that is a link, bring nothing in."""
    city, county, stick = sites
    name = county.report_day(1).package_id
    deliver(at_county(county), to=stick)
    (stick / "140399" / "up").mkdir(parents=True)
    package = stick / "140321" / "up" / name
    package.rename(tmp_path / "elsewhere")
    package.symlink_to(tmp_path / "elsewhere")
    done = visit(at_city(city), stick)
    assert (done.brought.packages, done.received.decisions) == ([], [])
    assert "140399 is not registered" in done.remarks[-1]
    assert "is not a folder" in done.remarks[0]


@pytest.mark.thorough
def test_a_copy_that_breaks_on_the_stick_is_carried_again(
    sites: tuple[CityKit, CountyKit, Path],
) -> None:
    """The city refuses the broken bytes; the next journey brings the sealed ones."""
    city, county, stick = sites
    name = county.report_day(1).package_id
    deliver(at_county(county), to=stick)
    data = stick / "140321" / "up" / name / "status.json"
    data.chmod(0o644)
    data.write_bytes(b"{}")
    (first,) = visit(at_city(city), stick).received.decisions
    assert (first.outcome, first.consumed) == ("rejected", False)
    again = deliver(at_county(county), to=stick)
    assert (again.delivered, again.waiting) == ([name], [name])
    (second,) = visit(at_city(city), stick).received.decisions
    assert second.consumed


@pytest.mark.thorough
def test_a_stick_that_is_not_there_is_said_so(sites: tuple[CityKit, CountyKit, Path]) -> None:
    """Nothing is written beside the place where it should be mounted."""
    city, county, stick = sites
    with pytest.raises(UsageError, match="no such folder"):
        deliver(at_county(county), to=stick / "away")
    with pytest.raises(UsageError, match="no such folder"):
        visit(at_city(city), stick / "away")
    assert not (stick / "away").exists()
