"""One request to an interface: who asks, how long it waits, and when it asks again.

What an answer holds is ``answer``'s matter. No address with its parameters, no header and no byte
of an answer goes into a sentence or a log.
"""

from __future__ import annotations

import codecs
import collections
import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import httpx

from dagster_project.clock import now
from dagster_project.credentials import Credential
from dagster_project.errors import ChannelError, DeliveryError
from dagster_project.ingest.readers.limits import GIB, MIB

BLOCK = 64 << 10
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Answers that may be other ones a little later."""
DENIED = frozenset({401, 403, 407})
HOPS = 5
NO_RECORDS = "no_records"
"""Why an answer is refused that is JSON, but has no records where they should be."""

logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses with their parameters

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """How patient a channel is; times in seconds.

    ``tries`` counts requests for one answer, ``pause`` is the first wait between two (doubled each
    time, unless the interface asks for another one, at most ``longest_pause``). ``silence`` bounds
    the wait for the next bytes, ``answer_s`` and ``answer_bytes`` one whole answer, unpacked.
    ``restarts`` counts how often a walk through pages begins again, ``pages`` ends an endless one.
    """

    tries: int = 4
    pause: float = 1.0
    longest_pause: float = 60.0
    connect: float = 15.0
    silence: float = 120.0
    answer_s: float = 3600.0
    answer_bytes: int = 8 * GIB
    record_bytes: int = 16 * MIB
    restarts: int = 4
    pages: int = 200_000


class BusyError(ChannelError):
    """An interface that asks to be left alone for so many seconds; -1 when it does not say."""

    def __init__(self, what: str, *, where: str, after: float = -1) -> None:
        super().__init__(what, where=where, todo=LATER, transient=True)
        self.after = after


COMPARE = "Compare `location` and `request` in the contract with the supplier's document"
LATER = "It is asked again later; if it stays so, ask the supplier"


class Client:
    """Requests to one interface; use it as a context manager.

    Args:
        where: The channel and its address without parameters, for sentences.
        secure: Whether certificates are to be checked: the address begins with https.
        credential: What is shown to the interface, to no other host.
        header: The header that takes the token, where it is not Authorization.
        parameter: The parameter that takes it instead, added as the request leaves.
        reference: How the contract calls the credential.
        bounds: How patient to be.
        wait: Called with the seconds to pass before the next try.
    """

    def __init__(
        self,
        where: str,
        credential: Credential,
        *,
        secure: bool,
        header: str = "",
        parameter: str = "",
        reference: str = "",
        bounds: Bounds,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.where, self._bounds, self._wait = where, bounds, wait
        self._reference = reference
        headers = {"Accept": "application/json", "User-Agent": "countylake"}
        self._shown = {parameter: credential.token} if parameter and credential.token else {}
        if credential.token and not parameter:
            bearer = credential.token if header else f"Bearer {credential.token}"
            headers[header or "Authorization"] = bearer
        basic = (credential.user, credential.password) if credential.user else None
        self._http = httpx.Client(
            headers=headers,
            auth=basic,
            timeout=httpx.Timeout(bounds.silence, connect=bounds.connect),
            # This machine's own authorities: a county's certificates are seldom public ones.
            verify=ssl.create_default_context() if secure else False,
            follow_redirects=False,
            trust_env=False,
        )
        self._line: socket.socket | None = None
        self._is_late = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, address: httpx.URL, read: Callable[[Iterator[bytes]], T]) -> T:
        """Ask for an answer and read it, again where another try may help.

        Args:
            address: With its parameters.
            read: Takes the answer as UTF-8, cut anywhere; called anew for every try.

        Raises:
            ChannelError: No whole and readable answer came.
        """
        pause = self._bounds.pause
        for left in reversed(range(self._bounds.tries)):
            try:
                return self._once(address, read)
            except ChannelError as error:
                wanted = error.after if isinstance(error, BusyError) else -1
                if not error.transient or not left or wanted > self._bounds.longest_pause:
                    raise
                self._wait(min(max(wanted, pause), self._bounds.longest_pause))
                pause *= 2
        raise AssertionError(self._bounds.tries)

    def _once(self, address: httpx.URL, read: Callable[[Iterator[bytes]], T]) -> T:
        try:
            with self._limited(), self._opened(address) as response:
                return self._whole(response, read)
        except DeliveryError as error:
            raise self._unreadable(error) from error
        except httpx.TimeoutException as error:
            raise self._fault("the interface does not answer in time", error) from error
        except httpx.DecodingError as error:
            raise self._fault("the answer's compression is broken", error) from error
        except httpx.UnsupportedProtocol as error:
            raise ChannelError(
                "this is no address of an interface",
                where=self.where,
                todo="Write `location` as http://… or https://…",
            ) from error
        except httpx.TransportError as error:
            what = "the interface does not come to the end of its answer"
            what = what if self._is_late else "the connection failed or was cut"
            raise self._fault(what, error) from error

    def _whole(self, response: httpx.Response, read: Callable[[Iterator[bytes]], T]) -> T:
        """Read an answer; where it is unreadable, find out first whether it arrived well."""
        text = self._text(response)
        try:
            return read(text)
        except (DeliveryError, UnicodeDecodeError) as error:
            collections.deque(text, maxlen=0)
            is_read = isinstance(error, DeliveryError) and error.reason == NO_RECORDS
            if "content-encoding" in response.headers and not is_read:
                raise self._fault("the answer's compression is broken", None) from error
            if isinstance(error, UnicodeDecodeError):
                raise self._no_text() from error
            raise

    @contextlib.contextmanager
    def _opened(self, address: httpx.URL) -> Iterator[httpx.Response]:
        """The answer's beginning; a redirection is followed on the same host only."""
        for _ in range(HOPS):
            asked = address.copy_merge_params(self._shown) if self._shown else address
            with self._http.stream("GET", asked, extensions={"trace": self._keep_line}) as response:
                if not response.has_redirect_location:
                    self._check(response)
                    yield response
                    return
                address = self.beside(address, response.headers["location"])
        raise ChannelError(
            "the interface sends from one address to another and back",
            where=self.where,
            todo="Write the right address into the contract's `location`",
        )

    @contextlib.contextmanager
    def _limited(self) -> Iterator[None]:
        """Cut the line of an answer that takes too long: a byte now and then is no silence."""
        self._is_late = False
        timer = threading.Timer(self._bounds.answer_s, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _keep_line(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the connection that is asked over; later requests go over the same one."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._line = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        self._is_late = True
        if self._line is not None:
            with contextlib.suppress(OSError):  # below TLS, whose own end would wait for an answer
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)

    def with_parameters(self, address: httpx.URL, parameters: Mapping[str, str]) -> httpx.URL:
        """An address with further parameters, some of which an answer may have named.

        Raises:
            ChannelError: No address can hold them.
        """
        try:
            return address.copy_merge_params(parameters)
        except (httpx.InvalidURL, ValueError) as error:
            raise ChannelError(
                "the interface names a cursor that fits into no address",
                where=self.where,
                todo=COMPARE,
            ) from error

    def beside(self, address: httpx.URL, other: str) -> httpx.URL:
        """An address that an answer names; it must be of the same host, port and protocol.

        Raises:
            ChannelError: It leads elsewhere.
        """
        try:
            found = address.join(other)
        except (httpx.InvalidURL, ValueError) as error:
            raise self.elsewhere() from error
        if (found.scheme, found.host, found.port) != (address.scheme, address.host, address.port):
            raise self.elsewhere()
        return found

    def elsewhere(self) -> ChannelError:
        """What an answer that leads to another host means; the credentials are not shown there."""
        return ChannelError(
            "the interface sends to another host, which is not followed",
            where=self.where,
            todo="Ask the supplier; if it moved, write the new address into the contract",
        )

    def _check(self, response: httpx.Response) -> None:
        code = response.status_code
        if code in BUSY:
            what = "is asked too often" if code == 429 else "is out of order"  # noqa: PLR2004
            raise BusyError(
                f"the interface {what} (HTTP {code})", where=self.where, after=_after(response)
            )
        if code in DENIED:
            by = f"the credentials {self._reference}" if self._reference else "to answer strangers"
            raise ChannelError(
                f"the interface refuses {by} (HTTP {code})",
                where=self.where,
                todo="Check what the credentials hold and what the supplier granted",
            )
        if code != httpx.codes.OK:
            raise ChannelError(
                f"the interface refuses the request (HTTP {code})",
                where=self.where,
                todo=COMPARE,
            )

    def _text(self, response: httpx.Response) -> Iterator[bytes]:
        """The answer as UTF-8, within its bounds.

        A block that is packed twice could unpack to a million times its size at once.
        """
        if "," in response.headers.get("content-encoding", ""):
            raise ChannelError(
                "the answer is packed more than once", where=self.where, todo=COMPARE
            )
        charset = (response.charset_encoding or "utf-8").lower()
        decode = None
        if charset not in {"utf-8", "utf8", "us-ascii"}:
            decode = codecs.getincrementaldecoder(_chinese(charset))("strict").decode
        size = 0
        for block in response.iter_bytes(BLOCK):
            size += len(block)
            if size > self._bounds.answer_bytes:
                raise self.endless(f"more than {self._bounds.answer_bytes / GIB:g} GiB at once")
            yield self._decoded(decode, block) if decode else block
        if decode:
            yield self._decoded(decode, b"", final=True)

    def _decoded(
        self, decode: Callable[[bytes, bool], str], block: bytes, *, final: bool = False
    ) -> bytes:
        try:
            return decode(block, final).encode()
        except UnicodeDecodeError as error:
            raise self._no_text() from error

    def endless(self, what: str) -> ChannelError:
        """What an interface that does not come to an end means."""
        return ChannelError(
            f"the interface gives {what}",
            where=self.where,
            todo="Check `paging` in the contract; ask the supplier for smaller answers",
        )

    def _no_text(self) -> ChannelError:
        return ChannelError(
            "the answer is not in the encoding that it states",
            where=self.where,
            todo="Ask the supplier for JSON in UTF-8",
        )

    def _unreadable(self, error: DeliveryError) -> ChannelError:
        """What the JSON reader refuses: a cut answer may come whole next time."""
        if error.reason == "damaged":
            return ChannelError(
                "the answer ends in the middle", where=self.where, todo=LATER, transient=True
            )
        return ChannelError(
            f"the answer is no JSON of records: {error.what}",
            where=self.where,
            todo=COMPARE,
            transient=error.reason == NO_RECORDS,  # many say so that they are busy
        )

    def _fault(self, what: str, error: Exception | None) -> ChannelError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ChannelError(
                "the interface's certificate is not trusted here",
                where=self.where,
                todo="Have this machine trust the authority that issued it, or have it renewed",
            )
        return ChannelError(what, where=self.where, todo=LATER, transient=True)


def _chinese(charset: str) -> str:
    """The codec of a stated charset; GBK is a part of GB18030. Unknown ones are UTF-8."""
    if charset in {"gbk", "gb2312", "x-gbk", "cp936"}:
        return "gb18030"
    try:
        return codecs.lookup(charset).name
    except LookupError:
        return "utf-8"


def _after(response: httpx.Response) -> float:
    """The seconds that Retry-After asks for: a number, or a date; -1 without it."""
    said = response.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        instant = parsedate_to_datetime(said)
    except (TypeError, ValueError, OverflowError):
        return -1
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max((aware - now()).total_seconds(), 0)
