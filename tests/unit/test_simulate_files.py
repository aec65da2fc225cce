"""Files and manifest: the same bytes each time, books that balance, every rule planted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dagster_project.contracts import cell_rules, load
from dagster_project.contracts.model import Column, Contracts, Rule
from dagster_project.errors import CountyLakeError, UsageError
from dagster_project.paths import SAMPLES, schemas_dir
from dagster_project.simulate import simulate, write_samples
from dagster_project.simulate.cells import Checker
from dagster_project.simulate.faults import plants
from dagster_project.simulate.feeds import FORMS

TINY = {"built_up_area"}
"""Registers too short for all their faults."""
VERDICTS = ("accepted", "rejected", "duplicate", "superseded", "dropped")


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    """The house's contracts."""
    return load(schemas_dir())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small county, with its manifest."""
    folder = tmp_path_factory.mktemp("county")
    return folder, simulate("140321", 0.01, folder / "inbox", 5)


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder with its SHA-256."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_same_seed_gives_the_same_bytes(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Workbooks included: no clock and no machine gets into a file."""
    simulate("140321", 0.01, tmp_path / "inbox", 5)
    assert digests(tmp_path) == digests(made[0])


def test_another_seed_gives_another_county(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Only the division register stays."""
    other = simulate("140321", 0.01, tmp_path / "inbox", 6)
    same = [n for n, f in other["feeds"].items() if f["sha256"] == made[1]["feeds"][n]["sha256"]]
    assert same == []


def test_the_books_balance(made: tuple[Path, dict[str, Any]]) -> None:
    """Read is the sum of the verdicts, and planted rows are counted under theirs."""
    for name, feed in made[1]["feeds"].items():
        assert feed["read"] == sum(feed[verdict] for verdict in VERDICTS), name
        for verdict in VERDICTS[1:]:
            planted = sum(row["verdict"] == verdict for row in feed["rows"])
            assert planted == feed[verdict], f"{name} {verdict}"


def test_every_rule_is_planted_alone(
    contracts: Contracts, made: tuple[Path, dict[str, Any]]
) -> None:
    """Each rule that rejects is the only reason of some row; each that warns warns somewhere."""
    for name, feed in contracts.feeds.items():
        manifest = made[1]["feeds"][name]
        alone = {r["reasons"][0] for r in manifest["rows"] if len(r.get("reasons", ())) == 1}
        assert not manifest["unplanted"] or name in TINY, name
        alone |= set(manifest["unplanted"])
        warned = set(manifest["warnings"]) | set(manifest["cross_warnings"])
        cells = [rule for column in feed.columns for rule in cell_rules(column)]
        for rule in (*cells, *feed.rules):
            assert rule.id in (alone if rule.severity == "fail" else warned), f"{name}.{rule.id}"
        if manifest["file"].endswith(".csv"):
            assert "row.ragged" in alone, name


def test_no_file_is_so_bad_that_it_is_held(made: tuple[Path, dict[str, Any]]) -> None:
    """A feed has as many rows as its planted faults need, in a county of any size."""
    for name, feed in made[1]["feeds"].items():
        rows = feed["read"] - feed["dropped"]
        assert feed["rejected"] < 0.09 * rows, name


def test_a_county_may_lack_departments(tmp_path: Path) -> None:
    """What is not delivered is not written, and no rule that reads it has something to find."""
    few = ("division", "grid", "collective_org", "payment")
    made = simulate("140322", 0.002, tmp_path / "inbox", 5, feeds=few)
    assert tuple(made["feeds"]) == few
    files = {path.relative_to(tmp_path / "inbox").as_posix() for path in tmp_path.rglob("*_*.*")}
    assert files == {feed["file"] for feed in made["feeds"].values()}
    assert "shares_add_up" not in made["feeds"]["collective_org"]["findings"]
    assert set(made["flags"]["records"]) == {"payment"}


def test_every_kind_of_repair_is_planted(made: tuple[Path, dict[str, Any]]) -> None:
    """Dirt of every kind that conform undoes is somewhere in the county."""
    feeds = made[1]["feeds"].values()
    logged = {key.split(".")[1] for feed in feeds for key in feed["repairs_logged"]}
    counted = {key.split(".")[1] for feed in feeds for key in feed["repairs_counted"]}
    changing = {"upper", "id_15_to_18", "date_serial", "code_synonym", "zero_pad", "phone_clean"}
    assert logged == changing | {"money_text"}
    assert counted == {"trim", "full_width", "null_mark", "date_format", "money_text"}


def test_a_rule_without_a_plant_is_refused(contracts: Contracts) -> None:
    """A new contract rule must bring its fault along, or nothing is written."""
    feed = contracts.feeds["house"]
    new = Rule("never_seen", "TRUE", "", "accuracy")
    grown = type(feed)(**{**vars(feed), "rules": (*feed.rules, new)})
    kit = FORMS["house"].kit
    with pytest.raises(CountyLakeError, match="never_seen"):
        list(plants(grown, kit, contracts.codes, Checker(contracts.codes, {})))


def test_a_county_without_faults_is_all_accepted(tmp_path: Path) -> None:
    """With faults switched off nothing is planted; titles and totals rows are still dropped."""
    clean = simulate("140322", 0.005, tmp_path / "inbox", 5, faults=False)
    for name, feed in clean["feeds"].items():
        assert (feed["rejected"], feed["duplicate"], feed["superseded"]) == (0, 0, 0), name
        assert {row["verdict"] for row in feed["rows"]} <= {"dropped"}, name


def test_a_planted_cell_stands_where_the_manifest_says(
    made: tuple[Path, dict[str, Any]],
) -> None:
    """The first and the last planted row of a workbook, read back with another library."""
    folder, manifest = made
    feed = manifest["feeds"]["payment"]
    sheet = openpyxl.load_workbook(folder / "inbox" / feed["file"], read_only=True).worksheets[0]
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    titles = rows[2]
    for entry in feed["rows"]:
        if entry.get("reasons") == ["amount.range"]:
            amount = rows[entry["row"] - 1][titles.index("支付金额(元)")]
            assert float(amount or 0) < 0.01
        if entry.get("kind") == "total":
            assert rows[entry["row"] - 1][0] == "合计"


def test_files_carry_the_encodings_of_their_departments(
    made: tuple[Path, dict[str, Any]],
) -> None:
    """GB18030 with four-byte characters, UTF-8 with and without byte order mark."""
    inbox, feeds = made[0] / "inbox", made[1]["feeds"]
    raw = (inbox / feeds["population"]["file"]).read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    with pytest.raises(UnicodeDecodeError):
        raw.decode("gbk")
    assert "𠀀" in raw.decode("gb18030")
    assert (inbox / feeds["house"]["file"]).read_bytes().startswith(b"\xef\xbb\xbf")
    assert (inbox / feeds["component"]["file"]).read_bytes().decode("utf-8").isprintable() is False


def test_progress_ends_at_one(tmp_path: Path) -> None:
    """Every feed reports that it is done."""
    seen: dict[str, float] = {}
    simulate("140322", 0.002, tmp_path / "inbox", 5, progress=seen.__setitem__)
    assert seen == dict.fromkeys(FORMS, 1.0)


def test_an_unknown_county_is_refused(tmp_path: Path) -> None:
    """The sentence names the counties that are known."""
    with pytest.raises(UsageError, match="140321"):
        simulate("999999", 1, tmp_path, 1)


def test_the_samples_are_what_the_simulator_writes(tmp_path: Path) -> None:
    """The committed samples are the simulator's output, byte for byte."""
    write_samples(tmp_path)
    for part in ("inbox", "expected"):
        assert digests(tmp_path / part) == digests(SAMPLES / part)


def test_personal_values_are_listed_and_distinctive() -> None:
    """The list holds ids, names and phones; no value is so short that it is found by chance."""
    values = (SAMPLES / "expected" / "140321.personal.txt").read_text("utf-8").splitlines()
    assert len(values) > 5000
    assert min(map(len, values)) >= 3
    manifest = json.loads((SAMPLES / "expected" / "140321.json").read_text("utf-8"))
    places = {row["town_code"] for row in manifest["truth"]["house_by_town_usage"]}
    assert not places & set(values)


def test_a_column_tells_its_own_faults(contracts: Contracts) -> None:
    """The checker names the first rule that a cell breaks."""
    checker = Checker(contracts.codes, {})
    column: Column = contracts.feeds["population"].column("sex")
    assert checker.broken(column, None) == "required"
    assert checker.broken(column, "Z") == "code"
    assert checker.broken(column, "1") is None
