"""整改情况: what departments have to do, opened and closed by the files that came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tests.oracle.book import Key
from tests.oracle.forms import forms, percent
from tests.oracle.towns import ALL, Table
from tests.oracle.work import Work, due_periods


@dataclass
class Case:
    """Something that a department must do; ``state`` is open, closed or withdrawn."""

    feed: str
    kind: str
    state: str = "open"


def cases(work: Work) -> list[Case]:
    """Every case up to the cut-off. All were opened on the day, so none is past its deadline."""
    made = [case for name in forms() for case in _rejected(work, name)]
    for answer in work.found:
        kind = "disagreement" if answer.rule.endswith(".differs") else answer.severity
        made += [Case(answer.feed, kind) for _ in answer.broken]
    made += [Case(one.feed, "held") for one in work.brought if one.fate == "held"]
    for name, form in forms().items():
        merged = work.of(name, "merged")
        for is_served in due_periods(work, form):
            if not is_served:
                made.append(Case(name, "late", "closed" if merged else "open"))
    return made


def _rejected(work: Work, feed: str) -> Iterable[Case]:
    """Rejected rows: one case per key, closed by a valid row of the key; keyless rows one each."""
    form = forms()[feed]
    keyed: dict[Key, Case] = {}
    loose: list[Case] = []
    done: list[Case] = []
    for delivery in work.book.of(feed):
        failing: set[Key] = set()
        new: list[Case] = []
        for row in delivery.judged.rows:
            key = tuple(row.values[name] for name in form.key)
            if row.fails and (row.line.defect or all(part is None for part in key)):
                new.append(Case(feed, "fail"))
            elif row.fails:
                failing.add(key)
        valid = {tuple(row.values[name] for name in form.key) for row in delivery.judged.valid}
        for key in failing:
            keyed.setdefault(key, Case(feed, "fail"))
        for key in [key for key in keyed if key in valid]:
            keyed[key].state = "closed"
            done.append(keyed.pop(key))
        if form.delivery == "full":
            for key in [key for key in keyed if key not in failing]:
                keyed[key].state = "withdrawn"
                done.append(keyed.pop(key))
            for case in loose:
                case.state = "withdrawn"
            done += loose
            loose = []
        loose += new
    return [*done, *keyed.values(), *loose]


def rectification(work: Work) -> Table:
    """整改情况 by department and kind, with totals."""
    groups: dict[tuple[str, str], list[Case]] = {}
    names = {ALL: "合计"}
    for case in cases(work):
        code, name = forms()[case.feed].department
        names[code] = name
        for department in (code, ALL):
            for kind in (case.kind, ALL):
                groups.setdefault((department, kind), []).append(case)
    table: Table = {}
    for (department, kind), members in groups.items():
        states = Counter(case.state for case in members)
        issued = len(members) - states["withdrawn"]
        table[department, kind] = {
            "department_code": department,
            "department_name": names[department],
            "kind": kind,
            "issued_cnt": issued,
            "rectified_cnt": states["closed"],
            "rectified_pct": percent(states["closed"], issued),
            "open_cnt": states["open"],
            "overdue_cnt": 0,
            "withdrawn_cnt": states["withdrawn"],
            # Opened and closed on the same day.
            "median_day_cnt": Decimal(0) if states["closed"] else None,
        }
    return table
