"""Looking into exchange folders: what is new is copied, verified and handed on in order.

Nothing is decided here, and nothing written but our own copies. Which number may come now is
``chain``'s question; ``counter`` merges and answers.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dagster_project.city.agreed import Agreement
from dagster_project.city.ledger import Entry
from dagster_project.city.register import Child, door_of
from dagster_project.city.verify import Expected, Verdict, verify
from dagster_project.errors import CountyLakeError, PackageError
from dagster_project.paths import Home
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import parse_json, sha256_bytes
from dagster_project.protocol.folders import Limits, copy_untrusted, read_untrusted, shown
from dagster_project.protocol.manifest import SIGNATURE

MOST_AT_ONCE = 5_000
"""How many packages of one folder are examined at one look; the others wait for the next."""
COPIES = "receive-"
"""How our copies in the scratch folder begin."""
_SIGNATURE_BYTES = 1 << 20


@dataclass(frozen=True)
class Arrival:
    """One package that was examined: in whose folder, under which name, and what was found."""

    door: str
    name: str
    verdict: Verdict

    @property
    def size(self) -> int:
        """What it takes while it is not settled: its rows, and our copy of its files."""
        rows = self.verdict.table.nbytes if self.verdict.table is not None else 0
        return rows + sum(path.lstat().st_size for path in self.verdict.folder.rglob("*"))

    @property
    def sender(self) -> str:
        """Whose chain it belongs to; the folder's own child if it is not genuine."""
        verdict = self.verdict
        return verdict.header.sender if verdict.genuine and verdict.manifest else self.door

    @property
    def number(self) -> int:
        """Its number; 0 if it is not genuine."""
        verdict = self.verdict
        return verdict.header.package_no if verdict.genuine and verdict.manifest else 0


@dataclass(frozen=True)
class Desk:
    """One look: what it needs for every package."""

    home: Home
    code: str
    at: datetime
    agreement: Agreement | None
    limits: Limits
    children: Mapping[str, Child]

    def names(self, folder: Path) -> list[str]:
        """What lies in the ``up`` folder of one child.

        Raises:
            PackageError: The child's exchange folder is not a plain folder.
        """
        up, down = folder / "up", folder / "down"
        if up.is_symlink() or down.is_symlink() or folder.is_symlink():
            raise PackageError(
                "an exchange folder must not be a link",
                where=str(folder),
                todo="Make it a plain folder; nothing was taken from it",
            )
        if not up.is_dir():
            return []
        return sorted(path.name for path in up.iterdir() if not path.name.startswith("."))

    def unchanged(self, folder: Path, name: str, earlier: Entry) -> bool:
        """Whether this is still the package on which an earlier decision was made."""
        if earlier.door != folder.name:
            return False
        signature = read_untrusted(folder / "up" / name, SIGNATURE, _SIGNATURE_BYTES)
        return signature is not None and sha256_bytes(signature) == earlier.signature_hash

    def arrivals(self, folder: Path, names: Sequence[str]) -> Iterator[Arrival]:
        """Examine packages, in the order of the numbers that they claim; not too many at once."""
        up = folder / "up"
        ordered = sorted((_claimed_number(up / name), name) for name in names)
        for _, name in ordered[:MOST_AT_ONCE]:
            yield Arrival(folder.name, name, self._examine(up / name, folder.name))

    def _examine(self, path: Path, door: str) -> Verdict:
        self.home.scratch.mkdir(parents=True, exist_ok=True)
        copy = self.home.scratch / f"{COPIES}{uuid.uuid4().hex}"
        copied = copy_untrusted(path, copy, self.limits)
        copy.mkdir(exist_ok=True)
        try:
            return verify(copy, copied, self._expected(door, path.name))
        except OSError:
            shutil.rmtree(copy, ignore_errors=True)
            raise
        except Exception as error:  # noqa: BLE001 - one package's bytes stop no other package
            what = f"{shown(path.name)}: it could not be examined ({type(error).__name__})."
            return Verdict(copy, sha256_bytes(what.encode()), faults=[what])

    def _expected(self, door: str, name: str) -> Expected:
        sender = name.partition("-")[0]
        if sender not in self.children or door_of(self.children, sender) != door:
            sender = door
        own = self.children.get(sender)
        between = self.children.get(door) if sender != door else None
        return Expected(
            door=door,
            name=name,
            recipient=self.code,
            card=own.card if own else None,
            at=self.at,
            relay=between.card if between else None,
            through=frozenset(
                code for code in self.children if between and door_of(self.children, code) == door
            ),
            agreement=self.agreement,
        )


def _claimed_number(path: Path) -> int:
    """The number that a package gives itself, for the order alone; nothing is verified."""
    data = read_untrusted(path, SIGNATURE, _SIGNATURE_BYTES)
    try:
        _, payload = dsse.unverified(data or b"", SIGNATURE)
        number = parse_json(payload, SIGNATURE)["header"]["package_no"]
    except (CountyLakeError, KeyError, TypeError, RecursionError):
        return 0
    return number if isinstance(number, int) else 0
