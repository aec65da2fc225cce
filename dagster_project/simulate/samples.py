"""The samples in the repository: two simulated counties, small, with faults planted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.paths import SAMPLES
from dagster_project.simulate.feeds import FORMS
from dagster_project.simulate.run import Progress, simulate


@dataclass(frozen=True)
class Sample:
    """One sample county."""

    county: str
    scale: float
    seed: int
    feeds: tuple[str, ...] = tuple(FORMS)


_FEWER = (
    *("division", "grid", "population", "house", "component", "hotline_order", "death"),
    *("collective_org", "bank_account", "payment", "payment_approval", "voucher_line"),
    *("asset", "resource", "contract", "contract_due", "property_txn"),
)
"""Not every department of the second county delivers: what reads the others' feeds waits there."""
COUNTIES = (Sample("140321", 0.007, 20230531), Sample("140322", 0.005, 20230601, _FEWER))


def write_samples(
    folder: Path = SAMPLES, *, progress: Progress | None = None
) -> dict[str, dict[str, Any]]:
    """Write both sample counties anew below ``folder`` (``inbox/<county>`` and ``expected``).

    Returns:
        The manifests by county code.
    """
    manifests = {}
    for sample in COUNTIES:
        inbox = folder / "inbox" / sample.county
        shutil.rmtree(inbox, ignore_errors=True)
        manifests[sample.county] = simulate(
            sample.county,
            sample.scale,
            inbox,
            sample.seed,
            feeds=sample.feeds,
            expected_dir=folder / "expected",
            personal=True,
            progress=progress,
        )
    return manifests
