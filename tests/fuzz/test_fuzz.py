"""The same damaged files every time: a short slice of ``make fuzz``."""

from __future__ import annotations

from tests.fuzz.run import campaign

SLICE = 150


def test_damaged_files_get_a_verdict() -> None:
    """No crash, no hang, no memory beyond the limit, no lost record, no refusal without reason."""
    findings = [finding for finding in campaign(0, count=SLICE) if finding is not None]
    assert [(finding.seed, finding.kind) for finding in findings] == []
