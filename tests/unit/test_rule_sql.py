"""The SQL of row rules: what it may call."""

from __future__ import annotations

import pytest

from dagster_project.contracts.rowsql import expression_fault


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
