"""Row rules: many rows of a batch judged by many rules, against SQL that was written by hand.

Both sides read the same Parquet of text, which is what bronze is, under the product's memory limit,
and keep the same in a temp table: typed columns, whether the row is valid, the set of rules that it
breaks, its record hash; then both count how often each rule failed. The hand-written query
(``quality.sql``) tolerates what this delivery needs and no more; ours reads every form that the
contract room knows, and notes the repairs besides. That both reject the same rows for the same
rules, and hold the same hashes, is compared before anything is told.

Usage: ``python -m tests.bench.quality`` measures five million rows once;
``python -m tests.bench.quality ours|hand RULES FILE`` runs one side.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from dagster_project.contracts.model import Code, CodeList, Column, Contracts, Feed, Rule, Sla
from dagster_project.lake.engine import literal, session
from dagster_project.paths import PROJECT
from dagster_project.settings import Settings
from dagster_project.transform.conform import Plan, compile_feed
from dagster_project.transform.conform.batch import bound, conform_rows, with_source
from dagster_project.transform.conform.counts import count_rules
from tests.bench.timing import Timed, timed

FOLDER = PROJECT / "var" / "bench" / "quality"
BY_HAND = Path(__file__).with_suffix(".sql")
DELIVERED = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
RULES, MORE = 15, 10
METHODS = CodeList(
    "pay_method",
    "own",
    (
        Code("1", "转账", ("转账",)),
        Code("2", "支票", ("支票",)),
        Code("3", "公务卡", ("公务卡",)),
        Code("4", "现金", ("现金",)),
    ),
)
COLUMNS = (
    Column("pay_no", "支付单号", "string", key_position=1, required=True, max_length=32),
    Column("org_code", "组织代码", "string", required=True, pattern="^[0-9A-Z]{18}$"),
    Column("apply_date", "申请日期", "date", required=True),
    Column("approve_date", "审批日期", "date"),
    Column("pay_time", "支付时间", "timestamp"),
    Column("amount", "金额", "decimal", required=True, minimum="0.01", unit="元"),
    Column("budget", "预算", "decimal", unit="元"),
    Column("quantity", "数量", "integer"),
    Column("unit_price", "单价", "decimal", unit="元"),
    Column("pay_method", "支付方式", "string", codes="pay_method"),
    Column("payee_name", "收款人", "string", textual=True, required=True, max_length=100),
    Column("payee_account", "收款账号", "string", pattern="^[0-9]{16,19}$"),
    Column("is_public", "是否公示", "boolean"),
    Column("applicant", "申请人", "string", textual=True, max_length=50),
    Column("approver", "审批人", "string", textual=True, max_length=50),
    Column("purpose", "用途", "string", textual=True, max_length=200),
)
EXPRESSIONS = {
    "approved_after_application": "approve_date >= apply_date",
    "paid_after_application": "pay_time >= apply_date",
    "paid_after_approval": "CAST(pay_time AS DATE) >= approve_date",
    "within_budget": "amount <= budget",
    "cash_over_limit": "pay_method <> '4' OR amount <= 1000",
    "amount_is_product": "quantity * unit_price = amount",
    "large_is_approved": "amount < 5000 OR approver IS NOT NULL",
    "four_eyes": "applicant <> approver",
    "transfer_has_account": "pay_method <> '1' OR payee_account IS NOT NULL",
    "large_is_public": "amount < 20000 OR is_public",
    "within_year": "EXTRACT(YEAR FROM pay_time) = EXTRACT(YEAR FROM apply_date)",
    "not_in_future": "pay_time <= :delivered_at",
    "payee_is_named": "length(payee_name) >= 2",
    "number_of_year": "substr(pay_no, 1, 4) = strftime(apply_date, '%Y')",
    "not_to_oneself": "payee_name <> applicant",
    # Ten more.
    "price_is_positive": "unit_price > 0",
    "some_quantity": "quantity > 0",
    "budget_is_sane": "budget < 100000000",
    "approved_within_quarter": "approve_date - apply_date <= 92",
    "account_is_no_code": "payee_account <> org_code",
    "cash_is_public": "pay_method <> '4' OR amount < 500 OR is_public",
    "purpose_of_large": "amount < 10000 OR length(purpose) >= 4",
    "card_is_small": "pay_method <> '3' OR amount < 50000",
    "paid_by_day": "EXTRACT(HOUR FROM pay_time) BETWEEN 6 AND 22",
    "payee_is_not_approver": "payee_name <> approver",
}
SOURCE = """
SELECT
  (2020 + i % 5) || lpad(i::VARCHAR, 10, '0') AS pay_no,
  CASE WHEN i % 997 = 0 THEN '不详' ELSE 'N1140321MF' || lpad((i % 3000)::VARCHAR, 8, '0') END
    AS org_code,
  CASE WHEN i % 50 = 7 THEN strftime(day, '%Y年%m月%d日') ELSE strftime(day, '%Y-%m-%d') END
    AS apply_date,
  CASE WHEN i % 3 > 0
    THEN strftime(day + (CASE WHEN i % 800 = 1 THEN -2 ELSE i % 20 END)::INTEGER, '%Y-%m-%d') END
    AS approve_date,
  CASE WHEN i % 13 = 0 THEN '无'
    ELSE strftime(
      day + (CASE WHEN i % 700 = 9 THEN 1 ELSE i % 20 + i % 7 END)::INTEGER
        + to_seconds(25000 + i % 40000),
      '%Y-%m-%d %H:%M:%S') END
    AS pay_time,
  CASE WHEN i % 40 = 3 THEN printf('%,.2f', cents / 100.0)
    WHEN i % 1500 = 4 THEN '约五千' ELSE printf('%.2f', cents / 100.0) END AS amount,
  CASE WHEN i % 4 = 0 THEN NULL
    ELSE printf('%.2f', cents / 100.0 + CASE WHEN i % 900 = 1 THEN -1 ELSE i % 90 END) END
    AS budget,
  CASE WHEN i % 2 = 0 THEN '4' END AS quantity,
  CASE WHEN i % 2 = 0 THEN printf('%.2f', cents / 400.0) END AS unit_price,
  CASE WHEN i % 60 = 5 THEN '转账' WHEN i % 650 = 8 THEN '4' ELSE (1 + i % 3)::VARCHAR END
    AS pay_method,
  CASE WHEN i % 30 = 2 THEN ' 平定县某某商贸行' || i % 5000 || ' '
    ELSE '平定县某某商贸行' || i % 5000 END AS payee_name,
  CASE WHEN i % 3 = 0 OR i % 5 > 0 AND i % 850 <> 11
    THEN '6228' || lpad((i * 7919 % 999999999999)::VARCHAR, 12, '0') END AS payee_account,
  CASE WHEN cents > 2000000 AND i % 5000 > 0 THEN '1'
    ELSE CASE i % 20 WHEN 0 THEN '是' WHEN 1 THEN '否' ELSE (i % 2)::VARCHAR END END AS is_public,
  '王' || chr((19968 + i % 700)::INTEGER) AS applicant,
  CASE WHEN i % 6 > 0 OR cents >= 500000
    THEN CASE WHEN i % 950 = 3 THEN '王' ELSE '李' END
      || chr((19968 + i % CASE WHEN i % 950 = 3 THEN 700 ELSE 900 END)::INTEGER) END AS approver,
  CASE WHEN i % 9 > 0 THEN '购置办公用品及维修' || i % 100 END AS purpose,
  NULL::VARCHAR AS _extra, NULL::VARCHAR AS _defect, '' AS _sheet, i + 2 AS _source_row,
  'payment-1' AS _batch_id
FROM (
  SELECT i, DATE '2020-01-06' + ((i % 5) * 366 + i % 300)::INTEGER AS day,
    400 * (1 + i * 7919 % 9000) AS cents
  FROM range({rows}) AS numbers(i)
)
"""
"""Payments; about one row in forty breaks something, one cell in fifty needs a repair."""


def plan(rules: int) -> Plan:
    """The contract with its first rules."""
    chosen = list(EXPRESSIONS.items())[:rules]
    made = tuple(Rule(name, text, name, "consistency") for name, text in chosen)
    feed = Feed("payment", "支付", "1.0.0", "ny", "农业", COLUMNS, made, "full", (), Sla())
    return compile_feed(feed, Contracts({"payment": feed}, {}, {"pay_method": METHODS}))


def ours(con: duckdb.DuckDBPyConnection, rules: int, source: str) -> dict[str, Any]:
    """What the lake does with a batch before it is merged; seconds, and what came out."""
    made = plan(rules)
    began, spent = time.monotonic(), time.process_time()
    with_source(con, source)
    conform_rows(con, made, frozenset(), DELIVERED)
    counted = count_rules(con, made, set())
    told = {"wall": time.monotonic() - began, "cpu": time.process_time() - spent}
    failed = {one.rule_id: one.failed for one in counted if one.kind == "rule" and one.failed}
    return {**told, "failed": failed} | _sums(con, "conform_rows", "_hash")


def by_hand(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, Any]:
    """What an expert's query does with it."""
    query = BY_HAND.read_text(encoding="utf-8")
    began, spent = time.monotonic(), time.process_time()
    con.execute(f"CREATE TEMP VIEW source AS {source}")
    parameters = {"delivered_at": bound(DELIVERED)["delivered_at"]}
    con.execute(f"CREATE TEMP TABLE judged AS {query}", parameters)
    counted = con.execute(
        "SELECT rule, count(*) FROM (SELECT unnest(string_split(broken, ' ')) AS rule FROM judged"
        " WHERE broken <> '') GROUP BY rule"
    ).fetchall()
    told = {"wall": time.monotonic() - began, "cpu": time.process_time() - spent}
    return {**told, "failed": dict(counted)} | _sums(con, "judged", "record_hash")


def _sums(con: duckdb.DuckDBPyConnection, table: str, digest: str) -> dict[str, Any]:
    """The valid rows' number, and their hashes put together."""
    found = con.execute(
        f"SELECT count({digest}), bit_xor(hash({digest}))::VARCHAR FROM {table}"
        f" WHERE {digest} IS NOT NULL"
    ).fetchone()
    assert found is not None
    return {"valid": found[0], "digest": found[1]}


def run(side: str, rules: int, path: Path) -> None:
    """One side in this process; what it found as JSON."""
    source = f"SELECT * FROM read_parquet({literal(path)})"
    with session(Settings(), FOLDER) as con:
        told = ours(con, rules, source) if side == "ours" else by_hand(con, source)
    sys.stdout.write(json.dumps(told))


def bronze(rows: int) -> Path:
    """The rows as bronze holds them, made once."""
    path = FOLDER / f"payments-{rows}.parquet"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with duckdb.connect() as con:
            con.execute(f"COPY ({SOURCE.format(rows=rows)}) TO {literal(part)} (FORMAT parquet)")
        part.replace(path)
    return path


def measure(rows: int, rounds: int) -> None:
    """Print the ratios and peaks.

    Raises:
        SystemExit: The two sides do not agree on what is wrong.
    """
    path = bronze(rows)
    sides = (("hand", RULES), ("ours", RULES), ("ours", RULES + MORE))
    runs: dict[tuple[str, int], list[tuple[Timed, dict[str, Any]]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, rules in sides:
            command = [sys.executable, "-m", "tests.bench.quality", side, str(rules), str(path)]
            ran = timed(command)
            runs[side, rules].append((ran, json.loads(ran.printed)))
    hand, few, many = (runs[side] for side in sides)
    if any(hand[0][1][part] != few[0][1][part] for part in ("failed", "valid", "digest")):
        sys.exit("the query by hand and the lake's do not agree on what is wrong")
    sys.stdout.write(f"{rows:,} rows of text judged, {rounds} rounds, medians\n")
    for what, mine, other in (
        (f"by hand, {RULES} rules", hand, hand),
        (f"lake, {RULES} rules", few, hand),
        (f"lake, {RULES + MORE} rules", many, few),
    ):
        pairs = list(zip(mine, other, strict=True))
        ratio, spent = (median(m[1][k] / o[1][k] for m, o in pairs) for k in ("wall", "cpu"))
        against = "" if mine is other else f"   ratio {ratio:.2f}, of CPU {spent:.2f}"
        sys.stdout.write(
            f"  {what:20} {median(told['wall'] for _, told in mine):8.1f} s"
            f"   peak {max(ran.peak for ran, _ in mine):6.0f} MiB"
            f"   CPU {median(told['cpu'] for _, told in mine):6.1f} s{against}\n"
        )


def main() -> None:
    """Measure, or run one side."""
    if len(sys.argv) > 1:
        run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        measure(5_000_000, 1)


if __name__ == "__main__":
    main()
