"""Asking a child's web, which is not trusted: bounded answers, no redirects, one clear error.

What is asked for and what becomes of it is ``pull``'s matter.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from dagster_project.credentials import credential
from dagster_project.errors import ChannelError
from dagster_project.protocol.line import Line
from dagster_project.settings import Pull

PAGE_BYTES = 4 << 20
MESSAGE_BYTES = 64 << 10
_ETAG = re.compile(r'"([0-9a-f]{64})"\Z')
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})\Z")
_ASK = "Ask the child's operator; nothing of it was taken"
Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True)
class Patience:
    """Seconds: for the line, for the next bytes, for everything; ``tries`` to finish a download."""

    connect: float = 10.0
    silence: float = 30.0
    meeting: float = 300.0
    tries: int = 3


@dataclass
class Asking:
    """One meeting with a child's web; a context manager.

    Attributes:
        pull: Where it is, and the reference of the token that is shown there alone.
        authorities: The file of authorities that vouch for it, if it has its own.
        patience: How long it may take.
    """

    pull: Pull
    authorities: Path | None = None
    patience: Patience = field(default_factory=Patience)
    _line: Line = field(init=False, repr=False)
    _until: float = 0.0

    def __enter__(self) -> Self:
        token = credential(self.pull.token).token
        if not token:
            raise self._fault(
                f"the credentials {self.pull.token} hold no token",
                "Ask the child for one, and keep it there as token=…",
            )
        self._line = Line(
            self.pull.url,
            token,
            "the child",
            "ca",
            self.authorities,
            connect=self.patience.connect,
            silence=self.patience.silence,
        )
        self._line.__enter__()
        self._until = time.monotonic() + self.patience.meeting
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def form(self, path: str, form: type[Form], most: int = PAGE_BYTES) -> Form:
        """A JSON answer of an agreed form.

        Raises:
            ChannelError: It does not come, or is something else.
        """
        data = self._whole("GET", path, most)
        try:
            return form.model_validate_json(data)
        except ValidationError as error:
            raise self._fault("its answer is not of the agreed form") from error

    def message(self, path: str) -> bytes:
        """A small signed file.

        Raises:
            ChannelError: It does not come.
        """
        return self._whole("GET", path, MESSAGE_BYTES)

    def leave(self, path: str, data: bytes) -> None:
        """Put a small signed file there.

        Raises:
            ChannelError: It is not taken.
        """
        self._whole("PUT", path, MESSAGE_BYTES, data)

    def is_unchanged(self, path: str, sha256: str) -> bool:
        """Whether a file is still the one of that hash; nothing of it is sent if so.

        Raises:
            ChannelError: The child cannot be reached.
        """
        with self._stream("HEAD", path, headers={"If-None-Match": f'"{sha256}"'}) as answer:
            return answer.status_code == httpx.codes.NOT_MODIFIED

    def download(self, path: str, folder: Path, name: str, most: int) -> tuple[Path, str]:
        """A large file, begun where an earlier attempt was cut off.

        Args:
            path: Its address.
            folder: Where parts are kept until they are whole.
            name: What they are called there.
            most: The largest that it may be.

        Returns:
            The file and its SHA-256, which is what the child said it would be.

        Raises:
            ChannelError: It does not come, or other bytes than were announced.
        """
        for turn in range(self.patience.tries):
            try:
                return self._part(path, folder, name, most)
            except ChannelError as error:
                if not error.transient or turn == self.patience.tries - 1:
                    raise
        raise AssertionError(self.patience.tries)

    def _part(self, path: str, folder: Path, name: str, most: int) -> tuple[Path, str]:
        folder.mkdir(parents=True, exist_ok=True)
        begun = next(iter(sorted(folder.glob(f"{name}.*.part"))), None)
        tag = begun.name.split(".")[-2] if begun else ""
        size = begun.stat().st_size if begun else 0
        headers = {"Range": f"bytes={size}-", "If-Range": f'"{tag}"'} if begun and size else {}
        with self._stream("GET", path, headers=headers) as answer:
            found = _ETAG.match(answer.headers.get("etag", ""))
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and begun:
                begun.unlink()
                raise self._fault("a part of it was longer than the whole", transient=True)
            if answer.status_code not in {200, 206} or found is None:
                raise self._refused(answer)
            start, whole = self._place(answer)
            if start not in {0, size} or (start and found[1] != tag) or whole > most:
                raise self._fault("it sends other bytes than were asked for, or too many")
            target = folder / f"{name}.{found[1]}.part"
            if begun and begun != target:
                begun.unlink()
            with target.open("r+b" if start else "wb") as out:
                out.seek(start)
                out.truncate()
                out.writelines(self._blocks(answer, whole - start))
        data_hash = _sha256(target)
        if target.stat().st_size != whole or data_hash != found[1]:
            target.unlink()
            raise self._fault("its bytes do not have the hash that it announced")
        return target, data_hash

    def _place(self, answer: httpx.Response) -> tuple[int, int]:
        """Where an answer begins and how long the whole is."""
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            said = _RANGE.match(answer.headers.get("content-range", ""))
            if said is None or int(said[2]) + 1 != int(said[3]):
                raise self._fault("its answer is not the range that was asked for")
            return int(said[1]), int(said[3])
        length = answer.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > len(str(1 << 53)):
            raise self._fault("its answer does not say how long it is")
        return 0, int(length)

    def _whole(self, method: str, path: str, most: int, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        with self._stream(method, path, headers=headers, content=body) as answer:
            if not answer.is_success:
                raise self._refused(answer)
            return b"".join(self._blocks(answer, most))

    @contextmanager
    def _stream(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> Iterator[httpx.Response]:
        if time.monotonic() > self._until:
            raise self._fault("it takes too long; the rest is fetched the next time")
        with self._line.ask(method, path, content, headers) as answer:
            yield answer

    def _blocks(self, answer: httpx.Response, most: int) -> Iterator[bytes]:
        return self._line.blocks(answer, most, self._until)

    def _refused(self, answer: httpx.Response) -> ChannelError:
        code = answer.status_code
        todo = {
            401: "Ask the child for a new token",
            403: "Ask the child for a token with the scopes packages:read and others",
            404: "Compare `url` with what the child told, and ask whether this site is its parent",
        }
        if code in {429, 502, 503, 504}:
            later = "Fetch again later; a run of the child may be at work"
            return self._fault(f"it is busy or away (HTTP {code})", later, transient=True)
        return self._fault(f"it refuses (HTTP {code})", todo.get(code, _ASK))

    def _fault(self, what: str, todo: str = _ASK, *, transient: bool = False) -> ChannelError:
        return ChannelError(what, where=self.pull.url, todo=todo, transient=transient)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
