"""A line to another site's web, which is not trusted: our token, TLS, answers within bounds.

No redirect is followed, no proxy of the surroundings used, nothing unpacked. What is asked for, how
often, what an answer means, and all of its bytes are the matter of whoever asks.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from dagster_project.errors import ChannelError

logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every address


@dataclass
class Line:
    """A line to one address; a context manager.

    Attributes:
        url: The address.
        token: Shown to this address alone; nothing is shown if it is empty.
        who: Who answers there, for sentences: ``the parent``.
        setting: What the file of authorities is called in ``site.yaml``.
        authorities: That file, where this machine's own authorities do not do.
        connect: Seconds to wait for the line.
        silence: Seconds to wait for the next bytes.
        error: What is raised.
    """

    url: str
    token: str = field(repr=False)
    who: str
    setting: str
    authorities: Path | None = None
    connect: float = 10.0
    silence: float = 60.0
    error: type[ChannelError] = ChannelError
    _http: httpx.Client | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        authorities = str(self.authorities) if self.authorities else None
        try:
            secure = self.url.startswith("https:")
            verify = ssl.create_default_context(cafile=authorities) if secure else False
        except (OSError, ssl.SSLError) as error:
            raise self.error(
                "the file of certificate authorities cannot be read",
                where=str(self.authorities),
                todo=f"Correct `{self.setting}` in site.yaml: it names a file in PEM form",
            ) from error
        self._http = httpx.Client(
            headers={
                **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
                "User-Agent": "countylake",
                "Accept-Encoding": "identity",
            },
            timeout=httpx.Timeout(self.silence, connect=self.connect),
            verify=verify,
            follow_redirects=False,
            trust_env=False,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if self._http is not None:
            self._http.close()

    @contextmanager
    def ask(
        self,
        method: str,
        path: str,
        content: Iterable[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """An answer, whatever its status, whose body is read within the ``with``.

        Raises:
            ChannelError: It does not come, or is cut off while it is read.
        """
        assert self._http is not None  # noqa: S101 - a line is used as a context manager
        try:
            with self._http.stream(
                method, self.url + path, content=content, headers=headers
            ) as answer:
                yield answer
        except httpx.TimeoutException as error:
            raise self.passing(f"{self.who} does not answer in time") from error
        except httpx.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self.error(
                    f"the certificate of {self.who} is not trusted here",
                    where=self.url,
                    todo=f"Name its authority's file as `{self.setting}` in site.yaml, or ask"
                    f" {self.who} to renew it",
                ) from error
            what = "cannot be reached" if isinstance(error, httpx.ConnectError) else "was cut off"
            raise self.passing(f"{self.who} {what}") from error
        except httpx.InvalidURL as error:
            raise self.error(
                "this is no address", where=self.url, todo="Correct it in site.yaml"
            ) from error

    def blocks(self, answer: httpx.Response, most: int, until: float) -> Iterator[bytes]:
        """An answer's bytes.

        Args:
            answer: Of which nothing was read.
            most: More bytes than that are refused.
            until: By when its end must have come, by ``time.monotonic``.

        Raises:
            ChannelError: It is packed, too large, or does not end.
        """
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise self.odd(f"the answer of {self.who} is packed, which was not asked for")
        size = 0
        for block in answer.iter_raw():
            size += len(block)
            if size > most:
                raise self.odd(f"the answer of {self.who} has more than {most:,} bytes")
            if time.monotonic() > until:
                raise self.passing(f"{self.who} does not come to the end of its answer")
            yield block

    def passing(self, what: str) -> ChannelError:
        """A fault that may pass by itself."""
        todo = f"It is tried again by itself; if it stays so, ask {self.who}"
        return self.error(what, where=self.url, todo=todo, transient=True)

    def odd(self, what: str) -> ChannelError:
        """A fault of whoever answers there: perhaps it is somebody else."""
        todo = f"Compare the address in site.yaml with the one that {self.who} told"
        return self.error(what, where=self.url, todo=todo)
