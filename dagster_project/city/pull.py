"""Fetching the packages of children that do not deliver, and handing answers back to them.

What is fetched is put before the one door (``arrivals``) and judged by reception alone. A child's
web is believed in nothing but which bytes it sends; that too is compared with what it announced.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dagster_project.city import ledger
from dagster_project.city.announced import UP, name_of
from dagster_project.city.announcing import DOWN as KEYS_DOWN
from dagster_project.city.arrivals import DOWN, Door
from dagster_project.city.asking import Asking, Patience
from dagster_project.city.register import children, door_of
from dagster_project.errors import ChannelError, CountyLakeError, PackageError, UsageError
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import SUFFIX
from dagster_project.protocol.canonical import canonical_json, sha256_bytes
from dagster_project.protocol.correction import ANSWERED, ASKED, FOLDER, MOST_BYTES
from dagster_project.protocol.folders import Limits, read_untrusted, write_file
from dagster_project.protocol.manifest import CODE, PACKAGE_ID, Hash, Whole
from dagster_project.settings import Pull, Site

AT_ONCE = 4
"""So many children are met at the same time: a slow one keeps no other waiting."""
MOST_PACKAGES = 2000
MOST_PAGES = 1000
PARTS, HANDED = ".parts", ".handed.json"
_FORM = ConfigDict(extra="ignore", frozen=True)
_ID = rf"^{PACKAGE_ID.pattern.removesuffix(chr(92) + 'Z')}$"
_NAME = rf"^{CODE}-JZ[0-9A-F]{{12}}\.(answer|correction)\.json$"


class _Listed(BaseModel):
    model_config = _FORM
    package_id: Annotated[str, StringConstraints(pattern=_ID)]
    package_no: Whole
    bytes: Whole


class _Index(BaseModel):
    model_config = _FORM
    packages: Annotated[list[_Listed], Field(max_length=1000)]
    next: Whole | None = None


class _Message(BaseModel):
    model_config = _FORM
    name: Annotated[str, StringConstraints(pattern=_NAME)]
    sha256: Hash


class _Messages(BaseModel):
    model_config = _FORM
    corrections: Annotated[list[_Message], Field(max_length=20_000)]


class _Announcements(BaseModel):
    model_config = _FORM
    announcements: Annotated[list[dict[str, Any]], Field(max_length=10_000)]


@dataclass
class Pulled:
    """What one meeting with a child brought: packages fetched, files handed back, remarks."""

    site: str
    taken: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Puller:
    """The meetings of one receiving site.

    Attributes:
        lake: Its lake, which knows what was decided.
        site: What it says of itself, with ``pulls``.
        limits: The most that one package may bring.
        patience: How long a child may take.
    """

    lake: Lake
    site: Site
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)

    @property
    def home(self) -> Home:
        """The receiving site's home."""
        return self.lake.home

    def chosen(self, code: str = "") -> tuple[Pull, ...]:
        """Whom to meet: everybody, or one.

        Raises:
            UsageError: Nothing says where that one is.
        """
        found = tuple(one for one in self.site.pulls if code in {"", one.site})
        if code and not found:
            raise UsageError(
                f"nothing is fetched from site {code}",
                where=str(self.home.site_file),
                todo="Name its address and a token under `pulls`",
            )
        return found

    def fetch(self, pulls: Sequence[Pull]) -> list[Pulled]:
        """Fetch what is new; a child that fails stops no other.

        Raises:
            PackageError: The register of children is damaged.
            LakeError, LakeBusyError: The lake cannot be read.
        """
        if not pulls:
            return []
        heads = self._heads()
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            return list(crowd.map(lambda one: self._fetch(one, heads), pulls))

    def hand_back(self, pulls: Sequence[Pull]) -> list[Pulled]:
        """Hand answers and corrections back, and fetch answers to these."""
        if not pulls:
            return []
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            return list(crowd.map(self._hand_back, pulls))

    def _heads(self) -> Mapping[str, int]:
        """The last decided number of each sender; none where nothing was ever received."""
        if not self.home.catalog.exists():
            return {}
        with self.lake.reader() as con:
            if not ledger.complete(con):
                return {}
            rows = con.execute(
                "SELECT site_code, max(package_no)"
                f" FROM {ledger.TABLE} WHERE consumed GROUP BY site_code"
            ).fetchall()
        return {str(code): int(number) for code, number in rows}

    def _fetch(self, pull: Pull, heads: Mapping[str, int]) -> Pulled:
        result, door = Pulled(pull.site), Door(self.home, pull.site)
        try:
            if door_of(children(self.home), pull.site) != pull.site:
                result.remarks.append(
                    f"{pull.site} is fetched from but not registered. Register it first."
                )
                return result
            door.check()
            with self._asking(pull) as child:
                self._hear(child, door, result)
                for one in self._new(child, pull.site, heads.get(pull.site, 0)):
                    self._take(child, door, one, heads.get(pull.site, 0), result)
        except (CountyLakeError, OSError) as error:
            result.remarks.append(f"{pull.site}: {error}")
        return result

    def _asking(self, pull: Pull) -> Asking:
        authorities = (self.home.root / pull.ca).resolve() if pull.ca else None
        return Asking(pull, authorities, self.patience)

    def _hear(self, child: Asking, door: Door, result: Pulled) -> None:
        """Fetch what the child announces of keys: the packages may be signed with the next one."""
        folder = door.folder / UP
        try:
            told = child.form("/v1/keys", _Announcements).announcements
        except ChannelError as error:
            if error.transient:
                raise
            result.remarks.append(f"{door.code}: its keys are not told: {error}")
            return
        for one in told:
            data = canonical_json(one)
            try:
                name = name_of(data, children(self.home)[door.code].card)
            except PackageError as error:
                result.remarks.append(f"{door.code}: {error}")
                continue
            if not folder.is_dir() or read_untrusted(folder, name, len(data)) != data:
                write_file(folder / name, data)

    def _new(self, child: Asking, code: str, head_no: int) -> Iterator[_Listed]:
        """What the index lists after the last decided number."""
        after, seen = head_no, 0
        for _ in range(MOST_PAGES):
            page = child.form(f"/v1/packages?after={after}&limit=100", _Index)
            for one in page.packages:
                if one.package_no > head_no and one.package_id.partition("-")[0] == code:
                    seen += 1
                    yield one
            if page.next is None or page.next <= after or seen >= MOST_PACKAGES:
                return
            after = page.next

    def _take(self, child: Asking, door: Door, one: _Listed, head_no: int, result: Pulled) -> None:
        most = self.limits.total_bytes + 512 * (self.limits.files + 1)
        if one.bytes > most:
            result.remarks.append(f"{one.package_id}: it is larger than a package may be.")
            return
        path = f"/v1/packages/{one.package_id}/archive"
        known = door.lying_archive(one.package_id)
        if known and child.is_unchanged(path, known):
            return
        part, sha256 = child.download(path, door.folder / PARTS, one.package_id, most)
        try:
            with part.open("rb") as stream:
                arrived = door.take(one.package_id, stream, sha256, self.limits, head_no)
            if arrived.is_new:
                result.taken.append(one.package_id)
        except PackageError as error:
            # Another one may be sound; whether a number is missing is reception's to say.
            result.remarks.append(f"{door.code}: {error}")
        finally:
            part.unlink(missing_ok=True)

    def _hand_back(self, pull: Pull) -> Pulled:
        result, door = Pulled(pull.site), Door(self.home, pull.site)
        handed = _handed(door)
        before = dict(handed)
        try:
            door.check()
            with self._asking(pull) as child:
                meeting = _Meeting(child, handed, result)
                for name, data in _of_keys(door):
                    meeting.leave(name, "/v1/keys", data)
                for name, path, data in self._answers(door):
                    meeting.leave(name, path, data)
                self._corrections(meeting, door)
        except (CountyLakeError, OSError) as error:
            result.remarks.append(f"{pull.site}: {error}")
        if handed != before:
            text = json.dumps(handed, indent=0, sort_keys=True)
            write_file(door.folder / HANDED, text.encode())
        return result

    def _answers(self, door: Door) -> Iterator[tuple[str, str, bytes]]:
        down = door.folder / DOWN
        for path in sorted(down.glob(f"{door.code}-*{SUFFIX}")) if down.is_dir() else ():
            package_id = path.name.removesuffix(SUFFIX)
            data = read_untrusted(down, path.name, MOST_BYTES)
            if PACKAGE_ID.match(package_id) and data:
                yield path.name, f"/v1/packages/{package_id}/acknowledgement", data

    def _corrections(self, meeting: _Meeting, door: Door) -> None:
        folder = door.folder / FOLDER
        if not folder.is_dir() or folder.is_symlink():
            return
        asked = [path.name for path in sorted(folder.glob(f"{door.code}-*{ASKED}"))]
        for name in asked:
            if data := read_untrusted(folder, name, MOST_BYTES):
                meeting.leave(name, f"/v1/corrections/{name}", data)
        if not asked:
            return
        for one in meeting.child.form("/v1/corrections", _Messages).corrections:
            wanted = one.name.endswith(ANSWERED) and one.name.replace(ANSWERED, ASKED) in asked
            known = read_untrusted(folder, one.name, MOST_BYTES) or b""
            if wanted and sha256_bytes(known) != one.sha256:
                found = meeting.child.message(f"/v1/corrections/{one.name}")
                write_file(folder / one.name, found)
                meeting.result.taken.append(one.name)


@dataclass(frozen=True)
class _Meeting:
    """Handing files to a child: each once, and again only when it changed."""

    child: Asking
    handed: dict[str, str]
    result: Pulled

    def leave(self, name: str, path: str, data: bytes) -> None:
        """Hand a file over; that one is refused is a remark, and the others go on.

        Raises:
            ChannelError: The child cannot be reached now.
        """
        if self.handed.get(name) == sha256_bytes(data):
            return
        try:
            self.child.leave(path, data)
        except ChannelError as error:
            if error.transient:
                raise
            self.result.remarks.append(f"{name}: {error}")
        else:
            self.handed[name] = sha256_bytes(data)
            self.result.handed.append(name)


def _of_keys(door: Door) -> Iterator[tuple[str, bytes]]:
    """What this site says of keys to a child: before the answers, which the next one may sign."""
    folder = door.folder / KEYS_DOWN
    for path in sorted(folder.glob("*.json"), key=lambda path: (len(path.name), path.name)):
        if data := read_untrusted(folder, path.name, MOST_BYTES):
            yield path.name, data


def _handed(door: Door) -> dict[str, str]:
    """What a child has been handed already, by the hash of the file."""
    try:
        found = json.loads((door.folder / HANDED).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
