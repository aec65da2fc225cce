"""A feed's step in a process of its own, killed (SIGKILL) at a chosen moment.

The process is forked from one that has the programme loaded, so that ten of them cost little.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from dagster_project import clock
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import PACKAGE, Home, sql_dir
from dagster_project.settings import Settings

PATIENCE_S = 120
STEPS, CHANNELS = "dagster_project.components.steps", "dagster_project.ingest.channels"
ROOMS = tuple(str(PACKAGE / room) for room in ("components/steps", "ingest", "lake"))


@dataclass(frozen=True)
class Moment:
    """When a process is killed: before or after the n-th call of a function.

    ``where`` is ``module:name``. Without it the process is killed at the n-th line of the steps,
    the channels and the lake. Of a function that takes blocks, ``inside`` means between two.
    """

    name: str
    where: str = ""
    number: int = 1
    how: str = "after"


LANDING = (
    Moment("landed", f"{STEPS}.arriving.deliveries:receive"),
    Moment("merging", f"{STEPS}.arriving.desk:conform"),
    Moment("committed", f"{STEPS}.arriving.desk:Desk.take"),
)
SPOOLED = Moment("spooled", f"{STEPS}.arriving.fetching:Fetch._take", how="before")


def of_database(module: str, name: str) -> tuple[Moment, ...]:
    """The moments of a channel that reads a table in slices."""
    connect, base = f"{CHANNELS}.database.{module}:{name}.source", f"{CHANNELS}.database.base"
    return (
        Moment("connecting", connect, how="before"),
        Moment("transfer", f"{base}:pq.ParquetWriter.write_batch"),
        Moment("between", connect, 2),
        SPOOLED,
        *LANDING,
    )


def of_files(module: str, name: str) -> tuple[Moment, ...]:
    """The moments of a channel that fetches files."""
    download = f"{CHANNELS}.download:Download"
    return (
        Moment("connecting", f"{CHANNELS}.{module}:{name}.connect"),
        Moment("transfer", f"{download}.write", how="inside"),
        Moment("between", f"{download}.begin", 2, how="before"),
        SPOOLED,
        *LANDING,
    )


MOMENTS = {
    "inbox": (
        Moment("connecting", "dagster_project.ingest.channels.inbox:InboxChannel.discover"),
        Moment("transfer", "dagster_project.ingest.landing:_copy"),
        Moment("between", f"{STEPS}.arriving.desk:Desk.take", 2, how="before"),
        *LANDING,
    ),
    "sftp": of_files("sftp", "SftpPull"),
    "s3": of_files("s3", "S3Pull"),
    "api": (
        Moment("connecting", f"{CHANNELS}.interface.client:Client.ask", how="before"),
        Moment("transfer", f"{CHANNELS}.interface.draft:Draft.add", 600),
        Moment("between", f"{CHANNELS}.interface.draft:Draft.keep", 2),
        SPOOLED,
        *LANDING,
    ),
    "postgresql": of_database("postgresql", "PostgresPull"),
    "mysql": of_database("mysql", "MySqlPull"),
    "sqlite": of_database("sqlite", "SqlitePull"),
    "sqlalchemy": of_database("hook", "SqlAlchemyPull"),
}
"""For every kind of channel: from the connection to the removal of what was fetched."""


def stepped(workshop: Workshop, moment: Moment | None, secrets: Mapping[str, str]) -> bool:
    """Run the feed's step in a process of its own.

    Returns:
        Whether it was killed; a step that was not has ended well.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{STEPS}.feed", __name__])
    environment = {**secrets, "COUNTYLAKE_KEYS": os.environ["COUNTYLAKE_KEYS"]}
    child = context.Process(
        target=_step, args=(workshop.home.root, workshop.schemas, moment, environment)
    )
    child.start()
    child.join(PATIENCE_S)
    assert child.exitcode in {0, -signal.SIGKILL}, f"{moment}: {child.exitcode}"
    return child.exitcode != 0


def _step(home: Path, schemas: Path, moment: Moment | None, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    workshop = Workshop(Home(home), Settings(threads=1), "collect", schemas, sql_dir())
    if moment is not None:
        _arm(moment)
    done = run_feed(workshop, "permit", Occasion(f"run-{uuid4()}", clock.now().date()))
    if done.status not in {"success", "skipped"} or done.error:
        sys.exit(f"{done.status}: {done.error}")


def _arm(moment: Moment) -> None:
    """Have the process killed at a moment."""
    if not moment.where:
        sys.settrace(_lines(moment.number))
        return
    module, _, path = moment.where.partition(":")
    *owners, name = path.split(".")
    owner: Any = reduce(getattr, owners, importlib.import_module(module))
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def killed(*values: Any, **words: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < moment.number:
            return original(*values, **words)
        if moment.how == "before":
            _die()
        if moment.how == "inside":
            *rest, blocks = values
            return original(*rest, _cut(blocks), **words)
        original(*values, **words)
        return _die()

    setattr(owner, name, killed)


def _cut(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        yield block[: len(block) // 2]
        _die()


def _lines(left: int) -> Callable[[FrameType, str, Any], Any]:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOMS):
            return None
        if event == "line":
            left -= 1
            if not left:
                _die()
        return trace

    return trace


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
