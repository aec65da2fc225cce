"""The link over HTTP: the parent's reception is asked; it answers by itself to nobody.

Addresses and JSON are those of the parent's web application (``/v1/children/<code>/…``). A fault
that may pass is tried again a few times within one meeting; when to meet again is decided by
``reporting.outbox``. No token and no byte of an answer goes into a sentence or a log, but for what
the parent says is wrong.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_project.protocol import archive
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.correction import ASKED, MOST_BYTES, is_plain
from dagster_project.protocol.line import Line
from dagster_project.protocol.manifest import Hash, HashOrNone, Whole
from dagster_project.reporting.links.link import (
    ANSWER_BYTES,
    CARD_BYTES,
    LinkError,
    ParentState,
)

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Answers that may be other ones a little later."""
UNKNOWN, FORBIDDEN, ABSENT = 401, 403, 404
PAGE_BYTES = 8 << 20
MOST_PAGES = 10_000
_FORM = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True)
class Patience:
    """How patient one meeting is; times in seconds.

    ``tries`` counts requests for one answer. Between two, a random time passes below ``pause``
    doubled with each, at most ``longest_pause``, unless the parent asks for another one.
    ``connect`` and ``silence`` bound the wait for the line and for the next bytes, ``answer`` one
    whole answer.
    """

    tries: int = 4
    pause: float = 1.0
    longest_pause: float = 30.0
    connect: float = 10.0
    silence: float = 60.0
    answer: float = 600.0


Form = TypeVar("Form", bound=BaseModel)


class _Listed(BaseModel):
    model_config = _FORM
    package_id: str
    sha256: Hash


class _Answers(BaseModel):
    model_config = _FORM
    acknowledgements: list[_Listed]
    next: str | None = None


class _Chain(BaseModel):
    model_config = _FORM
    head_no: Whole
    head_hash: HashOrNone
    missing: list[Whole] = []
    waiting: list[str] = []


class _Named(BaseModel):
    model_config = _FORM
    name: str
    sha256: Hash


class _Corrections(BaseModel):
    model_config = _FORM
    corrections: list[_Named]


@dataclass
class HttpLink:
    """The parent's reception at an address.

    Attributes:
        where: The address, for sentences.
        code: Our own code, which the token must be made out for.
        token: Shown to this address alone.
        authorities: A file of certificate authorities, where this machine's own do not do.
        wait, chance: How a pause is passed, and chosen.
    """

    where: str
    code: str
    token: str = field(repr=False)
    authorities: Path | None = None
    patience: Patience = field(default_factory=Patience)
    wait: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.SystemRandom)
    backs_off: bool = True
    _line: Line = field(init=False, repr=False)
    _state: ParentState | None = None
    _letters: Mapping[str, str] | None = None

    def __enter__(self) -> Self:
        self._line = Line(
            self.where,
            self.token,
            "the parent",
            "exchange_ca",
            self.authorities,
            connect=self.patience.connect,
            silence=self.patience.silence,
            error=LinkError,
        )
        self._line.__enter__()
        self._state = self._letters = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def state(self) -> ParentState:
        """What the parent knows of our chain."""
        said = self._json(_Chain, self._mine("chain"))
        self._state = ParentState(
            said.head_no, said.head_hash, tuple(said.missing), frozenset(said.waiting)
        )
        return self._state

    def holds(self, package: Path) -> bool:
        """Whether the parent said that it waits with this package."""
        return package.name in (self._state or self.state()).waiting

    def send(self, package: Path) -> None:
        """Push a package as one archive."""
        packed = archive.pack(package)
        headers = {"Content-Type": archive.MEDIA_TYPE, "Content-Length": str(packed.size)}
        self._ask("PUT", self._mine("packages", package.name), packed.chunks, headers)

    def answers(self) -> Mapping[str, str]:
        """The parent's answers with the hash of each."""
        found: dict[str, str] = {}
        after: str | None = None
        for _ in range(MOST_PAGES):
            address = self._mine("acknowledgements")
            address += f"?after={quote(after, safe='')}" if after is not None else ""
            page = self._json(_Answers, address)
            found |= {one.package_id: one.sha256 for one in page.acknowledgements}
            if not page.next or page.next == after:
                return found
            after = page.next
        raise self._line.odd("the list of answers does not come to its end")

    def answer(self, package_id: str) -> bytes | None:
        """One answer as it was signed."""
        return self._get(self._mine("acknowledgements", package_id), ANSWER_BYTES)

    def corrections(self) -> Sequence[str]:
        """The names of corrections that the parent asks for."""
        return sorted(name for name in self._corrections() if name.endswith(ASKED))

    def correction(self, name: str) -> bytes | None:
        """One correction as it was signed."""
        return self._get(self._mine("corrections", name), MOST_BYTES)

    def reply(self, name: str, data: bytes) -> None:
        """Push an answer to a correction, unless the parent has it."""
        if self._corrections().get(name) != sha256_bytes(data):
            self._ask("PUT", self._mine("corrections", name), lambda: iter((data,)), _SIGNED)

    def announce(self, name: str, data: bytes) -> None:  # noqa: ARG002 - it says itself what it is
        """Push an announcement of our keys."""
        self._ask("PUT", self._mine("keys"), lambda: iter((data,)), _SIGNED)

    def heard(self) -> Sequence[tuple[str, bytes]]:
        """What the parent announces to its children, and the card that it shows everybody."""
        told = (
            ("the parent's announcements", self._get(self._mine("parent"), PAGE_BYTES)),
            ("the parent's card", self._get("/v1/site", CARD_BYTES)),
        )
        return [(where, data) for where, data in told if data is not None]

    def _corrections(self) -> Mapping[str, str]:
        """The hashes of what both sides wrote on doubted figures; asked for once a meeting."""
        if self._letters is None:
            said = self._json(_Corrections, self._mine("corrections"))
            self._letters = {one.name: one.sha256 for one in said.corrections}
        return self._letters

    def _mine(self, *steps: str) -> str:
        return "/".join(("/v1/children", self.code, *(quote(one, safe="") for one in steps)))

    def _get(self, path: str, most: int) -> bytes | None:
        try:
            return self._ask("GET", path, most=most)
        except _AbsentError:
            return None

    def _json(self, form: type[Form], path: str) -> Form:
        data = self._ask("GET", path, most=PAGE_BYTES)
        try:
            return form.model_validate_json(data)
        except ValidationError as error:
            raise self._line.odd("the parent's answer is not of the agreed form") from error

    def _ask(
        self,
        method: str,
        path: str,
        body: Callable[[], Iterator[bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        most: int = ANSWER_BYTES,
    ) -> bytes:
        """Ask until an answer comes, or another try would not help, or not soon."""
        patience = self.patience
        for turn in range(patience.tries):
            try:
                return self._once(method, path, body, headers, most)
            except LinkError as error:
                is_last = turn == patience.tries - 1
                if is_last or not error.transient or error.after > patience.longest_pause:
                    raise
                bound = min(patience.pause * 2**turn, patience.longest_pause)
                self.wait(max(error.after, self.chance.uniform(0, bound)))
        raise AssertionError(patience.tries)

    def _once(
        self,
        method: str,
        path: str,
        body: Callable[[], Iterator[bytes]] | None,
        headers: Mapping[str, str] | None,
        most: int,
    ) -> bytes:
        until = time.monotonic() + self.patience.answer
        try:
            with self._line.ask(method, path, body() if body else None, headers) as answer:
                text = b"".join(self._line.blocks(answer, most, until))
                self._check(answer, text)
                return text
        except OSError as error:
            raise LinkError(
                f"the package cannot be read ({error.strerror})",
                where=self.where,
                todo="Mend the outbox",
            ) from error

    def _check(self, response: httpx.Response, text: bytes) -> None:
        """Raise what an answer other than success means."""
        code = response.status_code
        if response.is_success:
            return
        said = _told(text)
        if code in BUSY:
            what = "asks to be left alone" if code == httpx.codes.TOO_MANY_REQUESTS else "is busy"
            busy = f"the parent {what} or out of order (HTTP {code}{said})"
            todo = self._line.passing(busy).todo
            raise LinkError(
                busy, where=self.where, todo=todo, transient=True, after=_after(response)
            )
        if code == ABSENT:
            raise _AbsentError(
                f"the parent knows nothing of that kind (HTTP {code}{said})",
                where=self.where,
                todo="Compare `exchange` in site.yaml with the address that the parent told, and"
                " ask whether it registered this site",
            )
        if code in {UNKNOWN, FORBIDDEN}:
            what = "does not know the token, or it expired" if code == UNKNOWN else "forbids it"
            raise LinkError(
                f"the parent {what} (HTTP {code}{said})",
                where=self.where,
                todo="Ask the parent for a new token, and keep it where `exchange_token` says",
            )
        raise LinkError(
            f"the parent refuses (HTTP {code}{said})",
            where=self.where,
            todo="Ask the parent site; nothing of it was lost here",
            only=True,
        )


class _AbsentError(LinkError):
    """There is no such thing at the parent."""


_SIGNED = {"Content-Type": "application/json"}


def _told(text: bytes) -> str:
    """What the parent says is wrong, if it can be shown: ``: sentence``."""
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    words = said.get("error") if isinstance(said, dict) else None
    return f": {words[:200]}" if isinstance(words, str) and is_plain(words) else ""


def _after(response: httpx.Response) -> float:
    """The seconds that Retry-After asks for; 0 without it."""
    said = response.headers.get("retry-after", "").strip()
    return float(said) if said.isdecimal() and len(said) < len("1000000") else 0.0
