"""Every figure that a county reports: from its files, in its packages, and opened to its rows.

A simulated county is run twice in a day: first over every feed's file with all its planted dirt,
then over corrections, deaths, late and older versions, a register that lost two organisations, a
snapshot that is held and a file that is no table. The oracle (``tests.oracle``) reads the same
files and the contracts' YAML, shares no code with the project and computes every report again.

From the files come all counts, sums, rates, scores, checks by dimension, cases, statuses, titles
and deadlines. From the county's ledgers come instants alone, each held against the test's clock:
``task_execution`` started_at and finished_at; ``aggregation_status`` last_update_at and
held_since_at (and data_age_days, which is the cut-off less last_update_at). Which partner of a
small cell is withheld is the report's choice; that it is needed, small and enough is judged.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from figure_kit import KEYS, FigureCounty, Said, differences, key_of
from sample_kit import KINDS, WIDE, Cell, cells, has_its_rows, sampled

from dagster_project.components.steps.tracing import figures
from dagster_project.paths import SAMPLES
from tests.oracle.blanks import faults
from tests.oracle.forms import forms
from tests.oracle.packages import Package
from tests.oracle.second_day import FIRST, deliver

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("every_figure")]
OPENED = 1000
EACH_REPORT = (90, 55)
"""So many figures of each report that are opened, by run."""
SEED = 20230531


@dataclass(frozen=True)
class Round:
    """A run's packages, and what the oracle said at its end."""

    packages: tuple[Package, ...]
    said: Said


@dataclass(frozen=True)
class Days:
    """The county after both of its runs."""

    county: FigureCounty
    rounds: tuple[Round, Round]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    """Run the county twice, and read its files beside it."""
    county = FigureCounty(tmp_path_factory.mktemp("figures"))
    inbox = SAMPLES / "inbox" / "140321"
    files = [(name, _first(inbox, name), "merged") for name in forms()]
    county.bring(inbox, [file for _, file, _ in files])
    county.run(files, list(KEYS))
    first = Round(tuple(county.packages()), county.said())
    county.run(deliver(county.inbox), list(KEYS))
    before = {one.name for one in first.packages}
    later = tuple(one for one in county.packages() if one.name not in before)
    return Days(county, (first, Round(later, county.said())))


def _first(inbox: Path, feed: str) -> str:
    """The first day's file of a feed."""
    found = [path for glob in forms()[feed].globs for path in inbox.glob(glob)]
    (path,) = (path for path in found if FIRST in path.name)
    return str(path.relative_to(inbox))


@pytest.mark.parametrize("number", [0, 1])
def test_every_cell_of_every_package_is_what_the_files_say(days: Days, number: int) -> None:
    """No cell differs, no row is missing and none is too many, in any report of either run."""
    now = days.rounds[number]
    # The second file of components was refused: nothing of that report moved.
    unmoved = {"component_by_town"} if number else set()
    assert {one.report for one in now.packages} == KEYS.keys() - unmoved
    counted: Counter[str] = Counter()
    for package in now.packages:
        assert differences(now.said, package) == []
        counted[package.report] += len(package.rows) * len(package.columns)
    sys.stdout.write(f"run {number + 1}: {counted.total()} cells compared: {dict(counted)}\n")


@pytest.mark.parametrize("number", [0, 1])
def test_small_cells_are_withheld_with_their_partners(days: Days, number: int) -> None:
    """Every small count, no more than needed, and nothing that the totals would give back."""
    now = days.rounds[number]
    (package,) = (one for one in now.packages if one.report == "population_by_town")
    shown = {key_of(package.report, row): row for row in package.rows}
    table = now.said.tables[package.report]
    assert faults(table, shown, package.report, KEYS[package.report], now.said.whole) == []
    assert any(row["suppressed"] for row in package.rows)


def test_sampled_figures_are_opened_and_computed_again(days: Days) -> None:
    """A thousand figures and more: the oracle's, the package's and the trace's are the same."""
    opened: Counter[str] = Counter()
    columns: Counter[tuple[str, str]] = Counter()
    kinds: Counter[str] = Counter()
    rows = 0
    wrong: list[str] = []
    for now, most in zip(days.rounds, EACH_REPORT, strict=True):
        by_package: dict[str, list[Cell]] = defaultdict(list)
        # What is dear to open is opened once: the second run's, which has all that the first had.
        chosen_from = [
            one for one in now.packages if now is days.rounds[1] or one.report not in WIDE
        ]
        for cell in sampled(chosen_from, most, SEED):
            by_package[cell.package.name].append(cell)
        for name, chosen in by_package.items():
            with figures(days.county.workshop, package_id=name, many=True) as session:
                for cell in chosen:
                    found = session.trace(cell.where, cell.column, limit=100_000)
                    row = now.said.tables[cell.package.report][cell.key]
                    # The mark of withheld cells is judged with them, and opens as it stands.
                    truth = row.get(cell.column, cell.value)
                    is_right = found.equal and not found.missing and found.figure == cell.value
                    if cell.value is None and truth is not None:
                        is_right = is_right and found.suppressed
                    elif found.figure != truth or found.recomputed != truth:
                        is_right = False
                    if not is_right:
                        wrong.append(f"{name} {cell.where} {cell.column}")
                    if not has_its_rows(now.said, cell, found.rows):
                        wrong.append(f"{name} {cell.where} {cell.column}: other rows")
                    opened[cell.package.report] += 1
                    columns[cell.package.report, cell.column] += 1
                    kinds.update(kind for kind, fits in KINDS.items() if fits(cell))
                    rows += found.row_count
    sys.stdout.write(f"{opened.total()} figures opened into {rows} rows of files\n")
    sys.stdout.write(f"by report {dict(opened)}, by kind {dict(kinds)}\n")
    assert wrong == []
    assert opened.total() >= OPENED
    assert opened.keys() == KEYS.keys()
    assert min(kinds[kind] for kind in ("zero", "empty", "total")) >= 50
    assert kinds["withheld"] >= 10
    every = {
        (cell.package.report, cell.column) for now in days.rounds for cell in cells(now.packages)
    }
    assert every == columns.keys()
