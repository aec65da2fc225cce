"""Tasks of a small county: paused, late, killed, run again, with nothing lost or counted twice."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dagster_project import clock
from dagster_project.components.steps.arriving.watch import inbox_state
from dagster_project.components.steps.feed import bury_killed, run_feed
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.summary import summary
from dagster_project.components.steps.tasks.history import history
from dagster_project.components.steps.tasks.look import TaskLine, task, to_start
from dagster_project.components.steps.tasks.pausing import decide
from dagster_project.components.steps.tasks.rerun import plan_rerun, rerun
from dagster_project.components.steps.tasks.running import TaskRunningError
from dagster_project.components.steps.tasks.spans import span_of
from dagster_project.errors import UsageError
from tests.delivery_kit import County, rows

KILLED = """\
import sys, time
from pathlib import Path
from dagster_project.components.steps.tasks.running import running
from dagster_project.paths import Home
with running(Home(Path(sys.argv[1])), "permit", "run-that-died"):
    print("running", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def county(tmp_path: Path) -> County:
    """A county whose one feed is monthly."""
    return County(tmp_path)


def stands(county: County, now: datetime | None = None) -> TaskLine:
    """How the feed's task stands."""
    return task(county.workshop, "permit", now)


def again(county: County, text: str = "") -> tuple[list[str], int]:
    """Run the feed again for today, or another period; its new batches, and the replays."""
    span = span_of(text or str(clock.local_day(clock.now())), clock.now())
    plan = plan_rerun(county.workshop, "permit", span)
    done = rerun(county.workshop, plan, manual(), action="rerun", by="test", why="to see")
    assert done.outcome is not None
    assert not done.outcome.error
    return done.outcome.batches, done.replays


def test_a_task_tells_how_it_stands(county: County) -> None:
    """Never run, then served with its rows; late a month later, and it names the department."""
    assert stands(county).state == "never"
    county.put("许可_1.csv", rows([1, 2]))
    assert stands(county).state == "due"
    county.run()
    found = stands(county)
    assert (found.state, found.read, found.accepted, found.failures) == ("ok", 2, 2, 0)
    assert found.last_success is not None
    late = stands(county, clock.now() + timedelta(days=70))
    assert late.state == "late"
    (wait,) = late.waits_for
    assert wait.department == "审批局"
    assert "许可 was due" in wait.reason


def test_a_paused_task_keeps_its_files(county: County) -> None:
    """What arrives waits, starts nothing and is taken after the task was resumed."""
    with pytest.raises(UsageError, match="reason"):
        decide(county.workshop, ["permit"], "pause", by="w", why=" ")
    assert decide(county.workshop, ["permit"], "pause", by="w", why="they move") == {"permit": True}
    assert decide(county.workshop, ["permit"], "pause", by="w", why="they move") == {
        "permit": False
    }
    county.put("许可_1.csv", rows([1, 2]))
    done = county.run()
    assert (done.status, done.deliveries) == ("skipped", 0)
    assert "they move" in done.reason
    found = stands(county)
    assert (found.state, found.deliveries_waiting) == ("paused", 1)
    assert to_start(county.workshop) == []
    before = inbox_state(county.workshop)
    assert before == ("", 0)
    decide(county.workshop, ["permit"], "resume", by="w", why="they moved")
    assert inbox_state(county.workshop) != before
    assert stands(county).state == "due"
    assert county.run().status == "success"
    assert county.live() == ["P1", "P2"]
    told = history(county.workshop, "permit")
    assert [one["action"] for one in told.decisions] == ["resume", "pause"]
    assert [one["status"] for one in told.executions] == ["success", "skipped"]


def test_failures_are_counted_until_something_is_taken(county: County) -> None:
    """Two refused files are two failures; a run without files changes nothing about that."""
    for number in (1, 2):
        county.put_bytes(f"许可_{number}.csv", b"\x00\x01\x02 no table %d" % number)
        assert county.run().status == "failed"
    county.run()
    found = stands(county)
    assert (found.state, found.failures, found.retry_at) == ("failed", 2, None)
    assert "许可_2.csv" in found.error
    county.put("许可_3.csv", rows([1]))
    county.run()
    assert (stands(county).state, stands(county).failures) == ("ok", 0)


def test_a_rerun_counts_nothing_twice(county: County) -> None:
    """The replays refer to the landed batches; silver, cases and counts are as before."""
    county.put("许可_1.csv", [*rows([1, 2]), ("P3", "一厂", "2023-02-31")])
    county.run()
    county.put("许可_2.csv", rows([2, 4]))
    county.run()
    silver = "SELECT * FROM silver.permit ORDER BY permit_no"
    counts = "SELECT sum(read), sum(accepted), sum(rejected) FROM ops.batch"
    cases = "SELECT case_id, state, attempts FROM ops.rectification ORDER BY 1"
    landed = f"{counts} WHERE source_batch_id IS NULL"
    before = [county.ask(query) for query in (silver, landed, cases)]
    for _ in range(2):
        assert again(county) == ([], 2)
        assert [county.ask(query) for query in (silver, landed, cases)] == before
    assert county.outcomes_of() == ["merged", "merged"]
    replays = "SELECT count(*) FROM ops.batch WHERE source_batch_id IS NOT NULL"
    assert county.ask(replays) == [(4,)]
    assert [one["action"] for one in history(county.workshop, "permit").decisions] == ["rerun"] * 2


def test_a_range_without_deliveries_does_nothing(county: County) -> None:
    """Nothing of another year is touched, and the plan says so."""
    county.put("许可_1.csv", rows([1]))
    county.run()
    plan = plan_rerun(county.workshop, "permit", span_of("2020", clock.now()))
    assert plan.is_empty
    assert plan.sentences == ["nothing lies in this range"]


def test_a_refused_file_of_the_range_is_read_again(county: County) -> None:
    """Under a contract that takes them its landed bytes are merged, once, in their old place."""
    _encodings(county, "[utf-8, gb18030]", "[utf-8]")
    lines = "许可编号,持有单位,发证日期\nP1,一厂,2023-05-31\n"
    county.put_bytes("许可_1.csv", lines.encode("gb18030"))
    county.run()
    assert county.outcomes_of() == ["refused"]
    _encodings(county, "[utf-8]", "[utf-8, gb18030]")
    (made,), _ = again(county)
    assert county.outcomes_of() == ["merged"]
    assert county.live() == ["P1"]
    assert again(county) == ([], 1)
    assert county.ask("SELECT batch_id FROM ops.batch WHERE source_batch_id IS NULL") == [(made,)]
    assert stands(county).failures == 0


def _encodings(county: County, before: str, after: str) -> None:
    path = county.root / "schemas" / "feeds" / "permit.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    county.workshop = county.workshop.renewed()


def test_a_killed_execution_is_recorded_and_tried_again(county: County) -> None:
    """While it lives the task is running; after SIGKILL it failed, and a retry is planned."""
    county.put("许可_1.csv", rows([1]))
    county.run()
    command = [sys.executable, "-c", KILLED, str(county.workshop.home.root)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert other.stdout is not None
    assert other.stdout.readline() == "running\n"
    running = stands(county)
    assert (running.state, running.running and running.running.run_id) == (
        "running",
        "run-that-died",
    )
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert bury_killed(county.workshop) == ["permit"]
    assert bury_killed(county.workshop) == []
    found = stands(county)
    assert (found.failures, found.attempt) == (1, 1)
    assert found.retry_at is not None
    (start,) = to_start(county.workshop, found.retry_at)
    assert (start.trigger, start.attempt) == ("retry", 2)
    county.put("许可_2.csv", rows([1, 2]))
    county.run()
    assert stands(county).failures == 0


CHANNEL = """servers:
  - server: ledger
    type: custom
    customProperties:
      - {property: channel, value: sqlite}
      - {property: file, value: '审批局/许可.db'}
      - {property: table, value: permit}
      - {property: watermark, value: {column: issued_date}}
"""


def test_a_backfill_fetches_a_range_again_and_moves_no_watermark(tmp_path: Path) -> None:
    """A record that was changed behind the watermark comes with it, once; the others stay."""
    county = County(tmp_path, delivery="incremental")
    path = county.root / "schemas" / "feeds" / "permit.yaml"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("servers:\n")
    _, _, rest = rest.partition("slaProperties:")
    path.write_text(f"{head}{CHANNEL}slaProperties:{rest}", encoding="utf-8")
    county.workshop = county.workshop.renewed()
    assert not county.workshop.contracts.problems
    with sqlite3.connect(county.inbox / "审批局" / "许可.db") as source:
        source.execute("CREATE TABLE permit (permit_no TEXT, holder TEXT, issued_date TEXT)")
        source.executemany(
            "INSERT INTO permit VALUES (?, ?, ?)",
            [(f"P{day}", "一厂", f"2023-05-{day:02d}") for day in range(1, 31)],
        )
        source.commit()
        assert stands(county).state == "due"
        assert county.run().status == "success"
        source.execute("UPDATE permit SET holder = '二厂' WHERE permit_no IN ('P3', 'P20')")
    source.close()
    holders = "SELECT permit_no FROM silver.permit WHERE holder = '二厂'"
    marks = "SELECT max(until) FROM ops.delivery WHERE until IS NOT NULL AND until <> ''"
    county.run()
    assert county.ask(holders) == []
    reached = county.ask(marks)
    for _ in range(2):
        again(county, "2023-05-03")
        assert county.ask(holders) == [("P3",)]
        assert county.ask(marks) == reached
    assert len(county.live()) == 30
    county.run()
    assert county.ask(holders) == [("P3",)]
    with (county.workshop.home.tasks / "permit.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TaskRunningError):
            again(county, "2023-05-03")
    kept = county.ask("SELECT count(*) FROM ops.task_decision")
    assert kept == [(2,)], "a rerun that could not begin is no decision that was carried out"


def test_the_run_says_that_a_paused_task_was_left_out(county: County) -> None:
    """What `countylake run` tells of a run names the paused task, and who paused it."""
    county.put("许可_1.csv", rows([1]))
    decide(county.workshop, ["permit"], "pause", by="w", why="they move")
    occasion = manual()
    run_feed(county.workshop, "permit", occasion)
    told = summary(county.workshop, occasion.run_id, {})
    assert any("they move" in remark for remark in told["remarks"])
    assert told["status"] == "unchanged"
