"""A quarter of a million rows: the second opinion asks a sample, the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.opinion import second_opinion
from dagster_project.components.steps.opinion_frame import SAMPLE_ABOVE
from tests.delivery_kit import County

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("gx")]
ROWS = 250_000
BROKEN = 10
"""One row in so many has a date that is none."""
RESULTS = (
    "SELECT rule_id, checked, failed, sampled FROM ops.check_result"
    " WHERE suite = 'great_expectations' AND run_id = ? ORDER BY rule_id"
)


def _put(county: County, rows: int) -> None:
    days = ("2023-05-31", "soon")
    lines = [(f"P{n:07d}", "一厂", days[n % BROKEN == 0]) for n in range(rows)]
    county.put("许可_1.csv", lines)


def test_a_large_batch_is_asked_by_the_same_sample(tmp_path: Path) -> None:
    """About 200,000 rows are asked, two runs count alike, and shares are those of the whole."""
    county = County(tmp_path, words=["gate, value: {share: 1}"])
    _put(county, ROWS)
    done = county.run()
    assert done.error == ""
    occasions = []
    for run in ("first", "second"):
        (batch,) = county.ask("SELECT run_id, delivered_at FROM ops.batch")
        occasion = Occasion(run_id=batch[0], day=batch[1].date())
        told = second_opinion(county.workshop, occasion)
        assert told["relations"] == 1, run
        occasions.append(occasion.run_id)
    found = county.ask(RESULTS, occasions[0])
    assert len(found) == 2 * len({rule for rule, *_ in found})
    assert len(set(found)) * 2 == len(found)
    by_rule = {rule: (checked, failed, sampled) for rule, checked, failed, sampled in found}
    checked, failed, sampled = by_rule["issued_date.type"]
    assert sampled
    assert abs(checked - SAMPLE_ABOVE) < SAMPLE_ABOVE // 100
    assert abs(failed / checked - 1 / BROKEN) < 1 / 1000
    page = (county.workshop.home.docs / "permit.html").read_text(encoding="utf-8")
    assert f"本批 {ROWS:,} 行" in page
    index = json.loads((county.workshop.home.docs / "index.json").read_text(encoding="utf-8"))
    assert index["permit"]["rows"] == ROWS
