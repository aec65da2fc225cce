"""The interface for a site's children: packages pushed through the one door, answers fetched."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dagster_project.city.arrivals import Door, clear
from dagster_project.protocol.folders import Limits
from dagster_project.web.app import close
from tests.integration.web_kit import (
    FREE,
    Pair,
    archived,
    city_of,
    kit_of,
    sealed_ids,
    served,
    shared_pair,
    with_new_city,
)

pytestmark = pytest.mark.xdist_group("web")
CODE, OTHER = "140321", "140322"
ZIP = {"Content-Type": "application/zip"}
JSON = {"Content-Type": "application/json"}
BASE = f"/v1/children/{CODE}"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two counties, each with two sealed packages."""
    return shared_pair(tmp_path_factory.getbasetemp())


@pytest.fixture
def pair(sealed: Pair, tmp_path: Path) -> Iterator[Pair]:
    """A new city and the two counties."""
    made = with_new_city(tmp_path, sealed)
    yield made
    made.close()


@pytest.fixture
def child(pair: Pair) -> TestClient:
    """The first county as it asks the city."""
    return pair.city.client(CODE)


def push(child: TestClient, package_id: str, data: bytes) -> Any:
    """Push an archive under a name."""
    return child.put(f"{BASE}/packages/{package_id}", content=data, headers=ZIP)


def test_a_pushed_package_goes_through_the_one_door(pair: Pair, child: TestClient) -> None:
    """Pushed, received like one on a stick, answered; what was accepted is then cleared away."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    first, second = sealed_ids(county)
    for package_id in (second, first):
        answer = push(child, package_id, archived(county, package_id))
        assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    told = child.get(f"{BASE}/chain").json()
    assert (told["head_no"], sorted(told["waiting"])) == (0, [first, second])
    assert child.get(f"{BASE}/acknowledgements").json()["acknowledgements"] == []
    done = city.receive()
    assert [one.outcome for one in done.decisions] == ["accepted", "accepted"]
    told = child.get(f"{BASE}/chain").json()
    assert (told["head_no"], told["missing"], told["waiting"]) == (2, [], [])
    listed = child.get(f"{BASE}/acknowledgements").json()["acknowledgements"]
    assert {one["package_id"] for one in listed} == {first, second}
    for one in listed:
        signed = child.get(f"{BASE}/acknowledgements/{one['package_id']}")
        assert hashlib.sha256(signed.content).hexdigest() == one["sha256"]
        assert signed.headers["etag"] == f'"{one["sha256"]}"'
        assert signed.content == (county.down / f"{one['package_id']}.ack.json").read_bytes()
    clear(city.home, [CODE], datetime.now(UTC))
    assert Door(city.home, CODE).lying() == []
    again = push(child, first, archived(county, first))
    assert (again.status_code, again.json()["state"]) == (200, "accepted")
    assert Door(city.home, CODE).lying() == []
    assert city.receive().decisions == []


@pytest.mark.thorough
def test_the_same_again_changes_nothing_and_other_bytes_are_told_apart(
    pair: Pair, child: TestClient
) -> None:
    """Before a decision another copy replaces the first; after it, it is refused."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    first, second = sealed_ids(county)
    good, other = archived(county, first), archived(county, second)
    assert push(child, first, other).status_code == 202
    assert push(child, first, good).status_code == 202
    assert push(child, first, good).status_code == 202
    assert [one.outcome for one in city.receive().decisions] == ["accepted"]
    refused = push(child, first, other)
    assert (refused.status_code, refused.json()["error"]) == (
        409,
        "other bytes lie there under the same name",
    )
    clear(city.home, [CODE], datetime.now(UTC))
    assert push(child, first, other).status_code == 409
    assert push(child, first, good).status_code == 200


@pytest.mark.thorough
def test_a_package_that_came_by_share_is_known(pair: Pair, child: TestClient) -> None:
    """What a stick brought needs no second copy, accepted or not."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    first, _ = sealed_ids(county)
    county.deliver()
    assert push(child, first, archived(county, first)).json()["state"] == "waiting"
    city.receive()
    shutil.rmtree(county.up)
    assert push(child, first, archived(county, first)).status_code == 200
    assert city.receive().decisions == []


@pytest.mark.thorough
def test_a_lake_that_was_brought_back_asks_again(pair: Pair, child: TestClient) -> None:
    """An answer of a later ledger than the present one does not keep a package out."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    first, _ = sealed_ids(county)
    shutil.copytree(city.home.root, city.home.root.with_name("backup"))
    push(child, first, archived(county, first))
    assert [one.outcome for one in city.receive().decisions] == ["accepted"]
    clear(city.home, [CODE], datetime.now(UTC))
    shutil.rmtree(city.home.catalog.parent)
    if (city.home.root.with_name("backup") / "lake").exists():
        shutil.copytree(city.home.root.with_name("backup") / "lake", city.home.catalog.parent)
    assert push(child, first, archived(county, first)).status_code == 202
    assert Door(city.home, CODE).lying() == [first]


NO_PACKAGES = (b"", b"hello", b"PK\x05\x06" + bytes(18))


def test_what_is_no_archive_of_a_package_never_lies_in_the_folder(
    pair: Pair, child: TestClient
) -> None:
    """A container that is not the agreed one is refused with its fault, and leaves nothing."""
    county = kit_of(pair.counties[CODE])
    first = sealed_ids(county)[0]
    for data in (*NO_PACKAGES, archived(county, first) + b"x"):
        answer = push(child, first, data)
        assert answer.status_code == 422
        assert set(answer.json()) == {"error", "todo", "id"}
    assert not list(county.up.iterdir())
    assert not list(pair.city.kit.home.scratch.glob("upload-*"))


@pytest.mark.thorough
def test_a_zip_that_leads_elsewhere_is_refused(pair: Pair, child: TestClient) -> None:
    """Names with steps up, links and unsigned packages are refused; nothing is written."""
    first = sealed_ids(kit_of(pair.counties[CODE]))[0]
    home = pair.city.kit.home.root
    for name in ("../../evil.json", "/evil.json", "status.json"):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100444 << 16
            archive.writestr(info, b"{}")
        assert push(child, first, made.getvalue()).status_code == 422
    assert not list(home.rglob("evil.json"))


def test_a_package_of_another_is_refused(pair: Pair, child: TestClient) -> None:
    """A county cannot push under another's number, nor into another's folder."""
    other = kit_of(pair.counties[OTHER])
    strange = sealed_ids(other)[0]
    data = archived(other, strange)
    assert push(child, strange, data).status_code == 404
    url = f"/v1/children/{OTHER}/packages/{strange}"
    assert child.put(url, content=data, headers=ZIP).status_code == 404
    assert not list(other.up.iterdir())


@pytest.mark.thorough
def test_another_county_s_package_under_an_own_name_is_not_believed(
    pair: Pair, child: TestClient
) -> None:
    """The archive is taken, and reception refuses what another signed: no row, no number used."""
    city, other = city_of(pair.city), kit_of(pair.counties[OTHER])
    mine = sealed_ids(kit_of(pair.counties[CODE]))[0]
    assert push(child, mine, archived(other, sealed_ids(other)[0])).status_code == 202
    assert [one.outcome for one in city.receive().decisions] == ["rejected"]
    assert child.get(f"{BASE}/chain").json()["head_no"] == 0
    good = archived(kit_of(pair.counties[CODE]), mine)
    assert push(child, mine, good).json()["state"] == "waiting"
    assert [one.outcome for one in city.receive().decisions] == ["accepted"]


@pytest.mark.thorough
def test_there_are_bounds_on_what_one_child_leaves(pair: Pair) -> None:
    """So many undecided packages and no more; so large and no larger; so much disk is spared."""
    county = kit_of(pair.counties[CODE])
    first, second = sealed_ids(county)
    data = archived(county, first)
    for bounds, status in (
        (replace(FREE, parked=1), 429),
        (replace(FREE, parked_bytes=len(data) + 100), 507),
        (replace(FREE, spare_bytes=1 << 60), 507),
        (replace(FREE, package=Limits(total_bytes=100, files=1)), 413),
        (replace(FREE, package=Limits(file_bytes=100)), 422),
        (replace(FREE, uploads=0), 503),
    ):
        city = replace(served(pair.city.kit, bounds), secrets=pair.city.secrets)
        child = city.client(CODE)
        if status in {429, 507} and bounds.spare_bytes < 1 << 40:
            assert push(child, first, data).status_code == 202
        answer = push(child, second, archived(county, second))
        assert answer.status_code == status, bounds
        assert ("retry-after" in answer.headers) == (status in {429, 503, 507})
        close(city.app)


@pytest.mark.thorough
def test_many_at_once_leave_each_package_once(pair: Pair, child: TestClient) -> None:
    """Twelve pushes of two packages at the same time end as two whole packages."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    ids = sealed_ids(county) * 6

    def insist(package_id: str) -> int:
        data = archived(county, package_id)
        tries = (push(child, package_id, data).status_code for _ in range(100))
        return next(status for status in tries if status != 429)

    with ThreadPoolExecutor(6) as crowd:
        assert set(crowd.map(insist, ids)) == {202}
    assert sorted(path.name for path in county.up.iterdir()) == sorted(set(ids))
    assert [one.outcome for one in city.receive().decisions] == ["accepted", "accepted"]


def test_a_linked_exchange_folder_is_not_written_to(pair: Pair, child: TestClient) -> None:
    """Somebody turned the folder into a link: nothing is put where it leads, nothing told."""
    county = kit_of(pair.counties[CODE])
    first = sealed_ids(county)[0]
    target = pair.city.kit.home.root / "elsewhere"
    target.mkdir()
    county.up.rmdir()
    county.up.symlink_to(target)
    answer = push(child, first, archived(county, first))
    assert answer.status_code == 500
    assert "elsewhere" not in answer.text
    assert not list(target.iterdir())


@pytest.mark.thorough
def test_corrections_go_down_and_answers_come_up(pair: Pair, child: TestClient) -> None:
    """What the city asks can be fetched; only an answer to something asked is taken."""
    folder = pair.city.kit.home.exchange / CODE / "corrections"
    folder.mkdir()
    asked, answer = (f"{CODE}-JZ{'A' * 12}.{kind}.json" for kind in ("correction", "answer"))
    (folder / asked).write_bytes(b'{"asked": 1}')
    (folder / "other.txt").write_bytes(b"no message")
    listed = child.get(f"{BASE}/corrections").json()["corrections"]
    assert [one["name"] for one in listed] == [asked]
    assert child.get(f"{BASE}/corrections/{asked}").content == b'{"asked": 1}'
    assert child.get(f"{BASE}/corrections/other.txt").status_code == 422
    url = f"{BASE}/corrections/{answer}"
    assert child.put(url, content=b"{}", headers=JSON).status_code == 202
    assert (folder / answer).read_bytes() == b"{}"
    unasked = url.replace("A" * 12, "B" * 12)
    assert child.put(unasked, content=b"{}", headers=JSON).status_code == 404
    assert child.put(url, content=b"x" * 70_000, headers=JSON).status_code == 413


@pytest.mark.thorough
def test_answers_come_in_pages(pair: Pair, child: TestClient) -> None:
    """Each page begins where the last ended; nothing is told twice or left out."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    at = datetime(2023, 7, 30, tzinfo=UTC)
    for number, package_id in enumerate(sealed_ids(county)):
        push(child, package_id, archived(county, package_id))
        city.receive(at=at + timedelta(hours=number))
    listed = child.get(f"{BASE}/acknowledgements").json()
    assert listed["next"] is None
    assert len(listed["acknowledgements"]) == 2
    after = f"20230730T000000.000000~{sealed_ids(county)[0]}"
    rest = child.get(f"{BASE}/acknowledgements", params={"after": after}).json()
    assert [one["package_id"] for one in rest["acknowledgements"]] == sealed_ids(county)[1:]
    assert child.get(f"{BASE}/acknowledgements", params={"after": "%"}).status_code == 422
    assert json.dumps(rest)
