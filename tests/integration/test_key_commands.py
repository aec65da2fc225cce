"""``countylake key`` and ``countylake city keys``: what a person does when a key changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exchange_kit import CITY
from typer.testing import CliRunner

from dagster_project.city.announced import take_announcements
from dagster_project.cli.main import app
from dagster_project.clock import now
from dagster_project.errors import CountyLakeError
from dagster_project.paths import Home
from dagster_project.reporting.identity import give_key
from dagster_project.reporting.rotation import announced
from dagster_project.settings import Site, save_site


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Home]:
    """A city and a county with their first keys, which do not know each other yet."""
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys"))
    city, county = Home(tmp_path / "city"), Home(tmp_path / "county")
    save_site(city, Site(code=CITY, name="阳泉市", collects=False, receives=True))
    save_site(county, Site(code="140321", name="平定县", parent=CITY))
    give_key(city)
    give_key(county)
    return city, county


def said(home: Home, *words: str) -> Any:
    """What a command answers a machine."""
    done = CliRunner().invoke(app, [*words, "--home", str(home.root), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def shown(home: Home, *words: str) -> str:
    """What a command shows a person."""
    done = CliRunner().invoke(app, [*words, "--home", str(home.root)], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_key_s_life_by_commands(homes: tuple[Home, Home]) -> None:
    """Registered, replaced, revoked by the city, lost, and registered by hand again."""
    city, county = homes
    assert "key" in shown(county, "key", "trust", str(city.public_file))
    first = said(city, "city", "register", str(county.public_file))["key_id"]
    second = said(county, "key", "rotate", "--why", "年度轮换", "--overlap", "12h")
    assert [key["state"] for key in second["keys"]] == ["replaced", "current"]
    (told,) = announced(county).iterdir()
    folder = city.exchange / "140321" / "keys"
    folder.mkdir()
    (folder / told.name).write_bytes(told.read_bytes())
    take_announcements(city, now())
    (site,) = said(city, "city", "keys")["sites"]
    current = site["keys"][1]["key_id"]
    assert [(key["key_id"], key["packages"]) for key in site["keys"]] == [(first, 0), (current, 0)]
    with pytest.raises(CountyLakeError, match="has no key x"):
        said(city, "city", "revoke", "140321", "x", "--why", "电脑被盗")
    said(city, "city", "revoke", "140321", current, "--why", "电脑被盗", "--by", "王")
    assert "吊销" in shown(city, "city", "keys")
    assert (city.exchange / "140321" / "parent" / "revoked.json").is_file()
    assert "no other" not in shown(county, "key", "list")
    assert "countylake city register --replace" in " ".join(
        shown(county, "key", "rotate", "--lost", "--why", "电脑被盗").split()
    )
    with pytest.raises(CountyLakeError, match="Compare the fingerprint"):
        said(city, "city", "register", str(county.public_file))
    words = ("--replace", "--why", "电话核对指纹")
    third = said(city, "city", "register", str(county.public_file), *words)["key_id"]
    ring = said(city, "city", "keys")["sites"][0]
    assert ring["keys"][-1]["key_id"] == third
    assert ring["notes"][-1]["why"] == "电话核对指纹"
    assert said(county, "key", "resign") == {"signed": []}
    assert (
        said(county, "key", "revoke", third, "--why", "再次遗失")["keys"][-1]["state"] == "revoked"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("key", "rotate", "--why", "轮换", "--overlap", "soon"), "the overlap is no time"),
        (("key", "rotate", "--why", "轮换", "--overlap", "9999d"), "0 to 366 days"),
        (("key", "revoke", "x", "--why", "遗失"), "has no key x"),
        (("key", "trust", "nowhere.json"), "cannot be read"),
        (("key", "trust", "nowhere.json", "--replace"), "needs a reason"),
    ],
)
def test_a_wrong_word_is_told(
    homes: tuple[Home, Home], words: tuple[str, ...], sentence: str
) -> None:
    """Whatever is wrong, the sentence says it and nothing changes."""
    before = homes[1].public_file.read_bytes()
    with pytest.raises(CountyLakeError, match=sentence):
        said(homes[1], *words)
    assert homes[1].public_file.read_bytes() == before
