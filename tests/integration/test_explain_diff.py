"""A month is reported, then 200 late corrections come: what moved, why, by which records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dagster_project import clock
from dagster_project.city.register import register
from dagster_project.components.steps.explaining.explain import explain
from dagster_project.components.steps.verifying.verify import verify
from dagster_project.errors import UsageError
from dagster_project.reporting.identity import trust_parent
from dagster_project.reporting.outbox import deliver
from tests.integration.exchange_kit import CityKit, make_city
from tests.integration.explain_kit import REPORT, TABLE, Hotline, order

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.xdist_group("explain")]
CORRECTED = 200
PACKAGE = f"140321-{REPORT}-202305-r"
CALLER = "王小明"
PHONE = "13812345678"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityKit:
    """The city that the county reports to."""
    return make_city(tmp_path_factory.mktemp("city"))


@pytest.fixture(scope="module")
def county(city: CityKit, tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Hotline:
    """May was reported; then 200 of its orders were corrected, and it was reported again."""
    assert keys.is_dir()
    exchange = str(city.home.exchange / "140321")
    made = Hotline(tmp_path_factory.mktemp("explain"), exchange=exchange)
    trust_parent(made.workshop.home, city.home.public_file)
    register(city.home, made.workshop.home.public_file)
    made.deliver(order(n, 诉求人=CALLER, 联系电话=PHONE) for n in range(300))
    made.take()
    assert f"{PACKAGE}1" in made.seal()
    deliver(made.workshop.lake, made.workshop.site)
    made.deliver(
        order(n, 诉求人=CALLER, 是否响应="0", 更新时间="2023-06-20 08:00:00")
        for n in range(CORRECTED)
    )
    made.take("hotline_order")
    assert made.seal() == [f"{PACKAGE}2"]
    deliver(made.workshop.lake, made.workshop.site)
    return made


@pytest.fixture(scope="module")
def told(county: Hotline) -> dict[str, Any]:
    """Why the two revisions differ."""
    return county.explain(f"{PACKAGE}1", f"{PACKAGE}2", with_rows=True)


def test_all_corrections_are_named(told: dict[str, Any]) -> None:
    """Every corrected record with its batch, file and rows before and after, and nobody's name."""
    (feed,) = told["feeds"]
    assert (feed["feed"], feed["kinds"]) == ("hotline_order", {"corrected": CORRECTED})
    (batch,) = feed["batches"]
    assert (batch["records"], batch["kind"], batch["channel"]) == (CORRECTED, "corrected", "inbox")
    assert batch["path"].endswith("热线工单_20230602.csv")
    assert batch["figures"] == len(told["figures"])
    assert {row["key"] for row in feed["rows"]} == {
        order(number)["工单编号"] for number in range(CORRECTED)
    }
    assert {row["before"]["row"] - row["after"]["row"] for row in feed["rows"]} == {0}
    assert {row["after"]["sha256"] for row in feed["rows"]} == {batch["sha256"]}
    assert all(
        set(row["columns"]) >= {"is_responded", "update_time"} and "rows" not in row
        for row in feed["rows"]
    )
    text = json.dumps(told, ensure_ascii=False, default=str)
    assert CALLER not in text
    assert PHONE not in text


def test_moved_figures_are_named_with_their_cause(told: dict[str, Any]) -> None:
    """Both packages are what the lake gives again, and the corrections alone moved the figures."""
    assert [check["equal"] for check in told["checks"]] == [True, True]
    assert [(one["cause"], one["records"]) for one in told["causes"]] == [("records", CORRECTED)]
    county_row = {"month": "202305", "town_code": "140321000000"}
    whole = [one for one in told["figures"] if one["key"] == county_row]
    assert next((one["column"], one["old"], one["new"], one["delta"]) for one in whole) == (
        "responded_cnt",
        300,
        100,
        -CORRECTED,
    )
    assert {share["cause"] for one in told["figures"] for share in one["causes"]} == {"c1"}
    assert all(not one["remainder"] for one in told["figures"])
    assert not told["notes"]


def test_the_city_follows(county: Hotline, city: CityKit) -> None:
    """The city takes both revisions, its figures are of the second, and the first still holds."""
    decisions = {one.package_id: one.outcome for one in city.receive(clock.now()).decisions}
    assert decisions == dict.fromkeys(county.packages(), "accepted")
    assert city.rows(
        f"SELECT revision, is_current, responded_cnt FROM lake.city.{REPORT}"
        " WHERE period = '202305' AND town_code = '140321000000' ORDER BY revision"
    ) == [(1, False, 300), (2, True, 100)]
    found = verify(county.workshop, f"{PACKAGE}1")
    assert (found.packages, found.every_fault) == (1, ())


def test_what_moves_no_figure_is_no_revision(county: Hotline) -> None:
    """Orders that come again with another telephone number leave the report as it was."""
    county.deliver(
        order(n, 是否响应="0", 联系电话="13812345679", 更新时间="2023-06-21 08:00:00")
        for n in range(10)
    )
    county.take("hotline_order")
    assert county.seal() == []


def test_a_report_of_two_states_is_built_again(county: Hotline) -> None:
    """Another run commits between two tables of a report: what is sealed is of one state."""
    run = county.occasion()
    county.deliver(order(n, 是否响应="0", 更新时间="2023-06-22 08:00:00") for n in range(200, 205))
    county.merge(run, "hotline_order")
    county.build(run, "gold.hotline_by_month_town")
    county.deliver(order(n, 是否响应="0", 更新时间="2023-06-22 08:00:00") for n in range(205, 210))
    county.merge(county.occasion(), "hotline_order")
    county.build(run, TABLE)
    assert responded(county) == 95
    (third,) = county.seal()
    assert responded(county) == 90
    told = county.explain(f"{PACKAGE}2", third)
    assert [check["equal"] for check in told["checks"]] == [True, True]
    assert next(one["delta"] for one in told["figures"]) == -10


def responded(county: Hotline) -> int:
    """The county's answered orders of May, as the lake's table says."""
    with county.workshop.lake.reader() as con:
        row = con.execute(
            f"SELECT responded_cnt FROM {TABLE} WHERE town_code = '140321000000'"
        ).fetchone()
    return int(row[0]) if row else -1


def test_the_report_is_given_again_from_its_snapshot(county: Hotline) -> None:
    """Every package's content, though data and the lake's own gold tables have changed since."""
    workshop = county.workshop
    with workshop.lake.writer("spoiling gold") as writer, writer.transaction("a lie") as tx:
        tx.con.execute("UPDATE gold.hotline_by_month_town SET order_cnt = 7")
    told = county.explain(f"{PACKAGE}1", f"{PACKAGE}2")
    assert [check["equal"] for check in told["checks"]] == [True, True]
    # A report that no one state yields is built again before it is sealed.
    with workshop.lake.writer("spoiling the report") as writer, writer.transaction("a lie") as tx:
        tx.con.execute("UPDATE report.hotline_by_month SET order_cnt = 7")
    assert county.seal() == []


def test_the_command_tells_people_and_machines(county: Hotline) -> None:
    """``explain-diff`` prints what moved, the cause, the file; wrong names are sentences."""
    done = call(county, f"{PACKAGE}1", f"{PACKAGE}2")
    assert done.returncode == 0, done.stderr
    for words in ("已响应工单数", "-200", "热线工单_20230602.csv", "corrected 200"):
        assert words in done.stdout
    shown = json.loads(call(county, f"{PACKAGE}1", f"{PACKAGE}2", "--json").stdout)
    assert shown["figures"][0]["delta"] == -CORRECTED
    wrong = call(county, f"{PACKAGE}1", f"{PACKAGE}9")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert f"sealed no package {PACKAGE}9" in wrong.stderr
    for a, b, says in (
        (f"{PACKAGE}1", f"{PACKAGE}1", "named twice"),
        ("nothing", f"{PACKAGE}1", "sealed no package nothing"),
    ):
        with pytest.raises(UsageError, match=says):
            explain(county.workshop, a, b)


def call(county: Hotline, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command for this county on a wide screen."""
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "package", "explain-diff", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "COUNTYLAKE_HOME": str(county.workshop.home.root),
            "COUNTYLAKE_THREADS": "1",
            "COLUMNS": "200",
        },
    )
