"""Red flags R01 to R25: what breaks a rule is named, record by record; what nearly does is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conform_kit import open_bench
from tests.red_flag_kit import Case, cases, contracts, found_in

pytestmark = pytest.mark.xdist_group("red_flags")

FLAGS = {f"R{number:02d}" for number in range(1, 26)}
DATA_ERRORS = {
    "bank_account.one_basic_account",
    "collective_org.parcels_within_confirmed",
    "collective_org.shares_add_up",
    "ledger_balance.ledger_agrees_with_vouchers",
    "voucher_line.voucher_balanced",
}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], set[str]]]:
    """What every rule names in one lake that took in every case."""
    with open_bench(tmp_path_factory.mktemp("flags")) as bench:
        yield found_in(bench)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_a_rule_names_the_records_that_break_it(
    named: dict[tuple[str, str], set[str]], case: Case
) -> None:
    """Exactly the records that the case tells; none of a near miss."""
    found = named.get((case.feed, case.rule), set())
    assert {key for key in found if case.is_mine(key)} == case.named


def test_every_red_flag_has_a_rule() -> None:
    """R01 to R25, each with a case that breaks it and one that nearly does."""
    assert {case.flag for case in cases() if case.flag} == FLAGS
    told = {(case.feed, case.rule, bool(case.names)) for case in cases()}
    assert all((feed, rule, not broken) in told for feed, rule, broken in told)


def test_every_rule_of_the_three_assets_has_a_case() -> None:
    """A new rule of records brings its case along; a flag counts in no score."""
    told = {(case.feed, case.rule) for case in cases()}
    for feed in contracts().feeds.values():
        if feed.domain != "three_assets":
            continue
        for rule in feed.table_rules:
            assert (feed.name, rule.id) in told, f"{feed.name}.{rule.id}"
            is_error = f"{feed.name}.{rule.id}" in DATA_ERRORS
            assert (rule.dimension == "consistency") is is_error, f"{feed.name}.{rule.id}"
