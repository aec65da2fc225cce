"""What a package says of the feeds behind its report: did they come, how good are they.

It stands in ``status.json`` as ``feeds``, as of the report's cut-off. Names, counts, shares and
instants: nobody's name, and no cell. Packages of older programmes do not say it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dagster_project.errors import PackageError
from dagster_project.protocol.held import Title
from dagster_project.protocol.manifest import STATUS, Instant, Name, Whole

_FORM = ConfigDict(extra="ignore", frozen=True, strict=True)
"""A newer sender may say more."""
_MOST = 2_000

Score = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$")]
InstantOrNone = Instant | Literal[""]


class Task(BaseModel):
    """The feed's executions that did something: the last one, the last that succeeded.

    ``failures`` counts those that failed since then. ``status`` is empty where none ever ran.
    """

    model_config = _FORM

    status: Literal["", "success", "partial", "failed"]
    finished_at: InstantOrNone
    succeeded_at: InstantOrNone
    failures: Whole


class Dimension(BaseModel):
    """One dimension of GB/T 36344: of ``checked`` checks ``passed``."""

    model_config = _FORM

    dimension: Name
    passed: Whole
    checked: Whole


class FeedStanding(BaseModel):
    """One feed behind the report.

    ``deadline`` says how the newest period that is due was served, empty where none was; ``score``
    is of the reported day, empty where none was built. ``open_cases`` wait for a correction.
    """

    model_config = _FORM

    feed: Name
    title: Title
    task: Task
    deadline: Literal["", "on_time", "late", "missing"]
    score: Score | Literal[""]
    dimensions: Annotated[tuple[Dimension, ...], Field(strict=False, max_length=20)] = ()
    open_cases: Whole


class Standings(BaseModel):
    """The feeds of one ``status.json``, by name."""

    model_config = _FORM

    feeds: Annotated[tuple[FeedStanding, ...], Field(strict=False, max_length=_MOST)] = ()

    def told(self) -> dict[str, Any]:
        """As ``status.json`` has them."""
        return self.model_dump(mode="json")


def standings_of(status: object) -> Standings:
    """What a parsed ``status.json`` says; nothing where it is an older programme's.

    Raises:
        PackageError: It says it in another form than was agreed.
    """
    said = status if isinstance(status, dict) else {}
    try:
        return Standings.model_validate({"feeds": said["feeds"]} if "feeds" in said else {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise PackageError(
            f"it does not say in the agreed form how the feeds stand ({first['msg']})",
            where=f"{STATUS} {'.'.join(str(part) for part in first['loc'])}",
            todo="Seal and send it again",
        ) from error
