"""How fast a receiving site takes packages in, beside DuckDB reading the same Parquet bare.

Ninety sites send twenty reports each: signed packages of realistic size, made here through the
protocol alone. Reception is the whole of it: copying, hashes, signature, Data Package, Parquet,
contract, plausibility, chain, one merge for many, ledger, answers. The bare reading makes a table
of each report's files and judges nothing.

Usage: ``python -m tests.bench.reception make|receive|bare FOLDER [--sites N] [--reports N]
[--rows N]``; ``make bench`` calls ``measure``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.city.agreed import Agreed
from dagster_project.city.receive import Reception, receive
from dagster_project.city.register import register
from dagster_project.contracts.model import Column, Table
from dagster_project.lake import Lake
from dagster_project.paths import PROJECT, Home
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.keys import FileSigner
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.protocol.receipt import as_file
from dagster_project.reporting.datapackage import datapackage
from dagster_project.reporting.identity import give_key, signer_of
from dagster_project.settings import Settings, Site, load_site, save_site
from tests.bench.timing import timed
from tests.proof_kit import SQL_HASH, certify

CITY = "140300"
SITES, REPORTS, ROWS = 90, 20, 300
"""Zhejiang's counties, reports of each a day, and rows of a report by town, sex and age."""
AT = datetime(2023, 6, 1, 12, 0, tzinfo=UTC)
KEYS = Path(tempfile.gettempdir()) / "countylake-bench-keys"
MINUTES = 5
"""What a day's packages may take at the most, on two cores."""
COLUMNS = (
    Column("town_code", "乡镇代码", "string", key_position=1, required=True),
    Column("sex", "性别", "string", key_position=2, required=True),
    Column("age_band", "年龄段", "string", key_position=3, required=True),
    Column("resident_cnt", "常住人口数", "integer", unit="人"),
    Column("hukou_cnt", "户籍人口数", "integer", unit="人"),
    Column("floating_cnt", "流动人口数", "integer", unit="人"),
    Column("amount_yuan", "金额", "decimal", unit="元"),
    Column("suppressed", "是否隐去", "boolean"),
)


def contract(number: int) -> Table:
    """The contract of one of the reports."""
    return Table(
        name=f"report_{number:02d}",
        layer="report",
        title=f"统计表{number}",
        version="1.0.0",
        columns=COLUMNS,
        key=("town_code", "sex", "age_band"),
        period="daily",
        hash="c" * 64,
    )


def agreement(reports: int) -> dict[str, Agreed]:
    """The receiver's contracts of the reports."""
    made = {}
    for table in map(contract, range(reports)):
        own = Agreed(table.columns, table.columns, table.key, table.title, table.version)
        made[table.name] = replace(own, period=table.period)
    return made


def code(number: int) -> str:
    """A site's code."""
    return f"14{number // 90 + 3:02d}{number % 90 + 1:02d}"


def rows_of(site: str, rows: int, day: int) -> pa.Table:
    """A report's rows; every site and day has figures of its own."""
    at = [(n // 30, n % 3, n % 30) for n in range(rows)]
    seed = int(site) + day
    return pa.table(
        {
            "town_code": [f"{site}{town + 100:03d}000" for town, _, _ in at],
            "sex": [("1", "2", "all")[sex] for _, sex, _ in at],
            "age_band": [f"{band:02d}-{band + 5:02d}" for _, _, band in at],
            "resident_cnt": pa.array([(seed * 7 + n) % 900 for n in range(rows)], pa.int64()),
            "hukou_cnt": pa.array([(seed * 5 + n) % 800 for n in range(rows)], pa.int64()),
            "floating_cnt": pa.array([(seed * 3 + n) % 70 for n in range(rows)], pa.int64()),
            "amount_yuan": pa.array(
                [Decimal(seed * n % 99999) / 100 for n in range(rows)], pa.decimal128(18, 2)
            ),
            "suppressed": [n % 40 == 0 for n in range(rows)],
        }
    )


def make(root: Path, sites: int, reports: int, rows: int, day: int = 1) -> Home:
    """A receiving site whose exchange folder is full; a further day goes on from the one before."""
    home = Home(root / "city")
    if not home.site_file.exists():
        save_site(home, Site(code=CITY, name="阳泉市", collects=False, receives=True))
        give_key(home, KEYS)
    heads_file = root / "heads.json"
    heads = json.loads(heads_file.read_text()) if heads_file.exists() else {}
    tables = [contract(number) for number in range(reports)]
    for number in range(sites):
        site, own = code(number), Home(root / "sites" / code(number))
        if not own.site_file.exists():
            save_site(own, Site(code=site, name=f"县{number}", parent=CITY))
            give_key(own, KEYS)
            register(home, own.public_file)
        signer = signer_of(load_site(own), KEYS)
        sender = Sender(home.exchange / site / "up", signer, site)
        table = rows_of(site, rows, day)
        head = heads.get(site, [0, ""])
        for report in tables:
            head = write(sender, report, table, head, day)
        heads[site] = head
    heads_file.write_text(json.dumps(heads))
    return home


@dataclass(frozen=True)
class Sender:
    """A site that reports: its ``up`` folder, its key and its code."""

    up: Path
    signer: FileSigner
    site: str


def write(
    sender: Sender, report: Table, rows: pa.Table, head: list[object], day: int
) -> list[object]:
    """One sealed package, as the reporting site would write it; returns the chain's new head."""
    site, signer = sender.site, sender.signer
    period = (AT + timedelta(days=day - 2)).strftime("%Y%m%d")
    cut_off = AT + timedelta(days=day - 1, hours=-3)
    number, previous = int(str(head[0])) + 1, str(head[1])
    header = Header(
        package_id=fmt.package_id(site, report.name, period, 1),
        package_no=number,
        sender=site,
        sender_name="县",
        recipient=CITY,
        report=report.name,
        period=period,
        revision=1,
        replaces="",
        reason="",
        previous_hash=previous,
        cut_off_at=cut_off.strftime("%Y-%m-%dT%H:%M:%SZ"),
        sealed_at=cut_off.strftime("%Y-%m-%dT%H:%M:%SZ"),
        contract_version=report.version,
        contract_hash=report.hash,
        sql_hash=SQL_HASH,
        snapshot=7,
        rows=rows.num_rows,
        content_hash=values.content_hash(rows),
        receipt_hash="",
        writer=values.WRITER,
    )
    receipt = certify(header, rows)
    header = header.model_copy(update={"receipt_hash": receipt.receipt_hash})
    folder = sender.up / header.package_id
    data = folder / fmt.data_path(report.name)
    data.parent.mkdir(parents=True)
    values.write_parquet(rows, data)
    described = datapackage(header, report, report.columns, data, rows)
    tasks = [{"task": f"feed_{n}", "status": "success", "rows": n * 31} for n in range(28)]
    event = {"eventType": "COMPLETE", "run": {"runId": f"{number}"}, "inputs": ["x" * 80] * 20}
    (folder / fmt.DATAPACKAGE).write_bytes(canonical_json(described))
    (folder / fmt.STATUS).write_bytes(canonical_json({"tasks": tasks}))
    (folder / fmt.LINEAGE).write_bytes((canonical_json(event) + b"\n") * 4)
    (folder / fmt.RECEIPTS).write_bytes(as_file(receipt))
    manifest = Manifest(header=header, files=fmt.describe_files(folder, header.file_names))
    (folder / fmt.SIGNATURE).write_bytes(fmt.sign_manifest(manifest, signer))
    return [number, manifest.package_hash]


def take(root: Path, reports: int, day: int = 1) -> Reception:
    """Receive everything that lies there."""
    home = Home(root / "city")
    site = load_site(home)
    lake, signer = Lake(home, Settings()), signer_of(site, KEYS)
    at = AT + timedelta(days=day - 1)
    return receive(lake, site, signer, at=at, agreement=agreement(reports))


def bare(root: Path, reports: int) -> int:
    """The same Parquet read by DuckDB into tables of its own, and nothing else."""
    target = root / "bare.duckdb"
    target.unlink(missing_ok=True)
    rows = 0
    with duckdb.connect(str(target)) as con:
        for table in map(contract, range(reports)):
            files = f"{root}/city/exchange/*/up/*/data/{table.name}.parquet"
            made = f"CREATE TABLE {table.name} AS SELECT * FROM read_parquet('{files}', filename=1)"
            con.execute(made)
            found = con.execute(f"SELECT count(*) FROM {table.name}").fetchone()
            rows += found[0] if found else 0
    return rows


def measure(sites: int = SITES, reports: int = REPORTS, rows: int = ROWS) -> Mapping[str, float]:
    """Print how long reception takes, first with an empty lake, then a day later."""
    root = PROJECT / "var" / "bench" / "reception"
    shutil.rmtree(root, ignore_errors=True)
    command = [sys.executable, "-m", "tests.bench.reception"]
    size = ["--sites", str(sites), "--reports", str(reports), "--rows", str(rows)]
    packages = sites * reports
    told: dict[str, float] = {}
    for day in (1, 2):
        words = [str(root), *size, "--day", str(day)]
        timed([*command, "make", *words])
        run = timed([*command, "receive", *words])
        read = timed([*command, "bare", *words])
        told[f"day {day}"] = run.wall
        sys.stdout.write(
            f"reception, {packages:,} packages of {rows} rows, day {day}\n"
            f"  whole process        {run.wall:8.1f} s   peak {run.peak:6.0f} MiB"
            f"   CPU {run.cpu:6.1f} s   {1000 * run.wall / packages:.1f} ms each"
            f"   (limit {MINUTES} min)\n"
            f"  bare reading         {read.wall:8.1f} s   peak {read.peak:6.0f} MiB"
            f"   ratio {run.wall / read.wall:.1f}\n"
        )
        if run.wall > MINUTES * 60:
            sys.exit("reception is slower than it may be")
    again = timed([*command, "receive", str(root), *size, "--day", "2"])
    sys.stdout.write(f"  a look at nothing new{again.wall:8.1f} s\n")
    return told


def main() -> None:
    """One part, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("make", "receive", "bare"))
    parser.add_argument("root", type=Path)
    parser.add_argument("--sites", type=int, default=SITES)
    parser.add_argument("--reports", type=int, default=REPORTS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--day", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()
    if asked.what == "make":
        make(asked.root, asked.sites, asked.reports, asked.rows, asked.day)
    elif asked.what == "receive":
        done = take(asked.root, asked.reports, asked.day)
        wrong = [one for one in done.decisions if one.outcome != "accepted"]
        if wrong or done.remarks:
            sys.exit(f"{[one.reasons for one in wrong[:3]]} {done.remarks[:3]}")
    else:
        bare(asked.root, asked.reports)
    sys.stdout.write(f"{time.monotonic() - began:.1f} {time.process_time():.1f}\n")


if __name__ == "__main__":
    main()
