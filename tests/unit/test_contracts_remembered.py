"""Contracts of the same content are read once in a process, and anew when a byte differs."""

from __future__ import annotations

import shutil
from pathlib import Path

from dagster_project.contracts import load
from tests.schemas_kit import copy_feeds


def test_a_copy_elsewhere_is_not_read_again(tmp_path: Path) -> None:
    """Two folders of the same name and content give one and the same contracts."""
    one = copy_feeds(tmp_path / "one", ["division"])
    other = tmp_path / "other" / "schemas"
    shutil.copytree(one, other)
    assert load(other) is load(one)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A contract, and a list of codes, that were written anew are seen by the next reading."""
    schemas = copy_feeds(tmp_path, ["division"])
    before = load(schemas)
    contract = schemas / "feeds" / "division.yaml"
    contract.write_text(contract.read_text("utf-8") + "# a word\n", "utf-8")
    after = load(schemas)
    assert after.feeds["division"].hash != before.feeds["division"].hash
    shutil.rmtree(schemas / "codes")
    assert load(schemas).codes != after.codes


def test_a_change_taken_back_is_remembered(tmp_path: Path) -> None:
    """A broken contract is told of while it is broken, and no longer."""
    schemas = copy_feeds(tmp_path, ["division"])
    contract = schemas / "feeds" / "division.yaml"
    before, text = load(schemas), contract.read_text("utf-8")
    contract.write_text("no: contract\n", "utf-8")
    assert load(schemas).problems
    contract.write_text(text, "utf-8")
    assert load(schemas) is before


def test_what_cannot_be_read_is_not_remembered(tmp_path: Path) -> None:
    """A file that is no file is a problem each time, and gone when it is mended."""
    schemas = copy_feeds(tmp_path, ["division"])
    (schemas / "feeds" / "odd.yaml").mkdir()
    assert load(schemas).problems
    (schemas / "feeds" / "odd.yaml").rmdir()
    assert not load(schemas).problems
