"""A small real county whose packages are verified: months, a state, a day; one was answered."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from period_kit import BY_MONTH, DAY, STATE, Periods

from dagster_project.components.steps.verifying.site import verify_site
from dagster_project.components.steps.verifying.verdict import Verified
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake import extensions, sums
from dagster_project.lake.engine import literal
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import Acknowledgement, sign_acknowledgement
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.keys import FileSigner, create_key, load_signer
from dagster_project.reporting.answers import Answer, store
from dagster_project.reporting.identity import first_card, trust_parent
from dagster_project.settings import Site
from tests.delivery_kit import rows

MONTH = "140321-permit_by_month-202304-r1"
LATE = "140321-permit_by_month-202304-r2"
PARENT = Site(code="140300", name="阳泉市", collects=False, receives=True)


def make(root: Path) -> Periods:
    """A county that sealed three reports, a month of one again, and was answered once."""
    county = Periods(root)
    county.take("许可_1.csv", [*rows([1], "2023-03-01"), *rows(range(2, 40), "2023-04-01")])
    for name in (BY_MONTH, STATE, DAY):
        county.report(name, date(2023, 5, 31))
    county.take("许可_2.csv", [*rows([1], "2023-03-01"), *rows(range(2, 39), "2023-04-01", "二厂")])
    county.report(BY_MONTH, date(2023, 5, 31))
    answer(county, MONTH, signer_of_parent(county, root))
    sums.note(county.workshop.lake)
    return county


def signer_of_parent(county: Periods, root: Path) -> FileSigner:
    """The parent's signer; the county trusts its card."""
    keys = root / "parent-keys"
    signer = load_signer(keys, create_key(keys))
    write_file(root / "parent.json", first_card(PARENT, signer).content)
    trust_parent(county.workshop.home, root / "parent.json")
    return signer


def answer(county: Periods, package_id: str, signer: FileSigner) -> None:
    """The parent accepts a package, and says how far it has come."""
    ((digest,),) = county.ask(
        "SELECT package_hash FROM ops.package WHERE package_id = ?", package_id
    )
    ((number, head),) = county.ask(
        "SELECT package_no, package_hash FROM ops.package ORDER BY package_no DESC LIMIT 1"
    )
    said = Acknowledgement(
        package_id=package_id,
        package_hash=digest,
        received_hash="a" * 64,
        sender="140321",
        recipient=PARENT.code,
        outcome="accepted",
        reasons=(),
        head_no=number,
        head_hash=head,
        acknowledged_at="2023-06-02T08:00:00Z",
    )
    store(county.workshop.lake, [Answer(said, sign_acknowledgement(said, signer))])


@dataclass(frozen=True)
class Copy:
    """A home at another place, which a test may spoil."""

    home: Home

    @staticmethod
    def of(home: Home, root: Path) -> Copy:
        """Copy a home."""
        shutil.copytree(home.root, root)
        return Copy(Home(root))

    def verify(self, package_id: str = "", **asked: Any) -> Verified:
        """Verify it."""
        return verify_site(self.home, package_id, **asked)

    def lies(self, *statements: str) -> None:
        """Change the lake behind the programme's back, by DuckLake's own means."""
        con = duckdb.connect()
        extensions.load(con)
        con.execute(
            f"ATTACH {literal(f'ducklake:sqlite:{self.home.catalog}')} AS lake"
            f" (DATA_PATH {literal(self.home.data)}, OVERRIDE_DATA_PATH true,"
            " DATA_INLINING_ROW_LIMIT 0)"
        )
        for statement in statements:
            con.execute(statement)
        con.close()

    def landed(self, words: str) -> Path:
        """The landed file of a delivered one."""
        with Workshop.at(self.home.root).lake.reader() as con:
            row = con.execute(
                "SELECT sha256 FROM ops.batch WHERE contains(path, ?)", [words]
            ).fetchone()
        assert row
        return self.home.landing / str(row[0])

    def files_of(self, table: str) -> list[Path]:
        """The data files of a table, as the catalog lists them, oldest first."""
        layer, _, name = table.partition(".")
        with sqlite3.connect(self.home.catalog) as catalog:
            rows = catalog.execute(
                "SELECT f.path FROM ducklake_data_file f JOIN ducklake_table t USING (table_id)"
                " JOIN ducklake_schema s USING (schema_id)"
                " WHERE s.schema_name = ? AND t.table_name = ? ORDER BY f.data_file_id",
                (layer, name),
            ).fetchall()
        return [next(self.home.data.rglob(Path(path).name)) for (path,) in rows]

    def rewrite(self, path: Path, column: str, row: int, cell: object) -> object:
        """Change one cell of a data file where it lies, with everything that tells its size."""
        table = pq.read_table(path)
        cells = table.column(column).to_pylist()
        before, cells[row] = cells[row], cell
        spot = table.schema.get_field_index(column)
        field = table.schema.field(spot)
        path.chmod(0o644)
        pq.write_table(table.set_column(spot, field, pa.array(cells, field.type)), path)
        footer = int.from_bytes(path.read_bytes()[-8:-4], "little")
        with sqlite3.connect(self.home.catalog) as catalog:
            catalog.execute(
                "UPDATE ducklake_data_file SET file_size_bytes = ?, footer_size = ?"
                " WHERE path LIKE ?",
                (path.stat().st_size, footer, f"%{path.name}"),
            )
        return before


def flip(path: Path, at: int = -1) -> None:
    """Change one byte of a file, by default the one in the middle."""
    data = bytearray(path.read_bytes())
    place = len(data) // 2 if at < 0 else at
    data[place] ^= 0x01
    path.chmod(0o644)
    path.write_bytes(data)


def naming(faults: Iterable[str], *words: str) -> list[str]:
    """The faults that hold all of these words."""
    return [one for one in faults if all(word in one for word in words)]
