"""A receiving site's web in a process of its own, which can be killed at a line of our code."""

from __future__ import annotations

import os
import signal
import socket

from line_kit import CRASHED, Lines

from dagster_project.components.steps.workshop import Workshop
from dagster_project.web import server
from dagster_project.web.access.bounds import Bounds

FREE = Bounds(per_s=1e6, burst=10**6, strange_per_s=1e6, strange_burst=10**6)


class Web:
    """A receiving site's web in a process of its own, always at the same port.

    Args:
        root: The site's home folder.
    """

    def __init__(self, root: str) -> None:
        self._root, self._child = root, 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, kill_at: int = 0) -> None:
        """Serve, to be killed at a line or never."""
        reader, writer = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                lines = Lines(kill_at)

                def ready(_: int) -> None:
                    lines.begin()
                    os.write(writer, b"1")

                workshop = Workshop.at(self._root, "receive")
                server.serve(workshop, server.Place(self._port, bounds=FREE), ready)
            finally:
                os._exit(1)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            assert stream.read(1) == b"1", CRASHED

    def was_killed(self) -> bool:
        """Whether it died at its line; it is gone afterwards in any case."""
        ended, how = os.waitpid(self._child, os.WNOHANG)
        if ended:
            self._child = 0
            assert os.WIFSIGNALED(how), CRASHED
            return True
        self.stop()
        return False

    def stop(self) -> None:
        """End it, as a machine does that loses its power."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = 0
