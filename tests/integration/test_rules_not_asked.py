"""A table rule whose SQL fails on what was delivered: told, and nothing else is touched by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.rebuild import look_again
from tests.integration import correction_kit
from tests.integration.correction_kit import ROWS, make_place

RULES = """\
      - id: holder_is_small
        type: custom
        engine: countylake
        severity: fail
        dimension: accuracy
        description: 测试转换
        implementation: {{group: [cert_no], holds: max(CAST(holder AS INTEGER)) < 5}}
      - id: qty_differs
        type: custom
        engine: countylake
        severity: warn
        description: 数量不应重复
        implementation: {{unique: [qty]}}
"""


def test_a_rule_that_cannot_be_asked_is_told_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other rule's findings are there, the sentence names file, line and rule, and no cell."""
    monkeypatch.setattr(correction_kit, "CONTRACT", correction_kit.CONTRACT + RULES)
    (tmp_path / "site").mkdir()
    for place in make_place("csv", "full", tmp_path / "site", monkeypatch):
        done = look_again(place.workshop, manual())
        assert (done["judged"], done["failed"]) == (1, 1)
        assert "cert_csv.yaml:65: rule holder_is_small could not be asked" in done["told"]
        assert not any(row[1] in done["told"] for row in ROWS if row[1])
        rules = place.ask("SELECT DISTINCT rule_id FROM lake.ops.finding")
        assert rules == [("qty_differs",)]
        answers = place.ask("SELECT rule_id FROM lake.ops.check_result WHERE basis <> ''")
        assert answers == [("qty_differs",)]
        again = look_again(place.workshop, manual())
        assert (again["judged"], again["failed"]) == (0, 1)
