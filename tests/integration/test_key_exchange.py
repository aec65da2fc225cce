"""Keys that change while packages are on their way, and keys that must not be believed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from exchange_kit import CITY, CityKit, CountyKit, make_city, make_county

from dagster_project import clock
from dagster_project.city.announced import is_below, take_announcements
from dagster_project.city.announcing import tell_children, tell_parent
from dagster_project.city.keyring import keyring
from dagster_project.city.receive import Reception
from dagster_project.city.register import cards, children, register, revoke
from dagster_project.errors import CountyLakeError, PackageError, UsageError
from dagster_project.paths import Home
from dagster_project.protocol.announcement import announce, file_name
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.manifest import SIGNATURE, read_manifest
from dagster_project.protocol.site_card import CardKey, read_card
from dagster_project.reporting import rotation
from dagster_project.reporting.identity import give_key, parent_card, signer_of
from dagster_project.settings import Site, load_site, save_site

MONTH = timedelta(days=30)


def keys_of(kit: CityKit | CountyKit) -> Path:
    """The keys folder that the kit gave a site."""
    root = kit.home.root.parent
    return root / ("keys-city" if isinstance(kit, CityKit) else f"keys-{kit.site.code}")


def rotated(county: CountyKit, **words: bool) -> CountyKit:
    """The county with its next key."""
    rotation.rotate(county.home, overlap=MONTH, why="年度轮换", folder=keys_of(county), **words)
    site = load_site(county.home)
    return replace(county, site=site, signer=signer_of(site, keys_of(county)))


def take(city: CityKit, at: datetime | None = None) -> Reception:
    """Receive now, or at another instant."""
    return city.receive(at or clock.now())


def outcomes(done: Reception) -> list[tuple[str, str]]:
    """Every decision: period and outcome."""
    return [(one.package_id.split("-")[2], one.outcome) for one in done.decisions]


@pytest.fixture
def sites(tmp_path: Path) -> tuple[CityKit, CountyKit]:
    """A city and a registered county."""
    city = make_city(tmp_path)
    return city, make_county(tmp_path, city)


def test_a_rotation_in_the_middle_of_a_chain(sites: tuple[CityKit, CountyKit]) -> None:
    """Packages of both keys arrive after the change, in turn; nobody goes back to the old one."""
    city, former = sites
    former.report_day(1)
    county = rotated(former)
    old, new = former.signer.key_id, county.signer.key_id
    county.report_day(2)
    county.deliver()
    done = take(city)
    assert outcomes(done) == [("20230601", "accepted"), ("20230602", "accepted")]
    assert f"key {old} is followed by key {new}" in done.remarks[0]
    counted = {key["key_id"]: key["packages"] for key in keyring(city.lake, clock.now())[0]["keys"]}
    assert counted == {old: 1, new: 1}

    forged = former.report_day(3)
    former.deliver()
    done = take(city)
    assert [one.outcome for one in done.decisions] == ["rejected"]
    assert f"key {old} was replaced by key {new}, which signed" in done.decisions[0].reasons[0]
    assert done.remarks == [], "the announcement is no news twice"
    assert rotation.resign(county.lake, county.site, county.signer) == [forged.package_id]
    county.deliver()
    assert outcomes(take(city)) == [("20230603", "accepted")]


@pytest.mark.thorough
def test_after_the_overlap_waiting_packages_are_signed_anew(
    sites: tuple[CityKit, CountyKit],
) -> None:
    """A package of the old key is refused with the reason; signed anew it keeps its place."""
    city, county = sites
    package = county.report_day(1)
    old, county = county.signer.key_id, rotated(county)
    county.deliver()
    late = clock.now() + MONTH + timedelta(hours=1)
    take_announcements(city.home, clock.now())
    done = take(city, late)
    assert [one.outcome for one in done.decisions] == ["rejected"]
    assert f"key {old} was replaced and signs nothing since" in done.decisions[0].reasons[0]
    county.deliver()
    before = (package.folder / SIGNATURE).read_bytes()
    assert rotation.resign(county.lake, county.site, county.signer) == [package.package_id]
    assert rotation.resign(county.lake, county.site, county.signer) == []
    after = (package.folder / SIGNATURE).read_bytes()
    every = read_card(county.home.public_file).every_key
    assert read_manifest(before, every) == read_manifest(after, every)
    assert (package.folder / SIGNATURE).stat().st_mode & 0o777 == 0o444
    county.deliver()
    assert outcomes(take(city, late + timedelta(minutes=1))) == [("20230601", "accepted")]


def test_a_revoked_key_is_refused_and_its_packages_stay(
    sites: tuple[CityKit, CountyKit],
) -> None:
    """From the revocation on nothing of it is taken; the past stays and can be verified again."""
    city, county = sites
    first = county.report_day(1)
    county.deliver()
    take(city)
    key_id = county.signer.key_id
    with pytest.raises(UsageError, match="without a reason"):
        revoke(city.home, "140321", key_id, why=" ", by="王")
    revoke(city.home, "140321", key_id, why="电脑被盗", by="王")
    with pytest.raises(UsageError, match=r"was revoked on .* already"):
        revoke(city.home, "140321", key_id, why="电脑被盗", by="王")
    second = county.report_day(2)
    county.deliver()
    done = take(city)
    assert [one.outcome for one in done.decisions] == ["rejected"]
    assert f"key {key_id} was revoked on" in done.decisions[0].reasons[0]
    assert "(电脑被盗)" in done.decisions[0].reasons[0]
    kept = city.home.received / "140321" / first.package_id / SIGNATURE
    every = cards(city.home)["140321"].every_key
    assert read_manifest(kept.read_bytes(), every).header.package_id == first.package_id
    (told,) = keyring(city.lake, clock.now())
    assert [(one["state"], one["packages"]) for one in told["keys"]] == [("revoked", 1)]
    tell_children(city.home, city.site, city.signer)
    heard = county.deliver().remarks
    assert any(f"refuses our key {key_id}" in one and "电脑被盗" in one for one in heard)

    county = rotated(county, lost=True)
    county.deliver()
    assert "no key that is trusted" in take(city).remarks[0]
    with pytest.raises(PackageError, match="Compare the fingerprint"):
        register(city.home, county.home.public_file)
    with pytest.raises(UsageError, match="without a reason"):
        register(city.home, county.home.public_file, replace=True)
    register(city.home, county.home.public_file, replace=True, why="电话核对指纹", by="王")
    rotation.resign(county.lake, county.site, county.signer)
    county.deliver()
    done = take(city)
    assert outcomes(done) == [(second.package_id.split("-")[2], "accepted")]
    assert done.remarks == []
    notes = [note.what for note in children(city.home)["140321"].notes]
    assert [what.split()[0] for what in notes] == ["registered", "revoked", "replaced"]


def test_hostile_announcements_change_nothing(sites: tuple[CityKit, CountyKit]) -> None:
    """Forged, replayed, of another site, too large, a link, no announcement: all refused."""
    city, county = sites
    other = make_county(city.home.root.parent, city, "140322", "盂县")
    own = rotated(county)
    rotated(other)
    folder = county.up.parent / "keys"
    (foreign,) = rotation.announced(other.home).iterdir()
    (true,) = rotation.announced(own.home).iterdir()
    card = read_card(own.home.public_file)
    stranger = CardKey(key_id=other.signer.key_id, public_key=other.signer.public.text)
    forged = card.model_copy(update={"serial": 7, "listed": (card.listed[0], stranger)})
    write_file(folder / foreign.name, foreign.read_bytes())
    write_file(folder / "140321-7.card.json", announce(forged, "伪造", [other.signer]))
    write_file(folder / "140321-8.card.json", b"{}")
    write_file(folder / "140321-9.card.json", b" " * (1 << 20))
    (folder / "140321-10.card.json").symlink_to(true)
    write_file(folder / "revoked.json", foreign.read_bytes())
    before = children(city.home)
    remarks = take_announcements(city.home, clock.now())
    assert children(city.home) == before
    assert len(remarks) == 6
    for word in ("whose packages come another way", "no key that is trusted", "another kind"):
        assert any(word in one for one in remarks), word
    shutil.copy(true, folder / true.name)
    take_announcements(city.home, clock.now())
    assert children(city.home)["140321"].card.key_id == own.signer.key_id
    write_file(
        folder / "140321-1.card.json",
        announce(
            card.model_copy(update={"serial": 1, "listed": (stranger,)}), "旧", [other.signer]
        ),
    )
    assert any("not above 2" in one for one in take_announcements(city.home, clock.now()))


@pytest.mark.thorough
def test_the_parent_s_next_key_reaches_its_children(sites: tuple[CityKit, CountyKit]) -> None:
    """The city rotates; the county learns it with the next delivery and believes new answers."""
    city, county = sites
    rotation.rotate(city.home, overlap=MONTH, why="年度轮换", folder=keys_of(city))
    site = load_site(city.home)
    city = replace(city, site=site, signer=signer_of(site, keys_of(city)))
    tell_children(city.home, city.site, city.signer)
    county.report_day(1)
    county.deliver()
    take(city)
    met = county.deliver()
    assert [one.outcome for one in met.answers] == ["accepted"]
    known = parent_card(county.home)
    assert known is not None
    assert known.key_id == city.signer.key_id


def test_a_relay_makes_its_children_known(tmp_path: Path) -> None:
    """A city tells its province of a county once; then only the county changes its keys."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    province = Home(tmp_path / "province")
    save_site(province, Site(code="140000", name="山西省", collects=False, receives=True))
    give_key(province, tmp_path / "keys-province")
    register(province, city.home.public_file)

    def relay() -> list[str]:
        """Everything on its way up, and what the province says of it."""
        take_announcements(city.home, clock.now())
        tell_parent(city.home, city.site, city.signer)
        shutil.copytree(
            city.home.outbox / "keys", province.exchange / CITY / "keys", dirs_exist_ok=True
        )
        return take_announcements(province, clock.now())

    assert "140321 平定县: made known by 140300, with key" in relay()[0]
    assert children(province)["140321"].via == CITY
    assert not (province.exchange / "140321").exists()
    county = rotated(county)
    announced = rotation.announced(county.home)
    shutil.copytree(announced, county.up.parent / "keys", dirs_exist_ok=True)
    assert "is followed by key" in relay()[0]
    assert cards(province)["140321"].key_id == county.signer.key_id
    rotation.rotate(city.home, overlap=MONTH, why="年度轮换", folder=keys_of(city))
    site = load_site(city.home)
    city = replace(city, site=site, signer=signer_of(site, keys_of(city)))
    assert "140300 阳泉市: key" in relay()[0]
    later = clock.now() + MONTH + timedelta(days=1)
    assert take_announcements(province, later) == [], "the relay's next key vouches as well"
    forged = cards(province)["140321"].model_copy(
        update={
            "serial": 9,
            "listed": (CardKey(key_id=city.signer.key_id, public_key=city.signer.public.text),),
        }
    )
    far = forged.model_copy(update={"code": "110101"})
    for card in (forged, far):
        path = city.home.outbox / "keys" / file_name(card)
        write_file(path, announce(card, "伪造", [city.signer]))
    remarks = relay()
    assert any("no key that is trusted" in one for one in remarks), "a relay replaces no key"
    assert any("not below it" in one for one in remarks)
    revoke(city.home, "140321", county.signer.key_id, why="电脑被盗", by="王")
    assert any("is refused, as 140300 does (电脑被盗)" in one for one in relay())
    assert cards(province)["140321"].key_id == ""
    with pytest.raises(UsageError, match="not registered"):
        register(province, county.home.public_file, via="140400")


def test_a_register_of_before_is_taken_over(sites: tuple[CityKit, CountyKit]) -> None:
    """Cards of single keys in ``counties`` are entries of the register; damaged ones are named."""
    city, county = sites
    shutil.rmtree(city.home.children)
    public = county.signer.public
    write_file(
        city.home.root / "counties" / "140321.json",
        f'{{"algorithm":"ed25519","code":"140321","key_id":"{public.key_id}","name":"平定县",'
        f'"public_key":"{public.text}"}}\n'.encode(),
    )
    assert cards(city.home)["140321"].keys == {public.key_id: public}
    register(city.home, county.home.public_file)
    entry = city.home.children / "140321.json"
    entry.write_bytes(entry.read_bytes().replace(b'"via":""', b'"via":"x"'))
    with pytest.raises(CountyLakeError, match="the entry of the register is damaged"):
        cards(city.home)


@pytest.mark.parametrize(
    ("code", "relay", "below"),
    [
        ("140321", "140300", True),
        ("140300", "140000", True),
        ("140321100", "140321", True),
        ("140321100", "140300000000", True),
        ("140321100001", "140321100", True),
        ("140321", "140321", False),
        ("140321", "140400", False),
        ("110101", "140000", False),
        ("140300", "140321", False),
        ("140321200001", "140321100000", False),
    ],
)
def test_what_lies_below(code: str, relay: str, below: bool) -> None:  # noqa: FBT001 - of a table
    """Codes of 6, 9 and 12 digits nest by their digits."""
    assert is_below(code, relay) is below
