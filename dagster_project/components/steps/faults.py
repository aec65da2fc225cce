"""Any error -> one sentence that may be stored; a library's own message is left out."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from dagster_project.errors import CountyLakeError, LakeError
from dagster_project.lake.failures import sentences
from dagster_project.paths import PACKAGE


def sentence_of(error: BaseException) -> str:
    """The error's sentence; the message of a library's error is left out, it may quote a cell."""
    if known := as_ours(error):
        return str(known)
    return f"the programme failed with {type(error).__name__} at {_place(error)}. Report it."


def as_ours(error: BaseException) -> CountyLakeError | None:
    """The error as one of our own, where somebody can act on it: ours, or a disk's refusal."""
    if isinstance(error, CountyLakeError):
        return error
    if isinstance(error, OSError) and error.filename:
        try:
            with sentences(Path(os.fsdecode(error.filename))):
                raise error
        except LakeError as told:
            return told
    return None


def _place(error: BaseException) -> str:
    """The innermost place in our own code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    if not ours:
        return "an unknown place"
    path = Path(ours[-1].filename).relative_to(PACKAGE.parent)
    return f"{path.as_posix()}:{ours[-1].lineno}"
