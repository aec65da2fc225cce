"""Small cells: nothing below the minimum is shown, and no total gives a blank back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.contracts.model import Table
from dagster_project.contracts.report_words import SmallCells
from dagster_project.errors import ModelError
from dagster_project.privacy.derivable import derivable
from dagster_project.privacy.suppress import suppress

TOWNS, SEXES, BANDS = ("t1", "t2", "t3"), ("1", "2"), ("0-14", "15-59", "60+")
TABLE = Table(
    name="people",
    layer="report",
    title="人口",
    version="1.0.0",
    key=("town", "sex", "band"),
    small_cells=SmallCells(("n",), (("town", "sex"), ("town", "band"), ("sex", "band")), 5),
)
Key = tuple[str, str, str]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database."""
    con = duckdb.connect()
    yield con
    con.close()


def cube(cells: dict[Key, int]) -> dict[Key, int]:
    """The cells with every total over towns, sexes and bands."""
    full: dict[Key, int] = {}
    for (town, sex, band), n in cells.items():
        for key in itertools.product((town, "all"), (sex, "all"), (band, "all")):
            full[key] = full.get(key, 0) + n
    return full


def run(con: duckdb.DuckDBPyConnection, full: dict[Key, int]) -> dict[Key, int | None]:
    """Suppress a cube and read back what is shown."""
    con.execute(
        "CREATE OR REPLACE TABLE r (town TEXT, sex TEXT, band TEXT, n INT, suppressed BOOL)"
    )
    rows = [[*key, n, False] for key, n in sorted(full.items())]
    con.executemany("INSERT INTO r VALUES (?, ?, ?, ?, ?)", rows)
    suppress(con, "r", TABLE)
    found = con.execute("SELECT town, sex, band, n, suppressed FROM r").fetchall()
    assert all((row[3] is None) == row[4] for row in found)
    return {(row[0], row[1], row[2]): row[3] for row in found}


def lines(full: dict[Key, int]) -> list[list[Key]]:
    """Every line of cells of which one is the sum of the others."""
    groups: dict[tuple[int, str, str], list[Key]] = {}
    for key in full:
        for axis in range(3):
            rest = [part for at, part in enumerate(key) if at != axis]
            groups.setdefault((axis, rest[0], rest[1]), []).append(key)
    return list(groups.values())


counts = st.lists(
    st.one_of(st.integers(0, 8), st.integers(9, 500)),
    min_size=len(TOWNS) * len(SEXES) * len(BANDS),
    max_size=len(TOWNS) * len(SEXES) * len(BANDS),
)


@given(counts)
@settings(max_examples=30, deadline=None)
def test_no_blank_can_be_derived_from_a_total(values: list[int]) -> None:
    """Whatever the counts: no small cell is shown, and no line of cells has a lone blank."""
    full = cube(dict(zip(itertools.product(TOWNS, SEXES, BANDS), values, strict=True)))
    with duckdb.connect() as con:
        shown = run(con, full)
    assert all(n is None or n >= 5 for n in shown.values())
    assert all(n is None or n == full[key] for key, n in shown.items())
    for line in lines(full):
        assert sum(shown[key] is None for key in line) != 1, line


@given(counts)
@settings(max_examples=20, deadline=None)
def test_no_blank_is_the_only_solution(values: list[int]) -> None:
    """All published sums taken together leave every blank at least two real values."""
    full = cube(dict(zip(itertools.product(TOWNS, SEXES, BANDS), values, strict=True)))
    with duckdb.connect() as con:
        shown = run(con, full)
    blanks = [key for key, n in shown.items() if n is None]
    equations = [
        [1 if key in line else 0 for key in blanks]
        if not any("all" in part for part in line)
        else [(-1 if _is_total(key, line) else 1) if key in line else 0 for key in blanks]
        for line in lines(full)
    ]
    assert determined(equations, len(blanks)) == set()


def test_sums_that_only_together_give_a_blank_back_are_seen() -> None:
    """Three blanks in a ring of three sums are known; a fourth cell in one of them frees all."""
    a, b, c, d = (0, 0), (1, 0), (2, 0), (3, 0)
    ring = [{a: 1, b: 1}, {b: 1, c: 1}, {a: 1, c: 1, d: -1}]
    assert derivable(ring, {a, b, c}) == {a, b, c}
    assert derivable(ring, {a, b, c, d}) == set()
    assert derivable(ring, {a, b}) == {a, b}
    assert derivable([{a: 1, b: 1}], {a, b}) == set()


def _is_total(key: Key, line: list[Key]) -> bool:
    """Whether the key is the line's own sum: 'all' where the others differ."""
    axis = next(a for a in range(3) if len({other[a] for other in line}) > 1)
    return key[axis] == "all"


def determined(equations: list[list[int]], size: int) -> set[int]:
    """Unknowns that a homogeneous system leaves no freedom: fraction-free elimination."""
    rows = [row[:] for row in equations if any(row)]
    pivots: dict[int, list[int]] = {}
    for row in rows:
        current = row
        for at, pivot in sorted(pivots.items()):
            if current[at]:
                a, b = pivot[at], current[at]
                current = [a * x - b * y for x, y in zip(current, pivot, strict=True)]
        lead = next((i for i, x in enumerate(current) if x), None)
        if lead is not None:
            for at in list(pivots):
                if pivots[at][lead]:
                    a, b = current[lead], pivots[at][lead]
                    pivots[at] = [a * x - b * y for x, y in zip(pivots[at], current, strict=True)]
            pivots[lead] = current
    assert size >= len(pivots)
    return {at for at, row in pivots.items() if sum(bool(x) for x in row) == 1}


def test_the_smallest_partner_is_blanked(con: duckdb.DuckDBPyConnection) -> None:
    """One small cell takes the smallest other cell of its line with it, in each direction."""
    values = dict.fromkeys(itertools.product(TOWNS, SEXES, BANDS), 100)
    values["t1", "1", "0-14"] = 4
    values["t1", "2", "0-14"] = 30
    values["t2", "1", "0-14"] = 20
    values["t1", "1", "60+"] = 10
    shown = run(con, cube(values))
    detail = {key for key, n in shown.items() if n is None and "all" not in key}
    assert {("t1", "1", "0-14"), ("t1", "2", "0-14"), ("t2", "1", "0-14")} <= detail
    assert ("t1", "1", "60+") in detail
    assert not [key for key, n in shown.items() if n is None and "all" in key]


def test_nothing_small_blanks_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """A report without small cells is left as it is."""
    full = cube(dict.fromkeys(itertools.product(TOWNS, SEXES, BANDS), 5))
    assert run(con, full) == full


def test_the_same_report_is_blanked_the_same_way(con: duckdb.DuckDBPyConnection) -> None:
    """Equal candidates are told apart by their place, so a second run gives the same blanks."""
    values = dict.fromkeys(itertools.product(TOWNS, SEXES, BANDS), 50)
    values["t2", "2", "15-59"] = 1
    assert run(con, cube(values)) == run(con, cube(values))


def test_a_missing_flag_is_named(con: duckdb.DuckDBPyConnection) -> None:
    """A report without the flag column is refused with a sentence."""
    con.execute("CREATE TABLE r AS SELECT 't' AS town, '1' AS sex, 'b' AS band, 3 AS n")
    with pytest.raises(ModelError, match=r"does not have \(suppressed\).*FALSE AS suppressed"):
        suppress(con, "r", TABLE)
