"""One changing set of records, kept by whatever a channel fetches from.

Each change adds a group of rows and rewrites an older one: many rows share a mark, some are written
with a mark that lies before what was reached, and some have none.
"""

from __future__ import annotations

import os
import random
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from object_kit import BUCKET, SECRET, Objects
from object_kit import USER as KEY
from sftp_kit import PASSWORD as DROP_PASSWORD
from sftp_kit import USER as DROP_USER
from sftp_kit import Drop

from dagster_project import clock
from tests.database_kit import PASSWORD, READER, MariaDb, Postgres
from tests.delivery_kit import FOLDER, TITLES, County
from tests.interface_kit import Interface

GROUP, TIED, OVERLAP_S, SLICE = 700, 77, 300, 1000
DAY = "2023-05-31"
MARK = """\
      - name: updated_at
        businessName: 更新时间
        logicalType: timestamp
        classification: L1
"""
TABLE = (
    "(permit_no varchar(20) PRIMARY KEY, holder varchar(20), issued_date date, updated_at {time})"
)


@dataclass(frozen=True)
class Record:
    """One record of the source; ``mark`` is the time of its last change on the county's clock."""

    number: str
    holder: str
    mark: datetime | None

    @property
    def cells(self) -> tuple[str, str, str, str | None]:
        """As the lake holds it."""
        return (
            self.number,
            self.holder,
            DAY,
            f"{self.mark:%Y-%m-%d %H:%M:%S}" if self.mark else None,
        )


class Source(ABC):
    """A counterpart whose records change between two runs.

    ``servers`` is its entry in the contract, without its first dash; ``secrets`` are the
    environment's variables that its credentials are read from.
    """

    servers: str
    kind: str
    secrets: dict[str, str]
    formats = "csv, json, parquet"
    delivery = "incremental"

    def __init__(self) -> None:
        self.groups: list[list[Record]] = []
        self.changes = 0
        now = clock.now().astimezone(clock.SHANGHAI)
        self._begin = now.replace(microsecond=0, tzinfo=None) - timedelta(hours=6)

    def change(self, chance: random.Random) -> None:
        """A new group, and an older one rewritten."""
        old = [chance.randrange(len(self.groups))] if self.groups else []
        for number in [*old, len(self.groups)]:
            self.changes += 1
            made = [self._record(number, place) for place in range(GROUP)]
            self.groups[number : number + 1] = [made]
            self.write(number, made)
        if self.delivery == "full":
            group = self.groups[-1]
            self.remove([group.pop(chance.randrange(len(group))).number for _ in range(3)])

    def remove(self, numbers: Sequence[str]) -> None:
        """Only a source that is read whole can show that records are gone."""
        raise AssertionError(f"{self.kind} is never read whole; it cannot lose {len(numbers)}")

    @property
    def records(self) -> list[Record]:
        """All of them."""
        return [record for group in self.groups for record in group]

    @abstractmethod
    def write(self, number: int, group: Sequence[Record]) -> None:
        """Keep a group of records in the place of what was there of it."""

    def _record(self, number: int, place: int) -> Record:
        """Some come late, within the overlap; some have no mark; many share one."""
        late = OVERLAP_S - 100 if place % 10 == 1 else 0
        moment = self._begin + timedelta(minutes=self.changes, seconds=place // TIED - late)
        mark = moment if place % 25 else None
        return Record(f"P{number:02d}-{place:03d}", f"{self.changes}厂", mark)


def county_of(source: Source, root: Path) -> County:
    """A county whose one feed is fetched from a source."""
    county = County(root, delivery=source.delivery)
    contract = county.workshop.schemas / "feeds" / "permit.yaml"
    text = contract.read_text(encoding="utf-8")
    head, _, rest = text.partition("servers:\n")
    rest = rest[rest.index("slaProperties:") :].replace("[csv, xlsx]", f"[{source.formats}]")
    words = "\n".join(f"    {line}" for line in source.servers.strip().splitlines())
    contract.write_text(f"{head}servers:\n  -{words[3:]}\n{rest}{MARK}", encoding="utf-8")
    county.workshop = county.workshop.renewed()
    assert not county.workshop.contracts.problems, county.workshop.contracts.problems
    return county


class Files(Source):
    """Files: a group is one, and a change of it overwrites it."""

    def write(self, number: int, group: Sequence[Record]) -> None:
        """One file of CSV."""
        lines = [",".join([*TITLES, "更新时间"])]
        lines += [",".join(cell or "" for cell in record.cells) for record in group]
        self.put(f"许可_{number:02d}.csv", ("\n".join(lines) + "\n").encode())

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Keep a file."""


class InboxFiles(Files):
    """Files in the county's own inbox."""

    kind, secrets = "inbox", {}
    servers = f"{{server: inbox, type: local, path: '{FOLDER}/许可_*.csv', format: csv}}"

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._folder = root / "county" / "inbox" / FOLDER

    def put(self, name: str, data: bytes) -> None:
        """Written some time ago."""
        path = self._folder / name
        path.write_bytes(data)
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))


class SftpFiles(Files):
    """Files on an SFTP server."""

    kind, secrets = "sftp", {"DROP_USER": DROP_USER, "DROP_PASSWORD": DROP_PASSWORD}

    def __init__(self, drop: Drop) -> None:
        super().__init__()
        self._drop = drop
        self.servers = f"""\
server: drop
type: sftp
location: '{drop.location("export/许可_*.csv")}'
format: csv
customProperties:
  - {{property: credentials, value: 'env:DROP'}}
  - {{property: hostKey, value: '{drop.fingerprints[0]}'}}
"""

    def put(self, name: str, data: bytes) -> None:
        """Each version has a time of its own."""
        self._drop.put(f"export/{name}", data, mtime=1_700_000_000 + self.changes)


class StoredFiles(Files):
    """Objects of an object store."""

    kind, secrets = "s3", {"OBJECTS_USER": KEY, "OBJECTS_PASSWORD": SECRET}

    def __init__(self, store: Objects) -> None:
        super().__init__()
        self._store = store
        self.servers = f"""\
server: objects
type: s3
location: 's3://{BUCKET}/交换/许可_*.csv'
endpointUrl: '{store.endpoint}'
format: csv
customProperties: [{{property: credentials, value: 'env:OBJECTS'}}]
"""

    def put(self, name: str, data: bytes) -> None:
        """A new version of an object."""
        self._store.put(f"交换/{name}", data)


class Pages(Source):
    """An interface that answers in pages."""

    kind, secrets = "api", {}

    def __init__(self, interface: Interface) -> None:
        super().__init__()
        self._interface = interface
        self.servers = f"""\
server: interface
type: api
location: '{interface.url}'
customProperties:
  - property: request
    value:
      records: data.items
      total: data.total
      paging: {{style: page, page: pageNo, size: pageSize, rows: 500}}
  - property: watermark
    value: {{column: updated_at, parameter: since, overlap: {OVERLAP_S}}}
"""

    def write(self, number: int, group: Sequence[Record]) -> None:  # noqa: ARG002 - all are shown
        """In the order of their marks."""
        rows = sorted(self.records, key=lambda one: (one.mark is None, one.mark or one.number))
        self._interface.rows = [
            dict(zip(("permit_no", "holder", "issued_date"), record.cells[:3], strict=True))
            | {"updated_at": record.mark and f"{record.mark:%Y-%m-%dT%H:%M:%S}+08:00"}
            for record in rows
        ]


@dataclass
class Told:
    """What a contract says of a database, and how its table is written."""

    kind: str
    words: Sequence[str]
    time: str
    upsert: str
    run: Any = field(repr=False)


class Table(Source):
    """A table with a watermark; ``run`` executes a statement."""

    def __init__(self, told: Told, delivery: str = "incremental") -> None:
        super().__init__()
        self.delivery = delivery
        self.kind, self.run, self._upsert = told.kind, told.run, told.upsert
        self.secrets = {"DEPARTMENT_READER_USER": "reader"}
        self.secrets["DEPARTMENT_READER_PASSWORD"] = PASSWORD
        mark = f"{{column: updated_at, overlap: {OVERLAP_S}}}"
        custom = ["custom"] if told.kind in {"sqlite", "sqlalchemy"} else [told.kind]
        entries = ["{property: table, value: licences}"]
        if delivery == "incremental":
            entries.append(f"{{property: watermark, value: {mark}}}")
            entries.append(f"{{property: slice, value: {SLICE}}}")
        entries += [word for word in told.words if word.startswith("{")]
        plain = [word for word in told.words if not word.startswith("{")]
        lines = ["server: civil", f"type: {custom[0]}", *plain, "customProperties:"]
        self.servers = "\n".join([*lines, *(f"  - {entry}" for entry in entries)])
        told.run("DROP TABLE IF EXISTS licences")
        told.run(f"CREATE TABLE licences {TABLE.format(time=told.time)}")

    def write(self, number: int, group: Sequence[Record]) -> None:  # noqa: ARG002 - keys tell it
        """In one statement."""
        rows = ", ".join(
            "(" + ", ".join("NULL" if cell is None else f"'{cell}'" for cell in one.cells) + ")"
            for one in group
        )
        self.run(self._upsert.format(rows=rows))

    def remove(self, numbers: Sequence[str]) -> None:
        """In one statement."""
        self.run(f"DELETE FROM licences WHERE permit_no IN {(*numbers, '')}")


SECRET_WORD = f"{{property: credentials, value: '{READER}'}}"
REPLACE = "REPLACE INTO licences VALUES {rows}"


def of_postgres(server: Postgres, port: int) -> Table:
    """A table of PostgreSQL."""
    upsert = (
        "INSERT INTO licences VALUES {rows} ON CONFLICT (permit_no) DO UPDATE"
        " SET holder = excluded.holder, updated_at = excluded.updated_at"
    )
    words = ["host: 127.0.0.1", f"port: {port}", "database: postgres", "schema: public"]
    return Table(Told("postgresql", [*words, SECRET_WORD], "timestamp", upsert, server.run))


def of_mariadb(server: MariaDb, port: int) -> Table:
    """A table of MariaDB."""
    words = ["host: 127.0.0.1", f"port: {port}", "database: civil", SECRET_WORD]
    return Table(Told("mysql", words, "datetime", REPLACE, server.run))


def of_dialect(server: MariaDb) -> Table:
    """The same, through a dialect of SQLAlchemy."""
    url = f"mysql+pymysql:///civil?unix_socket={server.host}&charset=utf8mb4"
    words = ["{property: channel, value: sqlalchemy}", f"{{property: url, value: '{url}'}}"]
    return Table(Told("sqlalchemy", [*words, SECRET_WORD], "datetime", REPLACE, server.run))


def of_sqlite(root: Path, delivery: str = "incremental") -> Table:
    """A table of an SQLite file in the inbox."""
    file = root / "county" / "inbox" / FOLDER / "账.db"
    file.parent.mkdir(parents=True)

    def run(statement: str) -> None:
        with closing(sqlite3.connect(file)) as con, con:
            con.execute(statement)

    words = ["{property: channel, value: sqlite}", f"{{property: file, value: '{FOLDER}/账.db'}}"]
    return Table(Told("sqlite", words, "text", REPLACE, run), delivery)
