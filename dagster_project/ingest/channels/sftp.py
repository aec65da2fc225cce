"""Files that a department keeps on an SFTP server, fetched over asyncssh.

Which of them are taken, and how a cut download goes on, is told in ``remote_files``; how the server
is known and entered in ``ssh``. Nothing is ever written to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, TypeVar, cast

import asyncssh

from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.download import Entry
from dagster_project.ingest.channels.remote import FileLeftError, Glob, Remote, changed
from dagster_project.ingest.channels.remote_files import RemoteFiles
from dagster_project.ingest.channels.ssh import STOPPED, Ssh, told

Answer = TypeVar("Answer")
BLOCK, SMALL_BLOCK = 1 << 20, 32 << 10
"""One request's bytes, and what every server answers in one piece if it does not say its most."""

AHEAD, HANDED = 8 << 20, 2 << 20
"""So many bytes are asked for before the first is written; so many are written at a time."""

REQUESTS = 128
NAMES = 500
MOST_FOLDERS = 10_000
GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class SftpPull(RemoteFiles):
    """Files on an SFTP server whose key the contract names."""

    def connect(self) -> Remote:
        """Connect and log in."""
        return SftpRemote(Ssh.entered(self.server, self.authority), self.server.location)


class SftpRemote(Remote):
    """One SFTP session; ``location`` is named in sentences.

    Names are UTF-8; where a server has others they are read as GB18030, as servers on Chinese
    Windows write them, and asked for as they came.
    """

    def __init__(self, ssh: Ssh, location: str) -> None:
        super().__init__()
        self._ssh, self._location = ssh, location
        self._raw: dict[str, bytes] = {}

    def files(self, glob: Glob) -> Generator[Entry, None, None]:
        """Every plain file; a link to a file is a file, a link to a folder is not followed."""
        walk = self._walk(glob)
        try:
            while batch := self._do(self._ssh.answered(_some(walk))):
                yield from batch
        finally:
            self._ssh.call(walk.aclose())

    def again(self, entry: Entry) -> Entry | None:
        """The file as it is now."""
        try:
            looking = self._looked(entry.path, self._bytes(entry.path))
            return self._of(entry, self._ssh.answered(looking))
        except FileLeftError:
            return None

    def blocks(self, entry: Entry, offset: int) -> Generator[bytes, None, None]:
        """The file's bytes; many requests are under way at a time, as servers are far away."""
        handing = _Handing(self._read(entry, offset))
        try:
            while block := self._of(entry, handing.block()):
                yield block
        finally:
            self._ssh.call(handing.end())

    def close(self) -> None:
        """End the session."""
        self._ssh.close()

    def _do(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return self._ssh.call(work)
        except (asyncssh.Error, OSError) as error:
            raise told(error, self._location) from error

    def _of(self, entry: Entry, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do something with one file; what concerns it alone leaves it alone."""
        try:
            return self._ssh.call(work)
        except STOPPED as error:
            raise told(error, self._location) from error
        except GONE as error:
            raise changed(entry) from error
        except asyncssh.SFTPPermissionDenied as error:
            what, todo = DENIED
            raise FileLeftError(what, where=entry.path, todo=todo) from error
        except asyncssh.SFTPError as error:
            what, todo = UNREADABLE
            raise FileLeftError(what, where=entry.path, todo=todo, again=True) from error
        except asyncssh.Error as error:
            raise told(error, self._location) from error

    def _bytes(self, path: str) -> bytes:
        """A path as the server knows it."""
        return b"/" + self._raw.get(path, path.encode("utf-8", "surrogateescape"))

    async def _walk(self, glob: Glob) -> AsyncGenerator[Entry, None]:
        """Every file below the glob's folder; folders that it cannot mean are not opened."""
        folders = [(glob.folder, await self._root(glob.folder))]
        for number, (folder, raw) in enumerate(folders):
            if number > MOST_FOLDERS:
                raise ChannelError(
                    f"the location spans more than {MOST_FOLDERS:,} folders",
                    where=self._location,
                    todo="Name a narrower folder",
                )
            try:
                async for name in self._ssh.sftp.scandir(b"/" + raw):
                    below = raw + b"/" + _raw(name) if raw else _raw(name)
                    path = f"{folder}/{_text(_raw(name))}" if folder else _text(_raw(name))
                    if _raw(name) in {b".", b".."}:
                        continue
                    if _kind(name.attrs) == stat.S_IFDIR:
                        if glob.leads(path):
                            folders.append((path, below))
                    elif (entry := await self._found(glob, path, below, name.attrs)) is not None:
                        yield entry
            except (asyncssh.SFTPPermissionDenied, *GONE) as error:
                if not number:
                    raise _no_folder(self._location) from error
                self.left.append(FileLeftError(CLOSED[0], where=folder, todo=CLOSED[1]))

    async def _root(self, folder: str) -> bytes:
        """The folder's bytes on this server."""
        for raw in dict.fromkeys((folder.encode(), folder.encode("gb18030"))):
            if await self._ssh.sftp.exists(b"/" + raw):
                return raw
        raise _no_folder(self._location)

    async def _found(
        self, glob: Glob, path: str, raw: bytes, attrs: asyncssh.SFTPAttrs
    ) -> Entry | None:
        """A file of a listing; a link is looked at only when it is meant."""
        meant = glob.takes(path)
        if meant and path.encode("utf-8", "surrogateescape") != raw:
            self._raw[path] = raw
        if _kind(attrs) == stat.S_IFREG and attrs.size is not None:
            return _entry(path, attrs)
        if not meant or _kind(attrs) not in {0, stat.S_IFREG, stat.S_IFLNK}:
            return None
        try:
            return await self._looked(path, b"/" + raw)
        except (*GONE, asyncssh.SFTPPermissionDenied, asyncssh.SFTPFailure):
            return None  # a link that leads nowhere

    async def _looked(self, path: str, raw: bytes) -> Entry | None:
        attrs = await self._ssh.sftp.stat(raw)
        return _entry(path, attrs) if _kind(attrs) == stat.S_IFREG else None

    async def _read(self, entry: Entry, offset: int) -> AsyncGenerator[bytes, None]:
        """Pieces of a file in their order, asked for ahead."""
        sftp, raw = self._ssh.sftp, self._bytes(entry.path)
        file = await self._ssh.answered(sftp.open(raw, "rb", encoding=None, block_size=0))
        size = min(sftp.limits.max_read_len or SMALL_BLOCK, BLOCK)
        under_way: deque[asyncio.Task[bytes]] = deque()
        asked = offset
        try:
            if _entry(entry.path, await self._ssh.answered(file.stat())) != entry:
                raise changed(entry)
            while offset < entry.size:
                while asked < min(entry.size, offset + AHEAD) and len(under_way) < REQUESTS:
                    length = min(size, entry.size - asked)
                    under_way.append(asyncio.create_task(_exactly(file, asked, length)))
                    asked += length
                piece = await self._ssh.answered(under_way[0])
                under_way.popleft()
                if not piece:
                    raise changed(entry)
                offset += len(piece)
                yield piece
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            with contextlib.suppress(asyncssh.Error, OSError):
                await self._ssh.answered(file.close())


class _Handing:
    """Pieces put together to larger blocks; what came before a cut is handed on before it."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces
        self._cut: Exception | None = None

    async def block(self) -> bytes:
        """The next block; empty at the end."""
        if self._cut is not None:
            raise self._cut
        found: list[bytes] = []
        try:
            async for piece in self._pieces:
                found.append(piece)
                if sum(map(len, found)) >= HANDED:
                    break
        except (asyncssh.Error, OSError, FileLeftError) as error:
            if not found:
                raise
            self._cut = error
        return b"".join(found)

    async def end(self) -> None:
        await self._pieces.aclose()


async def _exactly(file: asyncssh.SFTPClientFile, offset: int, size: int) -> bytes:
    """So many bytes, in as many answers as the server needs; nothing where the file ends before."""
    data = b""
    while len(data) < size:
        more = cast("bytes", await file.read(size - len(data), offset + len(data)))
        if not more:
            return b""
        data = data + more if data else more
    return data


async def _some(found: AsyncGenerator[Entry, None]) -> list[Entry]:
    """The next entries of a listing; none at its end."""
    entries: list[Entry] = []
    async for entry in found:
        entries.append(entry)
        if len(entries) >= NAMES:
            break
    return entries


def _entry(path: str, attrs: asyncssh.SFTPAttrs) -> Entry:
    mtime_ns = (attrs.mtime or 0) * 10**9 + (attrs.mtime_ns or 0)
    return Entry(path, attrs.size or 0, mtime_ns)


def _kind(attrs: asyncssh.SFTPAttrs) -> int:
    """File, folder or link as ``stat`` names them; 0 where the server does not say it."""
    kinds = {
        asyncssh.FILEXFER_TYPE_REGULAR: stat.S_IFREG,
        asyncssh.FILEXFER_TYPE_DIRECTORY: stat.S_IFDIR,
        asyncssh.FILEXFER_TYPE_SYMLINK: stat.S_IFLNK,
        asyncssh.FILEXFER_TYPE_SPECIAL: stat.S_IFIFO,
    }
    return stat.S_IFMT(attrs.permissions or 0) or kinds.get(attrs.type, 0)


def _raw(name: asyncssh.SFTPName) -> bytes:
    return name.filename if isinstance(name.filename, bytes) else name.filename.encode()


def _text(raw: bytes) -> str:
    """A name in UTF-8 or GB18030; bytes that are neither stay visible as such."""
    for encoding in ("utf-8", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("utf-8", "surrogateescape")


def _no_folder(location: str) -> ChannelError:
    return ChannelError(
        "the server has no such folder, or does not let this user look into it",
        where=location,
        todo="Correct the location, or ask the department to open the folder for this user",
    )


CLOSED = (
    "the server does not let this user look into this folder",
    "Ask the department to open it for this user, or name a narrower location",
)
DENIED = (
    "the server does not let this user read this file",
    "Ask the department to open it for this user",
)
UNREADABLE = (
    "the server could not hand over this file",
    "Nothing to do if it succeeds later; otherwise ask the department to look at it",
)
