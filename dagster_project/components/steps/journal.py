"""The site's own log: one JSON line per event, in the home's ``logs``; never row data.

Standard output belongs to a command's answer, so nothing is logged there.
"""

from __future__ import annotations

import sys

import structlog

from dagster_project.paths import Home

FILE = "countylake.ndjson"


def say(sentence: str) -> None:
    """Tell whoever sits before the process (and Dagster's own log of it) why it stands still."""
    sys.stderr.write(f"{sentence}\n")


def open_journal(home: Home) -> None:
    """Let this process log into the home from now on; asked again, it changes nothing."""
    if structlog.is_configured():
        return
    home.logs.mkdir(parents=True, exist_ok=True)
    stream = (home.logs / FILE).open("a", encoding="utf-8", buffering=1)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
