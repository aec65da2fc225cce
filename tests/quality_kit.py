"""Random ledgers of a county, and the dimensions they give by counting one thing after another.

The counting here is slow and plain on purpose: it is what the SQL models are held against.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from dagster_project.clock import local_day
from dagster_project.contracts.model import Contracts
from dagster_project.lineage.describe import base_schema
from dagster_project.quality.score import Checked

START = datetime(2026, 4, 1, tzinfo=UTC)
WINDOW = timedelta(days=30)
RULES = {"a": "normativity", "b": "completeness", "c": "consistency", "d": "timeliness", "e": ""}
WEIGHTS = {
    "normativity": 15,
    "completeness": 25,
    "accuracy": 0,
    "consistency": 15,
    "timeliness": 15,
    "accessibility": 5,
}
Row = dict[str, Any]


@dataclass
class Ledgers:
    """Rows by ops table; ``accuracy`` weighs nothing here and so counts nowhere."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(self, table: str, **cells: Any) -> Row:
        """Keep one row."""
        self.rows[table].append(cells)
        return cells

    def write(self, con: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """Make every ops table, and fill those that have rows."""
        for layer in ("ops", "gold"):
            con.execute(f"CREATE SCHEMA {layer}")
        for table, columns in base_schema(contracts).items():
            if table.startswith("ops."):
                body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
                con.execute(f"CREATE TABLE {table} ({body})")
        for ledger, rows in self.rows.items():
            known = list(dict.fromkeys(name for row in rows for name in row))
            names = ", ".join(f'"{name}"' for name in known)
            line = f"({', '.join('?' * len(known))})"
            cells = [row.get(name) for row in rows for name in known]
            con.execute(
                f"INSERT INTO ops.{ledger} ({names}) VALUES {', '.join([line] * len(rows))}", cells
            )


def history(seed: int, days: int = 45) -> Ledgers:
    """Deliveries, replays, questions, deadlines and failures of three feeds over some weeks."""
    dice, made = random.Random(seed), Ledgers()  # noqa: S311 - a history, no secret
    for position, (name, weight) in enumerate(WEIGHTS.items()):
        made.add("quality_dimension", dimension=name, title=name, weight=weight, position=position)
    for feed, delivery, asked in (
        ("full", "full", False),
        ("news", "incremental", False),
        ("asked", "incremental", True),
    ):
        made.add("feed", feed=feed, title=feed, status="active", is_asked=asked)
        for day in range(days):
            _one_day(made, dice, feed, delivery, START + timedelta(days=day))
    return made


def _one_day(made: Ledgers, dice: random.Random, feed: str, kind: str, start: datetime) -> None:
    run = f"{feed}-{start:%m%d}"
    at = start + timedelta(minutes=dice.randrange(1, 1400))
    for number in range(dice.choice((0, 0, 1, 1, 2))):
        at += timedelta(minutes=dice.randrange(1, 30))
        _delivery(made, dice, (feed, kind, f"{run}-{number}"), at)
    if dice.random() < 0.4:
        asked = at + timedelta(minutes=dice.randrange(1, 900))
        checked = dice.randrange(1, 20)
        made.add(
            "check_result",
            run_id=run,
            table_name=f"silver.{feed}",
            suite="countylake",
            rule_id=dice.choice("xy"),
            dimension=dice.choice(("consistency", "")),
            checked=checked,
            failed=dice.randrange(checked + 1),
            checked_at=asked,
        )
    if dice.random() < 0.8:
        made.add(
            "task_run",
            run_id=run,
            task=feed,
            kind="feed",
            status=dice.choice(("success", "skipped", "failed")),
            finished_at=at,
            unreached=dice.choice((0, 0, 0, 2)),
        )
    if dice.random() < 0.5:
        due = start + timedelta(hours=12)
        opens = start - timedelta(hours=8)
        day = local_day(start)
        made.add("deadline", feed=feed, first_day=day, last_day=day, opens_at=opens, due_at=due)


def _delivery(made: Ledgers, dice: random.Random, head: tuple[str, str, str], at: datetime) -> None:
    feed, kind, name = head
    outcome = dice.choice(("merged", "merged", "merged", "refused", "unchanged", "held"))
    if dice.random() < 0.3:
        made.add("hold", hold_id=name, feed=feed, delivery_id=name)
    read = dice.randrange(1, 30)
    made.add(
        "delivery",
        delivery_id=name,
        feed=feed,
        received_at=at,
        outcome=outcome,
        batch_id=name if outcome == "merged" else None,
        stated_rows=dice.choice((None, None, read + 2, read)),
    )
    if outcome != "merged":
        return
    committed = at + timedelta(minutes=dice.choice((1, 1, 1, 3000)))
    failing: dict[str, int] = {}
    _batch(made, dice, (feed, kind, name, name, at, committed), (read, None), failing)
    for number in range(dice.choice((0, 0, 0, 1, 2))):
        committed += timedelta(minutes=dice.randrange(1, 4000))
        part = dice.choice((None, min(read, 3)))
        again = (feed, kind, name, f"{name}-r{number}", at, committed)
        _batch(made, dice, again, (part or read, part), failing)
    if dice.random() < 0.3:
        made.add(
            "check_result",
            run_id="x",
            batch_id=name,
            table_name=f"silver.{feed}",
            suite="countylake",
            rule_id="totals",
            dimension="completeness",
            checked=2,
            failed=dice.randrange(3),
            checked_at=committed,
        )


def _batch(
    made: Ledgers,
    dice: random.Random,
    head: tuple[Any, ...],
    amount: tuple[int, int | None],
    failing: dict[str, int],
) -> None:
    """One processing of a file; a replay of some rows mends some of what is ``failing``."""
    read, replaced = amount
    feed, kind, first, name, at, committed = head
    made.add(
        "batch",
        batch_id=name,
        source_batch_id=None if name == first else first,
        feed=feed,
        delivery=kind,
        delivered_at=at,
        committed_at=committed,
        read=read,
        dropped=0,
        replaced=replaced,
    )
    for rule, dimension in RULES.items():
        before = dice.randrange(min(read, failing.get(rule, 0)) + 1)
        failed = dice.randrange((read if replaced is None else before) + 1)
        mended = 0 if replaced is None else before
        failing[rule] = failed + (0 if replaced is None else failing[rule] - mended)
        made.add(
            "batch_rule",
            batch_id=name,
            feed=feed,
            rule_id=rule,
            kind=dice.choice(("rule", "warn")) if rule != "e" else "repair",
            dimension=dimension,
            checked=read,
            failed=failed,
            replaced=None if replaced is None else mended,
        )


@dataclass(frozen=True)
class Oracle:
    """The dimensions of a feed on a day, from the ledgers as they stood at its end."""

    ledgers: Mapping[str, list[Row]]
    cut_off_at: datetime
    last_day: date

    def checks(self, feed: str, day: date) -> list[tuple[str, Checked]]:
        """Every rule that counts with how often it was asked and failed."""
        found: list[tuple[str, Checked]] = []
        rows = 0
        for whole, parts in self._counting(feed, day):
            rows += whole["read"] - whole["dropped"]
            found += self._of_batch(whole, parts)
        found += self._questions(feed, day)
        weight = max(rows, 1)
        for due, late in self._within(self._periods(feed), day):
            found.append(("delivery.on_time", Checked("timeliness", due, late, weight)))
        for tried, lost in self._within(self._attempts(feed), day):
            found.append(("source.readable", Checked("accessibility", tried, lost)))
        return [(rule, one) for rule, one in found if WEIGHTS.get(one.dimension)]

    def _day(self, at: datetime) -> date:
        return min(local_day(at), self.last_day)

    def _counting(self, feed: str, day: date) -> Iterable[tuple[Row, list[Row]]]:
        """The files that count, each with its last whole processing and the replays since."""
        known = [
            one
            for one in self.ledgers["batch"]
            if one["feed"] == feed
            and one["committed_at"] < self.cut_off_at
            and self._day(one["committed_at"]) <= day
        ]
        files: dict[str, list[Row]] = defaultdict(list)
        for one in sorted(known, key=lambda row: (row["committed_at"], row["batch_id"])):
            files[one["source_batch_id"] or one["batch_id"]].append(one)
        order = sorted(files, key=lambda name: (files[name][0]["delivered_at"], name))
        for place, name in enumerate(order):
            mine = self._day(files[name][0]["delivered_at"])
            later = [files[other][0] for other in order[place + 1 :]]
            if any(
                one["delivery"] == "full" or self._day(one["delivered_at"]) > mine for one in later
            ):
                continue
            wholes = [at for at, one in enumerate(files[name]) if one["replaced"] is None]
            yield files[name][wholes[-1]], files[name][wholes[-1] + 1 :]

    def _of_batch(self, whole: Row, parts: list[Row]) -> Iterable[tuple[str, Checked]]:
        first = whole["source_batch_id"] or whole["batch_id"]
        names = {whole["batch_id"], *(one["batch_id"] for one in parts)}
        for one in self.ledgers["batch_rule"]:
            if one["batch_id"] in names and one["kind"] in {"rule", "warn"} and one["dimension"]:
                asked = one["checked"] if one["replaced"] is None else 0
                lost = one["failed"] - (one["replaced"] or 0)
                yield one["rule_id"], Checked(one["dimension"], asked, lost)
        for one in self.ledgers["delivery"]:
            if one["batch_id"] == first and one["stated_rows"] is not None:
                gone = max(one["stated_rows"] - whole["read"], 0)
                yield "rows.stated", Checked("completeness", one["stated_rows"], gone)
        for one in self.ledgers["check_result"]:
            if one.get("batch_id") == first:
                yield one["rule_id"], Checked(one["dimension"], one["checked"], one["failed"])

    def _questions(self, feed: str, day: date) -> Iterable[tuple[str, Checked]]:
        ended = {run["run_id"]: run["finished_at"] for run in self.ledgers["task_run"]}
        newest: dict[str, tuple[date, datetime, Row]] = {}
        for one in self.ledgers["check_result"]:
            stood = min(one["checked_at"], ended.get(one["run_id"], one["checked_at"]))
            if (
                one["table_name"] != f"silver.{feed}"
                or one.get("batch_id")
                or not one["dimension"]
                or stood >= self.cut_off_at
                or self._day(stood) > day
            ):
                continue
            mine = (self._day(stood), one["checked_at"], one)
            if one["rule_id"] not in newest or mine[:2] > newest[one["rule_id"]][:2]:
                newest[one["rule_id"]] = mine
        for rule, (_, _, one) in newest.items():
            yield rule, Checked(one["dimension"], one["checked"], one["failed"])

    def _within(
        self, counted: Mapping[date, tuple[int, int]], day: date
    ) -> Iterable[tuple[int, int]]:
        """What happened in the last 30 days, and what was last."""
        past = [one for one in counted if one <= day]
        return [counted[one] for one in past if day - one < WINDOW or one == max(past)]

    def _periods(self, feed: str) -> Mapping[date, tuple[int, int]]:
        came = [
            one["received_at"]
            for one in self.ledgers["delivery"]
            if one["feed"] == feed and one["outcome"] in {"merged", "unchanged"}
        ]
        if feed == "asked":
            came += [
                one["finished_at"]
                for one in self.ledgers["task_run"]
                if one["task"] == feed and one["status"] == "skipped"
            ]
        events = [
            (one["due_at"], not any(one["opens_at"] <= at <= one["due_at"] for at in came))
            for one in self.ledgers["deadline"]
            if one["feed"] == feed
        ]
        return self._by_day((at, 1, int(late)) for at, late in events)

    def _attempts(self, feed: str) -> Mapping[date, tuple[int, int]]:
        held = {one["delivery_id"] for one in self.ledgers["hold"]}
        events = [
            (
                one["received_at"],
                1,
                int(one["outcome"] == "refused" and one["delivery_id"] not in held),
            )
            for one in self.ledgers["delivery"]
            if one["feed"] == feed
        ]
        for one in self.ledgers["task_run"]:
            if one["task"] == feed:
                asked = int(feed == "asked" and one["status"] == "skipped")
                events.append((one["finished_at"], one["unreached"] + asked, one["unreached"]))
        return self._by_day(events)

    def _by_day(
        self, events: Iterable[tuple[datetime, int, int]]
    ) -> Mapping[date, tuple[int, int]]:
        counted: dict[date, tuple[int, int]] = {}
        for at, asked, lost in events:
            if at < self.cut_off_at and asked:
                before = counted.get(self._day(at), (0, 0))
                counted[self._day(at)] = (before[0] + asked, before[1] + lost)
        return counted
