"""Runs suites with Great Expectations and renders one page per table that opens offline.

It imports Great Expectations only when called (seconds), knows neither lake nor contracts, and
asks for no example values: a page or a result never holds a cell.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.quality.expectations import Expectation, Suite
from dagster_project.quality.pages import offline

if TYPE_CHECKING:
    import pandas as pd

NO_VALUES = {
    "result_format": "BASIC",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
}


@dataclass(frozen=True)
class Outcome:
    """What one expectation found: rows checked and rows failed (0 or 1 for table rules)."""

    table: str
    expectation: Expectation
    success: bool
    checked: int
    failed: int


def _translated(expectation: Expectation) -> Any:
    """The Great Expectations object of one of ours."""
    import great_expectations.expectations as gxe  # noqa: PLC0415

    return getattr(gxe, expectation.kind)(
        **expectation.arguments,
        description=expectation.sentence,
        meta={"rule_id": expectation.rule_id},
        severity="critical" if expectation.severity == "fail" else "warning",
    )


def _outcome(suite: Suite, expectation: Expectation, result: Any) -> Outcome:
    """One expectation's result in our words; an expectation that raised is an error here."""
    info = result.exception_info or {}
    raised = info.get("raised_exception") or any(
        isinstance(v, dict) and v.get("raised_exception") for v in info.values()
    )
    if raised:
        message = f"great expectations could not run {suite.name}: {expectation.rule_id}"
        raise RuntimeError(message)
    found = result.result
    return Outcome(
        suite.name,
        expectation,
        bool(result.success),
        int(found.get("element_count") or 1),
        int(found.get("unexpected_count") or (0 if result.success else 1)),
    )


def validate(batches: list[tuple[Suite, pd.DataFrame]], docs: Path) -> list[Outcome]:
    """Validate frames and write ``docs/<table>.html`` for each.

    Args:
        batches: A suite and the frame it is about; of several of one suite the last has the page.
        docs: Folder of the pages; pages of tables that are not in ``batches`` stay.

    Returns:
        One outcome per expectation, in the order of ``batches`` and of their suites.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    outcomes: list[Outcome] = []
    docs.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx  # noqa: PLC0415

        context: Any = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        source = context.data_sources.add_pandas("lake")
        for number, (suite, frame) in enumerate(batches):
            asset = source.add_dataframe_asset(f"{suite.name}-{number}")
            batch = asset.add_batch_definition_whole_dataframe("batch").get_batch(
                {"dataframe": frame}
            )
            made = gx.ExpectationSuite(name=suite.name)
            for expectation in suite.expectations:
                made.add_expectation(_translated(expectation))
            validated = batch.validate(made, result_format=NO_VALUES)
            by_rule = {r.expectation_config.meta["rule_id"]: r for r in validated.results}
            outcomes += [_outcome(suite, e, by_rule[e.rule_id]) for e in suite.expectations]
            _write_page(docs, suite, validated)
    return outcomes


@cache
def _renderers() -> tuple[Any, Any]:
    """Great Expectations' own: result -> page in parts, and parts -> HTML (it keeps templates)."""
    from great_expectations.render.renderer.page_renderer import (  # noqa: PLC0415
        ValidationResultsPageRenderer,
    )
    from great_expectations.render.view.view import DefaultJinjaPageView  # noqa: PLC0415

    view: Any = DefaultJinjaPageView
    return ValidationResultsPageRenderer(), view()


def _write_page(docs: Path, suite: Suite, validated: Any) -> None:
    """Render a result as Great Expectations' Data Docs do, made to open offline."""
    parts, view = _renderers()
    validated.meta["run_id"] = {"run_name": suite.name, "run_time": ""}
    page = view.render(parts.render(validated))
    partial = docs / f".{suite.name}.html"
    partial.write_text(offline(page, suite.title), encoding="utf-8")
    partial.replace(docs / f"{suite.name}.html")
