"""Runs suites with Great Expectations; results are numbers, and on request places, never cells.

It imports Great Expectations only when called (seconds), knows neither lake nor contracts. What
stands on pages is ``pages``' work.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster_project.quality.suite import Expectation, Guard, Suite

if TYPE_CHECKING:
    import pandas as pd

NO_VALUES = {
    "result_format": "BASIC",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
}
PLACES = {"result_format": "COMPLETE", "partial_unexpected_count": 0}
"""Great Expectations' results then hold cells: they are thrown away with all but the places."""


@dataclass(frozen=True)
class Outcome:
    """What one expectation found: rows checked and rows failed (0 or 1 for table rules).

    ``places`` are the positions of failed rows in the frame, where they were asked for. ``error``
    says that a county's own expectation could not be run.
    """

    table: str
    expectation: Expectation
    success: bool
    checked: int
    failed: int
    places: tuple[int, ...] = ()
    error: str = ""


class Examiner:
    """Great Expectations, loaded once, for any number of frames."""

    def __init__(self) -> None:
        """Import it (about three seconds)."""
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        with _quiet():
            import great_expectations as gx  # noqa: PLC0415

            self._gx: Any = gx
            self._context: Any = gx.get_context(mode="ephemeral")
            variables: Any = self._context.variables
            variables.progress_bars = {"globally": False, "metric_calculations": False}
            self._source = self._context.data_sources.add_pandas("lake")
        self._number = 0

    def suite(self, suite: Suite) -> dict[str, Any]:
        """The suite in Great Expectations' own form, as its other tools read it."""
        with _quiet():
            every = [_translated(expectation) for expectation in suite.expectations]
            made = self._gx.ExpectationSuite(name=suite.name, expectations=every)
            found: dict[str, Any] = made.to_json_dict()
        return found

    def validate(self, suite: Suite, frame: pd.DataFrame, *, places: bool = False) -> list[Outcome]:
        """Ask every expectation of a frame.

        Args:
            suite: The expectations.
            frame: The columns that it names.
            places: Whether the positions of failed rows are wanted.

        Returns:
            One outcome per expectation, in the suite's order.
        """
        self._number += 1
        asset = self._source.add_dataframe_asset(f"{suite.name}-{self._number}")
        batch = asset.add_batch_definition_whole_dataframe("batch").get_batch({"dataframe": frame})
        with _quiet():
            every = [_translated(one, number) for number, one in enumerate(suite.expectations)]
            made = self._gx.ExpectationSuite(name=suite.name, expectations=every)
            validated = batch.validate(made, result_format=PLACES if places else NO_VALUES)
        by_number = {r.expectation_config.meta["number"]: r for r in validated.results}
        return [
            _outcome(suite, expectation, by_number[number], len(frame))
            for number, expectation in enumerate(suite.expectations)
        ]


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _translated(expectation: Expectation, number: int = 0) -> Any:
    """The Great Expectations object of one of ours."""
    import great_expectations.expectations as gxe  # noqa: PLC0415

    arguments = dict(expectation.arguments)
    if expectation.guards:
        arguments["row_condition"] = _condition(expectation.guards)
    if expectation.condition:
        arguments["row_condition"] = dict(expectation.condition)
    return getattr(gxe, expectation.kind)(
        **arguments,
        description=expectation.sentence,
        meta={"rule_id": expectation.rule_id, "number": number},
        severity="critical" if expectation.severity == "fail" else "warning",
    )


def _condition(guards: Sequence[Guard]) -> Any:
    from great_expectations.expectations.row_conditions import (  # noqa: PLC0415
        AndCondition,
        Column,
        Condition,
    )

    made: list[Condition] = []
    for guard in guards:
        column = Column(guard.column)
        if guard.kind == "null":
            made.append(column.is_null())
        elif guard.kind == "not_null":
            made.append(column.is_not_null())
        else:
            made.append(column.is_in(guard.values))
    return made[0] if len(made) == 1 else AndCondition(conditions=made)


def _outcome(suite: Suite, expectation: Expectation, result: Any, rows: int) -> Outcome:
    """One expectation's result in our words; one of ours that raised is an error here."""
    info = result.exception_info or {}
    raised = info.get("raised_exception") or any(
        isinstance(v, dict) and v.get("raised_exception") for v in info.values()
    )
    if raised and expectation.is_own:
        return Outcome(
            suite.name, expectation, success=False, checked=0, failed=0, error="请检查写法"
        )
    if raised:
        message = f"great expectations could not run {suite.name}: {expectation.rule_id}"
        raise RuntimeError(message)
    found = result.result
    element_count = found.get("element_count")
    asked = rows if element_count is None else int(element_count)
    return Outcome(
        suite.name,
        expectation,
        bool(result.success),
        asked - int(found.get("missing_count") or 0),
        int(found.get("unexpected_count") or (0 if result.success else 1)),
        tuple(int(place) for place in found.get("unexpected_index_list") or ()),
    )
