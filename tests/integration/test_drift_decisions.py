"""A department changes its file: the feed waits, a person decides, and everything is on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from drift_kit import AREA, HEADER, ROWS, USAGE, County, cell, titled

from dagster_project.components.steps.arriving import amending
from dagster_project.components.steps.arriving.release import replay
from dagster_project.components.steps.contract_versions import standings
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.occasion import manual
from dagster_project.contracts.drift import Finding
from dagster_project.contracts.versions import raised, versions_in
from dagster_project.errors import ContractError, UsageError
from dagster_project.paths import PROJECT, Home
from dagster_project.settings import Site
from tests import delivery_kit


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county that has taken its first house file."""
    root = tmp_path_factory.mktemp("drift")
    shutil.copytree(PROJECT / "schemas", root / "schemas")
    found(Home(root / "county"), Site(code="140321", name="平定县", parent="140300", inbox="inbox"))
    site = County(root)
    site.put("20230531")
    done = site.run()
    assert (done.status, done.error) == ("success", "")
    assert site.ask("SELECT count(*) FROM ops.hold") == [(0,)]
    return root


@pytest.fixture
def site(taken: Path, tmp_path: Path) -> County:
    """The county, copied."""
    shutil.copytree(taken, tmp_path / "site", symlinks=True)
    return County(tmp_path / "site")


def outcomes(site: County) -> list[tuple[str, str]]:
    """What became of each delivery, in the order of reception."""
    query = "SELECT path, outcome FROM ops.delivery ORDER BY received_at"
    return [(str(path).rpartition("_")[2][:8], outcome) for path, outcome in site.ask(query)]


def test_a_renamed_column_pauses_the_feed_until_it_is_accepted(site: County) -> None:
    """Later files wait; acceptance makes a synonym, merges the held file, then the others."""
    site.put("20230607", titled(AREA, "实测面积（㎡）"), cell(AREA, lambda _: "77.70"))
    site.put("20230614", titled(AREA, "实测面积（㎡）"), cell(AREA, lambda _: "88.80"))
    before = site.ask("FROM silver.house ORDER BY house_code")
    done = site.run()
    assert (done.status, done.batches) == ("failed", [])
    assert outcomes(site) == [("20230531", "merged"), ("20230607", "held")]
    assert site.ask("FROM silver.house ORDER BY house_code") == before
    hold = site.drift()
    (finding,) = (Finding.of(data) for data in hold.findings)
    assert (finding.kind, finding.column) == ("renamed", "area_m2")
    assert finding.candidate == "实测面积（㎡）"
    assert "report figures: 1" in done.error

    shown = amending.shown(site.workshop, hold.hold_id, {})
    assert {(one.table, one.column) for one in shown.affected} == {
        ("gold.house_by_town_usage", "area_sqm"),
        ("report.house_by_town", "area_sqm"),
    }
    assert all(one.title for one in shown.affected if one.layer == "report")
    assert shown.proposal is not None
    assert "+version: 2.0.1" in shown.proposal.diff

    decided = site.accept(hold.hold_id)
    assert decided.merged
    assert set(site.ask("SELECT DISTINCT area_m2::VARCHAR FROM silver.house")) == {("77.70",)}
    assert "实测面积" in site.workshop.feed("house").column("area_m2").aliases
    assert site.run().status == "success"
    assert set(site.ask("SELECT DISTINCT area_m2::VARCHAR FROM silver.house")) == {("88.80",)}
    assert outcomes(site) == [
        ("20230531", "merged"),
        ("20230607", "merged"),
        ("20230614", "merged"),
    ]
    assert amending.drifts(site.workshop) == []
    (kept,) = amending.drifts(site.workshop, everything=True)
    assert (kept.state, kept.decided_by, kept.why) == ("accepted", "李工", "住建局来函")
    assert (kept.contract_version, kept.contract_version_after) == ("2.0.0", "2.0.1")
    versions = "SELECT contract_version FROM ops.batch ORDER BY delivered_at"
    assert site.ask(versions) == [("2.0.0",), ("2.0.1",), ("2.0.1",)]
    told = (site.schemas / "changes" / "feeds" / "house.md").read_text("utf-8")
    assert versions_in(told) == ("2.0.1", "2.0.0", "1.0.0")
    assert "住建局来函 (李工)" in told
    assert standings(site.workshop)["feeds", "house"].fault == ""


def test_a_refused_file_is_closed_and_the_feed_goes_on(site: County) -> None:
    """The contract stays; a later file of the agreed form is taken."""
    site.put("20230607", titled(AREA, "实测面积（㎡）"))
    site.put("20230614", edit=cell(AREA, lambda _: "88.80"))
    text = site.contract.read_bytes()
    site.run()
    hold = site.drift()
    done = amending.refuse(site.workshop, hold.hold_id, by="李工", why="标题写错")
    assert (done.hold.state, done.merged) == ("refused", False)
    assert site.contract.read_bytes() == text
    assert site.run().status == "success"
    assert [outcome for _, outcome in outcomes(site)] == ["merged", "refused", "merged"]
    with pytest.raises(UsageError, match="refused already"):
        site.accept(hold.hold_id)


def test_a_missing_key_is_asked_for_by_its_new_title(site: County) -> None:
    """The cells give it away under a title like no other; what is wrong is never merged."""
    live = "SELECT house_code FROM silver.house WHERE NOT _is_deleted ORDER BY 1"
    before = site.ask(live)
    site.put("20230607", titled(0, "套间标识"))
    site.run()
    hold = site.drift()
    finding = Finding.of(hold.findings[0])
    assert (finding.kind, finding.column, finding.candidate) == (
        "renamed",
        "house_code",
        "套间标识",
    )
    assert finding.evidence["held"] > len(ROWS) * 0.9
    assert site.accept(hold.hold_id).merged
    assert site.ask(live) == before


def test_a_person_may_say_another_column_than_was_guessed(site: County) -> None:
    """``--column`` goes before the guess, and before what was only noted."""
    site.put("20230607", titled(USAGE, "性质"))
    site.run()
    hold = site.drift()
    assert site.accept(hold.hold_id, 性质="usage").merged
    assert "性质" in site.workshop.feed("house").column("usage").aliases
    assert site.ask("SELECT count(*) FROM silver.house WHERE usage IS NULL") == [(0,)]


def test_a_missing_required_column_can_become_optional(site: County) -> None:
    """A promise less, by a person's decision; the rows come without it."""
    site.put("20230607", HEADER[:USAGE] + HEADER[USAGE + 1 :], lambda r: r[:USAGE] + r[USAGE + 1 :])
    site.run()
    hold = site.drift()
    assert [one["kind"] for one in hold.findings] == ["missing"]
    before = site.workshop.feed("house").version
    assert site.accept(hold.hold_id).merged
    assert site.workshop.feed("house").version == raised(before, "major")
    assert site.ask("SELECT count(*) FROM silver.house WHERE usage IS NOT NULL") == [(0,)]


def test_the_contract_may_say_to_refuse_at_once(site: County) -> None:
    """No person is asked, and no later file waits."""
    site.word("{property: drift, value: {renamed: refuse}}")
    site.put("20230607", titled(AREA, "实测面积（㎡）"))
    site.put("20230614", edit=cell(AREA, lambda _: "88.80"))
    done = site.run()
    assert done.status == "partial"
    assert [outcome for _, outcome in outcomes(site)] == ["merged", "refused", "merged"]
    assert amending.drifts(site.workshop, everything=True) == []


def test_new_codes_are_noted_and_their_rows_come_back_when_accepted(site: County) -> None:
    """The file is merged but for those rows; when the list grows they are judged again."""
    site.word("{property: gate, value: {share: 1.0}}")
    few = {code for (code,) in site.ask("SELECT house_code FROM silver.house ORDER BY 1 LIMIT 4")}
    site.put("20230607", edit=lambda r: cell(USAGE, lambda _: "民宿")(r) if r[0] in few else r)
    done = site.run()
    assert done.status == "success"
    assert amending.drifts(site.workshop) == []
    (noted,) = amending.drifts(site.workshop, everything=True)
    assert noted.state == "noted"
    assert Finding.of(noted.findings[0]).evidence["codes"] == ["民宿"]
    told = site.ask("SELECT message FROM ops.delivery ORDER BY received_at DESC LIMIT 1")
    assert "民宿" in told[0][0]
    live = "SELECT count(*) FROM silver.house WHERE usage = '民宿'"
    assert site.ask(live) == [(0,)]
    decided = site.accept(noted.hold_id)
    assert decided.rebuilt
    assert site.ask(live) == [(4,)]
    assert "民宿" in site.workshop.contracts.codes["house_usage"].codes
    site.put("20230614", edit=lambda r: cell(USAGE, lambda _: "民宿")(r) if r[0] in few else r[:])
    site.run()
    assert len(amending.drifts(site.workshop, everything=True)) == 1


def test_the_same_difference_is_noted_once(site: County) -> None:
    """A column more in every file is one line of the ledger, not one a day."""
    for day, mark in (("20230607", "a"), ("20230614", "b")):
        site.put(day, [*HEADER, "备注"], lambda r, mark=mark: [*r, mark])  # type: ignore[misc]
        assert site.run().status == "success"
    (noted,) = amending.drifts(site.workshop, everything=True)
    assert (noted.state, [one["title"] for one in noted.findings]) == ("noted", ["备注"])
    assert not site.accept(noted.hold_id, 备注="remark").rebuilt
    column = site.workshop.feed("house").column("remark")
    assert (column.level, column.mask) == ("L3", "drop")
    site.put("20230621", [*HEADER, "备注"], lambda r: [*r, "c"])
    assert site.run().status == "success"
    assert site.ask("SELECT DISTINCT remark FROM silver.house") == [("c",)]


def test_a_unit_that_changed_silently_pauses_the_feed(site: County) -> None:
    """Every area ten thousand times what it was: nothing is merged before somebody looked."""
    site.word("{property: gate, value: {share: 1.0}}")
    site.put("20230607", edit=cell(AREA, lambda area: area.replace(".", "") + "00"))
    before = site.ask("SELECT median(area_m2) FROM silver.house")
    site.run()
    hold = site.drift()
    (finding,) = (Finding.of(data) for data in hold.findings)
    assert (finding.kind, finding.column, finding.evidence["power"]) == ("unit", "area_m2", 4)
    assert site.ask("SELECT median(area_m2) FROM silver.house") == before
    proposal = amending.prepare(site.workshop, hold.hold_id, {})
    assert proposal.changes == ()
    assert site.accept(hold.hold_id).merged


def test_a_column_that_narrowed_pauses_the_feed(site: County) -> None:
    """Most areas are words now: the rows would all go to quarantine."""
    site.put("20230607", edit=cell(AREA, lambda _: "见附件"))
    site.run()
    hold = site.drift()
    kinds = [(one["kind"], one["column"]) for one in hold.findings]
    assert kinds == [("narrowed", "area_m2")]
    assert "见附件" not in json.dumps(hold.findings, ensure_ascii=False) + hold.message


def test_a_contract_that_cannot_be_written_leaves_everything_as_it_was(site: County) -> None:
    """The hold stays open; a contract changed by hand is then accepted as it is."""
    site.put("20230607", titled(AREA, "实测面积（㎡）"))
    site.run()
    hold = site.drift()
    text = site.contract.read_text("utf-8")
    blocked = site.contract.with_name(".house.yaml.new")
    blocked.mkdir()
    with pytest.raises(ContractError, match="cannot be changed here"):
        site.accept(hold.hold_id)
    assert site.drift() == hold
    blocked.rmdir()
    by_hand = text.replace("version: 2.0.0", "version: 2.1.0").replace(
        "aliases, value: [面积]", "aliases, value: [面积, 实测面积]"
    )
    assert by_hand.count("实测面积") == 1
    site.contract.write_text(by_hand, "utf-8")
    assert site.accept(hold.hold_id).hold.contract_version_after == "2.1.0"
    assert site.contract.read_text("utf-8") == by_hand


def test_an_acceptance_that_does_not_help_keeps_the_hold_open(site: County) -> None:
    """The landed file is gone: a sentence says so, and nothing is decided."""
    path = site.put("20230607", titled(AREA, "实测面积（㎡）"))
    site.run()
    hold = site.drift()
    landed = site.root / "county" / "landing" / hold.sha256
    landed.chmod(0o644)
    landed.unlink()
    path.unlink()
    with pytest.raises(Exception, match="landing"):
        site.accept(hold.hold_id)
    assert site.drift().hold_id == hold.hold_id


def test_a_required_column_is_never_waved_through(site: County) -> None:
    """Taking the file again without a changed contract only raises the same doubt again."""
    site.put("20230607", HEADER[:USAGE] + HEADER[USAGE + 1 :], lambda r: r[:USAGE] + r[USAGE + 1 :])
    site.run()
    first = site.drift()
    done = replay(site.workshop, first.hold_id, manual(), by="李工", why="先放行")
    assert (done.batches, len(done.held)) == ([], 1)
    again = site.drift()
    assert again.hold_id != first.hold_id
    assert again.findings == first.findings
    assert site.accept(again.hold_id).merged


def test_a_headerless_table_of_another_width_pauses_the_feed(tmp_path: Path) -> None:
    """Without titles only the number of cells tells that columns changed."""
    county = delivery_kit.County(tmp_path, words=["header, value: absent"])
    lines = [f"P{n},一厂,2023-05-31" for n in range(30)]
    county.put_bytes("许可_20230531.csv", ("\n".join(lines) + "\n").encode())
    assert county.run().status == "success"
    wider = [f"{line},甲" for line in lines]
    county.put_bytes("许可_20230607.csv", ("\n".join(wider) + "\n").encode())
    county.run()
    (hold,) = amending.drifts(county.workshop)
    assert [one["kind"] for one in hold.findings] == ["width"]
    assert hold.findings[0]["evidence"] == {"rows": 30, "ragged": 30, "columns": 3}
    assert len(county.live()) == 30


@pytest.mark.thorough
def test_the_commands_speak_for_people_and_machines(site: County) -> None:
    """list, show, accept and refuse with their exit codes; nobody is asked without a terminal."""
    site.put("20230607", titled(AREA, "实测面积（㎡）"))
    site.run()
    listed = json.loads(site.call("drift", "list", "--json").stdout)["drifts"]
    number = listed[0]["hold_id"]
    told = site.call("drift", "list").stdout
    assert "建筑面积" in told
    assert "since" in told
    shown = site.call("drift", "show", number)
    assert shown.returncode == 0, shown.stderr
    assert "+version: 2.0.1" in shown.stdout
    assert "report.house_by_town" in shown.stdout
    asked = site.call("drift", "accept", number, "--why", "x")
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    assert site.call("drift", "show", "house-99").returncode == 2
    done = site.call("drift", "accept", number, "--why", "来函", "--by", "李工", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["hold"]["state"], answer["merged"]) == ("accepted", True)
    assert answer["proposal"]["version_after"] == "2.0.1"
    again = site.call("drift", "refuse", number, "--why", "y")
    assert (again.returncode, "accepted already" in again.stderr) == (2, True)
    assert json.loads(site.call("drift", "list", "--json").stdout)["drifts"] == []
    assert site.call("drift", "list").stdout == "no changed structure waits\n"
    kept = json.loads(site.call("drift", "list", "--all", "--json").stdout)["drifts"]
    assert [(one["hold_id"], one["decided_by"], one["why"]) for one in kept] == [
        (number, "李工", "来函")
    ]
