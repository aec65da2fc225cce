"""What the files make of a county: the live records of every feed, and the books of every delivery.

Deliveries are taken in the order in which the test brought them; within one, parents first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.oracle.cells import Value
from tests.oracle.forms import Form, forms
from tests.oracle.judge import Asked, Judged, Row, judge
from tests.oracle.papers import Paper, read

Key = tuple[Value, ...]


@dataclass(frozen=True)
class Record:
    """A live record and the row that it came from."""

    values: Mapping[str, Any]
    file: str
    sheet: str
    row: int


@dataclass
class Delivery:
    """One taken file: the counts of its rows, and what was asked of them."""

    feed: str
    file: str
    at: datetime
    paper: Paper
    judged: Judged
    accepted: int = 0
    duplicate: int = 0
    superseded: int = 0
    live: int = 0

    @property
    def read(self) -> int:
        """Rows, those that are no data included."""
        return self.paper.read

    @property
    def dropped(self) -> int:
        """Rows that are no data."""
        return self.paper.dropped

    @property
    def rejected(self) -> int:
        """Rows that a rule rejects."""
        return len(self.judged.rows) - len(self.judged.valid)

    @property
    def asked(self) -> Asked:
        """Its rules by dimension."""
        return self.judged.asked


@dataclass
class Book:
    """The county as its files say."""

    inbox: Path
    live: dict[str, dict[Key, Record]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)

    def take(self, feed: str, file: str, at: datetime) -> Delivery:
        """Take one file of a feed: ``file`` is below the inbox, ``at`` on the county's clock."""
        form = forms()[feed]
        paper = read(self.inbox / file, form)
        own = {
            column.name: {line.cells.get(column.parent[1], "") for line in paper.lines}
            for column in form.columns
            if column.parent and column.parent[0] == feed
        }
        judged = judge(form, paper.lines, self._parents(form, own), at)
        done = Delivery(feed, file, at, paper, judged)
        winners = self._settle(form, done)
        self._merge(form, done, winners)
        self.deliveries.append(done)
        return done

    def records(self, feed: str) -> list[Record]:
        """The live records of a feed."""
        return list(self.live.get(feed, {}).values())

    def of(self, feed: str) -> list[Delivery]:
        """The deliveries of a feed, the oldest first."""
        return [one for one in self.deliveries if one.feed == feed]

    def _parents(self, form: Form, own: Mapping[str, set[str]]) -> dict[str, set[Value]]:
        made: dict[str, set[Value]] = {}
        for column in form.columns:
            if column.parent and (column.parent[0] in self.live or column.name in own):
                known = self.live.get(column.parent[0], {}).values()
                made[column.name] = {one.values[column.parent[1]] for one in known}
                made[column.name] |= own.get(column.name, set())
        return made

    def _settle(self, form: Form, done: Delivery) -> dict[Key, Row]:
        """One row per key: the newest by the contract's order, then the last of the file."""
        groups: dict[Key, list[Row]] = {}
        for row in done.judged.valid:
            groups.setdefault(tuple(row.values[name] for name in form.key), []).append(row)
        repeated = 0
        winners: dict[Key, Row] = {}
        for key, rows in groups.items():
            rows.sort(key=lambda row: (_order(form, row.values), row.place), reverse=True)
            winners[key] = rows[0]
            seen: list[Mapping[str, Any]] = [rows[0].values]
            for row in rows[1:]:
                is_same = row.values in seen
                done.duplicate += is_same
                done.superseded += not is_same
                is_history = form.delivery == "incremental" and form.order_by
                repeated += is_same or not is_history
                seen.append(row.values)
        whole = sum(not row.line.defect for row in done.judged.rows)
        done.asked.add("accuracy", whole, repeated)
        return winners

    def _merge(self, form: Form, done: Delivery, winners: Mapping[Key, Row]) -> None:
        before = self.live.get(form.name, {})
        after = dict(before)
        if form.delivery == "full":
            # What was sent but rejected is not gone.
            sent = {
                tuple(row.values[name] for name in form.key)
                for row in done.judged.rows
                if row.fails and not row.line.defect
            }
            after = {key: one for key, one in before.items() if key in sent}
        for key, row in winners.items():
            held = before.get(key)
            record = Record(row.values, done.file, *row.place)
            if held is None or dict(held.values) != row.values:
                newer = (
                    held is None
                    or form.delivery == "full"
                    or _order(form, row.values) >= _order(form, held.values)
                )
                done.accepted += newer
                done.superseded += not newer
            else:
                newer = True
                done.duplicate += 1
            after[key] = record if newer or held is None else held
        self.live[form.name] = after
        done.live = len(after)


def _order(form: Form, values: Mapping[str, Any]) -> tuple[bool, Any]:
    when = values[form.order_by] if form.order_by else None
    return (when is not None, when or 0)
