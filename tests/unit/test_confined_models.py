"""A SELECT reaches nothing beyond the tables that it names, a former one from a receipt neither.

The same holds of the rules of a contract's former wording.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dagster_project.contracts.model import Table
from dagster_project.contracts.reader import past_table
from dagster_project.errors import ContractError, ModelError
from dagster_project.paths import schemas_dir
from dagster_project.transform.models import past_model

CONTRACT = Table(name="a", layer="gold", title="a", version="1.0.0", key=("k",))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT content AS k FROM read_text('{path}')",
        "WITH read_text AS (SELECT 1 AS k) SELECT k FROM read_text('{path}')",
        "SELECT content AS k FROM silver.read_text('{path}')",
        "SELECT k FROM '{path}'",
        'SELECT k FROM silver."../{path}"',
        """SELECT k FROM '{path}' WHERE 1 IN (WITH "{path}" AS (SELECT 1 AS k)
        SELECT k FROM "{path}")""",
        """WITH b AS (SELECT k FROM "{path}"), "{path}" AS (SELECT 1 AS k) SELECT k FROM b""",
        "SELECT k FROM lake.silver.house",
        "SELECT k FROM silver.house AT (VERSION => 1)",
        "SELECT k FROM information_schema.tables",
        "SELECT k FROM (DESCRIBE silver.house)",
        "SELECT 1 AS k INTO silver.house",
        "WITH b AS (DELETE FROM silver.house RETURNING k) SELECT k FROM b",
        "SELECT getenv('HOME') AS k",
        "SELECT current_setting('temp_directory') AS k",
        "SELECT k FROM silver.house WHERE write_log(k) IS NULL",
        "COPY (SELECT 1 AS k) TO '{path}'",
        "ATTACH '{path}' AS other",
    ],
)
def test_what_reaches_beyond_its_tables_is_refused(tmp_path: Path, text: str) -> None:
    """Files, catalogs, states, the session and anything that is no SELECT are no model's to use."""
    path = tmp_path / "secret.csv"
    path.write_text("k\n1\n", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be used"):
        past_model(text.replace("{path}", str(path)), CONTRACT)


@pytest.mark.parametrize(
    "text",
    [
        "WITH b AS (SELECT k FROM silver.house), c AS (SELECT k FROM b) SELECT k FROM c",
        "WITH b AS (SELECT k FROM silver.house) SELECT k FROM b UNION ALL SELECT k FROM b",
        "SELECT k FROM (WITH b AS (SELECT k FROM silver.house) SELECT k FROM b) AS z",
        """WITH b AS (SELECT k FROM silver.house)
        SELECT k FROM silver.house WHERE k IN (SELECT k FROM b)""",
    ],
)
def test_a_name_means_the_table_of_its_scope(text: str) -> None:
    """CTEs are seen where the engine sees them, also from below and in set operations."""
    assert past_model(text, CONTRACT).inputs == ("silver.house",)


@pytest.mark.parametrize(
    "rule",
    [
        "(SELECT count(*) FROM read_text('{path}')) > 0",
        "k > 0) IS FALSE) FROM receipt_rows; COPY (SELECT 1) TO '{path}'; SELECT ((1 = 1",
        "write_log('{path}') IS NULL",
    ],
)
def test_a_former_rule_is_a_condition_over_its_row(tmp_path: Path, rule: str) -> None:
    """A contract's wording that the lake kept is run by verification, so it is judged again."""
    text = (schemas_dir() / "report" / "house_by_town.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    entry = {
        "id": "odd",
        "type": "custom",
        "engine": "countylake",
        "description": "odd",
        "dimension": "consistency",
        "severity": "fail",
        "implementation": "house_cnt >= 0",
    }
    document["schema"][0]["quality"] = [entry]
    sound = past_table(yaml.safe_dump(document, allow_unicode=True), "report", "house_by_town")
    assert [one.expression for one in sound.rules] == ["house_cnt >= 0"]
    entry["implementation"] = rule.replace("{path}", str(tmp_path / "out"))
    with pytest.raises(ContractError, match="cannot be used"):
        past_table(yaml.safe_dump(document, allow_unicode=True), "report", "house_by_town")
