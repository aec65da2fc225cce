"""``python -m dagster_project.cli`` is ``countylake``."""

from __future__ import annotations

from dagster_project.cli.main import main

if __name__ == "__main__":
    main()
