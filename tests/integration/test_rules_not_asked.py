"""Table rules that fail on what was delivered, and flags that are taken back and put back."""

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


def test_a_flag_that_comes_back_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cases were withdrawn with it: the same text over the same records opens new ones."""
    text = correction_kit.CONTRACT + RULES.partition("      - id: qty")[0]
    flagged = correction_kit.CONTRACT + RULES[RULES.index("      - id: qty") :]
    monkeypatch.setattr(correction_kit, "CONTRACT", flagged)
    (tmp_path / "site").mkdir()
    for place in make_place("csv", "full", tmp_path / "site", monkeypatch):
        contract = tmp_path / "site" / "schemas" / "feeds" / "cert_csv.yaml"
        whole, seen = contract.read_text(encoding="utf-8"), []
        without = text.format(name="cert_csv", ending="csv", delivery="full")
        for said in (whole, without, whole):
            contract.write_text(said, encoding="utf-8")
            site = place.workshop.renewed()
            assert [str(one) for one in site.contracts.problems] == []
            look_again(site, manual())
            seen.append(place.ask("SELECT state FROM lake.ops.finding ORDER BY state"))
        is_open, gone = ("open",), ("withdrawn",)
        assert seen == [[is_open] * 2, [gone] * 2, [is_open, is_open, gone, gone]]
