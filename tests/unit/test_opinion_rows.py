"""The second opinion asks the statement that conformed a batch."""

from __future__ import annotations

from dagster_project.components.steps.opinion import conformed_rows
from dagster_project.contracts.model import Column, Reference
from dagster_project.transform.conform.select import statement
from tests.conform_kit import NOON, feed_of, plan_of


def test_references_are_looked_up_as_the_batch_did() -> None:
    """What was checked then is checked again; the delivery's time is written out."""
    feed = feed_of(
        Column("no", "编号", "string"),
        Column("id_no", "证件号", "string", format="resident_id"),
        Column("town", "乡镇", "string", reference=Reference("division", "code", rejects=True)),
    )
    plan = plan_of(feed)
    statement(plan, frozenset({"town"}), "others")
    text = conformed_rows(plan, "people-1", NOON)
    assert "silver" in text
    assert "division" in text
    assert "20230601" in text
    assert "$delivered" not in text
    assert "division" not in conformed_rows(plan_of(feed), "people-1", NOON)
