"""Deliveries as departments send them: again, corrected, late, half, of another month, small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.cli.run import EXIT
from dagster_project.components.steps.arriving.release import replay, send_back
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.summary import summary
from dagster_project.errors import LakeError, UsageError
from tests.delivery_kit import County, rows

GROW = """\
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    for number in range(600):
        file.write(b"x")
        if not number:
            print("growing", flush=True)
        time.sleep(0.1)
"""
PASSED = "SELECT success FROM ops.check_result WHERE rule_id = 'volume_is_usual'"
PERIOD = "period, value: {column: issued_date, pattern: YYYYMM}"


def release(county: County, hold_id: str) -> FeedOutcome:
    """Decide that a held delivery is merged."""
    return replay(county.workshop, hold_id, manual(), by="li", why="asked by phone")


def test_a_snapshot_that_lacks_too_much_is_held_and_released_once(tmp_path: Path) -> None:
    """Yesterday's records stay until a person decides; then the missing ones are deleted, once."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    assert county.run().status == "success"
    county.put("许可_2.csv", rows(range(94)))
    done = county.run()
    assert (done.status, done.batches) == ("failed", [])
    assert "6 of 100 live records (6.0%) are not in this full snapshot" in done.error
    assert len(county.live()) == 100
    (hold,) = county.holds()
    assert (hold.kind, hold.path) == ("vanished", "审批局/许可_2.csv")
    assert hold.findings[0]["vanished"] == 6
    assert county.run().status == "skipped"
    done = release(county, hold.hold_id)
    assert (done.status, done.counts["accepted"]) == ("success", 0)
    assert len(county.live()) == 94
    assert county.outcomes_of() == ["merged", "merged"]
    ((batch_id,),) = county.ask("SELECT batch_id FROM ops.batch WHERE path LIKE '%_2.csv'")
    assert batch_id == hold.batch_id
    with pytest.raises(UsageError, match="accepted already by li"):
        release(county, hold.hold_id)
    assert county.run().status == "skipped"


def test_few_vanished_records_stop_nobody_but_all_of_them_do(tmp_path: Path) -> None:
    """Four of ten may go; a snapshot without any row at all is held."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(10)))
    county.run()
    county.put("许可_2.csv", rows(range(6)))
    assert county.run().status == "success"
    assert len(county.live()) == 6
    county.put("许可_3.csv", [])
    assert county.run().status == "failed"
    assert len(county.live()) == 6
    (hold,) = county.holds()
    assert hold.findings[0]["vanished"] == 6


def test_a_rejected_row_counts_as_present(tmp_path: Path) -> None:
    """Ten rows with a broken date delete nobody."""
    county = County(tmp_path, ["drift, value: {narrowed: note}", "gate, value: {share: 1.0}"])
    county.put("许可_1.csv", rows(range(30)))
    county.run()
    county.put("许可_2.csv", [*rows(range(20)), *rows(range(20, 30), "2023-02-31")])
    done = county.run()
    assert (done.status, done.counts["rejected"]) == ("success", 10)
    assert len(county.live()) == 30


def test_the_contract_says_how_much_may_vanish(tmp_path: Path) -> None:
    """Half of a market's stalls may leave at once, if that is agreed."""
    county = County(tmp_path, ["vanishing, value: 0.5"])
    county.put("许可_1.csv", rows(range(20)))
    county.run()
    county.put("许可_2.csv", rows(range(10)))
    assert county.run().status == "success"
    county.put("许可_3.csv", rows(range(4)))
    assert county.run().status == "failed"


def test_everything_may_vanish_where_the_contract_says_so(tmp_path: Path) -> None:
    """A list of this month's cases is empty in a good month."""
    county = County(tmp_path, ["vanishing, value: 1"])
    county.put("许可_1.csv", rows(range(20)))
    county.run()
    county.put("许可_2.csv", [])
    assert (county.run().status, county.live()) == ("success", [])


def test_a_later_snapshot_supersedes_a_held_one(tmp_path: Path) -> None:
    """What was doubted has answered itself; the old file can no longer be released."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rows(range(50)))
    county.run()
    county.put("许可_3.csv", rows(range(101)))
    assert county.run().status == "success"
    (hold,) = county.holds("superseded")
    assert "许可_3.csv" in hold.why
    with pytest.raises(UsageError, match="superseded already"):
        release(county, hold.hold_id)
    assert len(county.live()) == 101


def test_the_snapshot_before_a_held_one_stays_the_newest_when_it_comes_again(
    tmp_path: Path,
) -> None:
    """A, B of another month, A: releasing B afterwards deletes nothing that A holds."""
    county = County(tmp_path, [PERIOD])
    county.put("许可_202305a.csv", rows(range(10)))
    county.run()
    county.put("许可_202306.csv", rows(range(7)))
    county.run()
    county.put("许可_202305b.csv", rows(range(10)))
    assert county.run().status == "success"
    assert county.outcomes_of() == ["merged", "held", "merged"]
    release(county, county.holds()[0].hold_id)
    assert county.outcomes_of() == ["merged", "merged", "merged"]
    assert len(county.live()) == 10


def test_a_refused_hold_stays_out_and_may_come_again(tmp_path: Path) -> None:
    """The same file is not looked at again; delivered anew it is asked about anew."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rows(range(50)))
    county.run()
    (hold,) = county.holds()
    done = send_back(county.workshop, hold.hold_id, manual(), by="li", why="the export broke off")
    assert done.state == "refused"
    assert county.outcomes_of() == ["merged", "refused"]
    assert county.run().status == "skipped"
    county.put("许可_3.csv", rows(range(50)))
    assert county.run().status == "failed"
    assert [one.path for one in county.holds()] == ["审批局/许可_3.csv"]


def test_the_same_bytes_are_not_held_twice(tmp_path: Path) -> None:
    """A held file that is delivered again under another name changes nothing, and waits with it."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rows(range(50)))
    county.run()
    county.put("许可_3.csv", rows(range(50)))
    assert county.run().status == "success"
    assert county.outcomes_of() == ["merged", "held", "held"]
    assert len(county.holds()) == 1
    release(county, "permit-1")
    assert county.outcomes_of() == ["merged", "merged", "unchanged"]


def test_a_released_delivery_keeps_its_place_in_the_order(tmp_path: Path) -> None:
    """An increment that was held before a newer one was merged does not overwrite it."""
    county = County(tmp_path, [PERIOD], delivery="incremental")
    county.put("许可_202304.csv", rows(range(5), "2023-05-02", "旧"))
    county.run()
    county.put("许可_202305.csv", rows(range(4), "2023-05-03", "新"))
    county.run()
    (hold,) = county.holds()
    release(county, hold.hold_id)
    assert county.ask("SELECT permit_no, holder FROM silver.permit ORDER BY 1") == [
        *((f"P{n}", "新") for n in range(4)),
        ("P4", "旧"),
    ]


def test_a_file_of_another_month_is_held(tmp_path: Path) -> None:
    """More than half of the dates lie outside; both periods are named. A few strays do not hold."""
    county = County(tmp_path, [PERIOD], delivery="incremental")
    strays = rows(range(10, 14), "2023-04-30")
    county.put("许可_20230531.csv", [*rows(range(5), "2023年5月3日"), *strays])
    assert county.run().status == "success"
    county.put("许可_20230630.csv", rows(range(20, 29), "2023-05-03"))
    done = county.run()
    assert done.status == "failed"
    assert "the name says 2023-06, but 9 of 9 rows lie outside it" in done.error
    assert "most of them in 2023-05" in done.error
    (hold,) = county.holds()
    assert hold.findings == [
        {
            "column": "issued_date",
            "stated": "2023-06",
            "found": "2023-05",
            "inside": 0,
            "outside": 9,
        }
    ]
    release(county, hold.hold_id)
    assert len(county.live()) == 18


@pytest.mark.parametrize(
    ("column", "right", "wrong"),
    [
        ("issued_date", ("2023-04-01", ""), ("2023-07-01", "")),
        ("holder", ("", "2023Q2"), ("", "2023q3")),
    ],
    ids=["dates", "codes"],
)
def test_a_period_may_be_a_quarter_and_a_code(
    tmp_path: Path, column: str, right: tuple[str, str], wrong: tuple[str, str]
) -> None:
    """Dates are read as conform reads them; a code column is compared as it is written."""
    words = [f"period, value: {{column: {column}, pattern: YYYYQn}}"]
    county = County(tmp_path, words, delivery="incremental")
    county.put("许可_2023Q2.csv", rows(range(3), *right))
    assert county.run().status == "success"
    county.put("许可_2023年报2023Q2.csv", rows(range(5), *wrong))
    assert county.run().status == "failed"
    (hold,) = county.holds()
    assert (hold.findings[0]["stated"], hold.findings[0]["found"]) == ("2023-Q2", "2023-Q3")


def test_a_name_without_a_period_is_told(tmp_path: Path) -> None:
    """The file is taken; nobody can say whether it is the right month's."""
    county = County(tmp_path, [PERIOD], delivery="incremental")
    county.put("许可_最新.csv", rows(range(5)))
    assert county.run().status == "success"
    ((message,),) = county.ask("SELECT message FROM ops.delivery")
    assert "the file's name states no period" in message


def test_an_unusual_number_of_rows_is_told_and_merged(tmp_path: Path) -> None:
    """From the fourth delivery on, against the median of those before it."""
    county = County(tmp_path, delivery="incremental")
    for number, size in enumerate((100, 90, 110)):
        county.put(f"许可_{number}.csv", rows(range(size), f"2023-05-{number + 1:02d}"))
        county.run()
    county.put("许可_4.csv", rows(range(70), "2023-05-05"))
    county.run()
    assert county.ask(PASSED) == [(True,)]
    county.put("许可_5.csv", rows(range(60), "2023-05-06"))
    done = county.run()
    (told,) = (check for check in done.checks if check.name == "volume_is_usual")
    assert (done.status, told.passed, told.checked, told.failed) == ("success", False, 60, 35)
    found = county.ask(
        "SELECT success, severity, checked, failed, message FROM ops.check_result"
        " JOIN ops.delivery USING (batch_id) WHERE rule_id = 'volume_is_usual' AND NOT success"
    )
    ((success, severity, checked, failed, message),) = found
    assert (success, severity, checked, failed) == (False, "warn", 60, 35)
    assert "60 rows are fewer than usual: the median of the last 4 deliveries is 95" in message


def test_a_file_that_is_still_growing_waits_for_the_next_run(tmp_path: Path) -> None:
    """Half an upload is not read; the whole file is."""
    county = County(tmp_path, delivery="incremental")
    path = county.put("许可_1.csv", rows(range(5)))
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    growing = subprocess.Popen([sys.executable, "-c", GROW, str(path)], stdout=subprocess.PIPE)
    try:
        assert growing.stdout is not None
        assert growing.stdout.readline() == b"growing\n"
        assert county.run().status == "skipped"
    finally:
        growing.kill()
        growing.wait()
    assert county.outcomes_of() == []
    county.put("许可_1.csv", rows(range(5)))
    assert county.run().status == "success"
    assert len(county.live()) == 5


def test_an_empty_file_is_refused_once(tmp_path: Path) -> None:
    """A file of 0 bytes says so, and is quiet afterwards; the rest goes on."""
    county = County(tmp_path, delivery="incremental")
    county.put_bytes("许可_0.csv", b"")
    county.put("许可_1.csv", rows(range(5)))
    done = county.run()
    assert (done.status, len(county.live())) == ("partial", 5)
    assert "许可_0.csv" in done.error
    assert county.run().status == "skipped"


def test_a_run_that_holds_something_is_partial(tmp_path: Path) -> None:
    """That is exit code 9; later runs with nothing new are as quiet as ever."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rows(range(50)))
    county.run()
    ((run_id,),) = county.ask("SELECT run_id FROM ops.hold")
    told = summary(county.workshop, run_id, {})
    assert (told["status"], EXIT[told["status"]]) == ("partial", 9)
    assert summary(county.workshop, "a later run", {})["status"] == "unchanged"


def test_the_same_bytes_again_change_nothing(tmp_path: Path) -> None:
    """Under another name, and at another time: recorded, and nothing else."""
    county = County(tmp_path, delivery="incremental")
    county.put("许可_1.csv", rows(range(5)))
    county.run()
    before = county.ask("SELECT * FROM silver.permit ORDER BY permit_no")
    county.put("许可_1副本.csv", rows(range(5)))
    county.put_bytes("许可_1.csv", (county.inbox / "审批局/许可_1.csv").read_bytes() + b"")
    county.run()
    assert set(county.outcomes_of()) == {"merged", "unchanged"}
    assert county.ask("SELECT count(*) FROM ops.batch") == [(1,)]
    assert county.ask("SELECT * FROM silver.permit ORDER BY permit_no") == before


def test_a_corrected_file_replaces_what_it_corrects(tmp_path: Path) -> None:
    """The same name with other bytes is a delivery of its own."""
    county = County(tmp_path, delivery="incremental")
    county.put("许可_1.csv", rows(range(5), holder="错"))
    county.run()
    county.put("许可_1.csv", rows(range(3), holder="对"))
    county.run()
    found = county.ask("SELECT holder FROM silver.permit ORDER BY permit_no")
    assert [holder for (holder,) in found] == ["对", "对", "对", "错", "错"]
    assert county.outcomes_of() == ["merged", "merged"]


def test_a_late_file_counts_as_what_came_last(tmp_path: Path) -> None:
    """Without a time in the rows the order of reception decides, whatever the name says."""
    county = County(tmp_path, delivery="incremental")
    county.put("许可_202305.csv", rows(range(3), holder="五月"))
    county.run()
    county.put("许可_202304.csv", rows(range(1, 4), holder="四月"))
    county.run()
    found = county.ask("SELECT holder FROM silver.permit ORDER BY permit_no")
    assert [holder for (holder,) in found] == ["五月", "四月", "四月", "四月"]


def test_a_late_file_with_times_changes_no_newer_row(tmp_path: Path) -> None:
    """Where the contract names a time, it decides: an older period comes late and loses."""
    county = County(tmp_path, ["orderBy, value: issued_date"], delivery="incremental")
    county.put("许可_202305.csv", rows(range(3), "2023-05-31", "五月"))
    county.run()
    county.put("许可_202304.csv", rows(range(1, 4), "2023-04-30", "四月"))
    done = county.run()
    assert done.counts["superseded"] == 2
    found = county.ask("SELECT holder FROM silver.permit ORDER BY permit_no")
    assert [holder for (holder,) in found] == ["五月", "五月", "五月", "四月"]


def test_an_earlier_snapshot_that_comes_again_is_what_holds(tmp_path: Path) -> None:
    """A, B, A: the third file is the newest snapshot, although its bytes are known."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(10)))
    county.run()
    county.put("许可_2.csv", rows(range(8)))
    county.run()
    county.put("许可_3.csv", rows(range(10)))
    county.run()
    assert county.outcomes_of() == ["merged", "merged", "merged"]
    assert len(county.live()) == 10
    county.put("许可_4.csv", rows(range(10)))
    county.run()
    assert county.outcomes_of()[-1] == "unchanged"


def test_a_release_without_its_bytes_leaves_the_hold_open(tmp_path: Path) -> None:
    """What was lost from the landing is named; nothing is decided."""
    county = County(tmp_path)
    county.put("许可_1.csv", rows(range(100)))
    county.run()
    county.put("许可_2.csv", rows(range(50)))
    county.run()
    (hold,) = county.holds()
    (county.workshop.home.landing / hold.sha256).unlink()
    with pytest.raises(LakeError, match="no longer holds this delivered file"):
        release(county, hold.hold_id)
    with pytest.raises(UsageError, match="without a reason"):
        replay(county.workshop, hold.hold_id, manual(), by="li", why="")
    assert len(county.holds()) == 1
