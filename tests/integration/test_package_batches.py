"""Many packages in one look: one commit, withdrawals, forks, a poisoned one, the quarantine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from exchange_kit import COLUMNS, LATER, REPORT, START, CityKit, CountyKit, make_city, make_county
from tamper_kit import signed_as, thaw

from dagster_project.city import counter, quarantine
from dagster_project.city.agreed import Agreed
from dagster_project.city.ledger import Entry, add, ensure, entries
from dagster_project.city.receive import receive
from dagster_project.city.status import status
from dagster_project.contracts.plausibility import Plausibility
from dagster_project.errors import LakeError
from dagster_project.reporting.withdrawal import Taken, withdraw

CURRENT = (
    "SELECT site_code, period, revision, is_current FROM lake.city.population_by_town ORDER BY ALL"
)


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


def take_back(county: CountyKit, package_id: str) -> None:
    """Withdraw a package."""
    taken = Taken(package_id, why="口径有误", by="test", at=START + timedelta(hours=1))
    with county.lake.writer("withdraw") as writer, writer.transaction("withdraw") as tx:
        withdraw(tx.con, county.home, county.site, county.signer, taken)


def test_a_look_is_one_commit_and_a_withdrawal_keeps_the_rows(
    tmp_path: Path, city: CityKit, county: CountyKit
) -> None:
    """Two counties, a revision and a withdrawal in one look; then the period is reported again."""
    other = make_county(tmp_path, city, "140322", "盂县")
    other.report_day(1)
    first = county.report_day(1)
    county.report_day(2)
    take_back(county, first.package_id)
    for one in (other, county):
        one.deliver()
    city.receive(LATER)
    (before,) = city.rows("SELECT count(*) FROM lake.snapshots()")
    assert city.receive(LATER).decisions == []
    assert city.rows("SELECT count(*) FROM lake.snapshots()") == [before]
    assert city.rows(CURRENT) == [
        ("140321", "20230601", 1, False),
        ("140321", "20230602", 1, True),
        ("140322", "20230601", 1, True),
    ]
    assert city.rows(
        "SELECT DISTINCT received_at = max(received_at) OVER () FROM lake.ops.received"
    )
    (shown,) = [one for one in status(city.lake)["counties"] if one["county"] == "140321"]
    assert (shown["accepted"], shown["head_no"], shown["gaps"]) == (3, 3, 0)
    county.build((("140321100", "冠山镇", 7, "1.00", False),))
    again = county.seal("20230601", reason="重报")
    assert again is not None
    assert again.revision == 3
    take_back(county, again.package_id)
    county.deliver()
    assert [one.outcome for one in city.receive(LATER).decisions] == ["accepted"] * 2
    assert ("140321", "20230601", 3, False) in city.rows(CURRENT)
    assert not any(period == "20230601" and now for _, period, _, now in city.rows(CURRENT)[:3])


def test_a_fork_is_told_once_and_changes_nothing(city: CityKit, county: CountyKit) -> None:
    """A second package with a used number is refused with what to do, and not told every look."""
    first = county.report_day(1)
    county.deliver()
    city.receive(LATER)
    copy = thaw(first.folder, county.home.root / "work")
    signed_as(county, copy, lambda payload: payload["header"].update(reason="another one"))
    shutil.rmtree(county.up / first.package_id)
    copy.rename(county.up / first.package_id)
    (fork,) = city.receive(LATER).decisions
    assert (fork.outcome, fork.consumed, fork.head_no) == ("rejected", False, 1)
    assert (
        "header package_no: number 1 was already used by another package: a fork"
        in (fork.reasons[0])
    )
    assert "countylake city chain 140321" in fork.reasons[0]
    assert city.receive(LATER).decisions == []
    assert [one.outcome for one in county.deliver().answers] == ["accepted"]


def test_a_package_that_cannot_be_written_stops_nobody_else(
    tmp_path: Path, city: CityKit, county: CountyKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It and those after it wait for the next look; every other site's are merged."""
    other = make_county(tmp_path, city, "140322", "盂县")
    ids = [county.report_day(number).package_id for number in (1, 2)]
    other.report_day(1)
    for one in (other, county):
        one.deliver()
    merge = counter.merge

    def breaks(con: object, verdicts: list[counter.Verdict]) -> int:
        if any(one.header.package_id == ids[0] for one in verdicts):
            raise LakeError("the engine gave up", where="test", todo="Try again")
        return merge(con, verdicts)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(counter, "merge", breaks)
        found = city.receive(LATER)
    assert [one.site_code for one in found.decisions] == ["140322"]
    assert len(found.remarks) == 1
    assert f"{ids[0]} could not be taken in (test: the engine gave up" in found.remarks[0]
    assert [one.outcome for one in city.receive(LATER).decisions] == ["accepted"] * 2
    assert {path.name for path in (city.home.received / "140321").iterdir()} == set(ids)
    assert not list(city.home.scratch.glob("receive-*"))


def test_odd_figures_are_remarked_or_refused(city: CityKit, county: CountyKit) -> None:
    """A total far from its history stands as a remark in ledger, answer and status."""
    policy = Plausibility(growing={REPORT.name: ("amount_yuan",)})
    agreed = Agreed(COLUMNS, COLUMNS, REPORT.key, plausibility=policy)
    for number, persons, amount in ((1, 100, "5"), (2, 110, "6"), (3, 90, "7"), (4, 400, "3")):
        county.build((("140321100", "冠山镇", persons, amount, False),))
        assert county.seal(f"2023060{number}")
    county.deliver()

    def take(policy: Plausibility) -> list[Entry]:
        mine = {REPORT.name: replace(agreed, plausibility=policy)}
        return receive(city.lake, city.site, city.signer, at=LATER, agreement=mine).decisions

    decided = take(policy)
    assert [one.outcome for one in decided] == ["accepted"] * 4
    assert [len(one.remarks) for one in decided] == [0, 0, 0, 2]
    assert (
        "person_cnt: the total is 400, the median of the last 3 periods is 100."
        in (decided[3].remarks[0])
    )
    assert "it should only grow" in decided[3].remarks[1]
    assert county.deliver().answers[3].remarks == decided[3].remarks
    (shown,) = status(city.lake)["counties"]
    assert shown["reports"][0]["remarks"] == list(decided[3].remarks)
    county.build((("140321100", "冠山镇", 0, "8", False),))
    county.seal("20230605")
    county.deliver()
    (refused,) = take(replace(policy, reject=("zero",)))
    assert (refused.outcome, refused.consumed) == ("rejected", True)
    assert "the total is 0" in refused.reasons[0]


def test_the_quarantine_is_bounded(
    city: CityKit, county: CountyKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the newest refused packages stay whole; of older ones the proof of a used number."""
    monkeypatch.setattr(quarantine, "KEPT", 2)
    shapes = {"other": COLUMNS}
    for number in range(1, 5):
        county.report_day(number)
        county.deliver()
        assert city.receive(LATER, shapes=shapes).decisions[0].outcome == "rejected"
    kept = {one.told["package_no"]: one.files for one in quarantine.refused(city.home)}
    assert [len(kept[number]) for number in (1, 2, 3, 4)] == [1, 1, 6, 6]
    assert kept[1] == ["signature.json"]


@pytest.mark.thorough
def test_a_long_ledger_is_not_read(city: CityKit, county: CountyKit) -> None:
    """With 100,000 decisions a look and the status take about as long as with none."""
    entry = Entry(
        "140322",
        "x",
        "accepted",
        consumed=True,
        reasons=(),
        remarks=(),
        received_at=START,
        received_hash="",
        signature_hash="",
        report="r",
        revision=1,
    )
    many = [
        replace(
            entry,
            site_code=f"1403{number % 90:02d}",
            package_id=f"1403{number % 90:02d}-r-{number}",
            package_no=number // 90 + 1,
            package_hash=f"{number:064d}",
            period=f"{number // 90}",
            received_hash=f"{number:064d}",
        )
        for number in range(100_000)
    ]
    with city.lake.writer("fill") as writer, writer.transaction("fill") as tx:
        ensure(tx.con)
        add(tx.con, many)
    county.report_day(1)
    county.deliver()
    # 140321 has used 1,111 numbers in this ledger, so that number 1 is a fork.
    (decided,) = city.receive(LATER).decisions
    assert "a fork. The last number here is 1111" in decided.reasons[0]
    shown = status(city.lake)["counties"]
    assert len(shown) == 90
    assert sum(one["accepted"] for one in shown) == 100_000
    with city.lake.reader() as con:
        assert len(entries(con, "site_code = ?", ["140321"], 50)) == 50
