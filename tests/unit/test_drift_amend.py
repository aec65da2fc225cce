"""Accepted findings change a contract in its lines only, and never make one that would not load."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import pytest
import yaml

from dagster_project.contracts import amend, load
from dagster_project.contracts.acceptance import Proposal, alias_of, apply, propose, prove
from dagster_project.contracts.drift import Finding
from dagster_project.contracts.model import Contracts
from dagster_project.errors import ContractError, UsageError
from dagster_project.paths import schemas_dir

SOURCE = schemas_dir()
CONTRACTS = load(SOURCE)
TEXTS = {name: (SOURCE / "feeds" / f"{name}.yaml").read_text("utf-8") for name in CONTRACTS.feeds}
EVERY_COLUMN = [(feed.name, c.name) for feed in CONTRACTS.feeds.values() for c in feed.columns]
HOUSE = CONTRACTS.feeds["house"].version
DAY = "2026-11-22"


def changed(before: str, after: str) -> list[str]:
    """The lines of a diff that were taken out or put in."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line.startswith(("+", "-"))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the contracts that may be changed."""
    shutil.copytree(SOURCE, tmp_path / "schemas")
    return tmp_path / "schemas"


def accepted(
    root: Path, name: str, finding: Finding, choices: dict[str, str] | None = None
) -> tuple[Proposal, Contracts]:
    """What accepting one finding proposes, proven."""
    contracts = load(root)
    feed = contracts.feeds[name]
    made = propose(root, contracts, feed, [finding], choices or {}, day=DAY)
    return made, prove(root, contracts, made)


def renamed(column: str, candidate: str) -> Finding:
    """A renaming of a column of ``house``."""
    return Finding("renamed", column, CONTRACTS.feeds["house"].column(column).title, candidate)


@pytest.mark.parametrize("feed", sorted(TEXTS))
def test_writing_what_is_there_already_changes_no_byte(feed: str) -> None:
    """A no-op amendment of every contract is the contract, byte for byte."""
    text = TEXTS[feed]
    contract = CONTRACTS.feeds[feed]
    assert amend.with_version(text, contract.version) == text
    for column in contract.columns:
        for alias in column.aliases:
            assert amend.with_alias(text, column.name, alias) == text
        if column.max_length:
            assert amend.with_length(text, column.name, column.max_length) == text
        if not column.required:
            assert amend.with_optional(text, column.name) == text


@pytest.mark.parametrize(("feed", "column"), EVERY_COLUMN, ids=".".join)
def test_an_alias_changes_the_lines_it_must_and_means_only_that(feed: str, column: str) -> None:
    """One line of the column's, or the few that the word needs; all other data is the same."""
    after = amend.with_alias(TEXTS[feed], column, "又名：甲")
    assert len(changed(TEXTS[feed], after)) <= 2
    was, now = yaml.safe_load(TEXTS[feed]), yaml.safe_load(after)
    for one, other in zip(
        was["schema"][0]["properties"], now["schema"][0]["properties"], strict=True
    ):
        if one["name"] != column:
            assert one == other
        else:
            names = {p["property"]: p["value"] for p in other["customProperties"]}
            before = {p["property"]: p["value"] for p in one.get("customProperties", [])}
            assert names == {**before, "aliases": [*before.get("aliases", []), "又名：甲"]}
            assert {**other, "customProperties": 0} == {**one, "customProperties": 0}
    assert {**now, "schema": 0} == {**was, "schema": 0}


@pytest.mark.parametrize(
    "title", ["是", "12", "yes", "a: b", "甲,乙", "it's", "#号", "[甲]", "- 甲"]
)
def test_a_title_of_any_characters_is_written_so_that_it_is_read_back(title: str) -> None:
    """YAML's own words and signs are quoted."""
    after = amend.with_alias(TEXTS["house"], "usage", title)
    (column,) = (
        c for c in yaml.safe_load(after)["schema"][0]["properties"] if c["name"] == "usage"
    )
    aliases = next(p["value"] for p in column["customProperties"] if p["property"] == "aliases")
    assert aliases[-1] == title


def test_comments_block_lists_and_windows_line_ends_stay() -> None:
    """A contract in another hand is amended in that hand."""
    text = (
        "# ours\r\nversion: 1.0.0  # first\r\nschema:\r\n- name: t\r\n  properties:\r\n"
        "  - name: a\r\n    businessName: 甲\r\n    customProperties:\r\n"
        "    - property: aliases\r\n      value:\r\n      - 乙 # old\r\n"
        "  # the last\r\n  - name: b\r\n    businessName: 丙"
    )
    after = amend.with_alias(amend.with_version(text, "1.0.1"), "a", "丁")
    assert changed(text, after) == [
        "- version: 1.0.0  # first",
        "+ version: 1.0.1  # first",
        "+       - 丁",
    ]
    assert after.count("\r\n") == after.count("\n")
    grown = amend.with_alias(text, "b", "戊")
    columns = yaml.safe_load(grown)["schema"][0]["properties"]
    assert columns[1]["customProperties"] == [{"property": "aliases", "value": ["戊"]}]


@pytest.mark.parametrize(("part", "version"), [(0, "2.0.0"), (1, "1.3.0"), (2, "1.2.4")])
def test_versions_are_raised_by_their_part(part: int, version: str) -> None:
    """What follows the part begins again."""
    assert amend.bumped("1.2.3", part) == version


def test_a_renaming_becomes_a_synonym_and_a_patch(root: Path) -> None:
    """Two lines change: the version and the column's titles."""
    made, after = accepted(root, "house", renamed("usage", "房屋使用 用途"))
    assert (made.version, made.version_after) == (HOUSE, amend.bumped(HOUSE, 2))
    assert len(changed(made.changes[0].before, made.changes[0].after)) in {3, 4}
    assert "房屋使用用途" in after.feeds["house"].column("usage").aliases
    assert f"+version: {amend.bumped(HOUSE, 2)}" in made.diff


def test_applying_replaces_the_file_and_leaves_nothing_else(root: Path) -> None:
    """The folder holds the same files, one of them changed, with the same rights."""
    path = root / "feeds" / "house.yaml"
    path.chmod(0o640)
    files = sorted(root.rglob("*"))
    made, _ = accepted(root, "house", renamed("usage", "使用性质"))
    apply(made)
    assert sorted(root.rglob("*")) == files
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_text("utf-8") == made.changes[0].after
    assert load(root).problems == ()


def test_a_title_of_another_column_is_refused_and_nothing_is_written(root: Path) -> None:
    """The changed contract must load: a header of two columns does not."""
    taken = CONTRACTS.feeds["house"].column("structure").title
    with pytest.raises(ContractError, match="would not load"):
        accepted(root, "house", renamed("usage", taken))
    assert (root / "feeds" / "house.yaml").read_text("utf-8") == TEXTS["house"]


def test_a_choice_names_the_column_of_a_title(root: Path) -> None:
    """What a person says goes before what was guessed."""
    found = Finding("missing", "usage", "用途", "性质", {"required": True})
    made, after = accepted(root, "house", found, {"性质": "usage"})
    assert made.version_after == amend.bumped(HOUSE, 2)
    assert "性质" in after.feeds["house"].column("usage").aliases
    assert after.feeds["house"].column("usage").required


def test_a_new_column_is_personal_text_until_somebody_says_otherwise(root: Path) -> None:
    """Unknown cells may be personal: level L3, left out of the published replica."""
    made, after = accepted(
        root, "house", Finding("added", "", "备注（新）"), {"备注（新）": "note"}
    )
    column = after.feeds["house"].columns[-1]
    assert made.version_after == amend.bumped(HOUSE, 1)
    assert (column.name, column.title, column.type) == ("note", "备注（新）", "string")
    assert (column.level, column.mask, column.required) == ("L3", "drop", False)
    assert all(
        line.startswith("+") for line in changed(made.changes[0].before, after_text(made))[2:]
    )


def after_text(made: Proposal) -> str:
    """The contract as it would be."""
    return made.changes[-1].after


def test_a_new_column_without_a_name_is_numbered(root: Path) -> None:
    """No name can be made of a Chinese title."""
    _, after = accepted(root, "house", Finding("added", "", "备注"))
    house = after.feeds["house"]
    assert house.columns[-1].name == f"column_{len(house.columns)}"


def test_a_missing_required_column_becomes_optional(root: Path) -> None:
    """A promise less: the major version says so."""
    found = Finding("missing", "usage", "用途", "", {"required": True})
    made, after = accepted(root, "house", found)
    assert made.version_after == amend.bumped(HOUSE, 0)
    assert not after.feeds["house"].column("usage").required


def test_a_key_cannot_become_optional(root: Path) -> None:
    """Without its key no row is anything."""
    found = Finding("missing", "house_code", "房屋编码", "", {"required": True})
    with pytest.raises(UsageError, match="part of the key"):
        accepted(root, "house", found)


def test_longer_cells_raise_the_length(root: Path) -> None:
    """A type, a pattern or a format cannot be guessed from cells; a length can."""
    name = next(c.name for c in CONTRACTS.feeds["asset"].columns if c.max_length == 100)
    evidence = {"rule": f"{name}.length", "longest": 130}
    made, after = accepted(root, "asset", Finding("narrowed", name, "", "", evidence))
    assert after.feeds["asset"].column(name).max_length == 130
    assert made.version_after == "2.0.0"


def test_what_no_contract_can_say_is_said_in_words(root: Path) -> None:
    """A changed type or unit is accepted for the file; the contract stays."""
    for found in (
        Finding("narrowed", "area_m2", "面积", "", {"rule": "area_m2.type"}),
        Finding("unit", "area_m2", "面积", "", {"power": 4}),
        Finding("width", "", ""),
    ):
        made, _ = accepted(root, "house", found)
        assert (made.changes, made.version_after, made.diff) == ((), made.version, "")
        assert len(made.notes) == 1


def test_new_codes_are_appended_to_their_list(root: Path) -> None:
    """The code is its own title until somebody writes a better one; the list says when and why."""
    found = Finding("codes", "usage", "用途", "", {"codes": ["商住", "10"]})
    made, after = accepted(root, "house", found)
    codes = after.codes["house_usage"]
    assert codes.entries[-1].code == codes.entries[-1].title == "商住"
    assert [code for code in codes.codes if code == "10"] == ["10"]
    assert DAY in codes.source
    assert made.version_after == amend.bumped(HOUSE, 2)
    assert [change.path.name for change in made.changes] == ["house_usage.csv", "house.yaml"]
    assert len(changed(made.changes[0].before, made.changes[0].after)) == 2


def test_a_contract_changed_by_hand_needs_no_change(root: Path) -> None:
    """Whoever may not write from here changes the contract elsewhere, installs it and accepts."""
    made, _ = accepted(root, "house", renamed("usage", "使用性质"))
    apply(made)
    again, _ = accepted(root, "house", renamed("usage", "使用性质"))
    assert again.changes == ()


def test_a_file_that_changed_meanwhile_is_not_overwritten(root: Path) -> None:
    """What somebody else wrote is not lost."""
    made, _ = accepted(root, "house", renamed("usage", "使用性质"))
    path = root / "feeds" / "house.yaml"
    path.write_text(TEXTS["house"] + "# mine\n", "utf-8")
    with pytest.raises(ContractError, match="somebody else"):
        apply(made)
    assert path.read_text("utf-8").endswith("# mine\n")


def test_contracts_that_cannot_be_written_here_are_a_clear_sentence(root: Path) -> None:
    """An installed site's contracts are changed where they are kept."""
    made, _ = accepted(root, "house", renamed("usage", "使用性质"))
    # Nobody, root included, writes a file over a folder.
    (root / "feeds" / ".house.yaml.new").mkdir()
    with pytest.raises(ContractError, match="cannot be changed here"):
        apply(made)
    assert (root / "feeds" / "house.yaml").read_text("utf-8") == TEXTS["house"]


def test_a_title_that_the_file_has_not_cannot_be_chosen(root: Path) -> None:
    """A slip in ``--column`` changes nothing."""
    with pytest.raises(UsageError, match="no unknown column"):
        accepted(root, "house", renamed("usage", "使用性质"), {"使用性": "usage"})


def test_rivals_must_be_named(root: Path) -> None:
    """Where several titles fit, the programme does not choose."""
    found = Finding("renamed", "usage", "用途", "用途1", {"rivals": 1})
    with pytest.raises(UsageError, match="--column 用途1=usage"):
        accepted(root, "house", found)
    _, after = accepted(root, "house", found, {"用途1": "usage"})
    assert "用途1" in after.feeds["house"].column("usage").aliases


@pytest.mark.parametrize(
    ("title", "alias"),
    [
        ("实测面积（㎡）", "实测面积"),
        ("实测 面积(公顷)", "实测面积"),
        ("面积（测绘）", "面积（测绘）"),
    ],
)
def test_a_unit_in_a_title_does_not_become_part_of_the_synonym(title: str, alias: str) -> None:
    """Readers know units: the next file may state another one."""
    assert alias_of(CONTRACTS.feeds["house"].column("area_m2"), title) == alias
