"""What a batch does to silver: duplicates, older and newer rows, snapshots, and the books of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from dagster_project.contracts.model import Column, Feed, Rule
from dagster_project.contracts.rules import REPEATED
from dagster_project.errors import ContractError, LakeError
from dagster_project.transform.conform import BatchCounts, batch, evolve, rebuild
from dagster_project.transform.conform.merge import Merged
from tests.conform_kit import NOON, Bench, feed_of, open_bench, plan_of

DAY = timedelta(days=1)
KEY = Column("no", "编号", "string", key_position=1, required=True)
NAME = Column("name", "名称", "string", textual=True, required=True)
AMOUNT = Column("amount", "金额", "decimal", unit="元", minimum="0")
CHANGED = Column("changed", "更新日", "date")
SEX = Column("sex", "性别", "string", codes="sex")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake for all tests here; each uses a feed of its own."""
    with open_bench(tmp_path_factory.mktemp("merge")) as made:
        yield made


def _increments(name: str, **extra: Any) -> Feed:
    return feed_of(KEY, NAME, CHANGED, name=name, order_by="changed", **extra)


def _row(no: str, name: str, changed: str | None = None) -> dict[str, str | None]:
    return {"no": no, "name": name, "changed": changed}


def _fates(counts: BatchCounts) -> tuple[int, ...]:
    return (
        counts.read,
        counts.accepted,
        counts.rejected,
        counts.duplicate,
        counts.superseded,
        counts.dropped,
    )


def _changes(counts: BatchCounts) -> tuple[int, int, int]:
    return (counts.inserted, counts.updated, counts.deleted)


def test_inside_one_batch_the_greatest_row_of_a_key_wins(bench: Bench) -> None:
    """By the order column, then by place; equal content is a duplicate, older a superseded row."""
    feed = _increments("inside")
    counts = bench.deliver(
        plan_of(feed),
        [
            _row("a", "old", "2023-01-01"),
            _row("a", "new", "2023-02-01"),
            _row("a", "undated"),
            _row("b", "same", "2023-01-01"),
            _row("b", "same", "2023-01-01"),
            _row("c", "first", "2023-01-01"),
            _row("c", "second", "2023-01-01"),
            _row("d", "", None),
        ],
    )
    assert _fates(counts) == (8, 3, 1, 1, 3, 0)
    rows = bench.silver(feed, "no, name, _source_row, _is_deleted")
    assert rows == [("a", "new", 3, False), ("b", "same", 6, False), ("c", "second", 8, False)]


def test_an_increment_inserts_updates_and_leaves(bench: Bench) -> None:
    """Against silver: new keys enter, newer rows replace, older ones do not, equal ones refresh."""
    feed = _increments("increment")
    plan = plan_of(feed)
    names = ("same", "older", "newer", "kept")
    bench.deliver(plan, [_row(name, "x", "2023-02-01") for name in names], batch_id="increment-1")
    counts = bench.deliver(
        plan,
        [
            _row("same", "x", "2023-02-01"),
            _row("older", "y", "2023-01-01"),
            _row("newer", "y", "2023-03-01"),
            _row("fresh", "y", "2023-01-01"),
        ],
        at=NOON + DAY,
        batch_id="increment-2",
    )
    assert _fates(counts) == (4, 2, 0, 1, 1, 0)
    assert _changes(counts) == (1, 1, 0)
    assert bench.silver(feed, "no, name, _batch_id") == [
        ("fresh", "y", "increment-2"),
        ("kept", "x", "increment-1"),
        ("newer", "y", "increment-2"),
        ("older", "x", "increment-1"),
        ("same", "x", "increment-2"),
    ]


def test_the_newest_snapshot_replaces_and_marks_what_vanished(bench: Bench) -> None:
    """A key the newest snapshot lacks is deleted softly; a rejected row is not a vanished one."""
    feed = feed_of(KEY, NAME, name="snapshot", delivery="full")
    plan = plan_of(feed)
    bench.deliver(plan, [_row(no, "x") for no in "abcd"])
    counts = bench.deliver(
        plan, [_row("a", "x"), _row("b", "y"), _row("c", ""), _row("e", "x")], at=NOON + DAY
    )
    assert _fates(counts) == (4, 2, 1, 1, 0, 0)
    assert _changes(counts) == (1, 1, 1)
    columns = "no, name, _is_deleted"
    live = [("a", "x", False), ("b", "y", False), ("c", "x", False)]
    assert bench.silver(feed, columns) == [*live, ("d", "x", True), ("e", "x", False)]
    back = bench.deliver(plan, [_row(no, "x") for no in "abcd"], at=NOON + 2 * DAY)
    assert _changes(back) == (0, 2, 1)
    assert [row[2] for row in bench.silver(feed, columns)] == [False, False, False, False, True]


def test_a_snapshot_that_comes_late_changes_nothing_newer(bench: Bench) -> None:
    """It may add keys that only it knew, as deleted ones, unless the newest row was rejected."""
    feed = feed_of(KEY, NAME, name="late", delivery="full")
    plan = plan_of(feed)
    bench.deliver(plan, [_row("a", "new"), _row("b", "")], at=NOON + DAY)
    counts = bench.deliver(plan, [_row("a", "old"), _row("b", "old"), _row("c", "old")])
    assert _fates(counts) == (3, 2, 0, 0, 1, 0)
    assert bench.silver(feed, "no, name, _is_deleted") == [
        ("a", "new", False),
        ("b", "old", False),
        ("c", "old", True),
    ]


def test_keys_of_several_columns_and_types(bench: Bench) -> None:
    """A key is all its columns, typed."""
    feed = feed_of(
        KEY,
        Column("step", "步骤", "integer", key_position=2, required=True),
        NAME,
        name="composite",
    )
    plan = plan_of(feed)
    rows = [{"no": "a", "step": "1", "name": "x"}, {"no": "a", "step": "2", "name": "x"}]
    assert _fates(bench.deliver(plan, rows)) == (2, 2, 0, 0, 0, 0)
    again = [{"no": "a", "step": "01", "name": "y"}]
    assert _changes(bench.deliver(plan, again, at=NOON + DAY)) == (0, 1, 0)
    assert bench.silver(feed, "step, name") == [(1, "y"), (2, "x")]


@dataclass(frozen=True)
class Aside:
    """What a reader sets aside."""

    sheet: str
    row: int
    kind: str = ""
    text: str = ""
    column: str = ""
    stated: str = ""


def test_everything_about_a_batch_is_noted(bench: Bench) -> None:
    """Bronze, quarantine, repairs, dropped rows, totals, and counts by rule."""
    rule = Rule("named", "name <> 'x'", "不得为 x", "consistency")
    feed = feed_of(KEY, NAME, AMOUNT, SEX, name="noted", rules=[rule])
    plan = plan_of(feed)
    counts = bench.deliver(
        plan,
        [
            {"no": "a", "name": " 甲", "amount": "1.5万", "sex": "男", "_sheet": "s"},
            {"no": "b", "name": "x", "amount": "-1", "sex": "8", "_sheet": "s"},
            {"no": "c", "name": "乙", "amount": "2,000", "sex": None, "_sheet": "s"},
            {"no": "d", "_defect": "ragged", "_sheet": "t"},
        ],
        batch_id="noted-1",
        dropped=[Aside("s", 1, "title", "表")],
        control_totals=[
            Aside("s", 9, column="amount", stated="１７，０００"),
            Aside("t", 9, column="amount", stated="5"),
        ],
    )
    assert _fates(counts) == (5, 2, 2, 0, 0, 1)
    where = "FROM lake.ops.{} WHERE feed = 'noted' ORDER BY ALL"
    quarantine = "SELECT sheet, source_row, record_key, reasons " + where.format("quarantine")
    assert bench.all(quarantine) == [
        ("s", 3, "b", ["amount.range", "sex.code", "named"]),
        ("t", 5, None, ["row.ragged"]),
    ]
    raw = bench.all("SELECT raw " + where.format("quarantine").replace("ALL", "source_row"))
    assert json.loads(raw[0][0])["amount"] == "-1"
    repairs = "SELECT source_row, column_name, rule_id, raw_value, fixed_value "
    assert bench.all(repairs + where.format("repair")) == [
        (2, "amount", "money_text", "1.5万", "15000.00"),
        (2, "sex", "code_synonym", "男", "1"),
    ]
    assert bench.all("SELECT sheet, source_row, kind, content " + where.format("dropped_row")) == [
        ("s", 1, "title", "表")
    ]
    totals = "SELECT sheet, column_name, computed, agrees "
    assert bench.all(totals + where.format("control_total")) == [
        ("s", "amount", "16999.00", False),
        ("t", "amount", "0.00", False),
    ]
    rules = {(r.rule_id, r.column, r.kind): (r.checked, r.failed) for r in counts.rules}
    assert rules["row.ragged", "", "rule"] == (4, 1)
    assert rules["amount.range", "amount", "rule"] == (3, 1)
    assert rules["sex.code", "sex", "rule"] == (2, 1)
    assert rules["named", "", "rule"] == (3, 1)
    assert rules["trim", "name", "cosmetic"] == (3, 1)
    assert rules["money_text", "amount", "cosmetic"] == (3, 1)
    assert rules["money_text", "amount", "repair"] == (3, 1)
    stored = bench.all(
        "SELECT rule_id, column_name, kind, checked, failed FROM lake.ops.batch_rule"
        " WHERE batch_id = 'noted-1'"
    )
    assert {(a, b, c): (d, e) for a, b, c, d, e in stored} == rules
    assert bench.all("SELECT count(*) FROM lake.bronze.noted WHERE _batch_id = 'noted-1'") == [(4,)]
    head = bench.all("SELECT read, replaced, delivery FROM lake.ops.batch WHERE feed = 'noted'")
    assert head == [(5, None, "incremental")]


def test_the_readers_file_may_become_bronze_as_it_is(bench: Bench) -> None:
    """A Parquet file in bronze's own folder is taken over: its bytes are written once."""
    feed = feed_of(KEY, NAME, name="adopted")
    folder = bench.writer.home.data / "bronze" / "adopted"
    folder.mkdir(parents=True)
    counts = replace(bench, folder=folder).deliver(
        plan_of(feed), [_row("a", "x")], batch_id="adopted-1", adopt=True
    )
    assert _fates(counts) == (1, 1, 0, 0, 0, 0)
    assert bench.all("SELECT no, name, _batch_id, _source_row FROM lake.bronze.adopted") == [
        ("a", "x", "adopted-1", 2)
    ]
    files = [path.name for path in folder.glob("*.parquet")]
    assert files == ["adopted-1.parquet"]
    with bench.writer.transaction("rebuild") as tx:
        rebuild(tx.con, plan_of(feed), run_id="r", committed_at=NOON)
    assert bench.silver(feed, "no, _batch_id") == [("a", "adopted-1")]


def test_a_batch_that_does_not_add_up_is_not_committed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The conservation law is enforced before the commit, and nothing of the batch stays."""
    feed = feed_of(KEY, NAME, name="unbalanced")
    plan = plan_of(feed)
    bench.deliver(plan, [_row("a", "x")], batch_id="unbalanced-1")
    monkeypatch.setattr(batch, "merge", lambda *_: Merged(0, 0, 0, 0, 0, 0))
    with pytest.raises(LakeError, match="unbalanced-2 read 1 rows but accounts for 0"):
        bench.deliver(plan, [_row("b", "x")], batch_id="unbalanced-2")
    assert bench.all("SELECT batch_id FROM lake.ops.batch WHERE feed = 'unbalanced'") == [
        ("unbalanced-1",)
    ]
    assert bench.all("SELECT count(*) FROM lake.bronze.unbalanced") == [(1,)]


def test_a_key_that_stands_twice_in_silver_stops_the_merge(bench: Bench) -> None:
    """Keys are proven unique after the merge, in the same transaction."""
    feed = _increments("twice")
    plan = plan_of(feed)
    bench.deliver(plan, [_row("a", "x", "2023-01-01")])
    with bench.writer.transaction("break it") as tx:
        tx.con.execute("INSERT INTO lake.silver.twice SELECT * FROM lake.silver.twice")
    with pytest.raises(LakeError, match="twice"):
        bench.deliver(plan, [_row("a", "y", "2023-02-01")], at=NOON + DAY)


def test_the_contract_may_grow_and_nothing_else(bench: Bench) -> None:
    """A new column is added in place; anything else names what changed and asks for a rebuild."""
    feed = _increments("grown")
    bench.deliver(plan_of(feed), [_row("a", "x", "2023-01-01")], batch_id="grown-1")
    wider = replace(feed, columns=(*feed.columns, SEX))
    with bench.writer.transaction("evolve") as tx:
        assert evolve(tx.con, wider) == ["added sex to silver.grown", "added sex to bronze.grown"]
        assert evolve(tx.con, wider) == []
    again = bench.deliver(plan_of(wider), [_row("a", "x", "2023-01-01")], at=NOON + DAY)
    assert again.duplicate == 1
    typed = replace(feed, columns=(KEY, NAME, replace(CHANGED, type="string")))
    for changed, why in (
        (feed, "column sex is gone"),
        (replace(typed, columns=(*typed.columns, SEX)), "column changed is VARCHAR in place of"),
        (replace(wider, delivery="full"), "key, delivery or order is no longer"),
    ):
        with pytest.raises(ContractError, match=f"{why}.*countylake rebuild grown"):
            evolve(bench.con, changed)
    with bench.writer.transaction("rebuild") as tx:
        rebuild(tx.con, plan_of(replace(wider, delivery="full")), run_id="r", committed_at=NOON)
    assert bench.silver(wider, "no, name, sex, _batch_id") == [
        ("a", "x", None, bench.silver(wider, "_batch_id")[0][0])
    ]


def test_tables_speak_chinese(bench: Bench) -> None:
    """Tables and columns carry the contract's titles, units and clocks as comments."""
    bench.deliver(plan_of(feed_of(KEY, AMOUNT, name="spoken")), [{"no": "a"}])
    comments = dict(
        bench.all(
            "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = 'lake'"
            " AND schema_name = 'silver' AND table_name = 'spoken'"
        )
    )
    assert comments["amount"] == "金额（元）"
    assert all(comments.values())


def test_a_key_that_a_delivery_says_twice_is_counted(bench: Bench) -> None:
    """Equal rows of one key always; other states of it only where no column orders them."""
    rows = [
        _row("a", "x", "2023-01-01"),
        _row("a", "x", "2023-01-01"),
        _row("a", "y", "2023-02-01"),
        _row("b", "z", "2023-01-01"),
    ]
    history = _increments("said_twice")
    snapshot = replace(history, name="said_twice_whole", delivery="full")
    for feed, repeated in ((history, 1), (snapshot, 2)):
        counts = bench.deliver(plan_of(feed), rows)
        (rule,) = [one for one in counts.rules if one.rule_id == REPEATED]
        assert (rule.dimension, rule.checked, rule.failed) == ("accuracy", 4, repeated)
        again = bench.deliver(plan_of(feed), rows[2:], at=NOON + DAY)
        assert [one.failed for one in again.rules if one.rule_id == REPEATED] == [0]


def test_no_temp_table_is_left_behind(bench: Bench) -> None:
    """A long run does not collect memory from batch to batch."""
    bench.deliver(plan_of(_increments("tidy")), [_row("a", "x", "2023-01-01")])
    left = bench.all("SELECT table_name FROM duckdb_tables() WHERE temporary")
    assert left == []
    assert isinstance(bench.con, duckdb.DuckDBPyConnection)
