"""What a department reads about a cell: the words or digits that it should have written."""

from __future__ import annotations

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts
from dagster_project.paths import PROJECT
from dagster_project.transform.conform import compile_feed

SENTENCES = {
    ("payment", "pay_method.code"): "支付方式应为1 转账、2 银农直联、3 公务卡、4 现金、5 支票之一",
    ("payment", "account_code.code"): "会计科目编码不在代码表“会计科目编码”中",
    ("payment", "payee_account.pattern"): "收款账号应为 8 至 30 位数字",
    ("payment", "contract_no.reference"): "合同编号在“集体经济合同”中不存在",
    ("house", "house_code.pattern"): "房屋编码应为 23 位数字，首位不为 0",
    ("txn_bidder", "ip.pattern"): "不符合格式 ",
}


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    """The site's own."""
    return load(PROJECT / "schemas")


@pytest.mark.parametrize(("feed", "rule"), SENTENCES)
def test_a_rule_says_what_should_stand_there(contracts: Contracts, feed: str, rule: str) -> None:
    """Short lists are told as a whole, digits by their number, other feeds by their title."""
    plan = compile_feed(contracts.feeds[feed], contracts)
    (found,) = (one for one in plan.rules if one.id == rule)
    assert SENTENCES[feed, rule] in found.message
