"""What a link to the parent site can do, whichever way it leads: a folder, a stick, HTTP.

A link moves bytes and believes nothing: signatures are read by whoever uses it. When to meet, what
to send, and what an answer means is ``reporting.outbox``'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from dagster_project.errors import ChannelError

ANSWER_BYTES = 64 << 10
"""The most that one signed answer may have."""
CARD_BYTES = 256 << 10
"""The most that a site's card or an announcement of keys may have."""


class LinkError(ChannelError):
    """The parent cannot be reached, or refuses.

    ``after``: seconds for which the parent asks to be left alone. ``only``: the refusal concerns
    one document; others may still go.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        todo: str = "",
        transient: bool = False,
        after: float = 0,
        only: bool = False,
    ) -> None:
        self.after, self.only = after, only
        super().__init__(what, where=where, todo=todo, transient=transient)


@dataclass(frozen=True)
class ParentState:
    """What the parent says of our chain, unsigned: enough to know what to send, no more.

    ``waiting``: ids of packages that lie there and were not decided on, or are held.
    """

    head_no: int
    head_hash: str
    missing: Sequence[int] = ()
    waiting: frozenset[str] = frozenset()


class Link(Protocol):
    """A way to the parent; a context manager, which finds out whether it is there at all.

    Every method raises ``LinkError`` when the link breaks off. ``where`` stands in sentences;
    ``backs_off`` says that asking in vain costs somebody something, so that it is asked seldom.
    """

    where: str
    backs_off: bool

    def __enter__(self) -> Self:
        """Begin a meeting."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """End it."""

    def state(self) -> ParentState | None:
        """What the parent knows of our chain, where it can tell."""

    def holds(self, package: Path) -> bool:
        """Whether these very bytes are known to lie with the parent already."""

    def send(self, package: Path) -> None:
        """Take a sealed package's folder up; sent twice, it is there once."""

    def answers(self) -> Mapping[str, str]:
        """The parent's answers: package id and a mark that changes when the answer does."""

    def answer(self, package_id: str) -> bytes | None:
        """One answer's bytes; None if there is no such file."""

    def corrections(self) -> Sequence[str]:
        """Names of the corrections that the parent asks for."""

    def correction(self, name: str) -> bytes | None:
        """One correction's bytes."""

    def reply(self, name: str, data: bytes) -> None:
        """Make sure that the parent finds our answer to a correction."""

    def announce(self, name: str, data: bytes) -> None:
        """Make sure that the parent finds an announcement of our keys."""

    def heard(self) -> Sequence[tuple[str, bytes]]:
        """What the parent announces of its own keys: names for sentences, and bytes."""
