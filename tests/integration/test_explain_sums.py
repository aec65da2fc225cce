"""Whatever was delivered, corrected, reworded or judged anew: the shares add up to the movement."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dagster_project.components.steps.rebuild import rebuild_feed
from tests.integration.explain_kit import MONTH, REPORT, VILLAGES, Hotline, order

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.xdist_group("explain")]
SEED = 20230531
ROUNDS = 3
PACKAGE = f"140321-{REPORT}-202305-r"


def adds_up(told: dict[str, Any]) -> None:
    """Every figure's shares add up to its movement, and both packages are given again."""
    assert [check["equal"] for check in told["checks"]] == [True, True], told["checks"]
    for one in told["figures"]:
        shares = [share["delta"] for share in one["causes"]]
        if one["delta"] is not None and None not in shares:
            assert sum(shares) == one["delta"], one
        if isinstance(one["old"], int) and isinstance(one["new"], int):
            assert None not in shares
            assert one["remainder"] == 0


def edits(chance: random.Random, known: int) -> Iterator[dict[str, str]]:
    """Some late orders: corrections of what is known, new ones, and some that are void now."""
    for number in sorted(chance.sample(range(known), known // 3)):
        yield order(
            number,
            受理时间=f"{MONTH}-{chance.randint(1, 10):02d} 07:00:00",
            村居编码=chance.choice(VILLAGES),
            是否响应=chance.choice("01"),
            处理方式=chance.choice("12"),
            工单状态=chance.choice(("40", "40", "90")),
            更新时间=f"2023-06-{chance.randint(1, 28):02d} 08:00:00",
        )
    for number in range(known, known + chance.randint(1, 20)):
        yield order(number, 村居编码=chance.choice(VILLAGES), 是否响应=chance.choice("01"))


def test_shares_add_up_whatever_was_delivered(tmp_path: Path) -> None:
    """Random deliveries, each followed by a revision: between any two, all deltas add up."""
    county, chance = Hotline(tmp_path), random.Random(SEED)  # noqa: S311 - a test's chance
    county.deliver(order(number) for number in range(40))
    county.take()
    known, packages = 40, county.seal()[:1]
    for _ in range(ROUNDS):
        delivered = [*edits(chance, known)]
        county.deliver(delivered)
        known = max(known, *(int(one["工单编号"][-8:]) + 1 for one in delivered))
        county.take("hotline_order")
        packages += county.seal()
    assert packages == [f"{PACKAGE}{number}" for number in range(1, ROUNDS + 2)]
    moved = 0
    for a, b in itertools.combinations(packages, 2):
        told = county.explain(a, b)
        adds_up(told)
        moved += len(told["figures"])
        kinds = {(one["kind"], one["batch_id"]) for one in told["causes"]}
        assert {kind for kind, _ in kinds} == {"new", "corrected"}
    assert moved > len(packages)


def test_sql_contract_and_rules_are_causes_of_their_own(tmp_path: Path) -> None:
    """SQL that changed, and a feed judged by another rule: the old SQL comes from the receipt."""
    county = Hotline(tmp_path, own_forms=True)
    county.deliver(order(number, 处理方式="12"[number % 2]) for number in range(60))
    county.take()
    assert f"{PACKAGE}1" in county.seal()
    county.reworded(
        "sql/gold/hotline_by_month_town.sql",
        {"COUNT(*) AS order_cnt": "COUNT(*) FILTER (WHERE handle_mode = '2') AS order_cnt"},
    )
    county.deliver(order(n, 处理方式="2", 更新时间="2023-06-20 08:00:00") for n in range(2))
    county.take("hotline_order")
    assert county.seal() == [f"{PACKAGE}2"]
    told = county.explain(f"{PACKAGE}1", f"{PACKAGE}2")
    adds_up(told)
    assert [(one["cause"], one["subject"]) for one in told["causes"]] == [
        ("sql", "gold.hotline_by_month_town"),
        ("records", "hotline_order"),
    ]
    whole = next(one for one in told["figures"] if one["column"] == "order_cnt")
    assert [share["delta"] for share in whole["causes"]] == [-30, 1]

    county.reworded(
        "schemas/feeds/hotline_order.yaml",
        {"version: 1.0.0": "version: 2.0.0", "    quality:\n": RULE},
    )
    rebuild_feed(county.workshop, "hotline_order", county.occasion())
    county.build()
    assert county.seal() == [f"{PACKAGE}3"]
    told = county.explain(f"{PACKAGE}2", f"{PACKAGE}3")
    adds_up(told)
    assert {(one["cause"], one["kind"]) for one in told["causes"]} == {("records", "rejudged")}
    assert sum(one["records"] for one in told["causes"]) == 20
    (feed,) = told["feeds"]
    assert {(one["contract_version"], one["judged_by"]) for one in feed["batches"]} == {
        ("1.0.0", "2.0.0")
    }
    adds_up(county.explain(f"{PACKAGE}1", f"{PACKAGE}3"))


RULE = """    quality:
      - id: far_village
        type: custom
        engine: countylake
        dimension: accuracy
        severity: fail
        description: 该村已撤销
        implementation: "village_code <> '140321107218'"
"""
