"""From a report table to the city's lake and back: the whole way of a package, on real lakes."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from exchange_kit import COLUMNS, ROWS, START, CityKit, CountyKit, make_city, make_county

from dagster_project.city.register import register
from dagster_project.contracts.model import Column
from dagster_project.errors import PackageError
from dagster_project.reporting.outbox import deliver


@pytest.fixture
def city(tmp_path: Path) -> CityKit:
    """A city."""
    return make_city(tmp_path)


@pytest.fixture
def county(tmp_path: Path, city: CityKit) -> CountyKit:
    """A registered county with a report that is built."""
    made = make_county(tmp_path, city)
    made.build()
    return made


def test_a_report_goes_up_is_merged_and_acknowledged(city: CityKit, county: CountyKit) -> None:
    """What the county sealed stands in the city's table, and the county holds the answer."""
    package = county.seal()
    assert package is not None
    assert county.deliver().delivered == [package.package_id]
    (entry,) = city.receive().decisions
    assert (entry.outcome, entry.reasons) == ("accepted", ())
    assert city.rows(
        "SELECT site_code, period, revision, package_id, is_current, town_code, person_cnt,"
        " amount_yuan::VARCHAR, suppressed FROM lake.city.population_by_town ORDER BY town_code"
    ) == [
        ("140321", "20230531", 1, package.package_id, True, code, count, amount, suppressed)
        for code, _, count, amount, suppressed in ROWS
    ]
    second = county.deliver()
    assert [answer.outcome for answer in second.answers] == ["accepted"]
    assert (second.delivered, second.waiting, second.remarks) == ([], [], [])
    assert county.deliver().answers == []


def test_a_package_is_self_describing(county: CountyKit) -> None:
    """Its files are read-only, agree with its Data Package, and repeat the contract's titles."""
    package = county.seal()
    assert package is not None
    found = {str(p.relative_to(package.folder)) for p in package.folder.rglob("*") if p.is_file()}
    data = "data/population_by_town.parquet"
    assert found == {
        data,
        "datapackage.json",
        "lineage.ndjson",
        "receipts.json",
        "status.json",
        "signature.json",
    }
    assert all(stat.S_IMODE((package.folder / name).stat().st_mode) == 0o444 for name in found)
    (resource,) = json.loads((package.folder / "datapackage.json").read_bytes())["resources"]
    body = (package.folder / data).read_bytes()
    assert resource["hash"] == "sha256:" + hashlib.sha256(body).hexdigest()
    assert (resource["bytes"], resource["rowCount"]) == (len(body), 3)
    fields = {one["name"]: one for one in resource["schema"]["fields"]}
    assert fields["person_cnt"]["title"] == "人数"
    assert fields["amount_yuan"]["physicalType"] == "DECIMAL(18,2)"
    assert pq.read_table(package.folder / data).column("town_name").to_pylist() == [
        "冠山镇",
        "冶西镇",
        "石门口乡",
    ]


def test_the_same_values_give_the_same_bytes(tmp_path: Path, city: CityKit) -> None:
    """Two sites that hold the same rows in another order write the same Parquet file."""
    one = make_county(tmp_path, city, "140302", "城区")
    two = make_county(tmp_path, city, "140303", "矿区")
    one.build(ROWS)
    two.build(tuple(reversed(ROWS)))
    packages = [one.seal(), two.seal()]
    hashes = {
        hashlib.sha256((p.folder / "data/population_by_town.parquet").read_bytes()).hexdigest()
        for p in packages
        if p
    }
    assert len(hashes) == 1


def test_an_unchanged_report_is_not_sealed_again(city: CityKit, county: CountyKit) -> None:
    """Only a changed figure makes a revision; it names what it replaces, and the city follows."""
    first = county.seal()
    county.build()
    assert first is not None
    assert county.seal() is None
    county.build((*ROWS[:2], ("140321200", "石门口乡", 33, "1.00", False)))
    second = county.seal(reason="补报石门口乡")
    assert second is not None
    assert (second.revision, second.package_no) == (2, 2)
    county.deliver()
    assert [one.outcome for one in city.receive().decisions] == ["accepted", "accepted"]
    assert city.rows(
        "SELECT revision, is_current, count(*) FROM lake.city.population_by_town"
        " GROUP BY ALL ORDER BY revision"
    ) == [(1, False, 3), (2, True, 3)]


def test_a_seal_that_is_not_committed_never_happened(county: CountyKit) -> None:
    """Its folder is not delivered, and the next seal takes the number for itself."""
    with county.lake.writer("seal") as writer:
        writer.con.execute("BEGIN")
        lost = county.seal_within(writer.con, "20230530")
        writer.con.execute("ROLLBACK")
    assert lost is not None
    assert lost.folder.exists()
    assert county.deliver().delivered == []
    package = county.seal()
    assert package is not None
    assert (package.package_no, lost.folder.exists()) == (1, False)


def test_receiving_twice_changes_nothing(city: CityKit, county: CountyKit) -> None:
    """A second look makes no decision, no row and no snapshot; a lost answer is written again."""
    package = county.seal()
    county.deliver()
    city.receive()
    assert package is not None
    answer = county.down / f"{package.package_id}.ack.json"
    before, text = city.rows("SELECT max(snapshot_id) FROM lake.snapshots()"), answer.read_bytes()
    answer.unlink()
    assert city.receive().decisions == []
    assert city.rows("SELECT max(snapshot_id) FROM lake.snapshots()") == before
    assert answer.read_bytes() == text


def test_a_missing_link_keeps_everything(city: CityKit, county: CountyKit) -> None:
    """With the exchange folder away nothing fails; when it is back, all goes up in order."""
    exchange = county.site.folder(county.home, "exchange")
    exchange.rename(exchange.with_name("away"))
    ids = [county.report_day(n).package_id for n in (1, 2, 3)]
    offline = county.deliver()
    assert offline.waiting == ids
    assert "exchange folder is not there" in offline.remarks[0]
    exchange.with_name("away").rename(exchange)
    assert county.deliver().delivered == ids
    assert [one.outcome for one in city.receive().decisions] == ["accepted"] * 3
    assert city.county("140321")["gaps"] == 0


def test_gaps_and_late_arrivals(city: CityKit, county: CountyKit) -> None:
    """A package that comes too early waits, shows as a gap, and merges once the gap is filled."""
    ids = [county.report_day(n).package_id for n in (1, 2, 3)]
    county.deliver()
    missing = county.up / ids[1]
    missing.rename(county.up / ".aside")
    outcomes = [(one.package_no, one.outcome) for one in city.receive().decisions]
    assert outcomes == [(1, "accepted"), (3, "held")]
    assert city.receive().decisions == []
    shown = city.county("140321")
    assert (shown["gaps"], shown["missing"], shown["held"]) == (1, [2], 1)
    assert [one.outcome for one in county.deliver().answers] == ["accepted", "held"]
    outcomes = [(one.package_no, one.outcome) for one in city.receive().decisions]
    assert outcomes == [(2, "accepted"), (3, "accepted")]
    shown = city.county("140321")
    assert (shown["gaps"], shown["missing"], shown["held"]) == (0, [], 0)
    assert county.deliver().waiting == []


def test_a_copy_broken_on_the_way_is_sent_again(city: CityKit, county: CountyKit) -> None:
    """A damaged copy is rejected without using up its number; the county replaces it."""
    package = county.seal()
    assert package is not None
    county.deliver()
    data = county.up / package.package_id / "data" / "population_by_town.parquet"
    data.chmod(0o644)
    data.write_bytes(data.read_bytes()[:-1])
    (entry,) = city.receive().decisions
    assert entry.outcome == "rejected"
    assert "population_by_town.parquet" in entry.reasons[0]
    assert city.receive().decisions == []
    (kept,) = city.home.rejected.iterdir()
    assert json.loads((kept / "reasons.json").read_text())["reasons"] == list(entry.reasons)
    again = county.deliver()
    assert (again.delivered, again.answers[0].outcome) == ([package.package_id], "rejected")
    assert [one.outcome for one in city.receive().decisions] == ["accepted"]
    assert county.deliver().waiting == []


def test_an_unregistered_county_is_refused_until_it_is_registered(
    tmp_path: Path, city: CityKit
) -> None:
    """Its package is kept aside with the reason; after registration the same package merges."""
    stranger = make_county(tmp_path, city, "140322", "盂县", known=False)
    stranger.site.folder(stranger.home, "exchange").mkdir(parents=True)
    stranger.build()
    stranger.seal()
    stranger.deliver()
    (entry,) = city.receive().decisions
    assert (entry.outcome, city.receive().decisions) == ("rejected", [])
    assert "not registered" in entry.reasons[0]
    register(city.home, stranger.home.public_file)
    assert [one.outcome for one in city.receive().decisions] == ["accepted"]


def test_one_county_cannot_write_in_anothers_name(tmp_path: Path, city: CityKit) -> None:
    """A package of A is refused in B's folder, and one of B whose rows name A is refused too."""
    a = make_county(tmp_path, city, "140302", "城区")
    b = make_county(tmp_path, city, "140303", "矿区")
    a.build()
    package = a.seal()
    assert package is not None
    foreign = b.up / package.package_id
    shutil.copytree(package.folder, foreign)
    (entry,) = city.receive().decisions
    assert (entry.site_code, entry.outcome) == ("140303", "rejected")
    with b.lake.writer("build") as writer, writer.transaction("build") as tx:
        tx.con.execute(
            "CREATE TABLE lake.report.population_by_town AS"
            " SELECT '140302' AS site_code, 'x' AS town_code, 1::BIGINT AS person_cnt"
        )
    b.seal()
    b.deliver()
    (entry,) = city.receive().decisions
    assert "another site_code" in entry.reasons[0]
    assert city.county("140302")["accepted"] == 0


def test_old_packages_cannot_return_as_new(city: CityKit, county: CountyKit) -> None:
    """A package under another name, or a second package with a used number, is refused."""
    first = county.report_day(1)
    county.deliver()
    city.receive()
    shutil.copytree(first.folder, county.up / "140321-population_by_town-20230609-r1")
    (replay,) = city.receive().decisions
    assert "another name" in replay.reasons[0]
    with county.lake.writer("forget") as writer, writer.transaction("forget") as tx:
        tx.con.execute("DELETE FROM lake.ops.package")
    with pytest.raises(PackageError, match="older than the outbox"):
        county.seal("20230602")
    for folder in (county.home.outbox, county.up, county.down):
        shutil.rmtree(folder)
    county.report_day(2)
    county.deliver()
    (fork,) = city.receive().decisions
    assert "fork" in fork.reasons[0]
    assert city.county("140321")["accepted"] == 1


def test_a_package_for_another_shape_is_refused_and_the_chain_goes_on(
    city: CityKit, county: CountyKit
) -> None:
    """A genuine package that breaks the city's contract uses up its number and merges nothing."""
    county.report_day(1)
    county.deliver()
    shapes = {"population_by_town": (*COLUMNS, Column("house_cnt", "房屋数", "integer"))}
    (entry,) = city.receive(shapes=shapes).decisions
    assert (entry.outcome, entry.consumed) == ("rejected", True)
    assert "house_cnt" in entry.reasons[0]
    county.report_day(2)
    county.deliver()
    shapes = {"population_by_town": COLUMNS}
    (entry,) = city.receive(shapes=shapes).decisions
    assert (entry.package_no, entry.outcome) == (2, "accepted")
    assert city.county("140321")["gaps"] == 0


def test_personal_columns_never_leave(county: CountyKit) -> None:
    """A report with a column of level L3 or L4 cannot be sealed."""
    columns = (*COLUMNS[:1], Column("phone", "电话", "string", level="L3"))
    with pytest.raises(PackageError, match="phone is personal"):
        county.seal(columns=columns)
    assert not county.home.outbox.exists() or not list(county.home.outbox.glob("*-r*"))


def test_the_city_needs_nothing_of_the_counties_homes(
    tmp_path: Path, city: CityKit, county: CountyKit
) -> None:
    """With the county's home gone, the city still receives, verifies and shows."""
    county.seal()
    county.deliver()
    county.home.root.rename(tmp_path / "gone")
    assert [one.outcome for one in city.receive(START).decisions] == ["accepted"]
    shown = city.county("140321")
    assert (shown["accepted"], shown["rejected"], shown["name"]) == (1, 0, "平定县")
    (report,) = shown["reports"]  # type: ignore[misc]
    assert (report["report"], report["rows"]) == ("population_by_town", 3)


def test_a_forged_answer_is_not_believed(tmp_path: Path, county: CountyKit) -> None:
    """An acknowledgement that the city did not sign leaves the package waiting."""
    package = county.seal()
    assert package is not None
    county.deliver()
    forger = make_city(tmp_path / "forger")
    forger_receives = make_county(tmp_path / "forger", forger)
    forger_receives.build()
    forger_receives.seal()
    forger_receives.deliver()
    forger.receive()
    name = f"{package.package_id}.ack.json"
    (county.down / name).write_bytes((forger_receives.down / name).read_bytes())
    result = deliver(county.lake, county.site)
    assert result.waiting == [package.package_id]
    assert "not registered" in result.remarks[0]
