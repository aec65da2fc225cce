"""Interfaces that misbehave: the extract equals the source exactly, or nothing is taken."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project.clock import now
from dagster_project.errors import ChannelError, LakeError, UsageError
from dagster_project.ingest.channels.pull import Memory, Window
from tests.interface_kit import (
    MARKED,
    PAGING,
    QUICK,
    Interface,
    pull_of,
    pulled,
    records,
    server_of,
    serving,
)

SECRET = "s3cret"  # noqa: S105 - of nobody


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("style", list(PAGING))
def test_every_style_brings_every_record(tmp_path: Path, style: str, *, total: bool) -> None:
    """Whether the last page is full, short, the only one, or there is none."""
    with serving(Interface([], style, total)) as interface:
        for count in (0, 1, 6, 7, 8, 14, 30):
            interface.rows = records(count)
            assert pulled(interface, tmp_path) == interface.rows, count


@pytest.mark.parametrize(
    ("fault", "style"),
    zip(
        [
            "429",
            "500",
            "503",
            "cut",
            "truncated",
            "drop",
            "gzip",
            "badgzip",
            "gbk",
            "busy",
            "stall",
        ],
        itertools.cycle(PAGING),
    ),
)
def test_a_passing_fault_costs_no_record(tmp_path: Path, fault: str, style: str) -> None:
    """Each fault at the first and at a later request of a walk."""
    with serving(Interface(records(17), style, faults={0: fault, 2: fault})) as interface:
        bounds = replace(QUICK, silence=0.25) if fault == "stall" else QUICK
        assert pulled(interface, tmp_path, bounds=bounds) == interface.rows


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("style", ["page", "offset"])
@pytest.mark.parametrize("caps", [{0: 3}, {1: 3}, {2: 3}, {1: 2, 4: 5}, {0: 112}, {2: 110}])
def test_a_changed_page_size_loses_and_doubles_nothing(
    tmp_path: Path, style: str, caps: dict[int, int], *, total: bool
) -> None:
    """The interface gives fewer or more records than were asked for, from the middle on."""
    with serving(Interface(records(40), style, total, caps=caps)) as interface:
        assert pulled(interface, tmp_path) == interface.rows


def test_repeated_records_are_found_out(tmp_path: Path) -> None:
    """A page that repeats a record lacks another one: it is asked again, and then refused."""
    with serving(Interface(records(20), repeats=frozenset({1}))) as interface:
        assert pulled(interface, tmp_path) == interface.rows
    with (
        serving(Interface(records(20), repeats=frozenset(range(99)))) as interface,
        pytest.raises(ChannelError, match="do not fit together") as failed,
    ):
        pulled(interface, tmp_path)
    assert failed.value.transient


def test_pages_that_overlap_keep_a_record_once(tmp_path: Path) -> None:
    """Where no number is stated, what comes twice is kept once."""
    rows = records(9)
    with serving(Interface([*rows, rows[3], rows[8]], "cursor", total=False)) as interface:
        assert pulled(interface, tmp_path) == rows


def test_a_source_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Records that arrive in the middle are in the extract, and none is lost."""

    def grow(interface: Interface, number: int) -> None:
        if number == 2:
            interface.rows = records(3, 100) + interface.rows

    for style, total in (("page", True), ("offset", True), ("page", False), ("offset", False)):
        with serving(Interface(records(20), style, total, change=grow)) as interface:
            assert pulled(interface, tmp_path) == interface.rows


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_a_record_that_moves_hides_no_other(tmp_path: Path, style: str, *, total: bool) -> None:
    """A record that is changed and goes to the end pulls another one through between two pages."""

    def touch(interface: Interface, number: int) -> None:
        if number == 2:
            moved = {**interface.rows[1], "amount": "0.00"}
            interface.rows = [interface.rows[0], *interface.rows[2:], moved]

    with serving(Interface(records(30), style, total, change=touch)) as interface:
        assert pulled(interface, tmp_path) == interface.rows


def test_keys_that_repeat_are_the_lake_s_matter(tmp_path: Path) -> None:
    """A source may well hold two records of one key; a second walk shows that they stay."""
    rows = records(20)
    rows[12] = {**rows[3], "amount": "9.99"}
    with serving(Interface(rows)) as interface:
        assert pulled(interface, tmp_path) == rows
        assert len(interface.asked) == 6


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({0: "401"}, "refuses to answer strangers"),
        ({0: "404"}, r"refuses the request \(HTTP 404\)"),
        ({0: "400"}, r"refuses the request \(HTTP 400\)"),
        ({0: "html"}, "the answer is no JSON of records"),
        ({0: "nan"}, "NaN is no value of JSON"),
        ({0: "redirect http://localhost:1/api"}, "sends to another host"),
        ({0: "redirect //elsewhere.invalid/x"}, "sends to another host"),
        (dict.fromkeys(range(9), "redirect ?a=1"), "from one address to another and back"),
    ],
)
def test_a_lasting_fault_says_what_to_do(tmp_path: Path, faults: dict[int, str], said: str) -> None:
    """It is not asked again, and the sentence holds no parameter."""
    with serving(Interface(records(3), faults=faults)) as interface:
        with pytest.raises(ChannelError, match=said) as failed:
            pulled(interface, tmp_path)
        assert not failed.value.transient
        assert failed.value.todo
        assert "in force" not in str(failed.value)
        assert len(interface.asked) == (5 if len(faults) > 1 else 1)


def test_a_redirection_on_the_same_host_is_followed(tmp_path: Path) -> None:
    """An interface may put its address in order."""
    with serving(Interface(records(3), "none")) as interface:
        interface.faults = {0: f"redirect {interface.url}?status=valid"}
        assert pulled(interface, tmp_path) == interface.rows


@pytest.mark.parametrize("fault", ["429", "500", "cut", "truncated", "drop"])
def test_a_fault_that_does_not_pass_is_told_as_passing(tmp_path: Path, fault: str) -> None:
    """After a bounded number of tries the channel gives up; the task may try later."""
    with serving(Interface(records(3), faults=dict.fromkeys(range(99), fault))) as interface:
        with pytest.raises(ChannelError) as failed:
            pulled(interface, tmp_path)
        assert failed.value.transient
        assert len(interface.asked) == QUICK.tries


def test_nobody_there_is_told_as_passing(tmp_path: Path) -> None:
    """A refused connection names the channel and its address."""
    with serving(Interface([])) as interface:
        pass
    with pytest.raises(ChannelError, match=r"people, interface \(http:") as failed:
        pulled(interface, tmp_path)
    assert failed.value.transient


@pytest.mark.parametrize(
    ("after", "waited"),
    [("2", [2.0]), ("", [0.0]), ("soon", [0.0]), ("Sun, 01 Jan 2023 00:00:00 GMT", [0.0])],
)
def test_retry_after_is_honoured(tmp_path: Path, after: str, waited: list[float]) -> None:
    """The interface says how long to leave it alone: seconds, or a date."""
    slept: list[float] = []
    with serving(Interface(records(3), faults={0: f"429 {after}"})) as interface:
        (extract,) = pull_of(interface, tmp_path, wait=slept.append).pull(Memory())
        extract.file.unlink()
    assert slept == waited


def test_a_long_wait_is_not_waited_for(tmp_path: Path) -> None:
    """A pull that is asked to wait too long ends; the task is started again later."""
    slept: list[float] = []
    with serving(Interface(records(3), faults={0: "503 86400"})) as interface:
        with pytest.raises(ChannelError) as failed:
            list(pull_of(interface, tmp_path, wait=slept.append).pull(Memory()))
        assert failed.value.transient
        assert (slept, len(interface.asked)) == ([], 1)


def test_credentials_are_shown_and_never_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token as Bearer or in a named header, a user with Basic; errors name the reference."""
    monkeypatch.setenv("PEOPLE_TOKEN", SECRET)
    with serving(Interface(records(3), token=SECRET)) as interface:
        assert pulled(interface, tmp_path, credentials="env:PEOPLE") == interface.rows
        monkeypatch.setenv("PEOPLE_TOKEN", "wrong-one")
        with pytest.raises(ChannelError, match="refuses the credentials env:PEOPLE") as failed:
            pulled(interface, tmp_path, credentials="env:PEOPLE")
        assert "wrong-one" not in str(failed.value)
        options = dict(server_of(interface).options)
        options["request"] = {**options["request"], "header": "X-Token"}
        with pytest.raises(ChannelError):
            pulled(interface, tmp_path, credentials="env:PEOPLE", options=options)
        assert interface.headers[-1]["X-Token"] == "wrong-one"
        monkeypatch.delenv("PEOPLE_TOKEN")
        monkeypatch.setenv("PEOPLE_USER", "u")
        monkeypatch.setenv("PEOPLE_PASSWORD", "p")
        with pytest.raises(ChannelError):
            pulled(interface, tmp_path, credentials="env:PEOPLE")
        assert interface.headers[-1]["Authorization"].startswith("Basic ")


def test_a_token_in_the_address_is_in_no_contract_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request carries it as the named parameter; sentences and the spool never do."""
    monkeypatch.setenv("PEOPLE_TOKEN", SECRET)
    with serving(Interface(records(30), "next", faults={1: "500"})) as interface:
        options = dict(server_of(interface).options)
        options["request"] = {**options["request"], "tokenParameter": "appkey"}
        got = pulled(interface, tmp_path, credentials="env:PEOPLE", options=options)
        assert got == interface.rows
        assert {query.get("appkey") for query in interface.asked} == {SECRET}
        assert "Authorization" not in interface.headers[-1]
        interface.faults |= dict.fromkeys(range(len(interface.asked), 99), "403")
        with pytest.raises(ChannelError) as failed:
            pulled(interface, tmp_path, credentials="env:PEOPLE", options=options)
        assert SECRET not in str(failed.value)
    held = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(SECRET.encode() in file.read_bytes() for file in held)


def test_endless_pages_end_in_an_error(tmp_path: Path) -> None:
    """A page parameter that is ignored, a cursor that turns in a circle, a link that leads away."""
    words: dict[str, Any] = {"style": "page", "page": "seite", "rows": 7}
    with serving(Interface(records(7), "none", total=False)) as interface:
        options = {"request": {"records": "data.items", "paging": words}}
        with pytest.raises(ChannelError, match="whatever `seite` says"):
            pulled(interface, tmp_path, options=options)
    with serving(Interface(records(30), "cursor", total=False)) as interface:
        interface.page = lambda *_: (records(1), "7", "")  # type: ignore[method-assign]
        with pytest.raises(ChannelError, match="pages without end"):
            pulled(interface, tmp_path)
        interface.page = lambda *_: (records(1), "", "http://localhost/x")  # type: ignore[method-assign]
        interface.style = "next"
        with pytest.raises(ChannelError, match="sends to another host"):
            pulled(interface, tmp_path)


def test_a_watermark_is_asked_for_and_reached(tmp_path: Path) -> None:
    """The first pull takes everything, the next what is at or above the mark, minus the overlap."""
    with serving(Interface(records(20), total=True)) as interface:
        (first,) = pull_of(interface, tmp_path, watermark=MARKED).pull(Memory())
        first.file.unlink()
        reached = first.candidate.origin.until
        assert reached == interface.rows[-1]["updated_at"]
        assert first.candidate.path.startswith("interface/people-")
        interface.rows += [*records(1, 20), {**records(1, 21)[0], "updated_at": "9999-12-31"}]
        later = Memory(watermark=reached)
        (second,) = pull_of(interface, tmp_path, watermark=MARKED).pull(later)
        assert second.file.read_text(encoding="utf-8").count("\n") == 3
        second.file.unlink()
        assert second.candidate.origin.until == interface.rows.pop(-2)["updated_at"]
        assert interface.rows.pop()["updated_at"] == "9999-12-31"
        assert interface.asked[-1]["since"] == reached
        window = Memory(window=Window(interface.rows[3]["updated_at"], reached))
        (again,) = pull_of(interface, tmp_path, watermark=MARKED).pull(window)
        assert again.file.read_text(encoding="utf-8").count("\n") == 16
        again.file.unlink()
        assert again.candidate.origin.until == ""
        assert not list(
            pull_of(interface, tmp_path, watermark=MARKED).pull(
                Memory(watermark="2027-01-01T00:00:00+08:00")
            )
        )
        with pytest.raises(UsageError, match="cannot be asked for a range"):
            list(pull_of(interface, tmp_path).pull(window))


def test_records_of_a_clock_that_runs_ahead_come_until_it_is_reached(tmp_path: Path) -> None:
    """Marks of the next hours are no fault of the column, and move nothing."""
    soon = (now() + timedelta(hours=2)).isoformat()
    rows = [{**row, "updated_at": soon} for row in records(5)]
    with serving(Interface(rows, "none")) as interface:
        (first,) = pull_of(interface, tmp_path, watermark=MARKED).pull(Memory())
        assert first.candidate.origin.until == ""


def test_a_watermark_that_is_none_is_told(tmp_path: Path) -> None:
    """A column that no record has, and one that holds something else, are refused by name."""
    with serving(Interface(records(5), "none")) as interface:
        for column, said in (("changed", "no record holds"), ("person.name", "is not always")):
            watermark = replace(MARKED, column=column)
            with pytest.raises(ChannelError, match=said) as failed:
                pulled(interface, tmp_path, watermark=watermark)
            assert not failed.value.transient
            assert "王" not in str(failed.value)
        assert pulled(interface, tmp_path) == interface.rows


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless interface does not fill the disk: what came of it is removed."""
    monkeypatch.setattr("dagster_project.ingest.channels.interface.draft.RESERVE", 1 << 60)
    with (
        serving(Interface(records(30))) as interface,
        pytest.raises(LakeError, match="No space left"),
    ):
        pulled(interface, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_look_takes_a_few_records(tmp_path: Path) -> None:
    """It stops early and leaves nothing behind."""
    with serving(Interface(records(60))) as interface:
        assert pulled(interface, tmp_path, Memory(look=10)) == interface.rows[:10]
        assert len(interface.asked) == 2


def test_records_are_written_as_they_came(tmp_path: Path) -> None:
    """Numbers, escapes and blanks stay; only line breaks between tokens go."""
    odd = b'{"id":"1",  "n": 1.10,\r\n\t"e":1E3, "u":"\\u5e73\\n", "o":{ "a":\n[1, 2.0]}}'
    with serving(Interface([], "none", total=False)) as interface:
        interface.body = lambda *_: b'{"data":{"items":[' + odd + b"]}}"  # type: ignore[method-assign]
        (extract,) = pull_of(interface, tmp_path).pull(Memory())
    expected = b'{"id":"1",  "n": 1.10,"e":1E3, "u":"\\u5e73\\n", "o":{ "a":[1, 2.0]}}\n'
    assert extract.file.read_bytes() == expected
