"""The contracts of this repository: they load, keep the standard, and say what the house asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.contracts import feed_order, feed_rule_ids, load, spellings
from dagster_project.contracts.document import Document, read
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.contracts.profile import standard_problems
from dagster_project.paths import PROJECT

SCHEMAS = PROJECT / "schemas"
FILES = sorted(SCHEMAS.glob("*/*.yaml"))
FEEDS = sorted(path.stem for path in (SCHEMAS / "feeds").glob("*.yaml"))
FIRST_FEEDS = {
    *("population", "house", "component", "hotline_order", "collective_org", "bank_account"),
    *("payment", "payment_approval", "voucher_line", "asset", "resource", "contract"),
    *("division", "grid"),
}


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    """Everything below ``schemas``."""
    return load(SCHEMAS)


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, contracts: Contracts) -> Feed:
    """Each feed in turn."""
    return contracts.feeds[request.param]


def test_everything_below_schemas_loads(contracts: Contracts) -> None:
    """No contract and no code list of the repository is refused."""
    assert [str(problem) for problem in contracts.problems] == []
    assert set(contracts.feeds) >= FIRST_FEEDS
    assert set(contracts.feeds) == set(FEEDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_the_profile_admits_keeps_the_standard(path: Path) -> None:
    """Every contract is valid by the standard's own JSON Schema too."""
    document = read(path, path.name)
    assert isinstance(document, Document)
    assert [str(problem) for problem in standard_problems(document)] == []


def test_personal_columns_have_a_mask(feed: Feed) -> None:
    """No column of level L3 or L4 could be published as it is."""
    personal = [column for column in feed.columns if column.level in {"L3", "L4"}]
    assert [column.name for column in personal if column.mask == "none"] == []


def test_identity_columns_are_highly_sensitive(feed: Feed) -> None:
    """Resident ids are L4 wherever they are, names and phones at least L3."""
    levels = {"resident_id": {"L4"}, "person_name": {"L3", "L4"}, "phone": {"L3", "L4"}}
    for column in feed.columns:
        assert column.level in levels.get(column.format, {column.level}), column.name


def test_a_row_rule_knows_the_columns_it_names(feed: Feed) -> None:
    """Conform skips a rule where one of these columns failed: every rule names at least one."""
    names = {column.name for column in feed.columns}
    for rule in feed.rules:
        assert rule.columns
        assert set(rule.columns) <= names


def test_rule_ids_are_unique_within_a_feed(feed: Feed) -> None:
    """Generated and written rules never share an id."""
    ids = feed_rule_ids(feed)
    assert len(ids) == len(set(ids))


def test_a_rejecting_reference_is_the_only_judge_of_its_cell(feed: Feed) -> None:
    """A code that is in no register is one fault with one reason."""
    for column in feed.columns:
        if column.reference and column.reference.rejects and not column.is_key:
            assert (column.pattern, column.format, column.max_length) == ("", "", 0), column.name


def test_the_catalogue_names_every_feed_once(contracts: Contracts) -> None:
    """Two feeds cannot hang on one catalogue item."""
    codes = [feed.catalogue["code"] for feed in contracts.feeds.values()]
    assert len(codes) == len(set(codes))


def test_parents_come_before_the_rows_they_reject(contracts: Contracts) -> None:
    """The order of feeds follows rejecting references only."""
    order = feed_order(contracts)
    assert sorted(order) == sorted(contracts.feeds)
    for feed in contracts.feeds.values():
        for column in feed.columns:
            if column.reference and column.reference.rejects:
                assert order.index(column.reference.feed) < order.index(feed.name)


def test_references_reject_within_a_department_and_warn_between(contracts: Contracts) -> None:
    """Organisations reject payments, divisions reject persons, houses only warn about persons."""

    def rejects(feed: str, column: str) -> bool:
        reference = contracts.feeds[feed].column(column).reference
        return reference is not None and reference.rejects

    assert rejects("payment", "org_code")
    assert rejects("population", "village_code")
    assert not rejects("population", "house_code")


def test_both_sexes_have_the_spellings_departments_use(contracts: Contracts) -> None:
    """男, 女, M and F are known words for 1 and 2."""
    known = dict(spellings(contracts.codes["sex"]))
    assert [known[word] for word in ("男", "女", "M", "F", "1", "2")] == list("121212")


def test_all_nationalities_are_listed(contracts: Contracts) -> None:
    """GB/T 3304 has 56, and two codes for others."""
    codes = contracts.codes["nation"].codes
    assert [int(code) for code in codes] == [*range(1, 57), 97, 98]


def test_every_code_list_says_where_it_comes_from(contracts: Contracts) -> None:
    """A list without source and confidence could not be corrected."""
    for name, codes in contracts.codes.items():
        assert "confidence:" in codes.source, name


def test_the_hash_is_of_the_file(contracts: Contracts) -> None:
    """Two contracts never share a hash, and a hash has 64 digits."""
    hashes = [feed.hash for feed in contracts.feeds.values()]
    assert len(set(hashes)) == len(hashes)
    assert {len(value) for value in hashes} == {64}
