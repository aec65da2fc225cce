"""Interfaces that mean harm: each ends in a sentence, soon, in bounded memory."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.pull import Memory
from tests.interface_kit import QUICK, Interface, pull_of

Speak = Callable[[socket.socket], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
RECORD = '{"id": "1", "amount": "1", "updated_at": "2026-11-22"}'


@contextmanager
def speaking(speak: Speak) -> Iterator[str]:
    """A server of loopback that says what it wants, byte by byte, to whoever asks."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    caller, _ = door.accept()
                except OSError:
                    return
                with caller:
                    try:
                        caller.recv(65536)
                        speak(caller)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/api"
        door.shutdown(socket.SHUT_RDWR)


def refused(spool: Path, speak: Speak, style: str = "none", *, total: bool = False) -> ChannelError:
    """The sentence that a pull ends with."""
    with speaking(speak) as url:
        interface = Interface([], style, total, url=url)
        bounds = replace(QUICK, tries=1, answer_s=0.4, silence=5.0)
        with pytest.raises(ChannelError) as failed:
            list(pull_of(interface, spool, bounds=bounds).pull(Memory()))
    return failed.value


def saying(body: str | bytes, *headers: bytes) -> Speak:
    """One answer."""
    sent = body.encode() if isinstance(body, str) else body
    head = HEAD + b"".join(header + b"\r\n" for header in headers)
    return lambda caller: caller.sendall(
        head + f"Content-Length: {len(sent)}\r\n\r\n".encode() + sent
    )


@pytest.mark.parametrize(
    "begin",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"],
    ids=["head", "body"],
)
def test_a_byte_now_and_then_is_no_answer(tmp_path: Path, begin: bytes) -> None:
    """However slowly an interface speaks, one answer has its time and no more."""

    def dribble(caller: socket.socket) -> None:
        caller.sendall(begin)
        while True:
            caller.sendall(b"1\r\n \r\n" if b"chunked" in begin else b"x")
            time.sleep(0.05)

    begun = time.monotonic()
    error = refused(tmp_path, dribble)
    assert "does not come to the end" in str(error)
    assert error.transient
    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize(
    ("body", "style", "total", "said"),
    [
        (f'{{"data": {{"items": [{RECORD}], "total": {"9" * 5000}}}}}', "none", True, "no number"),
        ('{"x": ' + '{"a": ' * 5000 + "1" + "}" * 5000 + "}", "none", False, "too deeply"),
        (
            f'{{"data": {{"items": [{RECORD}], "after": "{"x" * 70000}"}}}}',
            "cursor",
            False,
            "cursor",
        ),
        (f'{{"data": {{"items": [{RECORD}], "after": "\\ud800"}}}}', "cursor", False, "cursor"),
    ],
    ids=["a number of 5000 digits", "5000 objects deep", "a long cursor", "half a character"],
)
def test_values_beyond_reason_are_told(
    tmp_path: Path, body: str, style: str, said: str, *, total: bool
) -> None:
    """Numbers, depths and cursors that no programme can use are the interface's fault, not ours."""
    assert said in str(refused(tmp_path, saying(body), style, total=total))


def test_what_is_packed_twice_is_not_unpacked(tmp_path: Path) -> None:
    """A kilobyte could become a gigabyte in one step."""
    twice = gzip.compress(gzip.compress(b" " * (1 << 20)))
    error = refused(tmp_path, saying(twice, b"Content-Encoding: gzip, gzip"))
    assert "packed more than once" in str(error)


def test_a_wait_that_is_no_time_is_none(tmp_path: Path) -> None:
    """Retry-After with a zone beyond all zones."""
    answer = b"HTTP/1.1 429 X\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +%s\r\n\r\n" % (b"9" * 20)
    assert "asked too often" in str(refused(tmp_path, lambda caller: caller.sendall(answer)))
