"""Runs suites with Great Expectations and renders one page per table that opens offline.

It imports Great Expectations only when called (seconds), knows neither lake nor contracts, and
asks for no example values: a page or a result never holds a cell.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import dataclass
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


def _context(site: Path) -> Any:
    """A context that lives in memory and writes its pages below ``site``."""
    import great_expectations as gx  # noqa: PLC0415

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    for name in list(context.variables.data_docs_sites or {}):
        context.delete_data_docs_site(name)
    context.add_data_docs_site(
        "docs",
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(site),
            },
        },
    )
    return context


def validate(batches: list[tuple[Suite, pd.DataFrame]], docs: Path) -> list[Outcome]:
    """Validate frames and write ``docs/<table>.html`` for each.

    Args:
        batches: A suite and the frame it is about; at most one frame per suite.
        docs: Folder of the pages; pages of tables that are not in ``batches`` stay.

    Returns:
        One outcome per expectation, in the suites' order.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = _context(Path(scratch))
        source = context.data_sources.add_pandas("lake")
        for suite, frame in batches:
            outcomes += _validate_one(context, source, suite, frame)
        context.build_data_docs()
        docs.mkdir(parents=True, exist_ok=True)
        for suite, _ in batches:
            pages = sorted(Path(scratch, "validations", *suite.name.split(".")).rglob("*.html"))
            text = offline(pages[-1].read_text(encoding="utf-8"), suite.title)
            partial = docs / f".{suite.name}.html"
            partial.write_text(text, encoding="utf-8")
            partial.replace(docs / f"{suite.name}.html")
    return outcomes


def _validate_one(context: Any, source: Any, suite: Suite, frame: pd.DataFrame) -> list[Outcome]:
    """Validate one frame against its suite."""
    import great_expectations as gx  # noqa: PLC0415

    made = gx.ExpectationSuite(name=suite.name)
    for expectation in suite.expectations:
        made.add_expectation(_translated(expectation))
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=suite.name,
            data=source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe(
                "batch"
            ),
            suite=context.suites.add(made),
        )
    )
    checkpoint = gx.Checkpoint(
        name=suite.name, validation_definitions=[definition], result_format=NO_VALUES
    )
    run = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (validated,) = run.run_results.values()
    by_rule = {r.expectation_config.meta["rule_id"]: r for r in validated.results}
    return [_outcome(suite, e, by_rule[e.rule_id]) for e in suite.expectations]
