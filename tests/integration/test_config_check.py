"""Everything that is wrong with a site is named at once; the sample county has nothing wrong."""

from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.components.steps.configuration import Fault, check, place_of, words
from dagster_project.components.steps.founding import found
from dagster_project.paths import PROJECT, SAMPLES, Home
from dagster_project.settings import Site, load_settings
from tests.conftest import SampleCounty


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A county with keys, contracts and models of its own, as `init` makes it."""
    for name in ("schemas", "sql"):
        shutil.copytree(PROJECT / name, tmp_path / name)
        monkeypatch.setenv(f"COUNTYLAKE_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys"))
    home = tmp_path / "county"
    wanted = Site(code="140321", name="平定县", inbox=str(SAMPLES / "inbox" / "140321"))
    found(Home(home), wanted)
    return home


def edit(path: Path, old: str, new: str) -> None:
    """Replace a passage of a file once."""
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} lacks {old}"
    path.write_text(text.replace(old, new, 1), "utf-8")


def told(faults: list[Fault]) -> str:
    """All faults as people read them."""
    return "\n".join(f"{fault.group}: {fault}" for fault in faults)


def test_a_site_as_init_makes_it_has_nothing_wrong(site: Path) -> None:
    """Neither an error nor a warning, but for holidays that are not announced yet."""
    faults = check(place_of(site), connect=True)
    assert told([fault for fault in faults if fault.group != "calendar"]) == ""


@pytest.mark.thorough
def test_the_sample_county_has_nothing_wrong(sample_county: SampleCounty) -> None:
    """After its first day: what is left to do is to meet the city."""
    faults = check(place_of(sample_county.workshop.home.root))
    assert [fault for fault in faults if not fault.is_warning] == []
    assert {fault.group for fault in faults} <= {"folders", "keys", "calendar"}


def fetched(contract: Path, *, port: int, credentials: str = "env:NOBODY_SET") -> None:
    """Give a feed a database as a second channel."""
    server = (
        f"servers:\n  - server: db\n    type: postgresql\n    host: 127.0.0.1\n    port: {port}\n"
        "    database: d\n    schema: public\n    customProperties:\n"
        "      - {property: table, value: t}\n"
        f"      - {{property: credentials, value: '{credentials}'}}\n"
    )
    edit(contract, "servers:\n", server)
    edit(contract, "formats: [", "formats: [parquet, ")


def plant(site: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A dozen and more faults of every group.

    Returns:
        A name for each, and a passage of the sentence that must tell of it.
    """
    schemas, feeds = site.parent / "schemas", site.parent / "schemas" / "feeds"
    monkeypatch.setenv("COUNTYLAKE_THREDS", "2")
    monkeypatch.setenv("COUNTYLAKE_LOCK_TIMEOUT_S", "soon")
    text = (site / "site.yaml").read_text("utf-8").replace("140321'", "14032'", 1)
    text = text.replace(str(SAMPLES / "inbox" / "140321"), str(site.parent / "nowhere"))
    text += "inbax: here\nsettings:\n  threads: -1\n  tread: 4\n  free_disk_gb: 1000000\n"
    (site / "site.yaml").write_text(text, "utf-8")
    (key,) = (site.parent / "keys").glob("*.pem")
    key.chmod(0o644)
    next((site.parent / "keys").glob("*.secret")).unlink()
    edit(feeds / "house.yaml", "delivery, value: full", "delivery, value: fully")
    edit(feeds / "voucher_line.yaml", "name: 农业农村局}", "name: 农业局}")
    edit(feeds / "payment.yaml", "code: 303003/000001", "code: 903003/000001")
    edit(feeds / "resource.yaml", "\nname: 集体资源\n", "\nname: 集体资产\n")
    edit(feeds / "component.yaml", "version: 2.0.0", "version: 2.1.0")
    edit(feeds / "contract.yaml", "unit: m}", "unit: m, scheduler: cron, schedule: '61 2 * * *'}")
    (schemas / "gold" / "town.yaml").unlink()
    edit(site.parent / "sql" / "gold" / "feed_batch.sql", "SELECT", "SELECT random(),")
    fetched(feeds / "asset.yaml", port=1)
    return {
        "a variable that nobody reads": "`COUNTYLAKE_THREDS` is no variable of ours; the nearest"
        " right one is `COUNTYLAKE_THREADS`",
        "a variable of a wrong kind": "`COUNTYLAKE_LOCK_TIMEOUT_S` is not valid",
        "a setting out of its range": "`threads` is not valid",
        "a setting that is none": "`tread` is no setting; the nearest right one is `threads`",
        "a word of the site": "`inbax` is no word of a site; the nearest right one is `inbox`",
        "the site's code": "`code` is not of its form",
        "a folder": "the inbox is not there",
        "a disk without room": "GiB of disk are free, at least 1e+06 are wanted",
        "a key that others may read": "the signing key is open to other users",
        "a key that is not there": "there is no pseudonym key",
        "a contract": "house.yaml",
        "two names of a department": "the department `nongye` has several names: 农业农村局",
        "two feeds of one title": "the title 集体资产 is also that of the feed asset",
        "a code of no catalogue": "the resource code 903003/000001 is not",
        "a changelog": "the changelog's newest entry is 2.0.0, the contract is 2.1.0",
        "a schedule": "'61' is no minute",
        "a model without contract": "Write schemas/gold/town.yaml",
        "a model that depends on chance": "feed_batch.sql",
        "credentials": "the credentials env:NOBODY_SET say nothing (for asset/db)",
    }


def test_everything_that_is_wrong_is_named_at_once(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dozen faults of every sort, each with its place and what to do, in one answer."""
    planted = plant(site, monkeypatch)
    faults = check(place_of(site))
    answer = told(faults)
    missed = {name: passage for name, passage in planted.items() if passage not in answer}
    assert missed == {}, answer
    assert len(planted) >= 12
    assert all(fault.where for fault in faults), [f for f in faults if not f.where]


def test_the_command_tells_them_grouped_and_with_an_exit_code(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 nothing, 2 the operator's, 3 the contracts'; JSON holds the same."""
    run = CliRunner()
    done = run.invoke(app, ["config", "check", "--home", str(site)])
    # Late in a year the next one's holidays may not be published: that alone may be told.
    told = set(re.findall(r"^(\S+) [a-z]+ \(\d+\)$", done.output, re.MULTILINE))
    assert (done.exit_code, "0 errors" in done.output) == (0, True), done.output
    assert told <= {"日历"}, done.output
    monkeypatch.setenv("COUNTYLAKE_MEMORY_LIMIT", "much")
    done = run.invoke(app, ["config", "check", "--home", str(site)])
    assert (done.exit_code, "设置 settings (1)" in done.output) == (2, True), done.output
    plant(site, monkeypatch)
    done = run.invoke(app, ["config", "check", "--home", str(site), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == 3
    assert answer["errors"] + answer["warnings"] == len(answer["faults"]) >= 12
    assert {"group", "what", "where", "todo", "is_warning"} == set(answer["faults"][0])


def test_a_server_that_does_not_answer_is_named_within_its_time(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refuses, one stays silent: both are told, and nothing is left in the home."""
    monkeypatch.setenv("SOMEBODY_USER", "reader")
    monkeypatch.setenv("SOMEBODY_PASSWORD", "opensesame")
    feeds = site.parent / "schemas" / "feeds"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = {"asset": 1, "resource": silent.getsockname()[1]}
        for name, port in ports.items():
            fetched(feeds / f"{name}.yaml", port=port, credentials="env:SOMEBODY")
        faults = check(place_of(site), connect=True, seconds=3)
    answer = told(faults)
    assert "asset.yaml" in answer
    assert "resource.yaml" in answer
    assert answer.count("the channel db") == 2, answer
    assert "opensesame" not in answer
    assert list((site / "spool").rglob("*")) == []


@pytest.mark.thorough
def test_a_key_a_link_or_a_home_in_the_wrong_place_is_told(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A synced folder, a home in a home, a clock that is behind, no home at all."""
    inner = site / "OneDrive - 县政府" / "county"
    inner.mkdir(parents=True)
    shutil.copy(site / "site.yaml", inner / "site.yaml")
    answer = told(check(place_of(inner)))
    assert "lies in another site's home" in answer
    assert "is copied to other machines" in answer
    (inner / "site.yaml").write_text("code: '140321'\nname: 平定县\n", "utf-8")
    (inner / "inbox" / "公安局").mkdir(parents=True)
    (inner / "lake").mkdir()
    (inner / "lake" / "catalog.sqlite").write_bytes(b"no catalog")
    answer = told(check(place_of(inner)))
    assert "house.yaml: no channel supplies the feed: the inbox has no folder" in answer
    assert "population.yaml" not in answer
    assert "machine: " in answer
    nothing = told(check(place_of(site.parent / "none")))
    assert "this folder is not a CountyLake home" in nothing
    (site / "site.yaml").write_text("code: [\n", "utf-8")
    assert "not valid YAML" in told(check(place_of(site)))
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(PROJECT / "var" / "keys"))
    assert "private keys lie inside the checkout" in told(check(place_of(site)))


def test_the_environment_comes_before_the_file_and_the_file_before_the_default(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And `config show` says which it was, with the line."""
    with (site / "site.yaml").open("a", encoding="utf-8") as file:
        file.write("settings:\n  threads: 3\n  workbook_mb: 7\n")
    monkeypatch.setenv("COUNTYLAKE_WORKBOOK_MB", "9")
    settings = load_settings(Home(site))
    assert (settings.threads, settings.workbook_mb, settings.unpacked_gb) == (3, 9, 16)
    place = place_of(site)
    found = {word.name: word for word in words(Home(site), place.site, place.workshop.contracts)}
    lines = (site / "site.yaml").read_text("utf-8").splitlines()
    line = lines.index("  threads: 3") + 1
    assert found["threads"].source == f"{site / 'site.yaml'}:{line}"
    assert found["workbook_mb"].source == "COUNTYLAKE_WORKBOOK_MB"
    assert found["unpacked_gb"].source == "default"
    assert found["code"].value == "140321"
    assert all(word.meaning for word in found.values())


def test_no_secret_is_shown(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References and whether they stand for anything; never what they stand for."""
    asset = site.parent / "schemas" / "feeds" / "asset.yaml"
    fetched(asset, port=1, credentials="env:COUNTYLAKE_X")
    monkeypatch.setenv("COUNTYLAKE_X_USER", "reader")
    monkeypatch.setenv("COUNTYLAKE_X_PASSWORD", "opensesame")
    run = CliRunner()
    for command in (["show"], ["check", "--json"]):
        done = run.invoke(app, ["config", *command, "--home", str(site)])
        assert "opensesame" not in done.output
        assert done.exit_code == 0, done.output
    shown = run.invoke(app, ["config", "show", "--home", str(site), "--json"])
    (word,) = (w for w in json.loads(shown.stdout)["words"] if w["kind"] == "credentials")
    assert (word["name"], word["value"]) == ("env:COUNTYLAKE_X", "resolves")
