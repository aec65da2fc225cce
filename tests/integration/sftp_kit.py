"""A real SFTP server on loopback, in a thread of its own, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "minzheng", "right horse"


class Drop:
    """The server and what it counts.

    ``asked`` counts the bytes that were read of each path; ``cut_after`` breaks the connection when
    so many bytes of all files were sent; ``reading`` is called with a path before a read, and
    ``opened`` after a file was opened.
    """

    def __init__(self, root: Path, *, kinds: tuple[str, ...] = ("ssh-ed25519",)) -> None:
        self.root = root
        self.asked: Counter[str] = Counter()
        self.cut_after = 0
        self.reading: Callable[[str], None] = lambda _path: None
        self.opened: Callable[[str], None] = lambda _path: None
        self.lists: Callable[[bytes], list[asyncssh.SFTPName] | None] = lambda _path: None
        self.stalls = False
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
        import os  # noqa: PLC0415

        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.utime(file, (mtime, mtime))
        return file

    def reset(self) -> None:
        """Behave, and count from nothing."""
        self.asked.clear()
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
        drop = self

        class Login(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return bool(username)

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, PASSWORD)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return username == USER and key == drop.public.convert_to_public()

        class Files(asyncssh.SFTPServer):
            def __init__(self, chan: Any) -> None:
                super().__init__(chan, chroot=str(drop.root).encode())
                self._connection = chan.get_connection()
                self._names: dict[int, str] = {}

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
                name = path.decode("utf-8", "replace").lstrip("/")
                if name.endswith("秘密.csv"):
                    raise asyncssh.SFTPPermissionDenied("no")
                file = super().open(path, pflags, attrs)
                self._names[id(file)] = name
                drop.opened(name)
                return file

            async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
                name = self._names[id(file_obj)]
                drop.reading(name)
                while drop.stalls:
                    await asyncio.sleep(0.05)
                data = super().read(file_obj, offset, size)
                if drop.cut_after and drop.asked.total() + len(data) > drop.cut_after:
                    self._connection.abort()
                    raise asyncssh.SFTPConnectionLost("cut")
                drop.asked[name] += len(data)
                return data

            async def scandir(self, path: bytes) -> Any:
                made = drop.lists(path)
                if made is not None:
                    for one in made:
                        yield one
                    return
                async for one in super().scandir(path):
                    yield one

        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Login,
            server_host_keys=self._keys,
            sftp_factory=Files,
            reuse_address=True,
            family=socket.AF_INET,
        )
