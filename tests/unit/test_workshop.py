"""A site's rooms, put together: whoever waits for the lake hears for whom."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dagster_project.components.steps.workshop import Workshop


def test_who_waits_for_the_lake_is_told_the_holder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, so that an answer on standard output stays what it is."""
    lake = Workshop.at(tmp_path).lake
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with lake.locked("a long run"):
            held.set()
            free.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    threading.Timer(0.3, free.set).start()
    with lake.locked("a question"):
        pass
    holder.join()
    told = capsys.readouterr()
    assert told.out == ""
    assert "waiting for the lake: held by a long run" in told.err
