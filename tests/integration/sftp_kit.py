"""A real SFTP server on loopback, in a thread of its own, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncssh
from remote_kit import Puller

from dagster_project.contracts.model import Server

USER, PASSWORD = "minzheng", "right horse"


class Drop:
    """The server and what it counts.

    ``asked`` counts the bytes that were read of each path, ``tried`` are users that showed a
    password. ``cut_after`` breaks the connection when so many bytes of all files were sent,
    ``stalls`` answers no read any more. ``opened`` and ``reading`` are called with a path before a
    file is opened or read; ``lists`` may invent a folder's names.
    """

    def __init__(self, root: Path, *, kinds: tuple[str, ...] = ("ssh-ed25519",)) -> None:
        self.root = root
        self.asked: Counter[str] = Counter()
        self.cut_after = 0
        self.reading: Callable[[str], None] = lambda _path: None
        self.opened: Callable[[str], None] = lambda _path: None
        self.opens = 0
        self.lists: Callable[[bytes], list[asyncssh.SFTPName] | None] = lambda _path: None
        self.stalls = False
        self.tried: list[str] = []
        self.public = asyncssh.generate_private_key("ssh-ed25519")
        self._keys = [asyncssh.generate_private_key(kind) for kind in kinds]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def fingerprints(self) -> list[str]:
        """The server's keys as a contract names them."""
        return [key.get_fingerprint() for key in self._keys]

    def location(self, path: str) -> str:
        """A contract's location."""
        return f"sftp://127.0.0.1:{self.port}/{path}"

    def put(self, path: str, data: bytes, *, mtime: int = 1_700_000_000) -> Path:
        """A file that a department has put there, some time ago."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.utime(file, (mtime, mtime))
        return file

    def reset(self) -> None:
        """Behave, and count from nothing."""
        self.asked.clear()
        self.tried.clear()
        self.cut_after, self.stalls = 0, False
        self.reading = self.opened = lambda _path: None
        self.lists = lambda _path: None

    def close(self) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(self),
            server_host_keys=self._keys,
            sftp_factory=lambda channel: _Files(self, channel),
            reuse_address=True,
            family=socket.AF_INET,
        )


class _Login(asyncssh.SSHServer):
    """Lets in one user, with a password or a key."""

    def __init__(self, drop: Drop) -> None:
        self._drop = drop

    def begin_auth(self, username: str) -> bool:
        return bool(username)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._drop.tried.append(username)
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key == self._drop.public.convert_to_public()


class _Files(asyncssh.SFTPServer):
    """The drop's folder, as it is or as the test wants it."""

    def __init__(self, drop: Drop, channel: Any) -> None:
        super().__init__(channel, chroot=str(drop.root).encode())
        self._drop, self._connection = drop, channel.get_connection()
        self._names: dict[int, str] = {}

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        name = path.decode("utf-8", "replace").lstrip("/")
        if name.endswith("秘密.csv"):
            raise asyncssh.SFTPPermissionDenied("no")
        self._drop.opens += 1
        self._drop.opened(name)
        file = super().open(path, pflags, attrs)
        self._names[id(file)] = name
        return file

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        drop, name = self._drop, self._names[id(file_obj)]
        drop.reading(name)
        if drop.stalls:
            await asyncio.sleep(3600)
        data: bytes = super().read(file_obj, offset, size)
        if drop.cut_after and drop.asked.total() + len(data) > drop.cut_after:
            self._connection.abort()
            raise asyncssh.SFTPConnectionLost("cut")
        drop.asked[name] += len(data)
        return data

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        made = self._drop.lists(path)
        if made is None:
            async for one in super().scandir(path):
                yield one
        for one in made or ():
            yield one


def puller(drop: Drop, tmp_path: Path, path: str = "export/低保_*.csv", **words: object) -> Puller:
    """A channel of the server."""
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    server = Server(
        name="drop",
        type="sftp",
        format="csv",
        location=drop.location(path),
        credentials="env:DROP",
        options={"hostKey": drop.fingerprints[0]},
    )
    return Puller(server, spool, dict(words))
