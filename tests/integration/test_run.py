"""The county's day as a Dagster job: idempotent, partial where it must be, open to new feeds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_project.paths import PROJECT, SAMPLES
from tests.conftest import Demo, countylake

MUST_PUBLISH = 2
BUSY = 5
pytestmark = pytest.mark.slow
OWN = pytest.mark.xdist_group("run")
FEEDS = ("division", "grid", "hotline_order")
SAMPLE = SAMPLES / "inbox" / "140321"
HOLDER = """\
import sys, time
from pathlib import Path
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.settings import Settings
with Lake(Home(Path(sys.argv[1])), Settings()).writer("a long run"):
    print("held", flush=True)
    time.sleep(60)
"""
CERTIFICATE = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.feeds.certificate
name: 电子证照
version: 1.0.0
status: active
domain: services
description:
  purpose: 各部门签发的电子证照目录。
team:
  name: 行政审批服务管理局
servers:
  - {server: inbox, type: local, path: '行政审批局/电子证照_*.csv', format: csv}
slaProperties:
  - {property: frequency, value: 1, unit: d}
  - {property: timeOfAvailability, value: '20:00'}
customProperties:
  - {property: department, value: {code: shenpi, name: 行政审批服务管理局}}
  - {property: delivery, value: full}
  - {property: accepts, value: {encodings: [utf-8, gb18030], formats: [csv]}}
  - property: catalogue
    value: {code: 109001/000001, shareType: '2', updateCycle: 每日}
schema:
  - name: certificate
    businessName: 电子证照
    logicalType: object
    properties:
      - name: cert_no
        businessName: 证照编号
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L2
      - name: cert_name
        businessName: 证照名称
        logicalType: string
        required: true
        classification: L1
      - name: issued_date
        businessName: 发证日期
        logicalType: date
        classification: L1
"""


@dataclass(frozen=True)
class Place:
    """A small county of three feeds, with its own contracts, inbox and keys."""

    root: Path

    @property
    def home(self) -> Path:
        """The county's home."""
        return self.root / "county"

    @property
    def inbox(self) -> Path:
        """What departments delivered."""
        return self.home / "inbox"

    @property
    def schemas(self) -> Path:
        """The county's own contracts."""
        return self.root / "schemas"

    def call(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run ``countylake`` for this county."""
        environment = {
            **os.environ,
            "COUNTYLAKE_HOME": str(self.home),
            "COUNTYLAKE_SCHEMAS": str(self.schemas),
            "COUNTYLAKE_KEYS": str(self.root / "keys"),
            "COUNTYLAKE_THREADS": "1",
            **{f"COUNTYLAKE_{name.upper()}": value for name, value in settings.items()},
        }
        return subprocess.run(
            [sys.executable, "-m", "dagster_project.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    def run(self, expected: int = 0) -> dict[str, Any]:
        """One run of the county's day; its answer."""
        done = self.call("run", "--json")
        assert done.returncode == expected, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def feed(self, name: str) -> dict[str, Any]:
        """A feed's line of ``status``."""
        state = json.loads(self.call("status", "--json").stdout)
        found: dict[str, Any] = next(one for one in state["feeds"] if one["feed"] == name)
        return found

    def ask(self, query: str) -> list[list[Any]]:
        """A question to the published replica."""
        return ask(self.home, query)


def ask(home: Path, query: str) -> list[list[Any]]:
    """A question to a county's published replica."""
    rows: list[list[Any]] = countylake("sql", query, "--home", str(home))["rows"]
    return rows


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A county whose departments have delivered three of the samples' files, after its run."""
    place = Place(tmp_path_factory.mktemp("run"))
    shutil.copytree(PROJECT / "schemas", place.schemas)
    for contract in (place.schemas / "feeds").iterdir():
        if contract.stem not in FEEDS:
            contract.unlink()
    (place.schemas / "items.yaml").unlink()  # it names feeds that this county has not
    assert place.call("init").returncode == 0
    for pattern in ("*/行政区划_*", "*/网格_*", "*/热线工单_*"):
        for source in SAMPLE.glob(pattern):
            target = place.inbox / source.relative_to(SAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    assert place.run()["status"] == "success"
    return place


@pytest.fixture
def place(ran: Place, tmp_path: Path) -> Place:
    """The county after its run, moved as a whole to a folder of its own."""
    shutil.copytree(ran.root, tmp_path / "moved", symlinks=True)
    moved = Place(tmp_path / "moved")
    assert moved.call("sql", "SELECT 1").returncode == MUST_PUBLISH
    assert moved.call("publish").returncode == 0
    return moved


@OWN
@pytest.mark.thorough
def test_a_bad_file_stops_nobody_else(place: Place) -> None:
    """A file that cannot be read is refused with a sentence; the other feeds go on."""
    good = next(place.inbox.glob("*/网格_*"))
    broken = good.with_name("网格_20230601.csv")
    broken.write_bytes(b"\x00\x01\x02 not a table")
    run = place.run(expected=9)
    states = {feed["feed"]: feed["last_status"] for feed in run["feeds"]}
    assert run["status"] == "partial"
    assert states == {"division": "skipped", "grid": "failed", "hotline_order": "skipped"}
    assert broken.name in place.feed("grid")["error"]
    broken.write_bytes(good.read_bytes() + b"\n")
    assert place.run()["status"] == "success"
    assert place.feed("grid")["last_status"] == "success"


@OWN
@pytest.mark.thorough
def test_a_bad_contract_stops_nobody_else(place: Place) -> None:
    """A contract that does not load is named with file and line; the other feeds run."""
    contract = place.schemas / "feeds" / "hotline_order.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("logicalType: string", "logicalType: x", 1), encoding="utf-8")
    run = place.run(expected=9)
    assert {feed["feed"] for feed in run["feeds"]} == {"division", "grid"}
    assert any("hotline_order.yaml:" in problem for problem in run["problems"])


@OWN
@pytest.mark.thorough
def test_a_new_contract_is_all_a_new_feed_needs(place: Place) -> None:
    """A sixth department's contract and file flow to silver, checks and assets included."""
    (place.schemas / "feeds" / "certificate.yaml").write_text(CERTIFICATE, encoding="utf-8")
    folder = place.inbox / "行政审批局"
    folder.mkdir()
    lines = [
        "证照编号,证照名称,发证日期",
        "A1,营业执照,2023-05-30",
        "A2,卫生许可,2023年5月31日",
        ",无编号,",
    ]
    text = "\n".join(lines) + "\n"
    (folder / "电子证照_20230531.csv").write_bytes(text.encode("gb18030"))
    run = place.run()
    line = next(feed for feed in run["feeds"] if feed["feed"] == "certificate")
    assert (line["read"], line["accepted"], line["rejected"]) == (3, 2, 1)
    assert place.ask("SELECT cert_no FROM silver.certificate ORDER BY 1") == [["A1"], ["A2"]]
    rejected = json.loads(place.call("quarantine", "certificate", "--json").stdout)["rows"]
    assert [(row["row"], row["reasons"]) for row in rejected] == [(4, ["cert_no.required"])]


def test_the_replica_answers_while_the_lake_is_held(demo: Demo) -> None:
    """``countylake sql`` needs no lock: it works while another process writes."""
    home = demo.root / "county"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert ask(home, "SELECT count(*) > 0 FROM silver.division") == [[True]]
    finally:
        holder.kill()
        holder.wait()


@OWN
@pytest.mark.thorough
def test_a_busy_lake_ends_a_run_with_its_own_code(place: Place) -> None:
    """A run that never gets the lake says so, and its exit code is the one of a busy lake."""
    command = [sys.executable, "-c", HOLDER, str(place.home)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = place.call("ingest", "division", lock_timeout_s="0.2")
    finally:
        holder.kill()
        holder.wait()
    assert done.returncode == BUSY, done.stderr
    assert "a long run" in done.stderr


@OWN
@pytest.mark.thorough
def test_rebuilding_gives_the_same_silver(place: Place) -> None:
    """Conforming every landed batch again leaves silver as it was."""
    content = (
        "SELECT md5(string_agg(s::VARCHAR ORDER BY s.order_no)) FROM silver.hotline_order AS s"
    )
    before = place.ask(content)
    done = place.call("rebuild", "hotline_order", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["batches"] == 1
    place.run()
    assert place.ask(content) == before


def test_the_run_is_dagsters_own(demo: Demo) -> None:
    """The run, its materializations and its checks are in the site's Dagster instance."""
    script = (
        "import dagster as dg, json\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    (run,) = instance.get_runs(dg.RunsFilter(job_name='county_day'), limit=1)\n"
        "    key = dg.AssetKey(['silver', 'hotline_order'])\n"
        "    event = instance.get_latest_materialization_event(key)\n"
        "    rows = event.asset_materialization.metadata['dagster/row_count'].value\n"
        "    print(json.dumps([run.run_id, run.status.value, event.run_id, rows]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DAGSTER_HOME": str(demo.root / "dagster")},
    )
    run_id, status, made_by, rows = json.loads(done.stdout.splitlines()[-1])
    assert (run_id, status) == (demo.second["run_id"], "SUCCESS")
    assert made_by == run_id
    found = ask(
        demo.root / "county", "SELECT count(*) FROM silver.hotline_order WHERE NOT _is_deleted"
    )
    assert found == [[rows]]
