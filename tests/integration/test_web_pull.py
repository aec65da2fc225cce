"""Fetching from children over a real line: all of it once, resumed after cuts, and from liars."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from dagster_project.city.announced import take_announcements
from dagster_project.city.announcing import tell_children
from dagster_project.city.arrivals import Door, clear
from dagster_project.city.asking import Patience
from dagster_project.city.pull import Puller
from dagster_project.city.register import cards
from dagster_project.errors import UsageError
from dagster_project.protocol.folders import Limits
from dagster_project.reporting.identity import hear_parent, signer_of, trust_parent
from dagster_project.reporting.rotation import rotate
from dagster_project.settings import Pull, load_site
from tests.integration.web_kit import (
    Pair,
    archived,
    city_of,
    kit_of,
    listening,
    sealed_ids,
    shared_pair,
    with_new_city,
)

pytestmark = pytest.mark.xdist_group("web")
CODE = "140321"
HASTY = Patience(connect=2, silence=2, meeting=20, tries=3)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A county with two sealed packages."""
    return shared_pair(tmp_path_factory.getbasetemp())


@pytest.fixture
def pair(sealed: Pair, tmp_path: Path) -> Iterator[Pair]:
    """The county at a city that knows nothing of it yet."""
    made = with_new_city(tmp_path, sealed)
    yield made
    made.close()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    """The token where `site.yaml` says it is."""
    monkeypatch.setenv("PULL_TOKEN", pair.counties[CODE].secrets["140300"])


def puller(pair: Pair, port: int, **changes: Any) -> Puller:
    """The city's puller for a web on this machine."""
    pull = Pull(site=CODE, url=f"http://127.0.0.1:{port}", token="env:PULL")  # noqa: S106
    site = pair.city.kit.site.model_copy(update={"pulls": (pull,)})
    return Puller(pair.city.kit.lake, site, patience=HASTY, **changes)


@pytest.mark.thorough
@pytest.mark.usefixtures("keys")
def test_what_is_fetched_is_received_and_answered(pair: Pair, sealed: Pair) -> None:
    """The way of a package of a child that never delivers: shown, fetched, decided, told."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    ids = sealed_ids(county)
    with listening(pair.counties[CODE].app) as port:
        meeting = puller(pair, port)
        (first,) = meeting.fetch(meeting.chosen())
        assert (first.taken, first.remarks) == (ids, [])
        (again,) = meeting.fetch(meeting.chosen())
        assert (again.taken, again.remarks) == ([], [])
        assert [one.outcome for one in city.receive().decisions] == ["accepted", "accepted"]
        (third,) = meeting.fetch(meeting.chosen(CODE))
        assert third.taken == []
        clear(city.home, [CODE], datetime.now(UTC))
        assert Door(city.home, CODE).lying() == []
        trust_parent(county.home, city.home.public_file, replace=True)
        (back,) = meeting.hand_back(meeting.chosen())
        assert (back.handed, back.remarks) == ([f"{one}.ack.json" for one in ids], [])
        for one in ids:
            name = f"{one}.ack.json"
            left = (kit_of(sealed.counties[CODE]).down / name).read_bytes()
            assert left == (city.home.exchange / CODE / "down" / name).read_bytes()
        (nothing,) = meeting.hand_back(meeting.chosen())
        assert nothing.handed == []
        assert not list((city.home.exchange / CODE / ".parts").iterdir())
    with pytest.raises(UsageError, match="nothing is fetched from"):
        meeting.chosen("140399")
    (gone,) = meeting.fetch(meeting.chosen())
    assert "cannot be reached" in gone.remarks[0]


Answer = Callable[[Request], Response]


def liar(pair: Pair, archive: Answer, index: dict[str, Any] | None = None) -> FastAPI:
    """A child's web that answers in its own way."""
    app = FastAPI()
    county = kit_of(pair.counties[CODE])
    name = sealed_ids(county)[0]
    size = len(archived(county, name))

    @app.get("/v1/keys")
    def announced() -> Any:
        """No news of keys."""
        return {"announcements": []}

    @app.get("/v1/packages")
    def listed() -> Any:
        """One package."""
        one = {"package_id": name, "package_no": 1, "bytes": size}
        return index or {"packages": [one], "next": None}

    @app.get("/v1/packages/{package_id}/archive")
    def sent(package_id: str, request: Request) -> Response:
        """Whatever it sends."""
        assert package_id == name
        return archive(request)

    return app


@pytest.mark.usefixtures("keys")
def test_a_cut_download_goes_on_where_it_ended(pair: Pair) -> None:
    """Each attempt asks for the rest alone; a changed file is begun anew."""
    county = kit_of(pair.counties[CODE])
    name = sealed_ids(county)[0]
    data = archived(county, name)
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    asked: list[str] = []

    def drops(request: Request) -> Response:
        said = request.headers.get("range", "bytes=0-")
        asked.append(said)
        start = int(said.removeprefix("bytes=").removesuffix("-"))
        rest = data[start:]
        headers = {"ETag": tag, "Content-Length": str(len(rest))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        piece = rest[:2000] if len(asked) < 3 else rest
        return Response(piece, 206 if start else 200, headers)

    with listening(liar(pair, drops)) as port:
        (done,) = puller(pair, port).fetch(puller(pair, port).chosen())
    assert (done.taken, done.remarks) == ([name], [])
    assert asked == ["bytes=0-", "bytes=2000-", "bytes=4000-"]


def _with(data: bytes, **headers: str) -> Answer:
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    said = {"ETag": tag, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return lambda _: Response(data, 200, said)


LIES: dict[str, tuple[Callable[[bytes], Answer], str]] = {
    "another hash": (
        lambda data: _with(data + b"x", ETag='"' + "0" * 64 + '"'),
        "not have the hash",
    ),
    "no tag": (lambda data: _with(data, ETag="W/x"), "it refuses (HTTP 200)"),
    "packed": (lambda data: _with(data, Content_Encoding="gzip"), "packed"),
    "garbage": (lambda _: _with(b"hello"), "no archive of a package"),
    "a fault": (lambda _: lambda _: Response(status_code=500), "HTTP 500"),
    "elsewhere": (
        lambda _: lambda _: Response(status_code=307, headers={"Location": "http://127.0.0.1/"}),
        "HTTP 307",
    ),
    "too much": (lambda _: _with(bytes(40_000)), "or too many"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", LIES)
@pytest.mark.usefixtures("keys")
def test_a_liar_brings_nothing_in(name: str, pair: Pair) -> None:
    """Whatever a child's web sends in place of a package: a remark, and nothing before the door."""
    county = kit_of(pair.counties[CODE])
    make, told = LIES[name]
    data = archived(county, sealed_ids(county)[0])
    limits = Limits(total_bytes=20_000)
    with listening(liar(pair, make(data))) as port:
        meeting = puller(pair, port, limits=limits)
        (done,) = meeting.fetch(meeting.chosen())
    assert done.taken == []
    assert told in done.remarks[0]
    assert Door(pair.city.kit.home, CODE).lying() == []


@pytest.mark.thorough
@pytest.mark.usefixtures("keys")
def test_an_index_that_never_ends_or_names_others_ends_here(pair: Pair) -> None:
    """A page that leads back, a name that leads elsewhere, a package of another county."""
    other = "140322-population_by_town-20230601-r1"
    for index, told in (
        ({"packages": [], "next": 0}, ""),
        ({"packages": [{"package_id": other, "package_no": 1, "bytes": 9}], "next": 0}, ""),
        ({"packages": [{"package_id": "../x", "package_no": 1, "bytes": 9}]}, "agreed form"),
        ({"packages": [{"package_id": other, "package_no": -1, "bytes": 9}]}, "agreed form"),
        ({"packages": "no"}, "agreed form"),
    ):
        with listening(liar(pair, _with(b""), index)) as port:
            meeting = puller(pair, port)
            (done,) = meeting.fetch(meeting.chosen())
        assert done.taken == []
        assert (told in done.remarks[0]) if told else (done.remarks == [])


@pytest.mark.usefixtures("keys")
def test_keys_change_where_nothing_is_delivered(pair: Pair) -> None:
    """The child's next key is fetched before its packages, the city's is handed back."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    trust_parent(county.home, city.home.public_file, replace=True)
    month, why = timedelta(days=30), "年度轮换"
    new = rotate(
        county.home, overlap=month, why=why, folder=county.home.root.parent / f"keys-{CODE}"
    )
    folder = city.home.root.parent / "keys-city"
    rotate(city.home, overlap=month, why=why, folder=folder)
    site = load_site(city.home)
    tell_children(city.home, site, signer_of(site, folder))
    with listening(pair.counties[CODE].app) as port:
        meeting = puller(pair, port)
        (fetched,) = meeting.fetch(meeting.chosen())
        (back,) = meeting.hand_back(meeting.chosen())
    assert (fetched.remarks, back.remarks, back.handed) == ([], [], ["140300-2.card.json"])
    assert "is followed by key" in take_announcements(city.home, datetime.now(UTC))[0]
    assert cards(city.home)[CODE].key_id == new.key_id
    left = county.up.parent / "parent" / "140300-2.card.json"
    assert f"signs with key {site.signing_key} now" in hear_parent(county.home, left.read_bytes())
