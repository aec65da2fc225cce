"""What a hostile child says of its lineage and receipts is read within bounds, and told harmlessly.

Only what a receiving site reads of others; its own events are written by itself.
"""

from __future__ import annotations

import json
from time import process_time

import pytest

from dagster_project.cli.city_trace import _show_package
from dagster_project.components.steps.city_lineage import TracedFeed, TracedPackage
from dagster_project.errors import PackageError
from dagster_project.lineage.packages import feeds_giving


def test_many_unknown_columns_cost_no_more_than_many_columns() -> None:
    """Each column that a table does not tell of would be all of it: it is taken once."""
    most = 20_000
    asked = [{"name": "gold.g", "field": f"u{number}"} for number in range(most)]
    given: dict[str, object] = {f"c{number}": {"inputFields": []} for number in range(most)}
    given["last"] = {"inputFields": [{"name": "bronze.house", "field": "k"}]}
    events = [
        json.dumps({"outputs": [{"name": name, "facets": {"columnLineage": {"fields": fields}}}]})
        for name, fields in (("report.r", {"n": {"inputFields": asked}}), ("gold.g", given))
    ]
    before = process_time()
    assert feeds_giving(events, "report.r", ["n"]) == ("house",)
    assert process_time() - before < 5


@pytest.mark.parametrize("event", ["[" * 200_000, "[]", '{"outputs": 1}', '{"outputs": [[]]}'])
def test_odd_lineage_is_a_sentence(event: str) -> None:
    """However deep it is nested, or whatever else it is."""
    with pytest.raises(PackageError, match="cannot be read"):
        feeds_giving([event], "report.r", ["n"])


def test_the_words_of_a_child_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup, escape sequences and instants that nobody stated are shown as what they are."""
    batch = {"sha256": "0" * 64, "received_at": ""}
    feed = TracedFeed(
        feed="house",
        gives_values=True,
        contract_version="1.0.0",
        batches=(batch,),
        others=0,
        read=1,
        rejected=0,
        open_cases=0,
        standing={"score": "[/b]\x1b[2J"},
    )
    package = TracedPackage(
        package_id="p",
        site_code="140321",
        outcome="accepted",
        report="r",
        period="2026",
        revision=1,
        package_no=1,
        package_hash="0" * 64,
        rows={},
        receipt_hash="0" * 64,
        contract_version="[/red]\x1b]0;x\x07",
        feeds=[feed],
    )
    _show_package(package)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[/red]\\x1b" in told
    assert "—" in told
