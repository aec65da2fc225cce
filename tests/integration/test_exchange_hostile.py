"""A child that holds its own true key, and whoever shares its folder: no other child is harmed."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchange_kit import LATER, START, CityKit, CountyKit, make_city, make_county
from tamper_kit import AGREEMENT, signed_as, thaw
from test_city_view import build, feeds, send

from dagster_project.city import quarantine
from dagster_project.city.receive import Reception, receive
from dagster_project.city.register import children
from dagster_project.components.steps.city import agreement
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError
from dagster_project.protocol.acknowledgement import SUFFIX, Acknowledgement, sign_acknowledgement
from dagster_project.protocol.announcement import announce, file_name
from dagster_project.protocol.held import holds_of
from dagster_project.protocol.keys import FileSigner
from dagster_project.protocol.site_card import CardKey, SiteCard, read_card

HUGE = 2**63 - 1
NARROW = """
CREATE OR REPLACE TABLE lake.report.population_by_town (town_code VARCHAR, town_name VARCHAR,
  person_cnt TINYINT, amount_yuan DECIMAL(4,1), updated_at TIMESTAMPTZ, suppressed BOOLEAN);
INSERT INTO lake.report.population_by_town VALUES
  ('140321100', '冠山镇', 1, 1.0, TIMESTAMPTZ '2023-05-31 04:00:00+00', false);
"""


def taken(city: CityKit) -> Reception:
    """Receive with contracts."""
    return receive(city.lake, city.site, city.signer, at=LATER, agreement=AGREEMENT)


def litter(bad: CountyKit, good: CountyKit) -> None:
    """What somebody with a share can lay into a folder: odd names, pipes, others' packages."""
    for folder in ("up", "down", "keys", "corrections", "parent"):
        path = bad.up.parent / folder
        path.mkdir(exist_ok=True)
        Path(os.fsdecode(os.fsencode(path) + b"/\xff\xfe.json")).mkdir()
        os.mkfifo(path / "140321-9.card.json")
    os.mkfifo(bad.up.parent / "keys" / "revoked.json")
    (theirs,) = (path for path in good.home.outbox.iterdir() if path.name.startswith("1403"))
    for number in range(2, quarantine.KEPT // 2 + 8):
        for code in ("999999", good.site.code):
            fake = bad.up / f"{code}-population_by_town-20230531-r{number}"
            shutil.copytree(theirs, fake)
            (fake / "status.json").chmod(0o644)
            (fake / "status.json").write_bytes(f"{code} {number}".encode())


def test_one_child_stops_and_hides_nothing_of_another(tmp_path: Path) -> None:
    """Names that are no text, pipes, narrow columns, others' packages: the others do not notice."""
    city = make_city(tmp_path)
    good, bad = make_county(tmp_path, city), make_county(tmp_path, city, "140322", "盂县")
    with bad.lake.writer("narrow") as writer, writer.transaction("narrow") as tx:
        tx.con.execute(NARROW)
    bad.seal()
    bad.deliver()
    good.build()
    first = good.seal()
    assert first is not None
    litter(bad, good)
    good.deliver()
    later = good.report_day(2)
    last = good.report_day(3)
    for up in (good.up, bad.up):
        shutil.copytree(last.folder, up / last.package_id)
    found = taken(city)
    told = {one.package_id: one for one in found.decisions if one.site_code == good.site.code}
    assert told[first.package_id].outcome == "accepted", told[first.package_id].reasons
    assert told[last.package_id].outcome == "held"
    assert later.package_id not in told
    (narrow,) = (one for one in found.decisions if one.consumed and one.site_code == "140322")
    assert "person_cnt: it is TINYINT, the receiver's contract says BIGINT" in str(narrow.reasons)
    # The answer to the package that another one laid down too is there, and says what is so.
    assert (good.down / f"{last.package_id}.ack.json").is_file()
    kept = list(city.home.rejected.iterdir())
    assert {path.name.partition("-")[0] for path in kept} == {"140322"}
    whole = [path for path in kept if (path / "status.json").exists()]
    assert len(whole) <= quarantine.KEPT


def test_words_of_a_sender_steer_no_terminal(tmp_path: Path) -> None:
    """A key of the signed header that the reason must name stands in it without its commands."""
    city = make_city(tmp_path)
    bad = make_county(tmp_path, city)
    bad.build()
    package = bad.seal()
    assert package is not None
    copy = thaw(package.folder, bad.up)
    signed_as(bad, copy, lambda payload: payload["header"].update({"\x1b]0;x\x07\u202e\x1b[2J": 1}))
    (one,) = taken(city).decisions
    assert one.outcome == "rejected"
    assert all(sentence.isprintable() for sentence in one.reasons)


@pytest.mark.parametrize(
    "since", ["2023-99-99T99:99:99Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_an_instant_that_no_clock_shows_is_none(since: str) -> None:
    """Whoever reads it later would stop at it; so it is refused where it comes in."""
    held = {"feed": "a", "title": "a", "hold_id": "h", "kind": "k", "since": since}
    with pytest.raises(PackageError, match="since"):
        holds_of({"held": [{**held, "data_until": ""}]})


@pytest.mark.thorough
def test_an_answer_is_not_of_a_later_day(tmp_path: Path) -> None:
    """The newest answer counts, so one dated ahead with a stolen key would stand for ever."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    package = county.report_day(1)
    county.deliver()
    (true,) = taken(city).decisions
    assert true.outcome == "accepted"
    forged = Acknowledgement(
        package_id=package.package_id,
        package_hash=true.package_hash,
        received_hash=true.received_hash,
        sender=county.site.code,
        recipient=city.site.code,
        outcome="rejected",
        reasons=("no",),
        acknowledged_at="2999-12-31T23:59:59Z",
    )
    name = package.package_id + SUFFIX
    honest = (county.down / name).read_bytes()
    (county.down / name).write_bytes(sign_acknowledgement(forged, city.signer))
    (remark,) = county.deliver().remarks
    assert "of a later day" in remark
    (county.down / name).write_bytes(honest)
    assert [one.outcome for one in county.deliver().answers] == ["accepted"]
    said = county.up.parent / "parent" / "x.json"
    said.parent.mkdir(exist_ok=True)
    for junk in ("{}", '{"payloadType":"x"}', '{"announcements":[{"announcements":[{}]}]}'):
        said.write_text('{"announcements":[' + ",".join([junk] * 1300) + "]}", encoding="utf-8")
        assert sum(map(len, county.deliver().remarks)) < 5_000


@pytest.mark.thorough
def test_a_flood_of_announcements_waits(tmp_path: Path) -> None:
    """Of one child's announcements so many are taken in at a look; its entry does not swell."""
    city = make_city(tmp_path)
    bad = make_county(tmp_path, city)
    keys = bad.up.parent / "keys"
    keys.mkdir()
    card = read_card(bad.home.public_file)
    for serial in range(2, 250):
        later = card.model_copy(update={"serial": serial, "issued_at": "2023-06-01T00:00:00Z"})
        (keys / file_name(later)).write_bytes(announce(later, "x" * 400, [bad.signer]))
    for left in (True, True, False):
        remarks = taken(city).remarks
        assert any("wait for the next look" in one for one in remarks) is left
    child = children(city.home)[bad.site.code]
    assert child.card.serial == 249
    assert len(child.notes) < 249


@pytest.mark.thorough
def test_a_child_makes_no_crowd_known(tmp_path: Path) -> None:
    """Each site below it would be a row of the view and a file of the register for ever."""
    city = make_city(tmp_path)
    bad = make_county(tmp_path, city)
    keys = bad.up.parent / "keys"
    keys.mkdir()
    for number in range(203):
        public = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)).public
        key = CardKey(key_id=public.key_id, public_key=public.text)
        card = SiteCard(code=f"140321{number:03d}", name="乡镇", listed=(key,))
        (keys / file_name(card)).write_bytes(announce(card, "新设", [bad.signer]))
    remarks = [taken(city).remarks for _ in range(3)][-1]
    assert sum("has made known 200 sites already" in one for one in remarks) == 3
    assert len(children(city.home)) == 201


@pytest.mark.thorough
def test_a_place_that_takes_no_answer_hides_no_decision(tmp_path: Path) -> None:
    """A folder under an answer's name: decisions stand and are told, others are answered."""
    city = make_city(tmp_path)
    bad, good = make_county(tmp_path, city), make_county(tmp_path, city, "140322", "盂县")
    for county in (bad, good):
        package = county.report_day(1)
        county.deliver()
    (bad.down / package.package_id.replace("140322", "140321")).with_suffix(".ack.json").mkdir()
    found = taken(city)
    assert [one.outcome for one in found.decisions] == ["accepted", "accepted"]
    (remark,) = found.remarks
    assert remark.startswith("140321: the answer to 140321-population_by_town-20230601-r1 cannot")
    assert len(list(good.down.iterdir())) == 1


@pytest.mark.thorough
def test_garbage_does_not_pile_up_in_the_scratch_folder(tmp_path: Path) -> None:
    """Copies that no transaction has settled are bounded by their bytes, not by their number."""
    city = make_city(tmp_path)
    bad = make_county(tmp_path, city)
    package = bad.report_day(1)
    for revision in range(2, 36):
        fake = bad.up / f"140321-population_by_town-20230601-r{revision}"
        shutil.copytree(package.folder, fake)
        (fake / "status.json").chmod(0o644)
        (fake / "status.json").write_bytes(b"%d" % revision * (4 << 20))
    assert len(taken(city).decisions) == 34
    with city.lake.reader() as con:
        (commits,) = con.execute(
            "SELECT count(*) FROM ducklake_snapshots('lake') WHERE commit_message LIKE 'receive%'"
        ).fetchone() or (0,)
    assert commits == 2, commits


@pytest.mark.thorough
def test_impossible_figures_do_not_stop_the_view(tmp_path: Path) -> None:
    """Sums beyond 64 bits are refused; shares beyond the whole count for nothing."""
    shapes = Workshop.at(tmp_path / "unused", "receive")
    city = make_city(tmp_path)
    good, bad = make_county(tmp_path, city), make_county(tmp_path, city, "140322", "盂县")
    whole = {"sex": "all", "age_band": "all", "resident_cnt": HUGE, "hukou_cnt": -HUGE}
    send(bad, shapes, "population_by_town", [{"town_code": "140322000000", **whole}], "202305")
    odd = {"is_mounted": True, "row_cnt": 10**12, "valid_cnt": 10**12, "checked_cnt": 1}
    words = {"feed": "'; DROP TABLE x --\x1b[2J", "title": "</svg><script>"}
    send(bad, shapes, "aggregation_status", [{**words, **odd}])
    far = {"feed": "far", "is_mounted": True, "last_update_at": "infinity"}
    send(bad, shapes, "aggregation_status", [far], "20230530")
    done = {"task": "all", "status": "success", "execution_cnt": 1, "success_cnt": -(10**12)}
    send(bad, shapes, "task_execution", [done])
    send(good, shapes, "aggregation_status", feeds(5))
    at = START + timedelta(hours=1)
    found = receive(city.lake, city.site, city.signer, at=at, agreement=agreement(shapes)).decisions
    refused = [one for one in found if one.outcome != "accepted"]
    assert [one.report for one in refused] == ["population_by_town", "aggregation_status"]
    assert "column last_update_at: a value lies before" in refused[1].reasons[0]
    assert "column resident_cnt: its numbers are larger together" in refused[0].reasons[0]
    build(city)
    rows = "FROM lake.city.assessment WHERE site_code = '140322' AND value > 0 AND is_rate"
    assert {one for (one,) in city.rows(f"SELECT indicator {rows}")} <= {"mounted", "reported"}
    assert city.rows("SELECT count(*) FROM lake.city.site_overview") == [(2,)]
