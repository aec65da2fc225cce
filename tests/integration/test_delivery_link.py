"""What the county sends and does not send: gaps at the parent, damage at home, when it is time."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from exchange_kit import LATER, CityKit, CountyKit, make_city, make_county

from dagster_project.components.steps.delivering import due, standing
from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol.acknowledgement import Acknowledgement, sign_acknowledgement
from dagster_project.reporting.answers import newest_answers
from dagster_project.reporting.links.memory import recall
from dagster_project.reporting.outbox import deliver, was_sent


@pytest.fixture
def city(tmp_path: Path) -> CityKit:
    """A city."""
    return make_city(tmp_path)


@pytest.fixture
def county(tmp_path: Path, city: CityKit) -> CountyKit:
    """A registered county."""
    return make_county(tmp_path, city)


def answer(
    sites: tuple[CityKit, CountyKit], package: str, outcome: str, at: str, head: tuple[int, str]
) -> None:
    """A signed answer of the city in the county's folder."""
    city, county = sites
    with county.lake.reader() as con:
        (ours,) = con.execute(
            "SELECT package_hash FROM ops.package WHERE package_id = ?", [package]
        ).fetchone() or ("",)
    said = Acknowledgement(
        package_id=package,
        package_hash=ours,
        received_hash="b" * 64,
        sender="140321",
        recipient="140300",
        outcome=outcome,  # type: ignore[arg-type]
        reasons=(),
        head_no=head[0],
        head_hash=head[1],
        acknowledged_at=at,
    )
    county.down.mkdir(exist_ok=True)
    signed = sign_acknowledgement(said, city.signer)
    (county.down / f"{package}.ack.json").write_bytes(signed)


def test_what_a_held_answer_lacks_is_sent_at_once(city: CityKit, county: CountyKit) -> None:
    """A parent set back to number 1 holds number 3; number 2 goes up again in the same meeting."""
    packages = [county.report_day(n) for n in (1, 2, 3)]
    first, second, third = (one.package_id for one in packages)
    head = (1, packages[0].package_hash)
    county.deliver()
    for name in (first, second):
        answer((city, county), name, "accepted", "2023-08-01T00:00:00Z", head)
    assert county.deliver().waiting == [third]
    shutil.rmtree(county.up / second)
    answer((city, county), third, "held", "2023-08-02T00:00:00Z", head)
    done = county.deliver()
    assert (done.delivered, done.waiting) == ([second], [second, third])
    assert "had accepted it as number 2 and lacks it now" in done.remarks[0]
    answer(
        (city, county), second, "accepted", "2023-08-03T00:00:00Z", (2, packages[1].package_hash)
    )
    assert county.deliver().waiting == [third]


@pytest.mark.thorough
def test_an_older_answer_that_comes_late_changes_nothing(city: CityKit, county: CountyKit) -> None:
    """The newest answer counts by its own instant, in whatever order they arrive."""
    package = county.report_day(1)
    head = (1, package.package_hash)
    for outcome, at in (("accepted", "2023-08-02T00:00:00Z"), ("held", "2023-08-01T00:00:00Z")):
        answer((city, county), package.package_id, outcome, at, head)
        assert county.deliver().waiting == []
    with county.lake.reader() as con:
        rows = con.execute(f"SELECT outcome FROM ({newest_answers(con)})").fetchall()
        (stored,) = con.execute("SELECT count(*) FROM ops.acknowledgement").fetchone() or (0,)
    assert (rows, stored) == ([("accepted",)], 2)


def test_a_parent_whose_card_is_missing_is_told_once(city: CityKit, county: CountyKit) -> None:
    """Not once per answer; with the card the same answers are believed."""
    ids = [county.report_day(n).package_id for n in (1, 2, 3)]
    county.deliver()
    city.receive()
    card = county.home.parent_file.read_bytes()
    county.home.parent_file.unlink()
    remarks = [one for one in county.deliver().remarks if "cannot be verified" in one]
    assert len(remarks) == 1
    assert "countylake key trust" in remarks[0]
    county.home.parent_file.write_bytes(card)
    assert [one.package_id for one in county.deliver().answers] == ids


def test_a_damaged_package_is_never_sent(county: CountyKit) -> None:
    """A changed, missing or foreign file, or another signature: the sentence names it."""
    one, two = (county.report_day(n).package_id for n in (1, 2))
    folder = county.home.outbox / one
    status, signature = folder / "status.json", folder / "signature.json"
    good = {path: path.read_bytes() for path in (status, signature)}
    for path, data, sentence in (
        (status, b"{}", "status.json changed"),
        (signature, good[signature][:-9], "signature.json: the file is not valid JSON"),
        (signature, (county.home.outbox / two / "signature.json").read_bytes(), "is another"),
    ):
        path.chmod(0o644)
        path.write_bytes(data)
        done = county.deliver()
        assert (one in done.delivered, done.waiting) == (False, [one, two])
        assert sentence in done.remarks[0]
        assert "is not sent" in done.remarks[0]
        path.write_bytes(good[path])
    (folder / "extra.json").write_bytes(b"{}")
    assert "extra.json is missing or does not belong" in county.deliver().remarks[0]
    (folder / "extra.json").unlink()
    assert county.deliver().delivered == [one]


@pytest.mark.thorough
def test_a_broken_chain_is_sent_up_to_its_break(county: CountyKit) -> None:
    """With number 2 gone from the lake, only number 1 goes up, and somebody is told."""
    ids = [county.report_day(n).package_id for n in (1, 2, 3)]
    with county.lake.writer("lose") as writer, writer.transaction("lose") as tx:
        tx.con.execute("DELETE FROM lake.ops.package WHERE package_no = 2")
    done = county.deliver()
    assert done.delivered == ids[:1]
    assert "breaks at number 2" in done.remarks[0]


@pytest.mark.thorough
def test_it_is_time_when_something_waits_or_an_hour_passed(
    city: CityKit, county: CountyKit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was never sent goes at the next look; answers are asked for every half hour."""
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys-140321"))
    workshop = Workshop.at(county.home.root)
    assert due(workshop, LATER) == ""
    name = county.report_day(1).package_id
    assert "an hour" in due(workshop, LATER)
    deliver(county.lake, county.site, at=LATER)
    soon = LATER + timedelta(minutes=29)
    assert due(workshop, soon) == ""
    assert "wait for an answer" in due(workshop, LATER + timedelta(minutes=30))
    second = county.report_day(2).package_id
    assert "never sent" in due(workshop, soon)
    assert not was_sent(county.home, county.site, second)
    deliver(county.lake, county.site, at=LATER)
    assert was_sent(county.home, county.site, name)
    city.receive()
    deliver(county.lake, county.site, at=soon)
    assert due(workshop, soon + timedelta(minutes=59)) == ""
    assert "an hour" in due(workshop, soon + timedelta(minutes=60))
    shown = standing(workshop)
    assert (shown.waiting, shown.rejected, shown.link) == ((), (), recall(county.home))
    county.up.parent.rename(tmp_path / "away")
    assert due(workshop, soon + timedelta(days=1)) == ""
