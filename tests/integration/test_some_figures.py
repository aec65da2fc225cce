"""Some figures of a small county by the oracle, in the packages and opened to their rows.

The whole of it, every report of every feed, is ``test_every_figure``.
"""

from __future__ import annotations

from pathlib import Path

from figure_kit import FigureCounty, differences
from sample_kit import has_its_rows, sampled

from dagster_project.components.steps.tracing import figures
from dagster_project.paths import SAMPLES
from tests.oracle.second_day import FIRST

FILES = {
    "division": f"民政局/行政区划_{FIRST}.csv",
    "house": f"住房和城乡建设局/实有房屋_{FIRST}.csv",
}
EMPTY = ("collective_org", "population", "component", "hotline_order")
REPORT = "house_by_town"


def test_figures_of_the_packages_are_those_of_the_files_and_open_to_their_rows(
    tmp_path: Path,
) -> None:
    """Every cell of the houses by town is the files'; some are opened to exactly their rows."""
    county = FigureCounty(tmp_path, feeds=(*FILES, *EMPTY))
    county.bring(SAMPLES / "inbox" / "140321", FILES.values())
    county.run([(feed, file, "merged") for feed, file in FILES.items()], [REPORT])
    said = county.said()
    (package,) = county.packages()
    assert differences(said, package) == []
    assert len(package.rows) > 50
    with figures(county.workshop, package_id=package.name, many=True) as session:
        for cell in sampled([package], 1, 1)[::6]:
            found = session.trace(cell.where, cell.column, limit=100_000)
            truth = said.tables[REPORT][cell.key][cell.column]
            assert (found.figure, found.recomputed, found.equal) == (truth, truth, True), cell
            assert not found.missing
            assert has_its_rows(said, cell, found.rows), cell
