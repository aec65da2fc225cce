"""A file whose columns are not quite the contract's is taken, and its department hears of it."""

from __future__ import annotations

from pathlib import Path

from dagster_project.components.steps.arriving.deliveries import remarks
from dagster_project.contracts import load
from dagster_project.ingest.channels.base import Candidate
from dagster_project.ingest.readers import read
from dagster_project.paths import schemas_dir

FEED = load(schemas_dir()).feeds["grid"]


def told_of(folder: Path, titles: list[str]) -> str:
    """What is said of a file with one row below these titles."""
    file = folder / "grid.csv"
    file.write_text(f"{','.join(titles)}\n{','.join('1' for _ in titles)}\n", "utf-8")
    result = read(file, FEED, "grid-1", folder / "rows.parquet", name="网格_1.csv")
    return remarks(Candidate("grid", "网格_1.csv", 1, 1), FEED, result)


def test_a_new_and_a_lacking_column_are_named(tmp_path: Path) -> None:
    """Which column, and what to do; a file as the contract says is not remarked upon."""
    titles = [column.title for column in FEED.columns]
    lacking = next(column for column in reversed(FEED.columns) if not column.required)
    others = [title for title in titles if title != lacking.title]
    assert not told_of(tmp_path, titles)
    assert "knows no column 网格颜色" in told_of(tmp_path, [*titles, "网格颜色"])
    assert f"lacks the optional {lacking.title} ({lacking.name})" in told_of(tmp_path, others)
