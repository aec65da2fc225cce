"""A site's own keys: replaced, revoked, encrypted, and never half of anything."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from dagster_project import clock
from dagster_project.errors import CountyLakeError, PackageError, UsageError
from dagster_project.paths import Home
from dagster_project.protocol import keys as files
from dagster_project.protocol.announcement import announce, read_announcement
from dagster_project.protocol.site_card import read_card
from dagster_project.reporting import rotation
from dagster_project.reporting.identity import (
    give_key,
    hear_parent,
    own_card,
    parent_card,
    signer_of,
    trust_parent,
)
from dagster_project.settings import Site, load_site, save_site

MONTH = timedelta(days=30)


def site(root: Path, code: str = "140321", **words: str) -> tuple[Home, Path]:
    """A site with its first key, and its keys folder."""
    home, folder = Home(root / code), root / f"keys-{code}"
    save_site(home, Site.model_validate({"code": code, "name": "平定县", **words}))
    give_key(home, folder)
    return home, folder


def rotate(home: Home, folder: Path, **words: bool) -> str:
    """Rotate; returns the new key's id."""
    return rotation.rotate(home, overlap=MONTH, why="年度轮换", folder=folder, **words).key_id


def test_a_rotation_leaves_both_keys_and_an_announcement_by_both(tmp_path: Path) -> None:
    """The new key is current everywhere, the old one has an end; files are private."""
    home, folder = site(tmp_path)
    text = "# 手写的说明\n" + home.site_file.read_text(encoding="utf-8")
    home.site_file.write_text(text, encoding="utf-8")
    old = load_site(home).signing_key
    new = rotate(home, folder)
    assert load_site(home).signing_key == new == own_card(home).key_id != old
    assert home.site_file.read_text(encoding="utf-8") == text.replace(old, new)
    assert signer_of(load_site(home), folder).key_id == new
    (path,) = rotation.announced(home).iterdir()
    told = read_announcement(path.read_bytes(), path.name)
    assert path.name == "140321-2.card.json"
    assert told.signed_by == {old, new}
    assert told.card == own_card(home)
    assert [key.state(clock.now()) for key in told.card.listed] == ["replaced", "current"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    assert {one.name for one in folder.iterdir()} == {f"{old}.pem", f"{new}.pem"}
    assert give_key(home, folder).signing_key == new, "init again keeps what is there"
    assert own_card(home) == told.card


KILLED = """
import os, sys
from datetime import timedelta
from pathlib import Path
from dagster_project.paths import Home
from dagster_project.reporting import rotation
def counted():
    global left
    left -= 1
    if left == 0:
        os._exit(9)
def dying(function):
    def call(*arguments, **words):
        global left
        counted()
        done = function(*arguments, **words)
        counted()
        return done
    return call
for name in ("next_key", "write_file", "name_key"):
    setattr(rotation, name, dying(getattr(rotation, name)))
for point, root in enumerate(sys.argv[1:], 1):
    left = point
    if (child := os.fork()) == 0:
        home, folder = Home(Path(root, "140321")), Path(root, "keys-140321")
        rotation.rotate(home, overlap=timedelta(days=30), why="轮换", folder=folder)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_killed_rotation_is_finished_by_the_next(tmp_path: Path) -> None:
    """Before and after each of its writes: no key is lost, none is made for nothing."""
    sites = [site(tmp_path / str(point)) for point in range(1, 12)]
    firsts = [load_site(home).signing_key for home, _ in sites]
    roots = [str(home.root.parent) for home, _ in sites]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *roots], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["9"] * 10 + ["0"]
    for first, (home, folder) in zip(firsts, sites, strict=True):
        was_done = bool(rotation.own_announcements(home)) and own_card(home).serial > 1
        assert signer_of(load_site(home), folder), "the site can sign at any point"
        last = rotate(home, folder)
        card = own_card(home)
        assert card.key_id == last == load_site(home).signing_key
        assert card.listed[0].key_id == first
        assert len(card.listed) == 2 + was_done, "finished, or begun anew, but not done twice"
        assert len(rotation.own_announcements(home)) == 1 + was_done
        assert {one.stem for one in folder.iterdir()} == set(card.every_key)


def test_a_lost_key_is_replaced_without_it(tmp_path: Path) -> None:
    """The new card revokes it; only the new key signed, so that nobody believes it unseen."""
    home, folder = site(tmp_path)
    old = load_site(home).signing_key
    (folder / f"{old}.pem").unlink()
    with pytest.raises(PackageError, match="cannot be read"):
        rotate(home, folder)
    new = rotate(home, folder, lost=True)
    (told,) = rotation.own_announcements(home)
    assert told.signed_by == {new}
    assert told.card.named(old).state(clock.now()) == "revoked"  # type: ignore[union-attr]


def test_a_revoked_key_signs_its_own_end(tmp_path: Path) -> None:
    """Whoever has a key can end it; without a current key the site signs nothing."""
    home, folder = site(tmp_path)
    old = load_site(home).signing_key
    card = rotation.revoke(home, old, why="电脑被盗", folder=folder)
    assert card.key_id == ""
    assert rotation.own_announcements(home)[0].signed_by == {old}
    with pytest.raises(PackageError, match="no signing key"):
        signer_of(give_key(home, folder), folder)
    with pytest.raises(UsageError, match="was revoked on"):
        rotation.revoke(home, old, why="再次", folder=folder)
    with pytest.raises(UsageError, match="has no key 123"):
        rotation.revoke(home, "123", why="笔误", folder=folder)
    new = rotate(home, folder, lost=True)
    assert load_site(home).signing_key == new


@pytest.mark.parametrize("why", ["", " ", "身份证 140321199003071235 的人拿走了", "x" * 2001])
def test_a_reason_is_given_and_tells_nobody_s_number(tmp_path: Path, why: str) -> None:
    """The reason goes to other sites, so that no person's number may stand in it."""
    home, folder = site(tmp_path)
    with pytest.raises(UsageError, match="cannot be changed"):
        rotation.rotate(home, overlap=MONTH, why=why, folder=folder)
    with pytest.raises(UsageError, match="cannot be revoked"):
        rotation.revoke(home, "x", why=why, folder=folder)
    with pytest.raises(UsageError, match="366 days"):
        rotation.rotate(home, overlap=timedelta(days=400), why="轮换", folder=folder)


def test_a_key_may_be_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The passphrase comes by reference; without it, or with another, the key stays shut."""
    monkeypatch.setenv("OURKEY_PASSWORD", "correct horse")
    home, folder = site(tmp_path, key_passphrase="env:OURKEY")  # noqa: S106 - names a variable
    assert b"ENCRYPTED" in (folder / f"{load_site(home).signing_key}.pem").read_bytes()
    assert "correct horse" not in home.site_file.read_text(encoding="utf-8")
    new = rotate(home, folder)
    assert files.is_encrypted(folder, new)
    assert signer_of(load_site(home), folder).key_id == new
    monkeypatch.setenv("OURKEY_PASSWORD", "wrong")
    with pytest.raises(PackageError, match="the passphrase does not open") as refused:
        signer_of(load_site(home), folder)
    assert "wrong" not in str(refused.value)
    with pytest.raises(PackageError, match="is encrypted and no passphrase"):
        files.load_signer(folder, new)
    monkeypatch.delenv("OURKEY_PASSWORD")
    with pytest.raises(CountyLakeError, match="say nothing"):
        signer_of(load_site(home), folder)


def test_children_hear_of_their_parent_s_next_key(tmp_path: Path) -> None:
    """The parent's announcement is believed once; a stranger's, and another site's, never."""
    city, city_keys = site(tmp_path, "140300")
    other, other_keys = site(tmp_path, "140400")
    county, _ = site(tmp_path, "140321", parent="140300")
    trust_parent(county, city.public_file)
    first = read_card(city.public_file).key_id
    new, stranger = rotate(city, city_keys), rotate(other, other_keys)
    (path,) = rotation.announced(city).iterdir()
    forged = read_announcement(path.read_bytes(), "x").card
    outside = announce(forged, "轮换", [files.load_signer(city_keys, new)])
    with pytest.raises(PackageError, match="no key that is trusted"):
        hear_parent(county, outside)
    (foreign,) = rotation.announced(other).iterdir()
    with pytest.raises(PackageError, match="of site 140400"):
        hear_parent(county, foreign.read_bytes())
    assert "which no trusted key announced" in hear_parent(county, city.public_file.read_bytes())
    assert f"signs with key {new} now" in hear_parent(county, path.read_bytes())
    assert hear_parent(county, path.read_bytes()) == "", "a replay says no news"
    assert hear_parent(county, city.public_file.read_bytes()) == ""
    known = parent_card(county)
    assert known is not None
    assert known.keys.keys() == {first, new}
    assert stranger not in known.every_key
    rotate(city, city_keys)
    trust_parent(county, city.public_file, replace=True)
    with pytest.raises(PackageError, match="trusted so far is 140300"):
        trust_parent(county, other.public_file)
