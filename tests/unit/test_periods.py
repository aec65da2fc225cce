"""What a file's name says of its period."""

from __future__ import annotations

import json

import pytest

from dagster_project.contracts.periods import PATTERNS, periods_in
from dagster_project.paths import PROJECT


@pytest.mark.parametrize(
    ("name", "pattern", "found"),
    [
        ("凭证分录_202305.csv", "YYYYMM", ("2023-05",)),
        ("凭证分录_20230531.csv", "YYYYMM", ("2023-05",)),
        ("凭证分录_20230531.csv", "YYYYMMDD", ("2023-05-31",)),
        ("凭证分录_20230531.csv", "YYYY", ("2023",)),
        ("凭证分录_2023年报.csv", "YYYY", ("2023",)),
        ("凭证分录_2023-05-31.csv", "YYYY-MM", ("2023-05",)),
        ("凭证分录_2023-05.csv", "YYYY-MM-DD", ()),
        ("2023年5月凭证.csv", "YYYY年M月", ("2023-05",)),
        ("2023年05月凭证.csv", "YYYY年M月", ("2023-05",)),
        ("2023年12月1日凭证.csv", "YYYY年M月D日", ("2023-12-01",)),
        ("2023年凭证.csv", "YYYY年", ("2023",)),
        ("2023年第二季度.csv", "YYYY年第n季度", ("2023-Q2",)),
        ("2023年4季度.csv", "YYYY年第n季度", ("2023-Q4",)),
        ("凭证2023Q1.csv", "YYYYQn", ("2023-Q1",)),
        ("202304至202305.csv", "YYYYMM", ("2023-04", "2023-05")),
        ("202305_202305.csv", "YYYYMM", ("2023-05",)),
        ("凭证_202313.csv", "YYYYMM", ()),
        ("凭证_140321202305.csv", "YYYYMM", ()),
        ("凭证_最新.csv", "YYYYMM", ()),
    ],
)
def test_a_name_states_its_period(name: str, pattern: str, found: tuple[str, ...]) -> None:
    """Once each, in canonical form; a month 13 and digits of a longer number are none."""
    assert periods_in(name, pattern) == found


def test_the_contract_knows_the_same_patterns() -> None:
    """The schema of contracts lists what is understood, and no more."""
    text = (PROJECT / "schemas" / "contract.schema.json").read_text(encoding="utf-8")
    defined = json.loads(text)["$defs"]["filePeriod"]["properties"]["pattern"]["enum"]
    assert defined == list(PATTERNS)
