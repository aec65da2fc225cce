"""Deliveries of several files: manifests and numbered parts, complete or still waiting."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.contracts.model import Feed, Server, Sla
from dagster_project.ingest.channels import Candidate, Discovery, InboxChannel

LATER = datetime.now(UTC) + timedelta(hours=1)
PEOPLE = Feed(
    name="population", title="实有人口", version="1", department_code="ga",
    department_name="公安局", columns=(), rules=(), delivery="full",
    servers=(
        Server("inbox", path="公安局/实有人口_*.csv"), Server("towns", path="公安局/分镇/*.csv"),
    ),
    sla=Sla(),
)  # fmt: skip
HOUSE = replace(PEOPLE, name="house", servers=(Server("inbox", path="公安局/实有房屋_*.csv"),))
LISTED = replace(PEOPLE, manifest=True)
IN_PARTS = replace(PEOPLE, parts=True)
FOLDER = "公安局"


def put(root: Path, path: str, data: bytes = b"x") -> None:
    """Deliver a file."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def line(path: str, data: bytes = b"x", **more: object) -> dict[str, object]:
    """What a manifest states of a file."""
    return {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}


def state(root: Path, name: str, *lines: dict[str, object]) -> None:
    """Deliver a manifest."""
    put(root, name, json.dumps({"files": lines}, ensure_ascii=False).encode())


def look(root: Path, *feeds: Feed, known: tuple[tuple[str, int, int], ...] = ()) -> Discovery:
    """Look at the inbox once."""
    return InboxChannel(root).discover(feeds or (PEOPLE,), known, now=LATER)


def remembered(candidate: Candidate) -> tuple[tuple[str, int, int], ...]:
    """What the lake remembers of a delivery that was taken."""
    return (candidate.mark, *(part.mark for part in (*candidate.files, *candidate.manifest)))


def test_the_files_of_one_manifest_are_one_delivery_in_its_order(tmp_path: Path) -> None:
    """Path is the manifest's; parts keep what is stated of them; another feed's files are its."""
    for town in ("冠山镇", "南坳镇"):
        put(tmp_path, f"{FOLDER}/分镇/{town}.csv", town.encode())
    put(tmp_path, f"{FOLDER}/实有房屋_1.csv")
    state(
        tmp_path,
        f"{FOLDER}/五月.manifest.json",
        line("分镇\\南坳镇.csv", "南坳镇".encode(), rows=3),
        line("分镇/冠山镇.csv", "冠山镇".encode()),
        line("实有房屋_1.csv"),
    )
    found = look(tmp_path, PEOPLE, HOUSE)
    assert [(one.feed, one.path, one.size) for one in found.candidates] == [
        ("population", f"{FOLDER}/五月.manifest.json", 18),
        ("house", f"{FOLDER}/实有房屋_1.csv", 1),
    ]
    parts = found.candidates[0].parts
    assert [(one.path, one.stated_rows) for one in parts] == [
        (f"{FOLDER}/分镇/南坳镇.csv", 3),
        (f"{FOLDER}/分镇/冠山镇.csv", -1),
    ]
    assert not found.unclaimed
    assert look(tmp_path, PEOPLE, HOUSE, known=remembered(found.candidates[0])).known


def test_a_delivery_waits_until_every_listed_file_is_there_whole(tmp_path: Path) -> None:
    """What lacks is named; the file that is there waits with it."""
    put(tmp_path, f"{FOLDER}/分镇/冠山镇.csv", b"12345")
    manifest = f"{FOLDER}/五月.manifest.json"
    state(tmp_path, manifest, line("分镇/冠山镇.csv", b"1234567890"), line("分镇/南坳镇.csv"))
    found = look(tmp_path)
    assert not found.candidates
    (remark,) = found.unfinished
    assert remark.path == manifest
    assert "2 of 2 files" in remark.sentence
    assert "冠山镇.csv (5 of 10 bytes)" in remark.sentence
    assert "南坳镇.csv (not there)" in remark.sentence
    put(tmp_path, f"{FOLDER}/分镇/冠山镇.csv", b"1234567890")
    put(tmp_path, f"{FOLDER}/分镇/南坳镇.csv")
    assert [one.path for one in look(tmp_path).candidates] == [manifest]


def test_a_manifest_whose_files_were_taken_and_tidied_away_is_silent(tmp_path: Path) -> None:
    """It is no unfinished delivery; a new manifest of that name is."""
    manifest = f"{FOLDER}/五月.manifest.json"
    put(tmp_path, f"{FOLDER}/实有人口_1.csv")
    state(tmp_path, manifest, line("实有人口_1.csv"))
    known = remembered(look(tmp_path).candidates[0])
    (tmp_path / FOLDER / "实有人口_1.csv").unlink()
    assert look(tmp_path, known=known) == Discovery()
    state(tmp_path, manifest, line("实有人口_22.csv"))
    assert [one.path for one in look(tmp_path, known=known).unfinished] == [manifest]


def test_a_feed_by_manifest_takes_nothing_else(tmp_path: Path) -> None:
    """An unlisted file waits with a sentence; a known one stays known; others need none."""
    put(tmp_path, f"{FOLDER}/实有人口_1.csv")
    found = look(tmp_path, LISTED)
    assert not found.candidates
    assert "no manifest names this file" in found.unfinished[0].sentence
    (free,) = look(tmp_path).candidates
    assert look(tmp_path, LISTED, known=(free.mark,)).known == (free,)
    state(tmp_path, f"{FOLDER}/实有人口_1.csv.manifest.json", line("实有人口_1.csv"))
    assert [one.path for one in look(tmp_path, LISTED).candidates] == [free.path]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read"),
        ('{"files": []}', "files"),
        ('{"files": [{"path": "../x.csv", "bytes": 1, "sha256": "0"}]}', "leads out"),
        ('{"files": [{"path": "/x.csv", "bytes": 1, "sha256": "0"}]}', "leads out"),
        (json.dumps({"files": [line("x.csv"), line("x.csv")]}), "listed twice"),
        (json.dumps({"files": [{"path": "x.csv", "bytes": 1}]}), "sha256"),
    ],
)
def test_a_manifest_that_cannot_be_read_keeps_its_file_back(
    tmp_path: Path, text: str, why: str
) -> None:
    """It is refused with a sentence; the file that it is named after waits."""
    put(tmp_path, f"{FOLDER}/实有人口_1.csv")
    put(tmp_path, f"{FOLDER}/实有人口_2.csv")
    put(tmp_path, f"{FOLDER}/实有人口_1.manifest.json", text.encode())
    found = look(tmp_path)
    assert why in found.refused[0].sentence
    assert [one.path for one in found.unfinished] == [f"{FOLDER}/实有人口_1.csv"]
    assert [one.path for one in found.candidates] == [f"{FOLDER}/实有人口_2.csv"]


def test_a_file_in_two_manifests_counts_for_the_first(tmp_path: Path) -> None:
    """The second manifest is refused and says which file; its other files wait."""
    for number in (1, 2):
        put(tmp_path, f"{FOLDER}/实有人口_{number}.csv")
    state(tmp_path, f"{FOLDER}/a.manifest.json", line("实有人口_1.csv"))
    state(tmp_path, f"{FOLDER}/b.manifest.json", line("实有人口_1.csv"), line("实有人口_2.csv"))
    found = look(tmp_path)
    assert [one.path for one in found.candidates] == [f"{FOLDER}/实有人口_1.csv"]
    assert [one.path for one in found.unfinished] == [f"{FOLDER}/实有人口_2.csv"]
    assert "another manifest" in found.refused[0].sentence
    assert found.refused[0].path == f"{FOLDER}/b.manifest.json"


@pytest.mark.parametrize(
    "names",
    [
        ["实有人口_5月_1of2.csv", "实有人口_5月_2of2.csv"],
        ["实有人口_5月(1-2).csv", "实有人口_5月(2-2).csv"],
        ["实有人口_5月（1/2）.csv".replace("/", "-"), "实有人口_5月（2-2）.csv"],
        ["实有人口_5月第1部分共2部分.csv", "实有人口_5月第2部分共2部分.csv"],
    ],
    ids=["of", "brackets", "wide", "words"],
)
def test_numbered_parts_are_one_delivery_when_all_are_there(
    tmp_path: Path, names: list[str]
) -> None:
    """The second alone waits and says what lacks; both go by the name that they share."""
    put(tmp_path, f"{FOLDER}/{names[1]}", b"two")
    found = look(tmp_path, IN_PARTS)
    assert not found.candidates
    assert "1 of 2 parts of this delivery are not there: part 1" in found.unfinished[0].sentence
    put(tmp_path, f"{FOLDER}/{names[0]}", b"one")
    (made,) = look(tmp_path, IN_PARTS).candidates
    assert (made.path, made.size) == (f"{FOLDER}/实有人口_5月.csv", 6)
    assert [Path(one.path).name for one in made.parts] == names
    assert len(look(tmp_path, PEOPLE).candidates) == 2


def test_numbers_that_are_no_parts_are_left_alone(tmp_path: Path) -> None:
    """A copy's (1), a date, part 3 of 2 and part 1 of 1 are single deliveries."""
    names = ["实有人口_1(1).csv", "实有人口_2023-05.csv", "实有人口_3of2.csv", "实有人口_1of1.csv"]
    for name in names:
        put(tmp_path, f"{FOLDER}/{name}")
    assert len(look(tmp_path, IN_PARTS).candidates) == len(names)


def test_a_part_that_is_there_twice_stops_its_delivery(tmp_path: Path) -> None:
    """Nobody can tell which of two first parts counts."""
    for name in ("x_1of2", "x_2of2", "x_（1-2）", "x(1-2)"):
        put(tmp_path, f"{FOLDER}/实有人口_{name}.csv")
    found = look(tmp_path, IN_PARTS)
    assert not found.candidates
    assert "part 1 of this delivery is there twice" in found.refused[0].sentence


def test_a_corrected_part_makes_the_delivery_new(tmp_path: Path) -> None:
    """So does nothing else: the same files are known."""
    for number in (1, 2):
        put(tmp_path, f"{FOLDER}/实有人口_5月_{number}of2.csv")
    (made,) = look(tmp_path, IN_PARTS).candidates
    known = remembered(made)
    assert look(tmp_path, IN_PARTS, known=known).known == (made,)
    second = tmp_path / made.parts[1].path
    os.utime(second, ns=(1, made.parts[1].mtime_ns - 5))
    assert len(look(tmp_path, IN_PARTS, known=known).candidates) == 1


def test_a_manifest_that_is_corrected_after_a_refusal_is_looked_at_again(tmp_path: Path) -> None:
    """A refused delivery is remembered without its files' marks, so that a new manifest counts."""
    put(tmp_path, f"{FOLDER}/实有人口_1.csv")
    manifest = f"{FOLDER}/五月.manifest.json"
    state(tmp_path, manifest, line("实有人口_1.csv", b"y"))
    (made,) = look(tmp_path).candidates
    known = (made.mark,)
    assert look(tmp_path, known=known).known
    state(tmp_path, manifest, line("实有人口_1.csv"))
    os.utime(tmp_path / manifest, ns=(1, made.mtime_ns - 1_000_000_000))
    assert len(look(tmp_path, known=known).candidates) == 1
