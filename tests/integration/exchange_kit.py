"""Small real sites for the tests of packages and the city: homes, keys, lakes, report tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from dagster_project.city.agreed import Agreed, Shapes
from dagster_project.city.receive import Reception, receive
from dagster_project.city.register import register
from dagster_project.city.status import status
from dagster_project.contracts.model import Column, Table
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.keys import FileSigner
from dagster_project.reporting.identity import give_key, signer_of, trust_parent
from dagster_project.reporting.meeting import Exchange
from dagster_project.reporting.outbox import deliver
from dagster_project.reporting.package import Draft, Package, seal, standing
from dagster_project.settings import Settings, Site, load_site, save_site
from tests.proof_kit import SQL_HASH, certify

CITY = "140300"
START = datetime(2023, 5, 31, 12, 0, tzinfo=UTC)
LATER = START + timedelta(days=60)
SETTINGS = Settings(memory_limit="512MiB", threads=1, lock_timeout_s=20)

COLUMNS = (
    Column("town_code", "乡镇代码", "string", key_position=1),
    Column("town_name", "乡镇名称", "string"),
    Column("person_cnt", "人数", "integer", unit="人"),
    Column("amount_yuan", "金额", "decimal", precision=18, scale=2, unit="元"),
    Column("updated_at", "更新时间", "timestamp"),
    Column("suppressed", "是否隐去", "boolean"),
)
REPORT = Table(
    name="population_by_town",
    layer="report",
    title="分乡镇人口",
    version="1.0.0",
    columns=COLUMNS,
    key=("town_code",),
    period="daily",
    hash="c" * 64,
)
ROWS = (
    ("140321100", "冠山镇", 120, "10.50", False),
    ("140321101", "冶西镇", 80, "7.25", False),
    ("140321200", "石门口乡", None, None, True),
)


@dataclass
class SiteKit:
    """A site with its home, lake and key."""

    home: Home
    site: Site
    lake: Lake
    signer: FileSigner


@dataclass
class CountyKit(SiteKit):
    """A county whose exchange folder lies in the city's home."""

    def build(self, rows: Iterable[tuple[object, ...]] = ROWS, table: Table = REPORT) -> int:
        """Write the report table, as a model would; returns the snapshot."""
        with self.lake.writer("build") as writer, writer.transaction("build") as tx:
            tx.con.execute(
                f'CREATE OR REPLACE TABLE lake.report."{table.name}" (town_code VARCHAR,'
                " town_name VARCHAR, person_cnt BIGINT, amount_yuan DECIMAL(18,2),"
                " updated_at TIMESTAMPTZ, suppressed BOOLEAN)"
            )
            for row in rows:
                tx.con.execute(
                    f'INSERT INTO lake.report."{table.name}" VALUES'
                    " (?, ?, ?, ?, TIMESTAMPTZ '2023-05-31 04:00:00+00', ?)",
                    list(row),
                )
        return tx.snapshot

    def seal(
        self, period: str = "20230531", table: Table = REPORT, **changes: object
    ) -> Package | None:
        """Seal the report as it stands."""
        with self.lake.writer("seal") as writer, writer.transaction("seal") as tx:
            return self.seal_within(tx.con, period, table, **changes)

    def seal_within(
        self,
        con: duckdb.DuckDBPyConnection,
        period: str = "20230531",
        table: Table = REPORT,
        **changes: object,
    ) -> Package | None:
        """Seal inside a transaction that the caller commits or not."""
        draft = Draft(
            contract=table,
            columns=COLUMNS,
            period=period,
            cut_off_at=START,
            sealed_at=START + timedelta(minutes=30),
            sql_hash=SQL_HASH,
            snapshot=7,
            rows=standing(con, table),
            certify=certify,
            lineage=('{"eventType": "COMPLETE", "run": {"runId": "x"}}',),
            status={"tasks": [{"task": "population", "status": "success"}]},
        )
        draft = Draft(**{**draft.__dict__, **changes})
        return seal(con, self.home, self.site, self.signer, draft)

    def report_day(self, number: int) -> Package:
        """Build and seal day ``number`` of June with figures of its own."""
        self.build((("140321100", "冠山镇", 100 + number, "1.00", False),))
        package = self.seal(f"202306{number:02d}")
        assert package is not None
        return package

    def deliver(self) -> Exchange:
        """Meet the exchange folder."""
        return deliver(self.lake, self.site)

    @property
    def up(self) -> Path:
        """The folder that the city reads."""
        return self.site.folder(self.home, "exchange") / "up"

    @property
    def down(self) -> Path:
        """The folder that the city answers into."""
        return self.site.folder(self.home, "exchange") / "down"


@dataclass
class CityKit(SiteKit):
    """The receiving site."""

    def receive(self, at: datetime = LATER, shapes: Shapes | None = None) -> Reception:
        """Look into the exchange folders."""
        agreement = {name: Agreed(tuple(shapes[name])) for name in shapes} if shapes else None
        return receive(self.lake, self.site, self.signer, at=at, agreement=agreement)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the city's lake."""
        with self.lake.reader() as con:
            return con.execute(query).fetchall()

    def county(self, code: str) -> dict[str, object]:
        """One county of the status."""
        return next(one for one in status(self.lake)["counties"] if one["county"] == code)


def make_city(root: Path) -> CityKit:
    """A city with a key and an empty lake."""
    home = Home(root / "city")
    save_site(home, Site(code=CITY, name="阳泉市", collects=False, receives=True))
    site = give_key(home, root / "keys-city")
    return CityKit(home, site, Lake(home, SETTINGS), signer_of(site, root / "keys-city"))


def make_county(
    root: Path, city: CityKit, code: str = "140321", name: str = "平定县", *, known: bool = True
) -> CountyKit:
    """A county with a key of its own, registered at the city unless told otherwise."""
    home = Home(root / f"county-{code}")
    exchange = city.home.exchange / code
    save_site(home, Site(code=code, name=name, parent=CITY, exchange=str(exchange)))
    site = give_key(home, root / f"keys-{code}")
    trust_parent(home, city.home.public_file)
    if known:
        register(city.home, home.public_file)
    return CountyKit(
        home, load_site(home), Lake(home, SETTINGS), signer_of(site, root / f"keys-{code}")
    )
