"""A step in a process of its own, killed (SIGKILL) at the n-th line of our own code.

The process is forked; a line tracer counts. With a fixed seed the lines are the same ones again,
as far as the step itself does the same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from dagster_project.paths import PACKAGE

ROOMS = tuple(str(PACKAGE / room) for room in ("reporting", "protocol", "city", "lake", "web"))
CRASHED = "the child crashed by itself"


class Lines:
    """Counts lines of our own rooms in every thread, and kills the process at one of them.

    Args:
        kill_at: Which one; 0 kills at none.
    """

    def __init__(self, kill_at: int) -> None:
        self.count, self._kill_at = 0, kill_at

    def begin(self) -> None:
        """Count from here on, in threads that begin later too."""
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ROOMS):
            return None
        if event == "line":
            self.count += 1
            if self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._trace


def in_child(step: Callable[[], object], kill_at: int) -> int:
    """Run a step in a forked child; returns the lines it ran, or -1 if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            lines = Lines(kill_at)
            lines.begin()
            step()
            sys.settrace(None)
            os.write(writer, str(lines.count).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read()
    _, how = os.waitpid(child, 0)
    if os.WIFSIGNALED(how):
        assert os.WTERMSIG(how) == signal.SIGKILL, CRASHED
        return -1
    assert os.WEXITSTATUS(how) == 0, CRASHED
    return int(text)
