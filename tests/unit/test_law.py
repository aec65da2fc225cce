"""The law at load: what cannot be relied on or opened is refused with its line; all else loads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.components.steps.lawful import Lawful, lawful
from dagster_project.contracts import load
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.transform.models import load_models

CONTRACTS = load(schemas_dir())
TABLE = "gold.house_by_town_usage"
FEW = (
    "gold/house_by_town_usage.sql",
    "gold/population_by_town_sex_age.sql",
    "gold/town.sql",
    "gold/town_rollup.sql",
    "report/house_by_town.sql",
)
PATH = "sql/gold/house_by_town_usage.sql"
HOUSE = """-- lineage: house_cnt from silver.population.id_no
SELECT
    SUBSTR(village_code, 1, 9) AS town_code,
    usage,
    {}
FROM silver.house
WHERE NOT _is_deleted
GROUP BY SUBSTR(village_code, 1, 9), usage
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A few models of the checkout, to be spoiled."""
    for name in FEW:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(sql_dir() / name, tmp_path / name)
    return tmp_path


def judged(folder: Path, text: str = "") -> Lawful:
    """The models of a folder, one of them replaced."""
    if text:
        (folder / "gold" / "house_by_town_usage.sql").write_text(text, encoding="utf-8")
    return lawful(load_models(folder, CONTRACTS), CONTRACTS)


def test_every_model_of_the_checkout_is_lawful() -> None:
    """Nothing is refused, and every model has its lineage."""
    found = judged(sql_dir())
    assert found.graph.problems == ()
    assert list(found.lineages) == list(found.graph.models)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("CAST(COUNT(*) + EXTRACT(YEAR FROM NOW()) AS BIGINT) AS house_cnt", "clock"),
        ("CAST(AVG(area_m2) AS BIGINT) AS house_cnt", "float"),
        ("ANY_VALUE(house_no) AS house_cnt", "unordered-aggregate"),
        ("COLUMNS('area.*')", "columns-expression"),
        ("MAX(LIST_TRANSFORM([1], i -> i)[1]) AS house_cnt", "lambda"),
        ("MAX(no_such_column) AS house_cnt", "no_such_column"),
        ("COUNT(house) AS house_cnt", "origin of house"),
        ("COUNT(*) AS usage", "usage"),
        ("MAX(GETENV('HOME')) AS house_cnt", "getenv()"),
        ("MAX(NO_SUCH(house_no)) AS house_cnt", "unknown-function"),
    ],
)
def test_a_model_that_breaks_the_law_is_refused_with_its_line(
    folder: Path, value: str, word: str
) -> None:
    """It is named with file, line and reason; so is what reads it; all other models load."""
    found = judged(folder, HOUSE.format(value))
    assert not {TABLE, "report.house_by_town"} & found.graph.models.keys()
    own = [problem for problem in found.graph.problems if problem.path == PATH]
    assert any(word in problem.sentence for problem in own)
    assert {problem.line for problem in own if word in problem.sentence} == {5}
    reading = [p for p in found.graph.problems if p.path == "sql/report/house_by_town.sql"]
    assert "refused" in reading[0].sentence
    assert {"gold.population_by_town_sex_age", "gold.town"} <= set(found.lineages)
    assert set(found.lineages) == set(found.graph.models)


def test_a_comment_that_lies_changes_nothing(folder: Path) -> None:
    """Lineage is read from what runs; what a comment says of it is not."""
    found = judged(folder, HOUSE.format("COUNT(*) AS house_cnt /* from silver.population.id_no */"))
    assert {edge.source_table for edge in found.lineages[TABLE].edges} == {"silver.house"}


def test_advice_refuses_nothing(folder: Path) -> None:
    """What another engine computes differently is for `config check` to say."""
    found = judged(folder, HOUSE.format("SUM(area_m2) AS house_cnt"))
    assert TABLE in found.graph.models
