"""Dagster's storage with kept engines stores what the stock one stores, where it stores it."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_project.components.steps.founding import ready_dagster


@dg.asset(check_specs=[dg.AssetCheckSpec("holds", asset="figure")])
def figure() -> dg.MaterializeResult:
    """An asset with one check."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


def test_a_stock_instance_reads_what_ours_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs, events and checks written through kept engines are those that Dagster expects."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    ready_dagster(tmp_path)
    with dg.DagsterInstance.get() as ours:
        assert type(ours.event_log_storage).__name__ == "KeptEventLogStorage"
        done = dg.materialize([figure], instance=ours)
        written = len(ours.all_logs(done.run_id))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.get() as stock:
        assert type(stock.event_log_storage).__name__ == "SqliteEventLogStorage"
        run = stock.get_run_by_id(done.run_id)
        assert run is not None
        assert run.is_success
        assert len(stock.all_logs(done.run_id)) == written
        event = stock.get_latest_materialization_event(dg.AssetKey("figure"))
        assert event is not None
        assert event.run_id == done.run_id


def test_settings_that_somebody_wrote_stay(tmp_path: Path) -> None:
    """``init`` does not write over a site's own ``dagster.yaml``."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    ready_dagster(tmp_path)
    assert (tmp_path / "dagster.yaml").read_text("utf-8") == "telemetry: {enabled: false}\n"
