"""The checks of a feed, made from its contract: names for people, results from the lake's counts.

Evaluating a rule on a row is conform's work; here its counts become one answer per check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from dagster_project.contracts import cell_rules
from dagster_project.contracts.model import Feed
from dagster_project.contracts.rules import CONTROL_TOTALS, place_rule
from dagster_project.lake.emptiness import has_rows

DELIVERED = "last_delivery_accepted"
READABLE = "file_is_readable"
ROWS = "rows_are_conserved"
KEYS = "keys_are_unique"
VOLUME = "volume_is_usual"
NULL_RATE = "null_rate"
SHARES = "shares"
PLACE = "place"
WORDS = {
    "required": "必填",
    "type": "类型",
    "length": "长度",
    "pattern": "写法",
    "format": "格式",
    "code": "代码",
    "range": "范围",
    "reference": "引用",
    "masked": "遮蔽",
    "rounded": "失精",
    "share": "比例",
}


@dataclass(frozen=True)
class FeedCheck:
    """One check: ``kind`` sums up the cell rules of that kind, else it is one row rule.

    A blocking check is answered before the commit: a batch that fails it never enters the lake.
    """

    name: str
    sentence: str
    blocking: bool
    kind: str = ""


@dataclass(frozen=True)
class CheckAnswer:
    """What a check found; counts of rows, never cells."""

    name: str
    passed: bool
    checked: int = 0
    failed: int = 0


WHOLE_BATCH = (
    FeedCheck(DELIVERED, "最近一次交付已接收并归并", blocking=False),
    FeedCheck(READABLE, "文件可读、编码可信、列齐全，否则整批不入库", blocking=True),
    FeedCheck(ROWS, "读取=合格+问题+重复+被取代+剔除，否则整批不入库", blocking=True),
    FeedCheck(KEYS, "业务主键唯一，否则整批不入库", blocking=True),
)


def feed_checks(feed: Feed) -> tuple[FeedCheck, ...]:
    """The checks of a whole batch, one per kind of cell rule, one per row rule."""
    kinds: dict[str, list[str]] = {}
    for column in feed.columns:
        for rule in cell_rules(column):
            kinds.setdefault(rule.kind, []).append(column.title)
    cells = tuple(
        FeedCheck(f"cells_{kind}", f"{WORDS[kind]}：{'、'.join(titles)}", blocking=False, kind=kind)
        for kind, titles in kinds.items()
    )
    rows = tuple(FeedCheck(rule.id, rule.message, blocking=False) for rule in feed.rules)
    if feed.coordinates:
        place = place_rule(feed)
        rows = (*rows, FeedCheck(PLACE, place.message, blocking=False, kind=PLACE))
    return (*WHOLE_BATCH, *_usual(feed), *cells, *rows)


def _usual(feed: Feed) -> tuple[FeedCheck, ...]:
    """What is told and never rejects: the file's own totals, and the feed against its past."""
    near = f"与最近几次交付相差不超过{feed.shifts.nulls:.0%}（另加随机波动）"
    same = f"构成与最近几次交付的差异不超过{feed.shifts.shares:.0%}（另加随机波动）"
    volume = f"行数与最近几次交付的中位数相差不超过{feed.volume:.0%}"
    return (
        FeedCheck(CONTROL_TOTALS, "文件自报合计与各行之和一致", blocking=False),
        FeedCheck(VOLUME, volume, blocking=False),
        FeedCheck("null_rates_are_usual", f"各字段空值率{near}", blocking=False, kind=NULL_RATE),
        FeedCheck("shares_are_usual", f"各代码字段{same}", blocking=False, kind=SHARES),
    )


def answer_checks(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    batches: Sequence[str],
    failed: Iterable[str],
    error: str,
) -> tuple[CheckAnswer, ...]:
    """Every check's answer for the run's batches, or for the last batch when nothing came.

    Args:
        con: A connection with the lake attached.
        feed: The feed's contract.
        batches: The batches committed now.
        failed: Blocking checks that kept a batch out.
        error: Why the feed failed, empty if it did not.
    """
    kept_out = set(failed)
    counted = _counts(con, feed.name, batches)
    answers = []
    for check in feed_checks(feed):
        if check.name == DELIVERED:
            answers.append(CheckAnswer(check.name, passed=not error))
        elif check.blocking:
            answers.append(CheckAnswer(check.name, passed=check.name not in kept_out))
        else:
            checked, wrong = counted.get(check.kind or check.name, (0, 0))
            answers.append(CheckAnswer(check.name, wrong == 0, checked, wrong))
    return tuple(answers)


def _counts(
    con: duckdb.DuckDBPyConnection, feed: str, batches: Sequence[str]
) -> Mapping[str, tuple[int, int]]:
    """Cells checked and failed by kind of cell rule, rows by the id of a row rule."""
    wanted = list(batches)
    if not wanted:
        row = con.execute(
            "SELECT max_by(batch_id, delivered_at) FROM lake.ops.batch WHERE feed = ?", [feed]
        ).fetchone()
        wanted = [row[0]] if row and row[0] else []
    if not wanted:
        return {}
    # Listed one by one, so that the files of other batches are not opened.
    among = f"batch_id IN ({', '.join('?' * len(wanted))})"
    rows = con.execute(
        "SELECT split_part(rule_id, '.', -1) AS name, sum(checked), sum(failed)"
        f" FROM lake.ops.batch_rule WHERE {among} AND kind IN ('rule', 'warn') GROUP BY ALL",
        wanted,
    ).fetchall()
    if has_rows(con, "lake.ops.check_result"):
        rows += con.execute(
            "SELECT split_part(rule_id, '.', -1) AS name, sum(checked), sum(failed)"
            f" FROM lake.ops.check_result WHERE {among} AND suite = 'countylake'"
            " AND name IN (?, ?, ?, ?) GROUP BY ALL",
            [*wanted, VOLUME, NULL_RATE, SHARES, CONTROL_TOTALS],
        ).fetchall()
    return {str(name): (int(checked), int(wrong)) for name, checked, wrong in rows}
