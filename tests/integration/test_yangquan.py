"""A week of five counties of 阳泉市: offline, late, damaged, forged, corrected; one true view."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.clock import SHANGHAI
from dagster_project.lake.publish import connect
from dagster_project.paths import Home
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.manifest import PAYLOAD_TYPE
from dagster_project.reporting.identity import signer_of
from dagster_project.settings import load_site
from tests.integration.serve_kit import allow, free_port, serving
from tests.integration.yangquan_kit import (
    CITY,
    COUNTIES,
    DAILY,
    FIRST,
    OLDER,
    Crew,
    Drawn,
    begin_city,
    begin_county,
    chain,
    configure,
    county_day,
    draw,
    make_known,
    meet,
    receive,
    release,
)
from tests.integration.yangquan_oracle import County
from tests.integration.yangquan_view import FIGURES, asked, command_is_right, view_is_right

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.xdist_group("yangquan")]
TOWN, MINES, SUBURB, PINGDING, YU = COUNTIES
"""One day behind by its folder; pushing; fetched from; two days behind by stick; by its folder."""
DAYS = [date(2025, 10, 29) + timedelta(n) for n in range(7)]
DARK = DAYS[2:5]
"""The suburb's line is down, and the machine of 盂县 is off: three days, over a month's end."""


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """An instant of a day in the county."""
    return datetime.combine(day, time(hour, minute), SHANGHAI)


class Week:
    """The sites, and beside each county what the city must know of it."""

    def __init__(self, root: Path, lines: ExitStack) -> None:
        self.root, self.lines = root, lines
        os.environ["COUNTYLAKE_KEYS"] = str(root / "keys")
        (root / "keys").mkdir(mode=0o700)
        configure(root)
        self.crew = Crew(root)
        self.ports = {CITY: free_port(), SUBURB: free_port()}
        self.drawn: dict[str, Drawn] = {}
        self.remarks: list[str] = []
        self.truth = {code: County(code, DAYS[0]) for code in COUNTIES}
        self._found()

    def _found(self) -> None:
        noon, door = at(DAYS[0], 12), self.root / CITY / "exchange"
        drawn = {code: draw(self.root, code, DAYS[0] - timedelta(1)) for code in COUNTIES}
        self.drawn = drawn
        pulls = {SUBURB: (f"http://127.0.0.1:{self.ports[SUBURB]}", "file:suburb")}
        city = self.crew.do(noon, begin_city, CITY, pulls)
        ways = dict.fromkeys(COUNTIES, ("exchange", "")) | {
            TOWN: (str(door / TOWN), ""),
            YU: (str(door / YU), ""),
            MINES: (f"http://127.0.0.1:{self.ports[CITY]}", "file:city"),
        }
        for code in COUNTIES:
            card = self.crew.do(noon, begin_county, code, *ways[code])
            self.crew.do(noon, make_known, CITY, card)
            self.crew.do(noon, make_known, code, city)
        (self.root / SUBURB / "exchange").mkdir()
        allow(self.root, CITY, MINES, "city")
        allow(self.root, SUBURB, CITY, "suburb")
        self.lines.enter_context(serving(self.root, CITY, self.ports[CITY]))

    # -- what counties do -------------------------------------------------------------------

    def files(self, code: str, day: date, *, broken: bool = False) -> dict[str, bytes]:
        """What the departments deliver on a day."""
        drawn = self.drawn[code]
        count = FIRST if day == DAYS[0] else DAILY
        people = drawn.some(4 * DAILY if broken else count)  # few broken lines hold no file
        files = dict([drawn.division] if day == DAYS[0] else [])
        path, data = drawn.file(day, people)
        if broken:
            lines = data.decode("gb18030").splitlines()
            half = len(lines) // 2
            lines[1:half] = [f",{line.partition(',')[2]}" for line in lines[1:half]]
            drawn.refused += people[: half - 1]
            data = "\n".join(lines).encode("gb18030")
        return {**files, path: data}

    def run(self, day: date, *, sql: str = "", broken: str = "") -> None:
        """Every county's day; those whose machine is off do nothing."""
        working = [code for code in COUNTIES if code != YU or day not in DARK]
        for code in (TOWN,) if day > DAYS[0] else ():
            self.meet(code, at(day, 20))  # what was sealed the day before
        begun = [
            self.crew.begin(
                at(day, 20, 25),
                county_day,
                code,
                self.files(code, day, broken=code == broken),
                "up" if code in {MINES, SUBURB, YU} else "",
                sql=sql if code == MINES and sql else "sql",
            )
            for code in working
        ]
        for code, done in zip(working, begun, strict=True):
            self.remarks += done.result()
            shapes = {"rectification": not (code == MINES and sql)}
            self.truth[code].note(self.root / code / "outbox", has_shape=shapes)
        self.truth[MINES].carry()
        if YU in working:
            self.truth[YU].carry()

    def meet(self, code: str, instant: datetime, stick: Path | None = None) -> None:
        """A county goes up once more, and hears the city's answers."""
        self.remarks += self.crew.do(instant, meet, code, stick)
        if stick is None and code != SUBURB:
            self.truth[code].carry()

    def late(self, code: str, instant: datetime) -> None:
        """A department sends something more after the evening's run."""
        drawn = self.drawn[code]
        path, data = drawn.file(instant.date(), drawn.some(DAILY), "b")
        self.remarks += self.crew.do(instant, county_day, code, {path: data}, "up")
        assert any(one.revision > 1 for one in self.truth[code].note(self.root / code / "outbox"))
        self.truth[code].carry()

    def first(self, code: str, day: date = DAYS[0]) -> str:
        """The first package that a county sealed of a day."""
        of_day = [one for one in self.truth[code].sealed.values() if f"{day:%Y%m%d}" == one.period]
        first: str = min(of_day, key=lambda one: one.number).package_id
        return first

    def line(self, code: str) -> ExitStack:
        """A county's own server, until it is closed."""
        stack = self.lines.enter_context(ExitStack())
        stack.enter_context(serving(self.root, code, self.ports[code]))
        return stack

    # -- the city ---------------------------------------------------------------------------

    def look(self, instant: datetime, sticks: Sequence[Path] = ()) -> None:
        """The city takes in what came; every decision and the whole view are as they must be."""
        entries, remarks = self.crew.do(instant, receive, CITY, sticks)
        self.remarks += [*remarks, *(remark for one in entries for remark in one.remarks)]
        expected = {
            (code, *one) for code, truth in self.truth.items() for one in truth.look(instant)
        }
        assert {(one.site_code, one.package_id, one.outcome) for one in entries} == expected
        with connect(Home(self.root / CITY)) as con:
            view_is_right(con, self.truth, instant)
        shown = CliRunner().invoke(
            app, ["city", "view", "--json", "--home", str(self.root / CITY)], catch_exceptions=False
        )
        command_is_right(json.loads(shown.output), self.truth, instant)

    def sealed(self, code: str, day: date, report: str = "rectification") -> Path:
        """A package as it lies before the city."""
        return self.root / CITY / "exchange" / code / "up" / f"{code}-{report}-{day:%Y%m%d}-r1"


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """The sites on the first day, before anything was delivered."""
    before = os.environ["COUNTYLAKE_KEYS"]
    with ExitStack() as lines:
        made = Week(tmp_path_factory.mktemp("yangquan"), lines)
        yield made
        made.crew.close()
    os.environ["COUNTYLAKE_KEYS"] = before


# -- what goes wrong ----------------------------------------------------------------------------


def damage(week: Week, folder: Path) -> None:
    """A package is hurt on its way."""
    (data,) = (folder / "data").iterdir()
    data.chmod(0o644)
    data.write_bytes(data.read_bytes()[:-40] + bytes(40))
    week.truth[folder.name[:6]].door[folder.name] = "damaged"


def forge(week: Week, true: Path, false: Path) -> None:
    """A stranger who calls himself 盂县 lays a package before the city, signed by his own key."""
    strange = week.root / "strange" / YU
    week.crew.do(at(DARK[0], 12), begin_county, f"strange/{YU}", "exchange", "")
    shutil.copytree(true, false, copy_function=shutil.copyfile)
    envelope = json.loads((false / "signature.json").read_bytes())
    manifest = json.loads(base64.b64decode(envelope["payload"]))
    number = week.truth[YU].head + 1
    manifest["header"] |= {
        "sender": YU,
        "sender_name": COUNTIES[YU],
        "package_id": false.name,
        "package_no": number,
        "period": false.name.split("-")[2],
    }
    signer = signer_of(load_site(Home(strange)))
    body = dsse.sign(signer, PAYLOAD_TYPE, canonical_json(manifest))
    (false / "signature.json").write_bytes(body)
    week.truth[YU].door[false.name] = "forged"


# -- the week -----------------------------------------------------------------------------------


class Post:
    """Three sticks on which 平定县 reports: written one evening, at the city two days later."""

    def __init__(self, week: Week) -> None:
        self.week = week
        self.sticks = [week.root / f"stick-{n}" for n in range(3)]
        self.written: list[set[str]] = [set(), set(), set()]
        for stick in self.sticks:
            stick.mkdir()

    def write(self, number: int, instant: datetime) -> Path:
        """The county hears what the stick brought back, and writes what the city lacks."""
        place = number % 3
        self.week.meet(PINGDING, instant, self.sticks[place])
        self.written[place] = set(self.week.truth[PINGDING].sealed)
        return self.sticks[place]

    def lose(self, number: int, package_id: str) -> None:
        """A package is left out when the stick is copied."""
        place = number % 3
        shutil.rmtree(self.sticks[place] / PINGDING / "up" / package_id)
        self.written[place].remove(package_id)

    def arrive(self, number: int) -> Path:
        """The stick reaches the city."""
        self.week.truth[PINGDING].carry(sorted(self.written[number % 3]))
        return self.sticks[number % 3]


def test_the_citys_view_is_right_at_every_step(week: Week) -> None:
    """Seven evenings and what happens between them; at the end everything is there once."""
    post, suburb = Post(week), ExitStack()
    for number, day in enumerate(DAYS):
        if day == DARK[0]:
            suburb.close()
        if day in {DAYS[0], DAYS[5]}:
            suburb = week.line(SUBURB)
        week.run(day, sql=OLDER if number == 1 else "", broken=MINES if number == 4 else "")
        if number == 1:
            damage(week, week.sealed(YU, day))
        if day == DARK[0]:
            forge(
                week,
                week.root / MINES / "outbox" / week.first(MINES),
                week.sealed(YU, day, "task_execution"),
            )
        post.write(number, at(day, 20, 50))
        if number == 2:
            post.lose(number, week.first(PINGDING, day))
        if day not in DARK:
            week.truth[SUBURB].carry()
        # The fifth evening the same stick is put in twice.
        came = [post.arrive(number - 2)] * (2 if number == 4 else 1) if number >= 2 else []
        week.look(at(day, 21), came)
        week.meet(MINES, at(day, 21, 10))
        if number == 3:
            week.late(MINES, at(day, 21, 30))
            week.look(at(day, 22))
        if number == 4:
            assert week.crew.do(at(day, 22), release, MINES) == "population"
    everything_is_brought(week, post)
    nothing_is_missing_or_double(week)


def everything_is_brought(week: Week, post: Post) -> None:
    """The last evening, somebody drives to the city and back."""
    last = DAYS[-1]
    for code in (TOWN, YU):
        week.meet(code, at(last, 22))
    stick = post.write(len(DAYS), at(last, 22))
    post.arrive(len(DAYS))
    week.look(at(last, 22, 30), [stick])
    for code in COUNTIES:
        week.meet(code, at(last, 23), stick if code == PINGDING else None)
    week.look(at(last, 23, 30))


def nothing_is_missing_or_double(week: Week) -> None:
    """Every package is at the city once and answered, and both sides know the same chain."""
    with connect(Home(week.root / CITY)) as con:
        taken = asked(con, "FROM ops.received WHERE consumed ORDER BY site_code, package_no")
        people = {row["site_code"]: row for row in asked(con, "FROM city.population_by_site")}
        overview = asked(con, "FROM city.site_overview")
    for code, county in week.truth.items():
        mine = [row for row in taken if row["site_code"] == code]
        packages, waiting = week.crew.do(at(DAYS[-1], 23, 50), chain, code)
        assert waiting == ()
        assert [(r["package_id"], r["package_no"], r["package_hash"]) for r in mine] == packages
        assert [number for _, number, _ in packages] == list(range(1, len(county.sealed) + 1))
        ordered = [county.sealed[name] for name, _, _ in packages]
        assert [one.previous_hash for one in ordered[1:]] == [
            hash_ for _, _, hash_ in packages[:-1]
        ]
        assert mine[-1]["head_hash"] == packages[-1][2]
        wanted = week.drawn[code].counted()
        assert {name: people[code][name] for name in FIGURES} == wanted, code
    assert all(
        row["days_behind"] == row["missing_cnt"] == row["waiting_cnt"] == 0 for row in overview
    )
    assert sum(people[code]["resident_cnt"] for code in COUNTIES) == people["all"]["resident_cnt"]
