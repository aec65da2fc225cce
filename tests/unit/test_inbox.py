"""The inbox: who claims which file, what is new, and what is left alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.contracts.model import Feed, Server, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.channels import Candidate, InboxChannel
from dagster_project.ingest.channels.inbox import matches

LATER = datetime.now(UTC) + timedelta(hours=1)


def feed(name: str, *patterns: str) -> Feed:
    """A contract that claims files."""
    return Feed(
        name=name, title=name, version="1", department_code="ga", department_name="公安局",
        columns=(), rules=(), delivery="full", sla=Sla(),
        servers=tuple(Server("inbox", path=one) for one in patterns),
    )  # fmt: skip


POPULATION = feed("population", "公安局/实有人口_*.csv", "公安局/实有人口_*.xlsx")
HOUSE = feed("house", "公安局/实有房屋_*.csv")


def put(root: Path, path: str, data: bytes = b"x") -> None:
    """Deliver a file."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def test_files_go_to_the_feeds_whose_patterns_they_match(tmp_path: Path) -> None:
    """Candidates carry feed, path, size and time, in the order of their paths."""
    put(tmp_path, "公安局/实有房屋_20230531.csv", b"abc")
    put(tmp_path, "公安局/实有人口_20230531.csv")
    put(tmp_path, "公安局/实有人口_20230430.XLSX")
    found = InboxChannel(tmp_path).discover([POPULATION, HOUSE], [], now=LATER)
    assert [(c.feed, c.path, c.size) for c in found.candidates] == [
        ("population", "公安局/实有人口_20230430.XLSX", 1),
        ("population", "公安局/实有人口_20230531.csv", 1),
        ("house", "公安局/实有房屋_20230531.csv", 3),
    ]


def test_a_known_delivery_is_not_new_until_its_size_or_time_changes(tmp_path: Path) -> None:
    """Path, size and time together are the mark of a delivery."""
    put(tmp_path, "公安局/实有人口_1.csv")
    channel = InboxChannel(tmp_path)
    (first,) = channel.discover([POPULATION], [], now=LATER).candidates
    again = channel.discover([POPULATION], [first.mark], now=LATER)
    assert again.candidates == ()
    assert again.known == (first,)
    os.utime(tmp_path / first.path, ns=(1, first.mtime_ns + 1))
    assert len(channel.discover([POPULATION], [first.mark], now=LATER).candidates) == 1


def test_files_of_no_feed_or_of_two_are_reported_in_sentences(tmp_path: Path) -> None:
    """An unclaimed file and one claimed twice are each one sentence; neither is taken."""
    put(tmp_path, "公安局/实有人口_1.csv")
    put(tmp_path, "别的.csv")
    other = feed("other", "公安局/*.csv")
    found = InboxChannel(tmp_path).discover([POPULATION, other], [], now=LATER)
    assert found.candidates == ()
    assert [r.path for r in found.unclaimed] == ["别的.csv"]
    assert "matches no feed's pattern" in found.unclaimed[0].sentence
    assert "several feeds (other, population)" in found.refused[0].sentence


@pytest.mark.parametrize(
    "name",
    ["~$实有人口_1.xlsx", ".实有人口_1.csv", "实有人口_1.csv.part", "实有人口_1.TMP", "Thumbs.db"],
)
def test_hidden_and_temporary_files_are_not_seen(tmp_path: Path, name: str) -> None:
    """What office programs and transfers leave behind is neither taken nor reported."""
    put(tmp_path, f"公安局/{name}")
    put(tmp_path, ".git/实有人口_1.csv")
    found = InboxChannel(tmp_path).discover([feed("all", "**")], [], now=LATER)
    assert found == type(found)()


def test_links_out_of_the_inbox_are_refused(tmp_path: Path) -> None:
    """A link to another folder gives a sentence and is never followed."""
    (tmp_path / "secret.csv").write_bytes(b"x")
    inbox = tmp_path / "inbox"
    (inbox / "公安局").mkdir(parents=True)
    (inbox / "公安局" / "实有人口_1.csv").symlink_to(tmp_path / "secret.csv")
    channel = InboxChannel(inbox)
    found = channel.discover([POPULATION], [], now=LATER)
    assert found.candidates == ()
    assert "leads out of the inbox" in found.refused[0].sentence
    with pytest.raises(DeliveryError):
        channel.locate(Candidate("population", "../secret.csv", 1, 1))


def test_a_fresh_file_is_looked_at_twice(tmp_path: Path) -> None:
    """A file that grows between two looks waits; one that stands still is taken."""
    put(tmp_path, "公安局/实有人口_1.csv")
    put(tmp_path, "公安局/实有人口_2.csv")

    def upload_goes_on(_: float) -> None:
        put(tmp_path, "公安局/实有人口_1.csv", b"xyz")

    found = InboxChannel(tmp_path, wait=upload_goes_on).discover(
        [POPULATION], [], now=datetime.now(UTC)
    )
    assert [c.path for c in found.candidates] == ["公安局/实有人口_2.csv"]
    assert "still being written" in found.unfinished[0].sentence


def test_an_inbox_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    """A site may be looked at before its first delivery."""
    found = InboxChannel(tmp_path / "none").discover([POPULATION], [], now=LATER)
    assert found.candidates == ()


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("公安局/a.csv", "公安局/*.csv", True),
        ("公安局/子/a.csv", "公安局/*.csv", False),
        ("公安局/子/a.csv", "公安局/**/*.csv", True),
        ("公安局/a.csv", "公安局/**/*.csv", True),
        ("A.CSV", "*.csv", True),
        ("x/公安局/a.csv", "公安局/*.csv", False),
    ],
)
def test_patterns_are_relative_to_the_inbox(path: str, pattern: str, *, expected: bool) -> None:
    """One star stays in its folder, two span folders, and case is ignored."""
    assert matches(path, pattern) is expected


def test_pipes_loops_and_dangling_links_are_refused_and_stop_nobody(tmp_path: Path) -> None:
    """What is no plain file is named in a sentence; the files beside it are taken."""
    put(tmp_path, "公安局/实有人口_1.csv")
    folder = tmp_path / "公安局"
    os.mkfifo(folder / "实有人口_2.csv")
    (folder / "实有人口_3.csv").symlink_to("实有人口_3.csv")
    (folder / "实有人口_4.csv").symlink_to("实有人口_away.csv")
    found = InboxChannel(tmp_path).discover([POPULATION], [], now=LATER)
    assert [c.path for c in found.candidates] == ["公安局/实有人口_1.csv"]
    assert [remark.path for remark in found.refused] == [
        f"公安局/实有人口_{number}.csv" for number in (2, 3, 4)
    ]


@pytest.mark.parametrize(
    "name", ["实有人口_\n.csv", "实有人口_\x1b[31m.csv", "实有人口_\udcff.csv"]
)
def test_names_that_no_ledger_can_hold_are_refused(tmp_path: Path, name: str) -> None:
    """Line breaks, control characters and foreign encodings stop no run and reach no screen."""
    put(tmp_path, f"公安局/{name}")
    (remark,) = InboxChannel(tmp_path).discover([POPULATION], [], now=LATER).refused
    assert remark.sentence.isprintable()
    assert "Rename it" in remark.sentence
