"""Which reasons a row gets: one for each fault, none for a near miss."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dagster_project.contracts import feed_rule_ids
from dagster_project.contracts.model import Column, Contracts, Feed, Rule
from dagster_project.errors import ContractError
from dagster_project.transform.conform import Plan, compile_feed
from tests.conform_kit import CODES, Row, contracts_of, feed_of, judge, plan_of

FEED = feed_of(
    Column("no", "编号", "string", max_length=5, key_position=1, required=True),
    Column("born", "出生", "date", required=True, minimum="1850-01-01"),
    Column("died", "死亡", "date"),
    Column("sex", "性别", "string", codes="sex", required=True),
    Column("amount", "金额", "decimal", minimum="0", maximum="100", unit="元"),
    Column("area_code", "区划", "string", pattern=r"^1403\d{2}$"),
    Column("phone", "电话", "string", format="phone"),
    rules=[
        Rule("dies_later", "died >= born", "死亡早于出生", "consistency"),
        Rule("known_by_now", "born <= CAST(:delivered_at AS DATE)", "未来", "timeliness"),
        Rule("pays", "amount IS NOT NULL OR sex = '2'", "未填金额", "completeness"),
        Rule("is_young", "born >= DATE '1900-01-01'", "年龄", "accuracy", severity="warn"),
    ],
)
GOOD = {
    "no": "1",
    "born": "1990-01-01",
    "died": "2020-01-01",
    "sex": "1",
    "amount": "5",
    "area_code": "140321",
    "phone": "13800000000",
}
PLAN = plan_of(FEED)
FAULTS: list[tuple[Row, tuple[str, ...]]] = [
    ({}, ()),
    ({"no": None}, ("no.required",)),
    ({"no": "不详"}, ("no.required",)),
    ({"no": "R**1"}, ("no.masked",)),
    ({"no": "6.22848E+18"}, ("no.rounded",)),
    ({"no": "123456"}, ("no.length",)),
    ({"no": "12345"}, ()),
    ({"born": "x"}, ("born.type",)),
    ({"born": None}, ("born.required",)),
    ({"born": "1849-12-31"}, ("born.range",)),
    ({"born": "1850-01-01"}, ("is_young",)),
    ({"died": "1990-02-30"}, ("died.type",)),
    ({"sex": ""}, ("sex.required",)),
    ({"sex": "7"}, ("sex.code",)),
    ({"amount": "-0.01"}, ("amount.range",)),
    ({"amount": "100"}, ()),
    ({"amount": "100.01"}, ("amount.range",)),
    ({"area_code": "140400"}, ("area_code.pattern",)),
    ({"phone": "1"}, ("phone.format",)),
    ({"died": "1989-12-31"}, ("dies_later",)),
    ({"died": "1990-01-01"}, ()),
    ({"died": None}, ()),  # unknown is not false
    ({"born": "2023-06-02", "died": None}, ("known_by_now",)),
    ({"born": "2023-06-01", "died": None}, ()),
    ({"amount": None}, ("pays",)),
    ({"amount": None, "sex": "2"}, ()),
    # A rule does not judge a cell that failed already.
    ({"amount": "abc"}, ("amount.type",)),
    ({"died": "1989-12-31", "born": "1849-01-01"}, ("born.range",)),
    # Two faults, two reasons.
    ({"sex": "7", "phone": "1"}, ("sex.code", "phone.format")),
    ({"_defect": "ragged", "sex": "7", "phone": None}, ("row.ragged",)),
    ({"_defect": "garbled", "sex": "7"}, ("row.garbled",)),
    ({"_defect": "formula", "amount": "=SUM(A1:A3)"}, ("row.formula",)),
    ({"phone": "138****0000"}, ("phone.masked",)),
    ({"phone": "XXXX"}, ("phone.masked",)),
    ({"phone": "138*0000000"}, ("phone.format",)),
]


def test_one_fault_gives_one_reason() -> None:
    """Every planted fault is found, every near miss passes, and only warnings are let in."""
    judged = judge(PLAN, *({**GOOD, **fault} for fault, _ in FAULTS))
    found = [(fault, row.reasons) for (fault, _), row in zip(FAULTS, judged, strict=True)]
    assert found == FAULTS
    assert [row.ok for row in judged] == [set(r) <= {"is_young"} for _, r in FAULTS]


def test_the_clock_of_a_rule_is_the_delivery_in_the_county() -> None:
    """``:delivered_at`` is Asia/Shanghai wall clock: 16:00 UTC is the next day."""
    row = {**GOOD, "born": "2023-06-01", "died": None}
    for hour, reasons in ((15, ("known_by_now",)), (16, ())):
        (judged,) = judge(PLAN, row, at=datetime(2023, 5, 31, hour, tzinfo=UTC))
        assert judged.reasons == reasons


@pytest.mark.parametrize("rule_id", [rule.id for rule in PLAN.rules])
def test_switching_a_rule_off_lets_its_fault_in(rule_id: str) -> None:
    """Every rule has a planted fault that only it finds: a dead rule is noticed."""
    planted = next(fault for fault, reasons in FAULTS if reasons == (rule_id,))
    (judged,) = judge(PLAN.without(rule_id), {**GOOD, **planted})
    assert rule_id not in judged.reasons
    assert rule_id not in {rule.id for rule in PLAN.without(rule_id).rules}


def test_the_rules_are_those_the_contract_promises() -> None:
    """Documents and checks list the same rules as the statement asks, in the same order."""
    assert tuple(rule.id for rule in PLAN.rules) == feed_rule_ids(FEED)
    assert all(rule.message and rule.dimension for rule in PLAN.rules)


def test_a_rejected_row_says_its_key_in_text() -> None:
    """Also a key cell that fails its rules is named, so the department finds the row."""
    (judged,) = judge(PLAN, {**GOOD, "no": "１23456"})
    assert judged.key == "123456"
    (ragged,) = judge(PLAN, {**GOOD, "_defect": "ragged"})
    assert ragged.key is None


def test_more_rules_than_one_word_holds() -> None:
    """Bits of a wide feed spread over several words, and none is lost."""
    columns = [Column(f"c{i:02}", "列", "integer", required=True, minimum="0") for i in range(40)]
    plan = plan_of(feed_of(*columns))
    assert plan.words > 1
    good = {column.name: "1" for column in columns}
    faults = [{**good, column.name: "-1"} for column in columns]
    judged = judge(plan, good, *faults)
    assert [row.reasons for row in judged] == [
        (),
        *((f"{column.name}.range",) for column in columns),
    ]


def test_a_cast_that_fails_in_a_rule_leaves_the_rule_open() -> None:
    """One odd value must not stop a batch: the rule then knows nothing of this row."""
    column = Column("c", "列", "string")
    even = Rule("even", "CAST(c AS INTEGER) % 2 = 0", "偶", "accuracy")
    plan = plan_of(feed_of(column, rules=[even]))
    judged = judge(plan, {"c": "2"}, {"c": "3"}, {"c": "３"}, {"c": "x"})
    assert [row.reasons for row in judged] == [(), ("even",), ("even",), ()]


def _broken(feed: Feed, contracts: Contracts | None = None) -> str:
    with pytest.raises(ContractError) as caught:
        compile_feed(feed, contracts or contracts_of(feed))
    return str(caught.value)


def test_a_contract_that_cannot_be_compiled_says_why() -> None:
    """Unknown formats, unknown lists, a missing key and broken SQL are sentences."""
    column = Column("c", "列", "string")
    assert "unknown format iban" in _broken(feed_of(replace(column, format="iban")))
    listed = feed_of(replace(column, codes="colour"))
    assert "unknown code list colour" in _broken(listed, Contracts({}, {}, CODES))
    assert "no business key" in _broken(replace(feed_of(column), columns=(column,)))
    assert "is not SQL" in _broken(feed_of(column, rules=[Rule("r", "c = = 1", "m", "accuracy")]))


def _without_unknown(plan: Plan) -> None:
    plan.without("nothing.here")


def test_only_rules_that_exist_can_be_switched_off() -> None:
    """A misspelt rule id is an error, not a silent success."""
    with pytest.raises(ContractError, match=r"no rule nothing\.here"):
        _without_unknown(PLAN)
