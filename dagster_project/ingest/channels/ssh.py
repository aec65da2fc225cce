"""An SSH connection to a server whose key is known beforehand, in an event loop of its own.

Only what the contract and its credentials say is used: no agent, no key, no configuration and no
list of known hosts of the user. What is read over the connection is told in ``sftp``.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import asyncssh

from dagster_project.contracts.model import Server
from dagster_project.credentials import Credential, credential
from dagster_project.errors import ChannelError, CountyLakeError, UsageError

Answer = TypeVar("Answer")
PORT = 22
CONNECT_S, LOGIN_S, ALIVE_S = 15.0, 30.0, 15.0
PATIENCE_S = 60.0
"""A server that gives no answer for so long is given up."""

CIPHERS: Final = (
    "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com",
    "aes128-ctr", "aes192-ctr", "aes256-ctr",
)  # fmt: skip
"""The fastest first; all of them are sound."""

KEY_KINDS: Final[tuple[tuple[str, ...], ...]] = (
    ("ssh-ed25519", "ssh-ed448"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"),
)
"""A server has one key of each kind, and its administrator may have told any of them."""

STOPPED = (
    asyncssh.DisconnectError,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    asyncssh.ChannelOpenError,
    OSError,
)
"""The connection is of no use any more; OSError holds timeouts, refusals and unknown names."""


class _Client(asyncssh.SSHClient):
    """Accepts the one key that the contract names, and keeps what was shown."""

    def __init__(self, expected: str) -> None:
        self.expected, self.shown = expected, ""

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 - the signature is asyncssh's
        addr: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        key: asyncssh.SSHKey,
    ) -> bool:
        self.shown = key.get_fingerprint()
        return self.shown == self.expected


class Ssh:
    """One session of SFTP; its loop runs in a thread, so that it is kept alive between calls."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sftp", daemon=True)
        self._thread.start()
        self._connection: asyncssh.SSHClientConnection | None = None
        self.sftp: asyncssh.SFTPClient

    @classmethod
    def entered(cls, server: Server, authority: str) -> Ssh:
        """Connect, compare the server's key, log in and open SFTP.

        Raises:
            ChannelError: The server cannot be reached, is another one, or does not let us in.
            UsageError: The credentials are not complete.
        """
        said = credential(server.credentials)
        options = _login(said, server)
        host, port = _host(authority, server.location)
        expected = str(server.options.get("hostKey", "")).rstrip("=")
        made = cls(server.location)
        try:
            made.call(made._enter(host, port, expected, options))
        except BaseException as error:
            made.close()
            if isinstance(error, (asyncssh.Error, OSError)):
                raise told(error, server.location, server.credentials) from error
            raise
        return made

    def call(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do something in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def abort(self) -> None:
        """Give the connection up, from within the loop; whatever waits for an answer fails."""
        if self._connection is not None:
            self._connection.abort()

    async def answered(self, work: Awaitable[Answer]) -> Answer:
        """Wait for one answer, but not for ever.

        Raises:
            TimeoutError: There is none; the connection is given up.
        """
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        if not done:
            self.abort()
            task.cancel()
            raise TimeoutError
        return task.result()

    def close(self) -> None:
        """End the connection and the loop; it never fails."""
        with contextlib.suppress(Exception):
            self.call(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _enter(self, host: str, port: int, expected: str, options: dict[str, Any]) -> None:
        kinds = [name for kind in KEY_KINDS for name in kind]
        shown, error = await self._try(host, port, expected, kinds, options)
        if error is not None:
            found = await _other_keys(host, port)
            kinds = [name for kind, key in found.items() if key == expected for name in kind]
            if kinds:
                shown, error = await self._try(host, port, expected, kinds, options)
        if error is not None:
            raise _stranger(self._location, expected, shown) from error
        assert self._connection is not None  # noqa: S101 - there was no error
        self.sftp = await self._connection.start_sftp_client(path_encoding=None)

    async def _try(
        self,
        host: str,
        port: int,
        expected: str,
        kinds: Sequence[str],
        options: dict[str, Any],
    ) -> tuple[str, asyncssh.HostKeyNotVerifiable | None]:
        """Connect with keys of these kinds; the key that was shown, and whether it is another."""
        client = _Client(expected)
        try:
            self._connection = await asyncssh.connect(
                host,
                port,
                client_factory=lambda: client,
                server_host_key_algs=list(kinds),
                **options,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            return client.shown, error
        return client.shown, None

    async def _leave(self) -> None:
        self.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _other_keys(host: str, port: int) -> dict[tuple[str, ...], str]:
    """The server's keys of every kind: the one that the contract names may not be its first."""
    found = {}
    for kind in KEY_KINDS:
        with contextlib.suppress(asyncssh.Error, OSError):
            key = await asyncssh.get_server_host_key(
                host, port, server_host_key_algs=list(kind), config=None
            )
            if key is not None:
                found[kind] = key.get_fingerprint()
    return found


def _login(said: Credential, server: Server) -> dict[str, Any]:
    if not said.user:
        raise UsageError(
            "the credentials of this server name no user",
            where=server.location,
            todo=f"Add user=… to {server.credentials or 'credentials of the contract'}",
        )
    keys = None
    if said.key_file:
        try:
            keys = [asyncssh.read_private_key(said.key_file, said.password or None)]
        except (OSError, ValueError) as error:  # asyncssh's own errors of keys are ValueErrors
            raise UsageError(
                "the private key that the credentials name cannot be read",
                where=said.key_file,
                todo="Check the file and its permissions; its passphrase is the password",
            ) from error
    return {
        "config": None,
        "known_hosts": ([], [], []),
        "agent_path": None,
        "client_keys": keys,
        "username": said.user,
        "password": None if keys else said.password,
        "gss_host": None,
        "compression_algs": None,
        "encryption_algs": list(CIPHERS),
        "connect_timeout": CONNECT_S,
        "login_timeout": LOGIN_S,
        "keepalive_interval": ALIVE_S,
        "keepalive_count_max": 4,
    }


def _host(authority: str, location: str) -> tuple[str, int]:
    """Host and port; an IPv6 address stands in brackets."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    host = host.strip("[]")
    if not host or (port and not port.isdecimal()):
        raise UsageError(
            "the location names no host and port",
            where=location,
            todo="Write it as sftp://host:22/folder/name_*.csv",
        )
    return host, int(port or PORT)


def _stranger(location: str, expected: str, shown: str) -> ChannelError:
    return ChannelError(
        f"the server shows the key {shown or 'of a kind we do not know'}, the contract says"
        f" {expected or 'none'}; nothing was sent to it",
        where=location,
        todo="Ask the department whether its server was replaced: if so, take the new fingerprint"
        " over into `hostKey`; if not, somebody stands between you and it",
    )


def told(error: Exception, location: str, reference: str = "") -> CountyLakeError:
    """What went wrong with a connection, as a sentence; no answer of the server is repeated."""
    if isinstance(error, CountyLakeError):
        return error
    if isinstance(error, asyncssh.PermissionDenied):
        return ChannelError(
            f"the server does not accept the user and password or key of {reference}",
            where=location,
            todo="Correct the credentials, or ask the department to let this user in",
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return ChannelError(
            "the server knows no way of encryption that we know too",
            where=location,
            todo="Ask the department to update its server",
        )
    if isinstance(error, TimeoutError):
        what, todo = "the server did not answer in time", "Check network, firewall and server"
    elif isinstance(error, ConnectionRefusedError):
        what, todo = "the server refused the connection", "Check host and port, and that it runs"
    elif isinstance(error, STOPPED):
        what, todo = "the connection to the server broke off", "Check network and server"
    else:
        what, todo = f"the server answers wrongly ({type(error).__name__})", "Check the server"
        return ChannelError(what, where=location, todo=todo)
    return ChannelError(what, where=location, todo=todo, transient=True)
