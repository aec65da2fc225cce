"""``countylake feed check|diff|bump``: versions follow what changed, changelogs say why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.contracts import load
from dagster_project.contracts.changes import changes
from dagster_project.contracts.versions import (
    Entry,
    changelog_fault,
    owed_bump,
    raised,
    version_fault,
    versions_in,
    with_entry,
)
from dagster_project.contracts.wording import wordings
from dagster_project.errors import ContractError
from dagster_project.paths import PROJECT
from tests.delivery_kit import County, rows

ENTRY = Entry("1.0.0", "2026-11-22", "第一版。")


@pytest.fixture
def county(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> County:
    """A county that has taken one file by a contract of its own."""
    site = County(tmp_path)
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(site.workshop.schemas))
    site.put("许可_1.csv", rows([1]))
    site.run()
    return site


def call(site: County, *arguments: str, code: int = 0) -> Any:
    """A command's JSON answer."""
    site.workshop.renewed()
    home = str(site.workshop.home.root)
    done = CliRunner().invoke(app, ["feed", *arguments, "--home", home, "--json"])
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


def amended(site: County, old: str, new: str) -> Path:
    """Change the contract's text."""
    path = site.workshop.schemas / "feeds" / "permit.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


def test_bump_raises_what_the_changes_need_and_says_why(county: County) -> None:
    """Only the version's digits change in the contract; check is content afterwards."""
    first = call(county, "bump", "permit", "--why", "首次登记", "--by", "li")
    assert [one["after"] for one in first["raised"]] == ["1.0.0"]
    assert call(county, "check", "permit")["wrong"] == 0
    path = amended(
        county, "businessName: 持有单位", "businessName: 持有人  # the new form\n        "
    )
    wrong = call(county, "check", code=3)
    (one,) = wrong["contracts"]
    assert one["faults"] == ["the version is still 1.0.0, these changes need 2.0.0 (major)"]
    before = path.read_text("utf-8")
    (done,) = call(county, "bump", "permit", "--why", "表头改名", "--by", "li")["raised"]
    assert (done["before"], done["after"]) == ("1.0.0", "2.0.0")
    assert path.read_text("utf-8") == before.replace("version: 1.0.0", "version: 2.0.0")
    text = (county.workshop.schemas / "changes" / "feeds" / "permit.md").read_text("utf-8")
    assert versions_in(text) == ("2.0.0", "1.0.0")
    assert "表头改名 (li)" in text
    assert "- major: column `holder`: `businessName` was 持有单位 and is 持有人" in text
    assert call(county, "check")["wrong"] == 0
    assert call(county, "bump", "permit", "--why", "again")["raised"] == []


def test_a_version_raised_by_hand_gets_its_entry(county: County) -> None:
    """Too small a step is not enough; the right one is kept, and only the changelog is written."""
    call(county, "bump", "permit", "--why", "首次登记")
    amended(county, "name: 许可\n", "name: 行政许可\n")
    amended(county, "version: 1.0.0", "version: 1.2.0")
    (one,) = call(county, "check", code=3)["contracts"]
    assert one["faults"] == ["the changelog's newest entry is 1.0.0, the contract is 1.2.0"]
    (done,) = call(county, "bump", "permit", "--why", "改名")["raised"]
    assert (done["before"], done["after"]) == ("1.2.0", "1.2.0")
    assert call(county, "check")["wrong"] == 0


def test_diff_compares_files_names_and_versions_of_the_lake(county: County, tmp_path: Path) -> None:
    """OLD and NEW may be files, a name, or a name at a version; OLD alone is against the lake."""
    path = county.workshop.schemas / "feeds" / "permit.yaml"
    copy = shutil.copy(path, tmp_path / "old.yaml")
    assert call(county, "diff", "permit")["changes"] == []
    amended(county, "logicalType: date", "logicalType: timestamp")
    for arguments in (["permit"], ["permit@1.0.0", "permit"], [str(copy), str(path)]):
        told = call(county, "diff", *arguments)
        assert (told["bump"], told["needs"]) == ("major", "2.0.0")
        (change,) = told["changes"]
        assert change["place"] == "columns.issued_date.logicalType"
        assert "was date and is timestamp" in change["sentence"]
    for arguments, says in ((["nobody"], "no contract"), (["permit@9.9.9", "permit"], "knows no")):
        done = CliRunner().invoke(app, ["feed", "diff", *arguments])
        assert done.exit_code != 0
        assert says in str(done.exception)


def test_a_contract_that_does_not_load_is_told_and_not_raised(county: County) -> None:
    """Its problem stands in the answer; there is no version of what nobody can read."""
    amended(county, "logicalType: date", "logicalType: day")
    (one,) = call(county, "check", "permit", code=3)["contracts"]
    assert one["problems"][0]["sentence"].startswith("`properties.logicalType` is `day`")
    home = str(county.workshop.home.root)
    done = CliRunner().invoke(app, ["feed", "bump", "permit", "--why", "x", "--home", home])
    assert isinstance(done.exception, ContractError)


@pytest.mark.parametrize(
    ("old", "new", "bump", "says"),
    [
        ("1.2.3", "1.2.3", "none", ""),
        ("1.2.3", "1.2.4", "patch", ""),
        ("1.2.3", "2.0.0", "patch", ""),
        ("1.2.3", "1.2.3", "patch", "is still 1.2.3, these changes need 1.2.4"),
        ("1.2.3", "1.2.9", "minor", "went from 1.2.3 to 1.2.9 only, these changes need 1.3.0"),
        ("1.2.3", "1.3.0", "major", "these changes need 2.0.0"),
        ("1.2.3", "1.10.0", "minor", ""),
        ("1.10.0", "1.9.0", "none", "went back from 1.10.0 to 1.9.0"),
    ],
)
def test_a_version_is_held_against_what_changed(old: str, new: str, bump: str, says: str) -> None:
    """Raised at least as far as needed, never back."""
    fault = version_fault(old, new, bump)  # type: ignore[arg-type]
    assert says in fault
    assert bool(says) == bool(fault)
    assert not version_fault(old, raised(old, bump), bump)  # type: ignore[arg-type]


def test_a_changelog_keeps_its_order_and_its_words() -> None:
    """The newest on top; a second change under one version goes into its entry."""
    text = with_entry("", "许可 feeds/permit", ENTRY)
    assert text == "# 许可 feeds/permit\n\n## 1.0.0 (2026-11-22)\n\n第一版。\n"
    text = with_entry(text, "", Entry("1.1.0", "2026-11-23", "多一列。", "li", ("minor: a",)))
    text = with_entry(text, "", Entry("1.1.0", "2026-11-23", "又一列。", "li", ("minor: b",)))
    assert versions_in(text) == ("1.1.0", "1.0.0")
    assert text.count("## ") == 2
    assert (
        text.index("多一列") < text.index("又一列") < text.index("minor: b") < text.index("第一版")
    )
    assert changelog_fault(text, "1.1.0") == ""
    assert "newest entry is 1.1.0" in changelog_fault(text, "1.2.0")
    assert "missing" in changelog_fault("", "1.0.0")


def test_what_a_shared_list_gains_no_contract_owes() -> None:
    """A code more asks no contract for a version; a code less asks each that uses it."""
    old = wordings(PROJECT / "schemas", load(PROJECT / "schemas"))["feeds", "population"]
    rows_of = {name: dict(codes) for name, codes in old.codes.items()}
    rows_of["sex"]["Z"] = ("第三", "", "", "")
    grown = type(old)(old.layer, old.name, old.text, rows_of)
    assert owed_bump(changes(old, grown)) == "none"
    assert owed_bump(changes(grown, old)) == "major"
