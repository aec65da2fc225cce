"""Errors from below: a disk's refusal is a sentence to act on, a library's message is left out."""

from __future__ import annotations

import errno
from pathlib import Path

from dagster_project.components.steps.faults import as_ours, sentence_of


def test_a_disks_refusal_names_the_place_and_what_to_do(tmp_path: Path) -> None:
    """Wherever it is raised: a folder that may not be written, a disk that is full."""
    denied = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "logs"))
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "logs"))
    assert "logs: the folder may not be written" in sentence_of(denied)
    assert "the disk is full. Free some space" in sentence_of(full)
    assert (known := as_ours(denied)) is not None
    assert known.exit_code == 6


def test_a_librarys_message_is_left_out() -> None:
    """It may quote a cell."""
    assert as_ours(ValueError("王小明")) is None
    assert "王" not in sentence_of(ValueError("王小明"))
