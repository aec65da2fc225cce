"""The Dagster workspace that shows the county and the city side by side."""

from __future__ import annotations

from pathlib import Path

from dagster_project.paths import PROJECT

LOCATIONS = {
    "county": "dagster_project.definitions",
    "city": "dagster_project.city.definitions",
}


def write_workspace(folder: Path) -> Path:
    """Write ``workspace.yaml`` with both code locations; their homes come by environment."""
    lines = ["# Written by `countylake dev`.", "load_from:"]
    for name, module in LOCATIONS.items():
        lines += [
            "  - python_module:",
            f"      module_name: {module}",
            f"      location_name: {name}",
            f"      working_directory: {PROJECT}",
        ]
    path = folder / "workspace.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
