"""Who may ask for what: every route, every token, every site; bounds, and the access log."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dagster_project.errors import UsageError
from dagster_project.settings import save_site
from dagster_project.web.access.bounds import Bounds
from dagster_project.web.access.granting import scopes_for
from dagster_project.web.access.tokens import CHILD, PARENT, Scope, Tokens
from dagster_project.web.app import close
from tests.integration.exchange_kit import CITY, make_city, make_county
from tests.integration.web_kit import Pair, Served, sealed_ids, served, shared_pair

pytestmark = pytest.mark.xdist_group("web")
ONE, TWO = "140321", "140322"
CORRECTION = f"{ONE}-JZ{'A' * 12}.answer.json"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A city and two counties, each with a token of the other side."""
    return shared_pair(tmp_path_factory.getbasetemp())


def operations(one: Served, code: str, package_id: str) -> Iterator[tuple[str, str, str]]:
    """Every operation that a site's document names: method, form, and an address of it."""
    values = {
        "code": code,
        "package_id": package_id,
        "path": "status.json",
        "name": CORRECTION.replace(ONE, code),
    }
    for form, methods in one.app.openapi()["paths"].items():
        name = "correction" if form == "/v1/corrections/{name}" and "put" in methods else ""
        for method in methods:
            address = form.format(**values)
            if name and method == "put":
                address = address.replace("answer", "correction")
            yield method.upper(), form, address


def asked(one: Served, method: str, address: str, token: str = "") -> tuple[int, Any]:
    """The status and the body of an answer to a well-formed request."""
    kind = "application/zip" if "/children/" in address and "packages" in address else None
    headers = {"Content-Type": kind or "application/json"} if method == "PUT" else {}
    content = b"{}" if method == "PUT" else None
    answer = one.client(token).request(method, address, headers=headers, content=content)
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, None


def test_nothing_is_answered_without_a_token(pair: Pair) -> None:
    """Every operation but the card asks for a token, in the same words for all."""
    for one, code in ((pair.city, ONE), (pair.counties[ONE], ONE)):
        said = set()
        for method, form, address in operations(one, code, sealed_ids(pair.counties[ONE].kit)[0]):
            status, body = asked(one, method, address)
            if form == "/v1/site":
                assert status == 200
                assert body["code"] == one.kit.site.code
                continue
            assert status == 401, (method, form)
            if method != "HEAD":
                said.add((body["error"], body["todo"]))
        assert len(said) == 1


def test_tokens_of_one_open_nothing_of_another(pair: Pair) -> None:
    """Each token at each site on each route of each child: only its own answers with anything."""
    city = pair.city
    nobody = {"error": "nothing is here for this token"}
    for holder in (ONE, TWO):
        for owner in (ONE, TWO, "140300", "140311", "999999"):
            package_id = sealed_ids(pair.counties[owner].kit)[0] if owner in (ONE, TWO) else ""
            package_id = package_id or f"{owner}-population_by_town-20230601-r1"
            for method, form, address in operations(city, owner, package_id):
                if form == "/v1/site":
                    continue
                status, body = asked(city, method, address, holder)
                if owner == holder:
                    assert status not in {401, 403}, (holder, method, form)
                else:
                    assert status == 404, (holder, owner, method, form)
                    assert body is None or body["error"] == nobody["error"]
    # The same tokens at the counties' own interfaces, and the city's tokens at each other's.
    for code, county in pair.counties.items():
        for name, secret in (("child", city.secrets[ONE]), ("child", city.secrets[TWO])):
            county.secrets[name] = secret
            for method, form, address in operations(county, code, sealed_ids(county.kit)[0]):
                if form != "/v1/site":
                    assert asked(county, method, address, name)[0] == 401
    first, second = pair.counties[ONE], pair.counties[TWO]
    second.secrets["stolen"] = first.secrets[CITY]
    assert asked(second, "GET", "/v1/packages", "stolen")[0] == 401


def test_a_site_in_the_middle_keeps_both_sides_apart(tmp_path: Path) -> None:
    """A child's token opens no package of the site it reports to, nor the parent's a child's."""
    kit = make_city(tmp_path)
    kit.site = kit.site.model_copy(update={"parent": "140000"})
    save_site(kit.home, kit.site)
    make_county(tmp_path, kit, ONE)
    both = served(kit)
    both.grant(ONE)
    both.grant("140000")
    package_id = f"{ONE}-population_by_town-20230601-r1"
    seen = {"parent": 0, "child": 0}
    for method, form, address in operations(both, ONE, package_id):
        if form == "/v1/site":
            continue
        side = "child" if "/children/" in form else "parent"
        seen[side] += 1
        wrong = "140000" if side == "child" else ONE
        assert asked(both, method, address, wrong)[0] == 404, (method, form)
        assert asked(both, method, address, ONE if side == "child" else "140000")[0] != 401
    assert min(seen.values()) > 5
    close(both.app)


@pytest.mark.thorough
def test_each_operation_needs_its_scope(pair: Pair) -> None:
    """A token with one scope opens the operations of that scope and answers 403 to the others."""
    for one, site, code, scopes in (
        (pair.city, ONE, ONE, CHILD),
        (pair.counties[ONE], CITY, ONE, PARENT),
    ):
        package_id = sealed_ids(pair.counties[ONE].kit)[0]
        opened: dict[str, set[str]] = {}
        for scope in scopes:
            one.grant(site, scope, named=scope)
            for method, form, address in operations(one, code, package_id):
                status, _ = asked(one, method, address, scope)
                if form != "/v1/site" and status != 403:
                    opened.setdefault(f"{method} {form}", set()).add(scope)
        assert all(len(scopes) == 1 for scopes in opened.values()), opened
        assert set().union(*opened.values()) == set(scopes)
        assert len(opened) == len(list(operations(one, code, package_id))) - 1


def test_a_token_ends(pair: Pair) -> None:
    """Expired, revoked, cut, doubled or unknown ones are all the same stranger's."""
    city = pair.city
    ended = city.grant(ONE, named="ended")
    address = f"/v1/children/{ONE}/chain"
    assert asked(city, "GET", address, "ended")[0] == 200
    Tokens(city.kit.home).revoke(ended, at=datetime.now(UTC), by="kit", why="lost")
    assert asked(city, "GET", address, "ended")[0] == 401
    city.grant(ONE, days=-1, named="expired")
    assert asked(city, "GET", address, "expired")[0] == 401
    good = city.secrets[ONE]
    for shown in (
        f"Bearer {good[:-1]}",
        f"Bearer {good}x",
        f"Basic {good}",
        good,
        "Bearer",
        "Bearer " + "x" * 5000,
        "Bearer \u00e9",
    ):
        headers = [(b"Authorization", shown.encode("latin-1"))]
        assert city.client().get(address, headers=headers).status_code == 401
    twice = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
    assert city.client().get(address, headers=twice).status_code == 401
    answer = city.client().get(address)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_tokens_are_kept_as_hashes_for_their_owner_alone(pair: Pair) -> None:
    """The file holds no secret and nobody else may read it; damaged, it lets nobody in."""
    city = pair.city
    file = city.kit.home.root / "tokens.json"
    text = file.read_text(encoding="utf-8")
    assert not any(secret in text for secret in city.secrets.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("{", encoding="utf-8")
    assert asked(city, "GET", f"/v1/children/{ONE}/chain", ONE)[0] == 503
    with pytest.raises(UsageError, match="cannot be read"):
        Tokens(city.kit.home).all()
    file.write_text(text, encoding="utf-8")
    assert asked(city, "GET", f"/v1/children/{ONE}/chain", ONE)[0] == 200


def test_a_token_is_made_for_whom_it_can_serve(pair: Pair) -> None:
    """Only the parent and children can be given one, and only what is of their kind."""
    city, county = pair.city.kit, pair.counties[ONE].kit
    assert scopes_for(county.home, county.site, CITY, ()) == PARENT
    assert scopes_for(city.home, city.site, ONE, ["keys:write"]) == (Scope.WRITE_KEYS,)
    for home, site, code, scopes in (
        (city.home, city.site, "140399", ()),
        (county.home, county.site, TWO, ()),
        (city.home, city.site, ONE, ["packages:read"]),
        (city.home, city.site, ONE, ["everything"]),
    ):
        with pytest.raises(UsageError):
            scopes_for(home, site, code, scopes)


def test_too_many_requests_wait(pair: Pair) -> None:
    """A token has a budget of its own; strangers of one address share a small one."""
    bounds = Bounds(per_s=0.01, burst=5, strange_per_s=0.01, strange_burst=3)
    city = Served(pair.city.kit, served(pair.city.kit, bounds).app, dict(pair.city.secrets))
    one, two = f"/v1/children/{ONE}/chain", f"/v1/children/{TWO}/chain"
    assert [asked(city, "GET", one, ONE)[0] for _ in range(6)] == [200] * 5 + [429]
    assert asked(city, "GET", two, TWO)[0] == 200
    assert [asked(city, "GET", one)[0] for _ in range(4)] == [401] * 3 + [429]
    assert asked(city, "GET", two, TWO)[0] == 200, "strangers keep nobody else out"
    before = len(city.log())
    assert {asked(city, "GET", two)[0] for _ in range(20)} == {429}
    assert len(city.log()) - before < 5, "a stranger's flood does not fill the disk with lines"
    refused = city.client(ONE).get(one)
    assert int(refused.headers["retry-after"]) > 50
    assert set(refused.json()) == {"error", "todo", "id"}
    close(city.app)


def test_every_access_is_a_line_without_secrets(pair: Pair) -> None:
    """Also refused ones; names of forms, tokens and packages, never what was typed freely."""
    county = pair.counties[ONE]
    before = len(county.log())
    package_id = sealed_ids(county.kit)[0]
    client = county.client(CITY)
    got = client.get(f"/v1/packages/{package_id}/archive", headers={"Range": "bytes=0-9"})
    client.get("/v1/packages?report=geheim&after=3")
    client.get("/v1/packages?surprise=geheim")
    client.get("/v1/packages?report=GEHEIM%20")
    county.client(**{"X-Forwarded-For": "geheim"}).get("/v1/geheim/path")
    client.get("/v1/geheim/path")
    lines = county.log()[before:]
    assert [(one["status"], one["route"]) for one in lines] == [
        (206, "/v1/packages/{package_id}/archive"),
        (200, "/v1/packages"),
        (422, "/v1/packages"),
        (422, "/v1/packages"),
        (401, ""),
        (404, ""),
    ]
    assert lines[0]["of"] == package_id
    assert lines[0]["id"] == got.headers["x-request-id"]
    assert (lines[0]["sent"], lines[0]["site"], lines[4]["site"]) == (10, CITY, "")
    file = county.kit.home.logs / "access.ndjson"
    text = file.read_text(encoding="utf-8")
    assert "geheim" not in text.lower()
    assert not any(secret in text for secret in county.secrets.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_line_there_is_no_answer(pair: Pair) -> None:
    """Where the access log cannot be written, requests are refused until it can, and none lost."""
    one = served(pair.counties[TWO].kit)
    one.secrets.update(pair.counties[TWO].secrets)
    logs = one.kit.home.logs
    aside = logs.with_name("aside")
    if logs.exists():
        logs.rename(aside)
    logs.write_text("no folder", encoding="utf-8")
    assert asked(one, "GET", "/v1/packages", CITY)[0] == 200
    assert asked(one, "GET", "/v1/packages", CITY)[0] == 503
    logs.unlink()
    if aside.exists():
        aside.rename(logs)
    assert asked(one, "GET", "/v1/packages", CITY)[0] == 200
    assert [line["status"] for line in one.log()][-3:] == [200, 503, 200]
    close(one.app)


def test_what_breaks_inside_tells_nothing(pair: Pair) -> None:
    """An answer about a fault holds its number and no path, no table and no type of error."""
    county = served(pair.counties[ONE].kit)
    county.secrets.update(pair.counties[ONE].secrets)
    text = county.kit.home.parent_file.read_bytes()
    county.kit.home.parent_file.write_bytes(b"{")
    package_id = sealed_ids(county.kit)[0]
    answer = county.client(CITY).put(
        f"/v1/packages/{package_id}/acknowledgement",
        content=b"{}",
        headers={"Content-Type": "application/json"},
    )
    county.kit.home.parent_file.write_bytes(text)
    assert answer.status_code == 500
    assert answer.json() == {
        "error": "something broke inside",
        "todo": "Ask the site's operator; name the id",
        "id": answer.headers["x-request-id"],
    }
    assert county.log()[-1]["id"] == answer.headers["x-request-id"]
    close(county.app)


def test_away_from_this_machine_there_is_only_the_interface(pair: Pair) -> None:
    """Metrics and health are this machine's; elsewhere the addresses do not exist."""
    county = served(pair.counties[ONE].kit, is_local=False)
    for path in ("/health", "/metrics"):
        assert county.client().get(path).status_code == 404
        assert pair.counties[ONE].client().get(path).status_code == 200
    assert county.client().get("/v1/site").status_code == 200
    strange = pair.counties[ONE].client(CITY, Host="county.example")
    assert strange.get("/v1/packages").status_code == 400
    close(county.app)
