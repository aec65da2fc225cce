"""A delivery that is unlike the feed's last ones is merged, and told; so are totals that differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.paths import schemas_dir
from tests.delivery_kit import FOLDER, County

ROWS = 2_000
MORE = """\
      - name: fee
        businessName: 费用
        logicalType: number
        physicalType: DECIMAL(18, 2)
        classification: L2
        customProperties:
          - {property: unit, value: 元}
      - name: active
        businessName: 是否有效
        logicalType: boolean
        classification: L1
        customProperties:
          - {property: codes, value: yes_no}
      - name: secret
        businessName: 是否保密
        logicalType: boolean
        classification: L3
        customProperties:
          - {property: codes, value: yes_no}
          - {property: mask, value: drop}
"""
PROFILE = (
    "SELECT column_name, value, cells FROM ops.batch_profile JOIN ops.batch USING (batch_id)"
    " WHERE path LIKE '%/许可_0.csv' AND cells <> ? ORDER BY ALL"
)
CHECKS = (
    "SELECT rule_id FROM ops.check_result JOIN ops.batch USING (batch_id)"
    " WHERE path LIKE ? AND NOT success AND suite = 'countylake' ORDER BY 1"
)
SAID = "SELECT message FROM ops.delivery WHERE path LIKE ?"


@pytest.fixture
def county(tmp_path: Path) -> County:
    """A county whose permits have a fee, and two columns of yes and no."""
    made = County(tmp_path)
    contract = made.workshop.schemas / "feeds" / "permit.yaml"
    contract.write_text(contract.read_text(encoding="utf-8") + MORE, encoding="utf-8")
    (made.workshop.schemas / "codes").mkdir()
    codes = "codes/yes_no.csv"
    (made.workshop.schemas / codes).write_bytes((schemas_dir() / codes).read_bytes())
    made.workshop = made.workshop.renewed()
    assert made.workshop.contracts.problems == ()
    return made


def _put(
    county: County, name: str, *, rows: int = ROWS, empty: int = 10, yes: int = 50, off: int = 0
) -> None:
    """A file in which a share of 100 lacks the holder, and a share is active; a total below it."""
    lines = ["许可编号,持有单位,发证日期,费用,是否有效,是否保密"]
    for n in range(rows):
        holder, active = "" if n % 100 < empty else "一厂", "是" if n * 7 % 100 < yes else "否"
        lines.append(f"P{n},{holder},2023-05-31,1.50,{active},是")
    lines.append(f"合计,,,{rows * 1.5 + off:.2f},,")
    county.put_bytes(f"许可_{name}.csv", ("\n".join(lines) + "\n").encode())


def test_what_is_unusual_is_merged_and_told(county: County) -> None:
    """Emptier cells, other codes, more rows: each has its check and its sentence.

    The profile by which it is found has values of open columns of yes and no only.
    """
    for day in range(3):
        _put(county, str(day), rows=ROWS + day, empty=10 + day, yes=50 - day)
    _put(county, "4", empty=18, yes=60)
    _put(county, "5", rows=2 * ROWS, empty=80, yes=95)
    done = county.run()
    assert (done.error, len(done.batches)) == ("", 5)
    assert county.ask(CHECKS, "%/许可_4.csv") == []
    assert [rule for (rule,) in county.ask(CHECKS, "%/许可_5.csv")] == [
        "active.shares",
        "holder.null_rate",
        "volume_is_usual",
    ]
    ((said,),) = county.ask(SAID, "%/许可_5.csv")
    assert "4,000 rows are more than usual" in said
    assert "80.0% of 持有单位 (holder) are empty, usually 1" in said
    assert "是否有效 (active) are of other codes than usual, most of all 否: 5.0%" in said
    assert "It was merged" in said
    passed = {check.name: check.passed for check in done.checks}
    assert not passed["null_rates_are_usual"]
    assert not passed["shares_are_usual"]
    assert passed["control_totals_agree"]
    assert county.ask(PROFILE, ROWS) == [
        ("active", "false", ROWS // 2),
        ("active", "true", ROWS // 2),
        ("holder", "", ROWS * 9 // 10),
    ]


def test_totals_that_differ_are_told_with_their_place(county: County) -> None:
    """The check fails, the department reads row and column; the figures stay in the lake."""
    _put(county, "1", rows=10)
    _put(county, "2", rows=20, off=1)
    done = county.run()
    assert county.ask(CHECKS, "%/许可_1.csv") == []
    assert county.ask(CHECKS, "%/许可_2.csv") == [("control_totals_agree",)]
    ((said,),) = county.ask(SAID, f"{FOLDER}/许可_2.csv")
    assert "row 22, 费用 (fee)" in said
    assert "31" not in said
    (check,) = (one for one in done.checks if one.name == "control_totals_agree")
    assert (check.passed, check.checked, check.failed) == (False, 2, 1)
