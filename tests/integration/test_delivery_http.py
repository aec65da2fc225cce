"""The way up over HTTP: a parent that is down, busy, forgetful, or knows another history."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from exchange_kit import LATER, CityKit, CountyKit, make_city, make_county

from dagster_project.protocol.acknowledgement import Acknowledgement, sign_acknowledgement
from dagster_project.reporting.links.http import HttpLink, Patience
from dagster_project.reporting.links.link import LinkError
from dagster_project.reporting.links.memory import recall
from dagster_project.reporting.meeting import Exchange
from dagster_project.reporting.outbox import deliver
from tests.reception_kit import TOKEN, Reception, serving

NOON = LATER


@pytest.fixture
def city(tmp_path: Path) -> CityKit:
    """A city."""
    return make_city(tmp_path)


@pytest.fixture
def county(
    tmp_path: Path, city: CityKit, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[CountyKit, Reception]]:
    """A county that reaches the city by its address alone."""
    made = make_county(tmp_path, city)
    monkeypatch.setenv("CITY_TOKEN", TOKEN)
    with serving(city.home.exchange / made.site.code) as reception:
        words = {"exchange": reception.url, "exchange_token": "env:CITY"}
        made.site = made.site.model_copy(update=words)
        yield made, reception


class Line(HttpLink):
    """The link with a clock of its own, which nobody waits for."""

    def __init__(self, reception: Reception, tries: int = 4) -> None:
        self.waited: list[float] = []
        patience = Patience(tries=tries)
        super().__init__(reception.url, "140321", TOKEN, None, patience, self.waited.append)


def meet(county: CountyKit, reception: Reception, tries: int = 4) -> Exchange:
    """Meet the city without waiting between two tries."""
    return deliver(county.lake, county.site, at=NOON, link=Line(reception, tries))


def decide(city: CityKit, reception: Reception) -> list[str]:
    """The city takes in what was pushed, and knows its new head."""
    outcomes = [str(one.outcome) for one in city.receive().decisions]
    found = city.rows(
        "SELECT package_no, package_hash FROM lake.ops.received WHERE consumed"
        " ORDER BY package_no DESC LIMIT 1"
    )
    reception.head = found[0] if found else (0, "")
    return outcomes


def test_packages_are_pushed_once_and_answered(
    city: CityKit, county: tuple[CountyKit, Reception]
) -> None:
    """A second meeting pushes nothing; the signed answers are kept as they came."""
    site, reception = county
    ids = [site.report_day(n).package_id for n in (1, 2)]
    first = deliver(site.lake, site.site, at=NOON)
    assert (first.delivered, first.waiting, first.remarks) == (ids, ids, [])
    assert deliver(site.lake, site.site, at=NOON).delivered == []
    assert decide(city, reception) == ["accepted", "accepted"]
    done = deliver(site.lake, site.site, at=NOON)
    assert ([one.outcome for one in done.answers], done.waiting) == (["accepted"] * 2, [])
    kept = sorted(site.home.acknowledgements.glob("1*/*"))
    assert [path.read_bytes() for path in kept] == [
        path.read_bytes() for path in sorted((reception.exchange / "down").iterdir())
    ]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o444}
    assert deliver(site.lake, site.site, at=NOON).answers == []
    assert recall(site.home).parent_head_no == 2


def test_passing_faults_are_tried_again_within_one_meeting(
    city: CityKit, county: tuple[CountyKit, Reception]
) -> None:
    """Cut lines, 429 and 503 delay a package; pushed twice, it is there once."""
    site, reception = county
    name = site.report_day(1).package_id
    reception.faults = ["cut", "503", "", "", "429", "", "", "late", "502"]
    done = meet(site, reception)
    assert (done.delivered, done.fault) == ([name], "")
    assert reception.asked.count(f"PUT /v1/children/140321/packages/{name}") == 3
    assert decide(city, reception) == ["accepted"]
    assert meet(site, reception).waiting == []


def test_pauses_grow_with_chance_and_follow_the_parents_wish(
    county: tuple[CountyKit, Reception],
) -> None:
    """Full jitter below one, two and four seconds; what Retry-After asks for is the least."""
    _, reception = county
    reception.faults = ["503"] * 4
    line = Line(reception)
    line.chance = random.Random(3)  # noqa: S311
    with line, pytest.raises(LinkError, match="so it is"):
        line.state()
    assert len(line.waited) == 3
    assert all(0 <= pause <= 2**n for n, pause in enumerate(line.waited))
    reception.faults, reception.retry_after = ["429"], "7"
    line.waited.clear()
    with line:
        line.state()
    assert len(line.waited) == 1
    assert line.waited[0] >= 7
    reception.faults, reception.retry_after = ["429", "429"], "3600"
    line.waited.clear()
    with line, pytest.raises(LinkError) as caught:
        line.state()
    assert (line.waited, caught.value.after) == ([], 3600)


@pytest.mark.thorough
def test_a_link_that_is_down_for_days_loses_nothing(
    city: CityKit, county: tuple[CountyKit, Reception]
) -> None:
    """Three days of looks try a dead link some dozens of times; then all goes up in order."""
    site, reception = county
    ids = [site.report_day(day).package_id for day in (1, 2, 3)]
    tried, at, chance = 0, NOON, random.Random(5)  # noqa: S311
    for _ in range(3 * 24 * 6):
        at += timedelta(minutes=10)
        if recall(site.home).is_due(at):
            tried += 1
            done = deliver(site.lake, site.site, at=at, opener=dead, chance=chance)
            assert done.waiting == ids
    memory = recall(site.home)
    assert 36 < tried < 144
    assert memory.failures == tried
    assert "cannot be reached" in memory.last_error
    assert memory.next_attempt_at is not None
    early = deliver(site.lake, site.site, at=memory.next_attempt_at - timedelta(seconds=1))
    assert (early.postponed_until, early.waiting) == (memory.next_attempt_at, ids)
    assert reception.asked == []
    done = deliver(site.lake, site.site, at=at, is_urgent=True)
    assert (done.delivered, recall(site.home).failures) == (ids, 0)
    assert decide(city, reception) == ["accepted"] * 3
    assert meet(site, reception).waiting == []


def dead(*_: object) -> Line:
    """A line to a port where nobody listens."""
    return Line(Reception(Path(), url="http://127.0.0.1:9"))


@pytest.mark.thorough
def test_a_wrong_token_is_for_people(county: tuple[CountyKit, Reception]) -> None:
    """It is not tried again at once, and the sentence says whom to ask; no token is told."""
    site, reception = county
    site.report_day(1)
    line = Line(reception)
    line.token = "another-token"  # noqa: S105
    done = deliver(site.lake, site.site, at=NOON, link=line)
    assert "does not know the token, or it expired (HTTP 401: unknown token)" in done.fault
    assert "another-token" not in done.fault
    assert (len(reception.asked), line.waited) == (1, [])


@pytest.mark.thorough
def test_one_refused_package_stops_no_other(county: tuple[CountyKit, Reception]) -> None:
    """What the parent finds too large is a remark; the others go up."""
    site, reception = county
    ids = [site.report_day(n).package_id for n in (1, 2)]
    reception.faults = ["", "", "", "", "413"]
    done = meet(site, reception)
    assert (done.delivered, done.waiting, done.fault) == (ids[1:], ids, "")
    assert ids[0] in done.remarks[0]
    assert "HTTP 413" in done.remarks[0]


@pytest.mark.thorough
def test_what_a_restored_parent_lacks_is_sent_again(
    city: CityKit, county: tuple[CountyKit, Reception]
) -> None:
    """A parent that was set back to an older copy gets the rest of the chain, and people hear."""
    site, reception = county
    ids = [site.report_day(n).package_id for n in (1, 2, 3)]
    meet(site, reception)
    decide(city, reception)
    assert meet(site, reception).waiting == []
    deliver(site.lake, site.site, at=NOON)
    first = city.rows("SELECT package_hash FROM lake.ops.received WHERE package_no = 1")[0][0]
    reception.head = (1, str(first))
    for name in ids[1:]:
        (reception.exchange / "down" / f"{name}.ack.json").unlink()
        (reception.exchange / "up" / name).rename(reception.exchange / f"lost-{name}")
    assert deliver(site.lake, site.site, at=NOON).delivered == []  # it may be an old look
    done = deliver(site.lake, site.site, at=NOON)
    assert (done.delivered, done.waiting) == (ids[1:], ids[1:])
    assert "lacks it now; it was sent again" in done.remarks[0]


@pytest.mark.thorough
def test_what_is_refused_is_not_pushed_for_ever(
    city: CityKit, county: tuple[CountyKit, Reception]
) -> None:
    """A copy that broke on the way goes up once more; refused again unchanged, people decide."""
    site, reception = county
    package = site.report_day(1)
    meet(site, reception)
    for at in ("2023-07-29T00:00:00Z", "2023-07-30T00:00:00Z"):
        said = Acknowledgement(
            package_id=package.package_id,
            package_hash="",
            received_hash="b" * 64,
            sender="140321",
            recipient="140300",
            outcome="rejected",
            reasons=("it is broken.",),
            acknowledged_at=at,
        )
        down = reception.exchange / "down"
        answer = down / f"{package.package_id}.ack.json"
        answer.write_bytes(sign_acknowledgement(said, city.signer))
        assert meet(site, reception).delivered == [package.package_id]
        done = meet(site, reception)
        assert (done.delivered, done.waiting) == ([], [package.package_id])


@pytest.mark.thorough
def test_a_parent_that_knows_another_history_is_told_of(
    county: tuple[CountyKit, Reception],
) -> None:
    """Another hash under our number, or more packages than we know, are two histories."""
    site, reception = county
    site.report_day(1)
    for head, sentence in (((1, "f" * 64), "another than was"), ((7, "e" * 64), "unknown here")):
        reception.head = head
        (remark,) = meet(site, reception).remarks
        assert sentence in remark
        assert "two histories" in remark


@pytest.mark.thorough
def test_a_signed_answer_that_contradicts_is_kept_and_told(
    city: CityKit, county: tuple[CountyKit, Reception]
) -> None:
    """The parent accepts other bytes than were sealed: the evidence stays, the package waits."""
    site, reception = county
    package = site.report_day(1)
    said = Acknowledgement(
        package_id=package.package_id,
        package_hash="a" * 64,
        received_hash="b" * 64,
        sender="140321",
        recipient="140300",
        outcome="accepted",
        reasons=(),
        head_no=1,
        head_hash="a" * 64,
        acknowledged_at="2023-07-30T00:00:00Z",
    )
    down = reception.exchange / "down"
    (down / f"{package.package_id}.ack.json").write_bytes(sign_acknowledgement(said, city.signer))
    done = meet(site, reception)
    assert done.waiting == [package.package_id]
    assert "accepted other content under this number" in " ".join(done.remarks)
    assert "its package number 1 is another" in " ".join(done.remarks)
    assert len(list(site.home.acknowledgements.glob("1*/*"))) == 1
    assert meet(site, reception).remarks == done.remarks


def test_lists_that_are_not_of_the_agreed_form_are_no_answers(
    county: tuple[CountyKit, Reception],
) -> None:
    """Whoever answers at that address otherwise is not the parent's web."""
    _, reception = county
    reception.exchange.joinpath("down").mkdir(exist_ok=True)
    with Line(reception) as line:
        reception.faults = ["200"]
        with pytest.raises(LinkError, match="not of the agreed form"):
            line.answers()
        reception.faults = ["301"]
        with pytest.raises(LinkError, match="HTTP 301"):
            line.state()
