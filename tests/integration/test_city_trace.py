"""One figure of the city, opened to the files of two counties, and from there to their rows."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from receipt_kit import DAY, FEEDS, REPORT, PeopleCounty

from dagster_project.city.register import register
from dagster_project.components.steps import city as city_steps
from dagster_project.components.steps.city_lineage import CityTrace, trace_received
from dagster_project.components.steps.delivering import deliver
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import told
from dagster_project.components.steps.tracing import figures
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.paths import SAMPLES, Home
from dagster_project.reporting.identity import trust_parent
from dagster_project.settings import Site

pytestmark = pytest.mark.thorough
NAMES = {"140321": "平定县", "140322": "盂县"}
VIEW = "city.population_by_site"
BUILT_AT = datetime(2023, 6, 2, tzinfo=UTC)


class Two:
    """Two counties that reported, and the city that received."""

    def __init__(self, root: Path) -> None:
        home = Home(root / "city")
        found(home, Site(code="140300", name="阳泉市", collects=False, receives=True))
        self.counties = {}
        for code, name in NAMES.items():
            exchange = str(home.exchange / code)
            county = PeopleCounty(root, code, name, exchange)
            trust_parent(county.workshop.home, home.public_file)
            register(home, county.workshop.home.public_file)
            county.run()
            deliver(county.workshop)
            self.counties[code] = county
        self.city = Workshop.at(home.root, "receive")
        taken = city_steps.take_in(self.city)
        assert {one.outcome for one in taken.decisions} == {"accepted"}
        occasion = told("r", DAY.isoformat(), BUILT_AT.isoformat())
        for name in (*self.city.graph.upstream(VIEW), VIEW):
            build_model(self.city, self.city.graph.models[name], occasion)

    def trace(self, site: str = "all") -> CityTrace:
        """The residents of a site, or of all."""
        return trace_received(self.city, VIEW, {"site_code": site}, "resident_cnt")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Two:
    """Made once; what a test damages it mends."""
    assert keys.exists()
    return Two(tmp_path_factory.mktemp("two"))


@pytest.fixture
def kept(two: Two) -> Iterator[Path]:
    """The city's copy of a package of the first county, to be damaged."""
    folder = two.city.home.received / "140321" / f"140321-{REPORT}-202306-r1"
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    yield folder
    shutil.rmtree(folder)
    copy.rename(folder)


def test_a_city_figure_leads_to_the_files_of_two_counties(two: Two) -> None:
    """The sum over both, their packages, and the landed file of each by its hash."""
    found_ = two.trace()
    assert found_.proven
    assert found_.recomputed == found_.figure
    parts = [two.trace(code).figure for code in NAMES]
    assert found_.figure == sum(int(str(part)) for part in parts) > 0
    assert {one.site_code: one.rows for one in found_.packages} == {
        code: {f"city.{REPORT}": 1} for code in NAMES
    }
    for package in found_.packages:
        county = two.counties[package.site_code]
        delivered = hashlib.sha256(county.people.read_bytes()).hexdigest()
        feeds = {one.feed: one for one in package.feeds}
        assert set(feeds) == set(FEEDS)
        assert [name for name, one in feeds.items() if one.gives_values] == ["population"]
        (batch,) = feeds["population"].batches
        assert batch["sha256"] == delivered
        assert feeds["population"].rejected == batch["counts"]["rejected"] > 0
        header = county.header(package.package_id)
        assert (package.receipt_hash, package.snapshot) == (
            header["receipt_hash"],
            header["snapshot"],
        )
        assert (package.is_genuine, package.key_state) == (True, "current")
        assert package.site_name == NAMES[package.site_code]


def test_what_the_city_is_told_to_ask_is_answered_at_the_county(two: Two) -> None:
    """The command opens the figure of the package, though the county was built anew since."""
    found_ = two.trace("140321")
    (package,) = found_.packages
    (command,) = package.ask
    words = command.split()
    table, options = words[2], words[3:]
    column = options[options.index("--column") + 1]
    where = dict(one.split("=") for name, one in pairwise(options) if name == "--where")
    county = two.counties["140321"]
    county.deliver(90)
    assert county.run() == [f"140321-{REPORT}-202306-r2"]
    with figures(county.workshop, package.package_id, table) as sealed:
        opened = sealed.trace(where, column)
    assert opened.equal
    assert opened.figure == found_.figure == opened.row_count
    assert {file.sha256 for file in opened.files if not file.deciding} == {
        batch["sha256"] for one in package.feeds if one.gives_values for batch in one.batches
    }
    with (
        pytest.raises(UsageError, match="holds no report"),
        figures(county.workshop, package.package_id, "report.task_execution"),
    ):
        pass


@pytest.mark.parametrize("name", ["receipts.json", "lineage.ndjson", f"data/{REPORT}.parquet"])
def test_a_damaged_copy_proves_nothing(two: Two, kept: Path, name: str) -> None:
    """One byte of the copy that the city kept: the trace names the file."""
    data = bytearray((kept / name).read_bytes())
    data[len(data) // 2] ^= 1
    (kept / name).write_bytes(bytes(data))
    found_ = two.trace("140321")
    assert (found_.equal, found_.proven) == (True, False)
    assert any(name in fault for fault in found_.packages[0].faults)


def test_a_row_that_no_package_holds_is_found(two: Two) -> None:
    """Whoever changes the city's own table does not change what was signed."""
    change = f"UPDATE lake.city.{REPORT} SET resident_cnt = resident_cnt + ? WHERE site_code = ?"
    place = ("site_code", "period", "revision", "town_code", "sex", "age_band")
    for step, proven in ((7, False), (-7, True)):
        with two.city.lake.writer("tamper") as writer, writer.transaction("tamper") as tx:
            tx.con.execute(change, [step, "140322"])
        values = ("140322", "202306", "1", "140322000000", "all", "all")
        where = dict(zip(place, values, strict=True))
        found_ = trace_received(two.city, REPORT, where, "resident_cnt")
        assert found_.proven is proven
        assert bool(found_.packages[0].faults) is not proven


def test_the_answer_names_no_person(two: Two) -> None:
    """Neither values of persons nor names of files leave a county this way."""
    text = str(asdict(two.trace()))
    for code, county in two.counties.items():
        listed = (SAMPLES / "expected" / f"{code}.personal.txt").read_text("utf-8").splitlines()
        assert [one for one in listed if one in text] == []
        assert county.people.name not in text


def test_a_figure_that_is_not_there_is_told(two: Two) -> None:
    """Unknown tables, columns and rows are sentences."""
    for table, where, column in (
        ("nobody", {}, "x"),
        (VIEW, {}, "resident_cnt"),
        (VIEW, {"site_code": "all"}, "site_code"),
        (VIEW, {"site_code": "999999"}, "resident_cnt"),
    ):
        with pytest.raises(UsageError):
            trace_received(two.city, table, where, column)
