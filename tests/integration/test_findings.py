"""Records that break table rules: found, followed as cases, closed; every form, any history."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from dagster_project.contracts.model import Column, Feed
from dagster_project.contracts.table_rule import TableRule
from dagster_project.quality import findings
from dagster_project.quality.table_rules import Judged, basis, evaluate, forget
from tests.conform_kit import NOON, Bench, feed_of, open_bench, plan_of

HOUR = timedelta(hours=1)
NO = Column("no", "编号", "string", key_position=1, required=True)
COLUMNS = (
    NO,
    Column("org", "组织", "string"),
    Column("voucher", "凭证号", "string"),
    Column("debit", "借方", "decimal"),
    Column("credit", "贷方", "decimal"),
    Column("on_day", "日期", "date"),
)
Rows = Sequence[Mapping[str, str | None]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake for all tests here; each uses feeds of its own."""
    with open_bench(tmp_path_factory.mktemp("findings")) as made:
        yield made


def ledger(name: str, **words: Any) -> Feed:
    """A feed of lines with one table rule of these words."""
    feed = feed_of(*COLUMNS, name=name, delivery="full")
    rule = TableRule("asked", "测试用规则", severity="fail", inputs=(name,), **words)
    return replace(feed, table_rules=(rule,))


def line(no: str, org: str | None = "o", voucher: str = "", **cells: str) -> dict[str, str | None]:
    """One line."""
    return {"no": no, "org": org, "voucher": voucher, **cells}


def ask(bench: Bench, feed: Feed, at: int = 0) -> Judged:
    """Ask the feed's rule and settle its findings, ``at`` hours after noon."""
    with bench.writer.transaction("ask") as tx:
        (found,) = evaluate(tx.con, feed, feed.table_rules, NOON.date())
        findings.settle(tx.con, feed, [found], NOON + at * HOUR)
        forget(tx.con)
    return found


def cases(bench: Bench, feed: Feed, what: str = "record_key, state, how, attempts") -> list[Any]:
    """The feed's findings."""
    return bench.con.execute(
        f"SELECT {what} FROM lake.ops.finding WHERE feed = ? ORDER BY ALL", [feed.name]
    ).fetchall()


FORMS: dict[str, tuple[dict[str, Any], Rows, int, set[str]]] = {
    "unique": (
        {"form": "unique", "columns": ("org", "voucher"), "where": "debit > 0"},
        [
            line("1", "a", "7", debit="1"),
            line("2", "a", "7", debit="2"),
            line("3", "b", "7", debit="1"),
            line("4", None, "7", debit="1"),
            line("5", None, "7", debit="1"),
            line("6", "a", "7", debit="0"),
        ],
        3,
        {"1", "2"},
    ),
    "group": (
        {"form": "group", "columns": ("org", "voucher"), "holds": "sum(debit) = sum(credit)"},
        [
            line("1", "a", "1", debit="1.10", credit="0"),
            line("2", "a", "1", debit="0", credit="1.10"),
            line("3", "a", "2", debit="1.10", credit="0"),
            line("4", "a", "2", debit="0", credit="1.11"),
            line("5", None, "2", debit="5", credit="0"),
            line("6", "b", "9"),
        ],
        6,
        {"3", "4", "5"},
    ),
    "sequence": (
        {"form": "sequence", "sequence": "voucher", "columns": ("org",)},
        [
            line("1", "a", "记-7"),
            line("2", "a", "记-8"),
            line("3", "a", "记-8"),
            line("4", "a", "记-10"),
            line("5", "a", "记-0011号"),
            line("6", "b", "3"),
            line("7", "b", "无"),
        ],
        6,
        {"4"},
    ),
    "records": (
        {
            "form": "records",
            "query": "SELECT x.no FROM silver.records AS x JOIN silver.records AS y"
            " ON y.org = x.org AND y.no <> x.no WHERE x.on_day <= :day",
            "where": "on_day IS NOT NULL",
        },
        [
            line("1", "a", on_day="2023-06-01"),
            line("2", "a", on_day="2023-06-02"),
            line("3", "b", on_day="2023-06-01"),
            line("4", "b"),
        ],
        3,
        {"1", "3"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_names_exactly_its_records(bench: Bench, form: str) -> None:
    """Live records that break the rule, near misses not, and how many were asked."""
    words, rows, checked, wrong = FORMS[form]
    feed = ledger(form, **words)
    bench.deliver(plan_of(feed), [*rows, line("gone", "a", "1", debit="9", on_day="2023-01-01")])
    bench.deliver(plan_of(feed), list(rows), at=NOON + HOUR)
    found = ask(bench, feed)
    assert (found.checked, found.failed) == (checked, len(wrong))
    assert {key for key, *_ in cases(bench, feed)} == wrong
    places = cases(bench, feed, "record_key, opened_row, source_row")
    assert all(row == now == int(key) + 1 for key, row, now in places)


def test_a_finding_lives_from_delivery_to_delivery(bench: Bench) -> None:
    """Opened, asked again without a change, still wrong, corrected, wrong anew, withdrawn."""
    feed = ledger("life", form="unique", columns=("org",))
    deliver = plan_of(feed)
    bench.deliver(deliver, [line("1"), line("2"), line("3", "p")])
    ask(bench, feed)
    opened = cases(bench, feed, "*")
    ask(bench, feed, at=1)
    assert cases(bench, feed, "*") == opened
    bench.deliver(deliver, [line("1", voucher="x"), line("2"), line("3", "p")], at=NOON + HOUR)
    ask(bench, feed, at=2)
    assert cases(bench, feed) == [("1", "open", None, 2), ("2", "open", None, 1)]
    bench.deliver(deliver, [line("1", "q"), line("2"), line("3", "p")], at=NOON + 2 * HOUR)
    ask(bench, feed, at=3)
    closed = [("1", "closed", "corrected", 2), ("2", "closed", "corrected", 1)]
    assert cases(bench, feed) == closed
    bench.deliver(deliver, [line("1", "p"), line("3", "p")], at=NOON + 3 * HOUR)
    ask(bench, feed, at=4)
    assert cases(bench, feed)[1:3] == [("1", "open", None, 1), ("2", "closed", "corrected", 1)]
    bench.deliver(deliver, [line("3", "p")], at=NOON + 4 * HOUR)
    ask(bench, feed, at=5)
    assert ("1", "withdrawn", "withdrawn", 1) in cases(bench, feed)
    numbers = cases(bench, feed, "case_id")
    assert len(set(numbers)) == len(numbers) == 4


def test_a_confirmed_record_is_asked_again_only_when_it_changes(bench: Bench) -> None:
    """What somebody found right stays so, until the department says something else of it."""
    feed = ledger("sure", form="unique", columns=("org",))
    bench.deliver(plan_of(feed), [line("1"), line("2")])
    ask(bench, feed)
    with bench.writer.transaction("confirm") as tx:
        tx.con.execute(
            "UPDATE lake.ops.finding SET state = 'confirmed', how = 'confirmed', closed_at = ?"
            " WHERE feed = 'sure' AND record_key = '1'",
            [NOON],
        )
    ask(bench, feed, at=1)
    sure = ("1", "confirmed", "confirmed", 1)
    assert cases(bench, feed) == [sure, ("2", "open", None, 1)]
    bench.deliver(plan_of(feed), [line("1", voucher="new"), line("2")], at=NOON + HOUR)
    ask(bench, feed, at=2)
    assert cases(bench, feed) == [sure, ("1", "open", None, 1), ("2", "open", None, 1)]


def test_a_confirmed_record_is_asked_again_when_the_rule_asks_something_else(bench: Bench) -> None:
    """Another threshold is another question; another title or severity is not."""
    feed = ledger("stricter", form="group", columns=("no",), holds="sum(debit) < 5")
    bench.deliver(plan_of(feed), [line("1", debit="9")])
    ask(bench, feed)
    with bench.writer.transaction("confirm") as tx:
        tx.con.execute(
            "UPDATE lake.ops.finding SET state = 'confirmed', how = 'confirmed', closed_at = ?"
            " WHERE feed = 'stricter'",
            [NOON],
        )
    (rule,) = feed.table_rules
    sure = ("1", "confirmed", "confirmed", 1)
    told = replace(feed, table_rules=(replace(rule, message="另一题名", severity="warn"),))
    ask(bench, told, at=1)
    assert cases(bench, feed) == [sure]
    other = replace(feed, table_rules=(replace(rule, holds="sum(debit) < 7"),))
    ask(bench, other, at=2)
    assert cases(bench, feed) == [sure, ("1", "open", None, 1)]
    ask(bench, feed, at=3)
    assert cases(bench, feed) == [sure, ("1", "open", None, 1)]


def test_findings_of_a_rule_that_is_gone_are_withdrawn(bench: Bench) -> None:
    """Only of feeds whose contract is read: a refused one may come back with its rules."""
    feed = ledger("ruled", form="unique", columns=("org",))
    bench.deliver(plan_of(feed), [line("1"), line("2")])
    ask(bench, feed)
    assert findings.gone(bench.con, {}) == []
    assert findings.gone(bench.con, {"ruled": feed}) == []
    gone = findings.gone(bench.con, {"ruled": replace(feed, table_rules=())})
    assert gone == [("ruled", "asked")]
    with bench.writer.transaction("withdraw") as tx:
        findings.withdraw(tx.con, gone, NOON)
    assert {how for _, _, how, _ in cases(bench, feed)} == {"rule_gone"}


def test_the_basis_follows_what_an_answer_rests_on(bench: Bench) -> None:
    """Inputs and text change it; the day only where the rule asks for it."""
    del bench
    day, next_day = date(2026, 1, 1), date(2026, 1, 2)
    plain = ledger("plain", form="unique", columns=("org",))
    dated = ledger("dated", form="unique", columns=("org",), where="on_day < :day")
    (rule,), (by_day,) = plain.table_rules, dated.table_rules
    assert basis(plain, rule, ["1"], day) == basis(plain, rule, ["1"], next_day)
    assert basis(plain, rule, ["1"], day) != basis(plain, rule, ["2"], day)
    assert basis(dated, by_day, ["1"], day) != basis(dated, by_day, ["1"], next_day)
    stricter = replace(rule, where="debit > 1")
    assert basis(plain, rule, ["1"], day) != basis(plain, stricter, ["1"], day)


def test_a_bar_within_a_key_makes_no_two_records_one(bench: Bench) -> None:
    """('a|b', 'c') and ('a', 'b|c') have findings of their own, and a rejected one saves none."""
    made = ledger("barred", form="unique", columns=("voucher",))
    columns = [
        replace(one, key_position=number, required=True) if number else one
        for one, number in zip(made.columns, (1, 2, 0, 0, 0, 0), strict=True)
    ]
    feed = replace(made, columns=tuple(columns))
    rows = [line("a|b", "c", "7"), line("a", "b|c", "7"), line("a\\", "b|c", "8")]
    bench.deliver(plan_of(feed), rows)
    for hour in (0, 1, 2):
        ask(bench, feed, at=hour)
        assert [key for key, *_ in cases(bench, feed)] == ["a\\|b|c", "a|b\\|c"]
    rejected = [line("a|b", "c", "7", debit="viel"), line("x", "y", "9")]
    bench.deliver(plan_of(feed), rejected, at=NOON + HOUR)
    ask(bench, feed, at=3)
    found = {key: state for key, state, *_ in cases(bench, feed)}
    assert found == {"a\\|b|c": "closed", "a|b\\|c": "withdrawn"}


def test_a_rule_that_never_ends_is_interrupted(bench: Bench) -> None:
    """The lake waits for a rule as long as it is told to, and goes on afterwards."""
    query = (
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n)"
        " SELECT e.no FROM silver.endless AS e JOIN n ON e.no = CAST(n.i AS VARCHAR)"
    )
    feed = ledger("endless", form="records", query=query)
    bench.deliver(plan_of(feed), [line("1")])
    with pytest.raises(duckdb.InterruptException):
        evaluate(bench.con, feed, feed.table_rules, NOON.date(), most_s=0.2)
    obeyed = ledger("endless", form="unique", columns=("org",))
    assert ask(bench, obeyed).failed == 0


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_any_history_ends_as_an_oracle_says(bench: Bench, seed: int) -> None:
    """Deliveries at random; after each the open cases are exactly the wrong records."""
    feed = ledger(f"random{seed}", form="unique", columns=("org",))
    chance = random.Random(seed)  # noqa: S311 - a repeatable history, no secret
    for step in range(8):
        rows = [
            line(str(no), chance.choice("abc") if chance.random() < 0.9 else None)
            for no in range(1, 7)
            if chance.random() < 0.8
        ]
        bench.deliver(plan_of(feed), rows, at=NOON + step * HOUR)
        ask(bench, feed, at=step)
        orgs = [row["org"] for row in rows]
        wrong = {str(row["no"]) for row in rows if row["org"] and orgs.count(row["org"]) > 1}
        found = cases(bench, feed)
        assert sorted(key for key, state, *_ in found if state == "open") == sorted(wrong)
        numbers = cases(bench, feed, "case_id")
        assert len(set(numbers)) == len(numbers)
