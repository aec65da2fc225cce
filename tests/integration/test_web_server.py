"""Real servers and real sockets: slow heads and bodies, lies about sizes, and the commands."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from dagster_project.errors import UsageError
from dagster_project.protocol.folders import Limits
from dagster_project.web import patience
from dagster_project.web.access.audit import Access, Audit, accesses
from dagster_project.web.access.bounds import Bounds
from dagster_project.web.app import close
from dagster_project.web.server import Place
from tests.integration.exchange_kit import CITY
from tests.integration.test_web_security import asked
from tests.integration.web_kit import (
    FREE,
    Pair,
    Served,
    archived,
    listening,
    sealed_ids,
    served,
    shared_pair,
)

pytestmark = pytest.mark.xdist_group("web")
CODE = "140321"
HASTY = replace(FREE, idle_s=0.4, body_s=2.0, package=Limits(total_bytes=200_000))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A city and two counties, each with a token of the other side."""
    return shared_pair(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def city(pair: Pair) -> Iterator[tuple[Served, int]]:
    """The city's interface with little patience, listening."""
    one = Served(pair.city.kit, served(pair.city.kit, HASTY).app, pair.city.secrets)
    with listening(one.app) as port:
        yield one, port
    close(one.app)


def spoken(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What a server answers to bytes that are sent in pieces, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        said = b""
        while True:
            try:
                block = line.recv(65536)
            except OSError:
                return said
            if not block:
                return said
            said += block


def head(city: Served, package_id: str, *lines: str, token: str = CODE) -> bytes:
    """The head of a push."""
    said = [
        f"PUT /v1/children/{CODE}/packages/{package_id} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Type: application/zip",
        *([f"Authorization: Bearer {city.secrets[token]}"] if token else []),
        *lines,
    ]
    return ("\r\n".join(said) + "\r\n\r\n").encode()


def test_a_large_file_comes_in_ranges_over_a_line(pair: Pair) -> None:
    """Parts of an archive, asked for one after another, are the archive."""
    county = pair.counties[CODE]
    package_id = sealed_ids(county.kit)[0]
    wanted = archived(county.kit, package_id)
    headers = {"Authorization": f"Bearer {county.secrets[CITY]}"}
    with (
        listening(county.app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as http,
    ):
        url, got, tag = f"/v1/packages/{package_id}/archive", b"", ""
        while len(got) < len(wanted):
            said = {"Range": f"bytes={len(got)}-{len(got) + 999}", "If-Range": tag or '"x"'}
            answer = http.get(url, headers=said if tag else {"Range": "bytes=0-999"})
            assert answer.status_code == 206
            tag = answer.headers["etag"]
            got += answer.content
        assert got == wanted
        assert http.get(url, headers={"If-None-Match": tag}).status_code == 304
        assert "server" not in http.get(url).headers


@pytest.mark.thorough
def test_a_body_that_stands_still_is_given_up(pair: Pair, city: tuple[Served, int]) -> None:
    """Half a body and then nothing, or a byte now and then: 408, and nothing is left behind."""
    one, port = city
    package_id = sealed_ids(pair.counties[CODE].kit)[0]
    began = time.monotonic()
    said = spoken(port, head(one, package_id, "Content-Length: 5000"), b"PK")
    assert b" 408 " in said.splitlines()[0]
    drops = [b"P"] * 40
    said = spoken(port, head(one, package_id, "Content-Length: 5000"), *drops, pause=0.1)
    assert b" 408 " in said.splitlines()[0]
    assert time.monotonic() - began < 15
    assert not list(one.kit.home.scratch.glob("upload-*"))
    assert not list((one.kit.home.exchange / CODE / "up").iterdir())


def test_a_body_that_is_too_large_is_refused_unread(pair: Pair, city: tuple[Served, int]) -> None:
    """413 from the length that is announced alone; and while reading where none is, or it lies."""
    one, port = city
    package_id = sealed_ids(pair.counties[CODE].kit)[0]
    said = spoken(port, head(one, package_id, "Content-Length: 99999999999"))
    assert b" 413 " in said.splitlines()[0]
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    said = spoken(port, head(one, package_id, "Transfer-Encoding: chunked"), *[chunk] * 40)
    assert b" 413 " in said.splitlines()[0]
    assert not list(one.kit.home.scratch.glob("upload-*"))
    both = ("Content-Length: 5", "Transfer-Encoding: chunked")
    said = spoken(port, head(one, package_id, *both), b"0\r\n\r\n")
    assert said.split(b" ", 2)[1] in {b"400", b"415", b"422"}


def test_a_stranger_s_body_is_not_read(pair: Pair, city: tuple[Served, int]) -> None:
    """Without a token the answer comes before the body, also to who waits to be told to go on."""
    one, port = city
    package_id = sealed_ids(pair.counties[CODE].kit)[0]
    said = spoken(port, head(one, package_id, "Content-Length: 900000", token=""))
    assert b" 401 " in said.splitlines()[0]
    waits = ("Content-Length: 900000", "Expect: 100-continue")
    said = spoken(port, head(one, package_id, *waits, token=""))
    assert b" 401 " in said.splitlines()[0]
    assert b"100 Continue" not in said


@pytest.mark.thorough
def test_a_head_that_is_too_large_or_too_slow_ends_the_line(
    city: tuple[Served, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No endless list of headers, and none that comes a byte at a time."""
    _, port = city
    said = spoken(port, b"GET /v1/site HTTP/1.1\r\n", b"X-A: b\r\n" * 5000)
    assert said == b"" or b" 400 " in said.splitlines()[0]
    monkeypatch.setattr(patience, "HEAD_S", 0.5)
    began = time.monotonic()
    assert spoken(port, b"GET /v1/site HTTP/1.1\r\n", *[b"X"] * 30, pause=0.1) == b""
    assert spoken(port) == b""
    assert time.monotonic() - began < 10


@pytest.mark.thorough
def test_bounds_hold_for_many_at_once(pair: Pair) -> None:
    """Of many requests at the same moment a token's budget is answered and no more."""
    bounds = Bounds(per_s=0.01, burst=10)
    one = Served(pair.city.kit, served(pair.city.kit, bounds).app, pair.city.secrets)
    statuses: list[int] = []
    with listening(one.app) as port:

        def ask() -> None:
            url = f"http://127.0.0.1:{port}/v1/children/{CODE}/corrections"
            headers = {"Authorization": f"Bearer {one.secrets[CODE]}"}
            statuses.append(httpx.get(url, headers=headers, trust_env=False).status_code)

        crowd = [threading.Thread(target=ask) for _ in range(16)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    assert sorted(statuses) == [200] * 10 + [429] * 6
    close(one.app)


def test_nothing_leaves_this_machine_in_the_open(tmp_path: Path) -> None:
    """Another address needs TLS or a proxy that has it, and shows the interface alone."""
    pem = tmp_path / "a.pem"
    pem.write_text("x", encoding="utf-8")
    for place in (
        Place(0, "192.0.2.7"),
        Place(0, "0.0.0.0"),  # noqa: S104 - it is refused
        Place(0, "county.example"),
        Place(0, "192.0.2.7", certificate=pem),
        Place(0, "192.0.2.7", certificate=pem, key=tmp_path / "none.pem"),
    ):
        with pytest.raises(UsageError):
            place.check()
    Place(0, "192.0.2.7", certificate=pem, key=pem).check()
    proxied = Place(0, behind_proxy=True, names=("county.example",))
    proxied.check()
    assert (proxied.face.is_local, proxied.face.hosts) == (False, ("county.example",))
    assert Place(0).face.is_local
    assert not Place(0, "192.0.2.7", behind_proxy=True).face.is_local


def test_a_full_access_log_is_put_aside_and_listed_with_the_rest(pair: Pair) -> None:
    """Several processes add to it, files are put aside by their size, and no line is lost."""
    home = pair.counties[CODE].kit.home
    before = len(list(accesses(home)))
    first, second = Audit(home, most_bytes=2000), Audit(home, most_bytes=2000)
    county = pair.counties[CODE]
    asked(county, "GET", "/v1/packages", CITY)
    line = list(accesses(home))[-1]
    for number in range(40):
        (first if number % 2 else second).add(Access(**{**line, "id": f"n{number}"}))
    first.close()
    second.close()
    told = [one["id"] for one in accesses(home)][before + 1 :]
    assert sorted(told) == sorted(f"n{number}" for number in range(40))
    assert len(list(home.logs.glob("access-*.ndjson"))) >= 3


@pytest.mark.thorough
def test_the_commands_serve_a_city_and_list_who_asked(pair: Pair) -> None:
    """Make a token, serve, ask, revoke, list: each by the command that people use."""
    home = str(pair.city.kit.home.root)

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "dagster_project.cli", *words, "--home", home]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    made = json.loads(run("token", "create", "--for", CODE, "--why", "a trial", "--json"))
    assert made["secret"].startswith("cl_")
    command = [sys.executable, "-m", "dagster_project.cli", "serve", "--port", "0", "--home", home]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline().split("/metrics")[0]
            url = f"{address}/v1/children/{CODE}/chain"
            headers = {"Authorization": f"Bearer {made['secret']}"}
            assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
            assert httpx.get(f"{address}/health", trust_env=False).status_code == 200
            assert "countylake_up" in httpx.get(f"{address}/metrics", trust_env=False).text
            run("token", "revoke", made["token_id"], "--why", "the trial is over")
            assert httpx.get(url, headers=headers, trust_env=False).status_code == 401
        finally:
            process.terminate()
            process.wait(20)
    listed = {one["token_id"]: one for one in json.loads(run("token", "list", "--json"))["tokens"]}
    assert listed[made["token_id"]]["state"] == "revoked"
    assert made["secret"] not in run("token", "list")
    lines = json.loads(run("audit", "--json"))["accesses"]
    mine = [one["status"] for one in lines if one["route"].endswith("/chain")]
    assert mine[-2:] == [200, 401]
    assert f"{made['token_id']} of {CODE}" in run("audit", "--since", "2020-01-01")
