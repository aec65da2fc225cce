"""What Dagster may keep of an error: one sentence, and the place in our code.

A library's own message can quote the cell it stumbled on, and Dagster stores messages for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dagster_project.components.steps.faults import as_ours, sentence_of

EXIT_CODE = "exit_code"
"""What a command that ran the step ends with, as ``cli.main`` explains the numbers."""


@contextmanager
def sentences_only() -> Iterator[None]:
    """Let errors through as sentences that hold no cell; a step's retry policy still applies."""
    try:
        yield
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold a cell
        known = as_ours(error)
        raise dg.Failure(
            description=sentence_of(error),
            metadata={EXIT_CODE: known.exit_code if known else 1},
        ) from None
