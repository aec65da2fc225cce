"""Taking a pushed package in: is there room, is it this child's, then into its exchange folder.

Checks here cost little and decide nothing; the package itself is judged by reception alone.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping
from threading import Lock

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from dagster_project.city.arrivals import ANY, UP, Arrived, Door, OtherBytesError
from dagster_project.city.register import children, door_of
from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol.archive import MEDIA_TYPE
from dagster_project.web.access.bounds import Bounds
from dagster_project.web.access.refusals import RefusedError
from dagster_project.web.bodies import Spooled, announced, check, spooled
from dagster_project.web.keeper import Keeper
from dagster_project.web.reception.chains import Standing

Chains = Keeper[Mapping[str, Standing]]
LOOK_S = 10.0
"""How long a request waits for a look at the ledger before the one before is shown."""
BUSY_S = 5.0
FULL_S = 600.0


class Intake:
    """The packages that are pushed to one site.

    Args:
        home: The receiving site's.
        bounds: How much is taken.
        chains: What the ledger knows of each sender.
    """

    def __init__(self, home: Home, bounds: Bounds, chains: Chains) -> None:
        self._home, self._bounds, self._chains = home, bounds, chains
        self._busy = Counter[str]()
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def door(self, code: str) -> Door:
        """The folder of a registered child that delivers itself.

        Raises:
            RefusedError: There is no such child.
        """
        if door_of(children(self._home), code) != code:
            raise RefusedError(404)
        found = Door(self._home, code)
        found.check()
        return found

    def standing(self, sender: str) -> Standing | None:
        """A sender's chain in the ledger, now or at the last look; None while nobody looked."""
        kept = self._chains.newest(LOOK_S)
        if kept.seen is None:
            return Standing() if kept.state == "empty" else None
        return kept.seen.get(sender, Standing())

    async def take(self, request: Request, code: str, package_id: str) -> Arrived:
        """Take a package in.

        Raises:
            RefusedError: It is not this child's, there is no room, or it is no package.
        """
        most = self._bounds.archive_bytes
        check(request, most, MEDIA_TYPE)
        if self._busy[code] >= self._bounds.uploads_each:
            raise RefusedError(429, "too many packages at once", retry_s=BUSY_S)
        if self._busy.total() >= self._bounds.uploads:
            raise RefusedError(503, retry_s=BUSY_S)
        self._busy[code] += 1
        try:
            async with asyncio.timeout(self._bounds.body_s):
                door = await run_in_threadpool(self._ready, code, package_id, announced(request))
                async with spooled(request, most, MEDIA_TYPE, self._home.scratch) as body:
                    return await run_in_threadpool(self._keep, door, package_id, body)
        finally:
            self._busy[code] -= 1

    def _ready(self, code: str, package_id: str, size: int) -> Door:
        """Make sure that the package may come and that there is room for it."""
        door = self.door(code)
        if door_of(children(self._home), package_id.partition("-")[0]) != code:
            raise RefusedError(404)
        self._home.scratch.mkdir(parents=True, exist_ok=True)
        # The archive lies there once as it came and once unpacked.
        if shutil.disk_usage(self._home.scratch).free - 2 * size < self._bounds.spare_bytes:
            raise RefusedError(507, retry_s=FULL_S)
        if package_id in (lying := door.lying()):
            return door
        if len(lying) >= self._bounds.parked:
            raise RefusedError(429, "too many packages wait to be received", retry_s=FULL_S)
        if _bytes(door) + size > self._bounds.parked_bytes:
            raise RefusedError(507, retry_s=FULL_S)
        return door

    def _keep(self, door: Door, package_id: str, body: Spooled) -> Arrived:
        try:
            known = self.standing(package_id.partition("-")[0])
            head_no = ANY if known is None else known.head_no
            with self._locks[door.code], body.path.open("rb") as stream:
                return door.take(package_id, stream, body.sha256, self._bounds.package, head_no)
        except OtherBytesError as error:
            raise RefusedError(409) from error
        except PackageError as error:
            raise RefusedError(422, error.what, "Send the sealed package") from error


def _bytes(door: Door) -> int:
    """How much lies in a child's ``up`` folder; what is being cleared meanwhile is not counted."""
    total = 0
    for path in (door.folder / UP).rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total
