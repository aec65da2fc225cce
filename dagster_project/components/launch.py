"""Running the site's job in this process, against the site's own Dagster instance.

``countylake run`` is this; the UI starts the same job. Nothing is computed here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.events.log import EventLogEntry

from dagster_project.components.guard import EXIT_CODE
from dagster_project.components.mending import mend
from dagster_project.components.steps.founding import ready_dagster
from dagster_project.components.steps.journal import open_journal
from dagster_project.paths import Home
from dagster_project.settings import load_site

OnStep = Callable[[str], None]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Launched:
    """What Dagster says of a run: its id, the sentence of each step that failed, and warnings.

    ``exit_code`` is that of the failures where it is the same for all of them, else 1.
    """

    run_id: str
    success: bool
    failures: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    exit_code: int = 0


@contextmanager
def instance_of(home: Home) -> Iterator[dg.DagsterInstance]:
    """The persistent Dagster instance that the site's runs belong to."""
    folder = load_site(home).folder(home, "dagster_home")
    ready_dagster(folder)
    open_journal(home)
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    with dg.DagsterInstance.get() as instance:
        yield instance


def launch(
    home: Home,
    definitions: dg.Definitions,
    job: str,
    *,
    site: Mapping[str, str] | None = None,
    assets: Iterable[dg.AssetKey] | None = None,
    on_step: OnStep | None = None,
) -> Launched:
    """Execute a job here and now.

    Args:
        home: The site's home; its Dagster instance keeps the run.
        definitions: The site's definitions.
        job: The job's name.
        site: What the run is told (``day``, ``cut_off_at``).
        assets: Only these assets of the job; None takes all.
        on_step: Called with each step's name when it starts.
    """
    told = {key: value for key, value in (site or {}).items() if value}
    config: dict[str, Any] = {**QUIET}
    config["resources"] = {"site": {"config": {"home": str(home.root), **told}}}
    run_id = str(uuid4())

    warned: list[str] = []

    def listen(event: EventLogEntry) -> None:
        if event.dagster_event is None and event.level == logging.WARNING:
            warned.append(event.user_message)
        if on_step and event.dagster_event and event.dagster_event.is_step_start:
            on_step(event.dagster_event.step_key or "")

    with instance_of(home) as instance:
        mend(instance, home)
        instance.add_event_listener(run_id, listen)
        done = definitions.resolve_job_def(job).execute_in_process(
            run_config=config,
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            asset_selection=None if assets is None else list(assets),
        )
    failed = list(_failures(done))
    codes = {code for _, _, code in failed} or {0 if done.success else 1}
    return Launched(
        done.run_id,
        done.success,
        {step: sentence for step, sentence, _ in failed},
        tuple(warned),
        codes.pop() if len(codes) == 1 else 1,
    )


def _failures(done: dg.ExecuteInProcessResult) -> Iterator[tuple[str, str, int]]:
    for event in done.all_events:
        if event.is_step_failure and event.step_key:
            data = event.step_failure_data
            given = data.user_failure_data
            message = (given.description if given else None) or "the step failed"
            code = given.metadata.get(EXIT_CODE) if given else None
            yield event.step_key, message, int(str(code.value)) if code else 1
