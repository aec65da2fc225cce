"""Each contract has a changelog that tells of its version, and no changelog is left over."""

from __future__ import annotations

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.versions import (
    changelog_fault,
    numbers,
    read_changelog,
    versions_in,
)
from dagster_project.contracts.wording import Wording, wordings
from dagster_project.paths import PROJECT

SCHEMAS = PROJECT / "schemas"
WORDINGS = wordings(SCHEMAS, load(SCHEMAS))


@pytest.mark.parametrize("wording", WORDINGS.values(), ids=lambda w: f"{w.layer}/{w.name}")
def test_the_newest_entry_is_the_contracts_version(wording: Wording) -> None:
    """Who changes a contract raises its version and says why (`countylake feed bump`)."""
    told = read_changelog(SCHEMAS, wording.layer, wording.name)
    assert not changelog_fault(told, wording.version)
    found = [numbers(version) for version in versions_in(told)]
    assert found == sorted(set(found), reverse=True)


def test_no_changelog_is_of_a_contract_that_is_gone() -> None:
    """A contract that goes takes its changelog along."""
    kept = {(path.parent.name, path.stem) for path in (SCHEMAS / "changes").glob("*/*.md")}
    assert kept <= WORDINGS.keys()
