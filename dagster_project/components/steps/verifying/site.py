"""Verifying a site by what it does: packages that it sealed, packages that it received, or both."""

from __future__ import annotations

from collections.abc import Callable

from dagster_project.components.steps.verifying.received import verify_received
from dagster_project.components.steps.verifying.verdict import Verified
from dagster_project.components.steps.verifying.verify import verify
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import Duty, load_site


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
    ways: dict[Duty, Callable[[], Verified]] = {
        "collect": lambda: verify(
            Workshop.at(home.root), package_id, report=report, quick=quick, files=files
        ),
        "receive": lambda: verify_received(
            Workshop.at(home.root, "receive"), package_id, report=report
        ),
    }
    done = Verified()
    unknown: list[UsageError] = []
    duties = load_site(home).duties
    for duty in duties:
        try:
            done.add(ways[duty]())
        except UsageError as error:
            unknown.append(error)
    if len(unknown) == len(duties):
        raise unknown[0]
    return done
