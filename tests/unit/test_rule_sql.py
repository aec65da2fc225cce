"""The SQL of row rules: what it may call."""

from __future__ import annotations

import pytest

from dagster_project.contracts.model import Column
from dagster_project.contracts.rowsql import binding_fault, expression_fault, over_silver


@pytest.mark.parametrize(
    "call",
    [
        "uuid()", "UUIDv7()", "now()", "get_current_timestamp()", "txid_current()", "random()",
        "getvariable('x')", "getenv('HOME')", "current_setting('x')", "current_user", "version()",
        "sleep_ms(9)", "write_log('x')", "error('x')", "nextval('x')", "(SELECT 1)",
    ],
)  # fmt: skip
def test_a_rule_calls_nothing_but_its_row(call: str) -> None:
    """No clock, chance, session, setting, log or other table, however it is spelled."""
    assert "beyond its row" in expression_fault(f"{call} IS NOT NULL AND a > 1", ("a",))


def test_a_rule_nested_too_deeply_is_refused_and_not_a_crash() -> None:
    """The other contracts still load."""
    assert "not one SQL expression" in expression_fault("(" * 3000 + "a > 1" + ")" * 3000, ("a",))
    assert not expression_fault("a > 1 AND length(b) < 3", ("a", "b"))


@pytest.mark.parametrize("rule", ["a <= 'abc'", "d < '2023-13-01'", "a > 1 AND a <> '1,5'"])
def test_a_constant_that_is_none_of_its_kind_is_told(rule: str) -> None:
    """It would fail every delivery; a good constant and an empty cell are no fault."""
    columns = (Column("a", "甲", "decimal"), Column("d", "日期", "date"))
    assert "Conversion" in binding_fault([rule], columns)
    assert binding_fault(["a <= '7' OR d < '2023-12-31'", "CAST(a AS INTEGER) > 1"], columns) == ""


def test_a_rule_over_silver_reads_as_when_the_row_came() -> None:
    """The time of the delivery is the row's own, casts are tried, comments do no harm."""
    found = over_silver("CAST(a AS INTEGER) > 1 AND d < :delivered_at -- 迟")
    assert "TRY_CAST(a AS INT" in found
    assert "_delivered_at" in found
    assert "--" not in found
