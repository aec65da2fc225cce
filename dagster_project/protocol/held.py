"""What a package says of held deliveries: whose data its figures lack, since when, and why.

It stands in ``status.json`` as ``held`` (waiting for a decision at the cut-off) and ``settled``
(named by the report's package before, and decided since). Counts, rules, names and instants:
nobody's name, and no cell. Packages of older programmes say neither.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dagster_project.errors import PackageError
from dagster_project.protocol.manifest import STATUS, Instant, Name, Whole

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,150}$")]
Title = Annotated[str, StringConstraints(max_length=200)]
_FORM = ConfigDict(extra="ignore", frozen=True, strict=True)
"""A newer sender may say more."""
_MOST = 1_000


class Reason(BaseModel):
    """One rule or doubt, and how many of how many failed it, where that was counted."""

    model_config = _FORM

    rule: Word
    checked: Whole | None = None
    failed: Whole | None = None


class HeldFeed(BaseModel):
    """One delivery that waits for a decision; ``rows`` of data are in it, where they were counted.

    ``data_until`` is when the feed's published data came; empty where nothing ever did.
    """

    model_config = _FORM

    feed: Name
    title: Title
    hold_id: Word
    kind: Word
    since: Instant
    data_until: Instant | Literal[""]
    rows: Whole | None = None
    reasons: Annotated[tuple[Reason, ...], Field(strict=False, max_length=_MOST)] = ()


class Settled(BaseModel):
    """One that was named before, and what was decided: it is in the figures only if released."""

    model_config = _FORM

    feed: Name
    title: Title
    hold_id: Word
    outcome: Literal["released", "refused", "superseded"]
    since: Instant
    settled_at: Instant


class Holds(BaseModel):
    """Both lists of one ``status.json``."""

    model_config = _FORM

    held: Annotated[tuple[HeldFeed, ...], Field(strict=False, max_length=_MOST)] = ()
    settled: Annotated[tuple[Settled, ...], Field(strict=False, max_length=_MOST)] = ()

    @property
    def feeds(self) -> tuple[str, ...]:
        """The feeds that are held, each once, sorted."""
        return tuple(sorted({one.feed for one in self.held}))

    def told(self) -> dict[str, Any]:
        """As ``status.json`` has them."""
        return self.model_dump(mode="json")


def holds_of(status: object) -> Holds:
    """What a parsed ``status.json`` says; nothing where it is an older programme's.

    Raises:
        PackageError: It says it in another form than was agreed.
    """
    said = status if isinstance(status, dict) else {}
    try:
        return Holds.model_validate({n: said[n] for n in ("held", "settled") if n in said})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise PackageError(
            f"it does not say in the agreed form which deliveries are held ({first['msg']})",
            where=f"{STATUS} {'.'.join(str(part) for part in first['loc'])}",
            todo="Seal and send it again",
        ) from error
