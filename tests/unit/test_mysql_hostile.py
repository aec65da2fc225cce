"""Servers that only look like MySQL: they get neither the password nor a file of this machine."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dagster_project.contracts.model import Server
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.pull import pull_channel
from dagster_project.ingest.readers.table.generic import ad_hoc

SECRET = "s3cret-of-nobody"  # noqa: S105 - of nobody
GREETING = (
    b"\x0a8.0.0\x00" + struct.pack("<I", 1) + b"12345678\x00"
    + struct.pack("<HBHHB", 0xF7FF, 45, 2, 0x00FF, 21) + bytes(10) + b"123456789012\x00"
    + b"mysql_native_password\x00"
)  # fmt: skip
OK = b"\x00\x00\x00\x02\x00\x00\x00"


@contextmanager
def pretending(*answers: bytes) -> Iterator[tuple[int, bytearray]]:
    """A port where packets come in this order, one for each that is sent, and what was sent."""
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            caller, _ = door.accept()
            with caller:
                caller.settimeout(5)
                number = 0
                for answer in answers:
                    caller.sendall(struct.pack("<I", len(answer))[:3] + bytes([number]) + answer)
                    some = caller.recv(65536)
                    heard.extend(some)
                    number = some[3] + 1 if len(some) > 3 else 0

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1], heard
        thread.join(5)


Told = Callable[[int], ChannelError]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Asks a port for a table's columns; gives the sentence."""
    monkeypatch.setenv("CIVIL_USER", "reader")
    monkeypatch.setenv("CIVIL_PASSWORD", SECRET)

    def ask(port: int) -> ChannelError:
        server = Server(
            "civil", "mysql", "parquet", host="127.0.0.1", port=port, database="civil",
            table="t", credentials="env:CIVIL",
        )  # fmt: skip
        with pytest.raises(ChannelError) as raised:
            pull_channel(ad_hoc([]), server, tmp_path / "spool", inbox=tmp_path).describe()
        return raised.value

    return ask


def test_the_password_is_never_sent_in_the_clear(told: Told) -> None:
    """A server may ask for another way to log in, and mean to read what nobody should."""
    with pretending(GREETING, b"\xfemysql_clear_password\x00\x00", OK) as (port, heard):
        error = told(port)
    assert "in the clear" in str(error)
    assert SECRET.encode() not in heard


def test_no_file_of_this_machine_is_sent(told: Told, tmp_path: Path) -> None:
    """A server may answer a query with a wish for a local file."""
    mine = tmp_path / "mine.txt"
    mine.write_text(SECRET)
    wish = b"\xfb" + str(mine).encode()
    with pretending(GREETING, OK, wish, OK) as (port, heard):
        told(port)
    assert SECRET.encode() not in heard


@pytest.mark.parametrize(
    "answer", [b"", b"\xff", bytes(40), b"\xfe", b"SSH-2.0-x\r\n", GREETING[:9]]
)
def test_rubbish_is_told(told: Told, answer: bytes) -> None:
    """Whatever a port says, a sentence comes of it that names the channel and no secret."""
    with pretending(answer) as (port, _):
        error = told(port)
    assert error.where.startswith("civil")
    assert SECRET not in str(error)
