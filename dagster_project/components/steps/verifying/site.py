"""Verifying a site by what it does: packages that it sealed, packages that it received, or both."""

from __future__ import annotations

from dagster_project.components.steps.verifying.verdict import Verified
from dagster_project.components.steps.verifying.verify import verify
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import Home
from dagster_project.settings import load_site


def verify_site(
    home: Home,
    package_id: str = "",
    *,
    report: str = "",
    quick: bool = False,
    files: bool = False,
) -> Verified:
    """Verify what a site keeps.

    Args:
        home: The site's home.
        package_id: One package; all if empty.
        report: Only packages of one report.
        quick: Make nothing again.
        files: Also read every landed file again.

    Raises:
        UsageError: No such package or report.
    """
    duties = load_site(home).duties
    assert not files  # noqa: S101
    assert "collect" in duties  # noqa: S101
    return verify(Workshop.at(home.root), package_id, report=report, quick=quick)
