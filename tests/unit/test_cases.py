"""Cases: one open one per record that must be corrected, closed by the merge that corrects it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project.contracts.model import Column, Feed, Reference
from dagster_project.transform.conform import Plan, rebuild, recheck
from tests.conform_kit import NOON, Bench, Row, feed_of, open_bench, plan_of

KEY = Column("no", "编号", "string", key_position=1, required=True, max_length=3)
NAME = Column("name", "名称", "string", max_length=1)
FULL = plan_of(feed_of(KEY, NAME, name="full_feed", delivery="full"))
PIECES = plan_of(feed_of(KEY, NAME, name="pieces"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh lake."""
    with open_bench(tmp_path) as made:
        yield made


def deliver(bench: Bench, plan: Plan, *rows: Row) -> None:
    """One delivery, an hour after the one before it."""
    bench.deliver(plan, rows, at=NOON + timedelta(hours=bench.number))


def cases(bench: Bench, columns: str = "record_key, attempts, state, how") -> list[tuple[Any, ...]]:
    """Every case in the order of opening."""
    return bench.all(
        f"SELECT {columns} FROM lake.ops.rectification ORDER BY opened_at, opened_row, case_id"
    )


def number(bench: Bench) -> str:
    """The only open case's number."""
    ((case_id,),) = bench.all("SELECT case_id FROM lake.ops.rectification WHERE state = 'open'")
    return str(case_id)


def test_a_case_is_opened_once_and_closed_by_the_corrected_row(bench: Bench) -> None:
    """A second failure counts and moves the place; the valid row closes; history is kept."""
    deliver(bench, PIECES, {"no": "a", "name": "x"}, {"no": "b", "name": "xx"})
    first = cases(bench, "case_id, sheet, source_row, reasons, opened_at = failed_at")
    assert first[0][1:] == ("", 3, ["name.length"], True)
    deliver(bench, PIECES, {"no": "b", "name": "yy"})
    assert cases(bench, "case_id, attempts, state, source_row, opened_row") == [
        (first[0][0], 2, "open", 2, 3)
    ]
    deliver(bench, PIECES, {"no": "b", "name": "y"})
    assert cases(bench) == [("b", 2, "closed", "corrected")]
    assert bench.all("SELECT count(*) FROM lake.ops.quarantine") == [(2,)]
    ((closed, path),) = bench.all(
        "SELECT closed_batch_id, path FROM lake.ops.rectification r"
        " JOIN lake.ops.batch b ON b.batch_id = r.closed_batch_id"
    )
    assert closed.endswith("00000003")
    assert path == "pieces.csv"


def test_a_closed_case_is_not_opened_again_a_new_one_is(bench: Bench) -> None:
    """What fails after it was corrected is another case with another number."""
    for name in ("xx", "x", "xx"):
        deliver(bench, PIECES, {"no": "b", "name": name})
    assert cases(bench) == [("b", 1, "closed", "corrected"), ("b", 1, "open", None)]
    ((numbers,),) = bench.all("SELECT count(DISTINCT case_id) FROM lake.ops.rectification")
    assert numbers == 2


def test_rows_of_one_key_make_one_case(bench: Bench) -> None:
    """Twice rejected is one case; beside a valid row of the key there is nothing to correct."""
    deliver(bench, PIECES, {"no": "a", "name": "xx"}, {"no": "a", "name": "yy"})
    assert cases(bench, "record_key, attempts, source_row, state") == [("a", 1, 3, "open")]
    deliver(bench, PIECES, {"no": "c", "name": "xx"}, {"no": "c", "name": "x"})
    assert cases(bench)[1] == ("c", 1, "closed", "superseded")


def test_rows_without_a_key_are_cases_by_place(bench: Bench) -> None:
    """Nothing says that two of them are the same record."""
    deliver(bench, PIECES, {"name": "x"}, {"name": "x"}, {"no": "a", "_defect": "ragged"})
    found = cases(bench, "record_key, source_row, reasons")
    assert found == [
        (None, 2, ["no.required"]),
        (None, 3, ["no.required"]),
        (None, 4, ["row.ragged"]),
    ]
    deliver(bench, PIECES, {"name": "x"})
    assert len(cases(bench)) == len(found) + 1


def test_a_corrected_key_closes_by_the_case_number(bench: Bench) -> None:
    """The row that carries the number is the case, whatever its key has become."""
    deliver(bench, PIECES, {"no": "long", "name": "x"})
    case_id = number(bench)
    deliver(bench, PIECES, {"no": "longer", "name": "x", "_extra": extra(case_id)})
    assert cases(bench) == [("long", 2, "open", None)]
    deliver(bench, PIECES, {"no": "new", "name": "x", "_extra": extra(case_id)})
    assert cases(bench) == [("long", 2, "closed", "corrected")]


def test_a_number_does_not_close_what_the_same_delivery_rejects(bench: Bench) -> None:
    """Numbers wander when people sort half a table: the rejected row of the key counts."""
    deliver(bench, PIECES, {"no": "a", "name": "xx"})
    carried = extra(number(bench))
    deliver(bench, PIECES, {"no": "b", "name": "y", "_extra": carried}, {"no": "a", "name": "xx"})
    assert cases(bench) == [("a", 2, "open", None)]


def test_the_number_of_a_ragged_row_is_found_in_any_column(bench: Bench) -> None:
    """Cells of such a row are shifted, its number with them."""
    deliver(bench, PIECES, {"name": "x"})
    deliver(bench, PIECES, {"no": "a", "name": number(bench), "_defect": "ragged"})
    assert cases(bench, "record_key, attempts, reasons") == [(None, 2, ["row.ragged"])]


def test_a_snapshot_without_the_record_withdraws_the_case(bench: Bench) -> None:
    """In a full delivery what is not there is gone, a row without a key too."""
    deliver(bench, FULL, {"no": "a", "name": "xx"}, {"name": "x"}, {"no": "c", "name": "xx"})
    deliver(bench, FULL, {"no": "b", "name": "x"}, {"no": "c", "name": "yy"})
    assert cases(bench) == [
        ("a", 1, "withdrawn", "withdrawn"),
        (None, 1, "withdrawn", "withdrawn"),
        ("c", 2, "open", None),
    ]


def test_an_increment_without_the_record_leaves_the_case(bench: Bench) -> None:
    """Silence of an increment says nothing."""
    deliver(bench, PIECES, {"no": "a", "name": "xx"})
    deliver(bench, PIECES, {"no": "b", "name": "x"})
    assert cases(bench) == [("a", 1, "open", None)]


@pytest.mark.parametrize("plan", [FULL, PIECES], ids=["full", "increments"])
def test_a_rebuild_gives_the_same_cases(bench: Bench, plan: Plan) -> None:
    """Neither opened nor closed twice, none lost, and what was returned stays returned."""
    deliver(bench, plan, {"no": "a", "name": "xx"}, {"no": "b", "name": "xx"}, {"name": "x"})
    deliver(bench, plan, {"no": "a", "name": "yy"}, {"no": "b", "name": "x"})
    with bench.writer.transaction("returned") as tx:
        tx.con.execute(
            "UPDATE lake.ops.rectification SET returned_at = ?::TIMESTAMPTZ WHERE state = 'open'",
            [NOON],
        )
    before = cases(bench, "*")
    for _ in range(2):
        with bench.writer.transaction("rebuild") as tx:
            rebuild(tx.con, plan, run_id="r", committed_at=NOON)
        assert cases(bench, "*") == before


def test_a_case_that_a_new_contract_would_not_open_is_closed_by_the_rebuild(bench: Bench) -> None:
    """The rule was too strict; the department has nothing to correct any more."""
    deliver(bench, PIECES, {"no": "a", "name": "xx"})
    deliver(bench, PIECES, {"no": "b", "name": "xx"})
    deliver(bench, PIECES, {"no": "b", "name": "x"})
    with bench.writer.transaction("rebuild") as tx:
        rebuild(tx.con, PIECES.without("name.length"), run_id="r", committed_at=NOON)
    assert cases(bench) == [("a", 1, "closed", "accepted"), ("b", 1, "closed", "corrected")]


def test_a_parent_that_comes_later_closes_the_case(bench: Bench) -> None:
    """Nothing was corrected; the row is looked at again and is valid. A rebuild keeps that."""
    parent, child = family()
    bench.deliver(parent, [{"no": "1"}])
    bench.deliver(child, [{"no": "a", "of": "2"}, {"no": "b", "of": "3"}])
    bench.deliver(parent, [{"no": "2"}], at=NOON + timedelta(hours=1))
    with bench.writer.transaction("look again") as tx:
        recheck(tx.con, child, ["parent"], run_id="r", committed_at=NOON + timedelta(hours=2))
    assert cases(bench) == [("a", 1, "closed", "accepted"), ("b", 1, "open", None)]
    before = cases(bench, "*")
    with bench.writer.transaction("rebuild") as tx:
        rebuild(tx.con, child, run_id="r", committed_at=NOON + timedelta(hours=3))
    assert cases(bench, "*") == before


def family() -> tuple[Plan, Plan]:
    """A parent feed and a child whose rows are rejected without their parent."""
    parent: Feed = feed_of(KEY, name="parent")
    of = Column("of", "上级", "string", reference=Reference("parent", "no", rejects=True))
    child = feed_of(KEY, of, name="child")
    return plan_of(parent, child), plan_of(child, parent)


def extra(case_id: str) -> str:
    """What a reader keeps of the two added columns."""
    return f'{{"校核意见": "名称超过 1 个字", "校核编号": "{case_id}"}}'
