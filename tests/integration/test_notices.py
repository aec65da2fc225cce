"""Notices through real services: what arrives, what is kept for later, what is never sent."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from datetime import timedelta
from email import message_from_string
from pathlib import Path
from typing import Any

import apprise
import pytest

from dagster_project import clock
from dagster_project.components.steps.notices.messenger import address_fault, deliver
from dagster_project.components.steps.notices.sending import (
    Notice,
    ledger,
    recipient_faults,
    send,
    send_due,
)
from dagster_project.components.steps.tasks.pausing import decide
from dagster_project.components.steps.tasks.running import running
from dagster_project.errors import ChannelError, UsageError
from dagster_project.lake.lock import HomeLock
from dagster_project.paths import Home
from dagster_project.settings import Recipient, load_site, save_site
from tests.delivery_kit import County, rows
from tests.notice_kit import Service, mail_server, web_service

CONNECTED: list[object] = []
WATCHING: list[bool] = []
PERSON = ("王小明", "140321199003071235", "13812345678")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and WATCHING:
        CONNECTED.append(arguments[1])


sys.addaudithook(_watch)


@pytest.fixture
def service() -> Iterator[Service]:
    """A webhook."""
    with web_service() as found:
        yield found


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> County:
    """A county one of whose deliveries was refused; tests take copies of it."""
    made = County(tmp_path_factory.mktemp("refused"))
    made.put("许可_202305.csv", rows(range(20)))
    made.run()
    made.put_bytes("许可_202306.csv", b"")
    assert made.run().error
    return made


@pytest.fixture
def county(
    refused: County, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> County:
    """That county, telling a webhook; a home may be moved."""
    shutil.copytree(refused.root, tmp_path / "moved")
    made = copy(refused)
    made.root = tmp_path / "moved"
    made.inbox = made.root / "county" / "inbox"
    made.workshop = replace(
        refused.workshop, home=Home(made.root / "county"), schemas=made.root / "schemas"
    )
    monkeypatch.setenv("DUTY_TOKEN", f"json://127.0.0.1:{service.port}/hook")
    notify(made, Recipient(to="env:DUTY"))
    return made


def notify(county: County, *recipients: Recipient) -> None:
    """Let the county's site.yaml name these recipients."""
    home = county.workshop.home
    save_site(home, load_site(home).model_copy(update={"notify": recipients}))


def states(county: County) -> list[str]:
    """The states of everything in the ledger."""
    return sorted(one for (one,) in county.ask("SELECT state FROM ops.notice"))


def test_a_refusal_is_told_once_and_then_its_end(county: County, service: Service) -> None:
    """One message with what, where and what to do; silence; and a word when it is over."""
    (sent,) = send(county.workshop)
    assert (sent.recipient, sent.told, sent.fault) == ("env:DUTY", 1, "")
    (text,) = service.messages()
    assert text.startswith("平定县 数据归集通知：失败 1\n■ 审批局\n[失败] 许可 permit：执行失败")
    assert text.endswith("→ countylake tasks show permit")
    assert send(county.workshop) == []
    county.put("许可_202307.csv", rows(range(21)))
    assert not county.run().error
    send(county.workshop)
    assert "[已恢复] 许可 permit：此前的“失败”已解除" in service.messages()[1]
    assert (len(service.bodies), states(county)) == (2, ["over"])
    assert send(county.workshop) == []


def test_held_and_late_are_told_with_their_commands(county: County, service: Service) -> None:
    """The clock alone makes a feed late; a doubtful delivery names its hold."""
    later = clock.now() + timedelta(days=70)
    send(county.workshop, later)
    text = "\n".join(service.messages())
    assert "■ 审批局\n[逾期] 许可 permit：应于" in text
    assert "前完成，至今没有；上次报送 " in text
    assert "，通道 inbox 审批局/许可_*.csv" in text
    assert "；请催送 → countylake tasks why permit" in text
    county.put("许可_202307.csv", rows(range(3)))
    county.run()
    (hold,) = county.holds()
    send(county.workshop, later)
    text = service.messages()[-1]
    assert "[搁置] 许可 permit：记录大量消失" in text
    assert f"countylake hold show {hold.hold_id}" in text


def test_a_running_or_paused_task_has_not_recovered(county: County, service: Service) -> None:
    """What was told stays so while its task runs, and is not told anew while it is paused."""
    send(county.workshop)
    with running(county.workshop.home, "permit", "test"):
        assert send(county.workshop) == []
    decide(county.workshop, ["permit"], "pause", by="somebody", why="moving")
    assert send(county.workshop, clock.now() + timedelta(days=70)) == []
    assert (len(service.bodies), states(county)) == (1, ["told"])


def test_an_address_that_is_down_is_tried_again(county: County, service: Service) -> None:
    """Nothing fails; the notice is kept, rests, and arrives once when the service is back."""
    service.status = 503
    now = clock.now()
    (sent,) = send(county.workshop, now)
    assert (sent.told, states(county)) == (0, ["waiting"])
    assert "did not take a message" in sent.fault
    assert str(service.port) not in sent.fault
    assert send(county.workshop, now + timedelta(seconds=30)) == []
    (sent,) = send(county.workshop, now + timedelta(minutes=3))
    assert sent.fault
    assert [one.attempts for one in ledger(county.workshop)] == [2]
    service.status = 200
    (sent,) = send(county.workshop, now + timedelta(minutes=30))
    assert (sent.told, states(county), len(service.bodies)) == (1, ["told"], 3)
    assert send(county.workshop, now + timedelta(minutes=31)) == []


def test_nobody_is_told_unless_the_site_says_so(county: County, service: Service) -> None:
    """Without `notify` no socket is opened and nothing is written."""
    notify(county)
    WATCHING.append(True)
    try:
        assert send_due(county.workshop) == []
    finally:
        WATCHING.clear()
    assert (CONNECTED, service.bodies, states(county)) == ([], [], [])
    assert "notify" not in county.workshop.home.site_file.read_text("utf-8")


def test_a_reference_to_nothing_fails_no_run(county: County, service: Service) -> None:
    """A wrong reference is kept like an address that is down, and told by `list`."""
    notify(county, Recipient(to="env:NOBODY"), Recipient(to="env:DUTY"))
    first, second = send_due(county.workshop)
    assert "env:NOBODY" in first.fault
    assert (second.told, len(service.bodies)) == (1, 1)
    assert "say nothing" in address_fault("env:NOBODY")
    assert address_fault("env:DUTY") == ""
    odd = Recipient(to="env:DUTY", departments=("shenpi", "nobody"), feeds=("permit",))
    (fault,) = recipient_faults(county.workshop, odd)
    assert "the departments nobody, which no contract has" in fault


def test_an_address_that_apprise_does_not_know_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sentence names the reference; the address with its secret stays unsaid."""
    monkeypatch.setenv("ODD_TOKEN", "odd://secret-key")
    with pytest.raises(UsageError) as raised:
        deliver("env:ODD", "标题", ["正文"])
    assert "secret-key" not in str(raised.value)


def test_the_address_stands_in_no_log(
    county: County, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where everything is logged; what the services' libraries say is left out."""
    caplog.set_level("DEBUG")
    service.status = 500
    send(county.workshop)
    assert service.bodies
    assert str(service.port) not in caplog.text
    assert "执行失败" not in caplog.text


def test_no_cell_is_ever_sent(county: County, service: Service) -> None:
    """What fails, is held or drifts tells of files and columns, never of a person in them."""
    name, number, phone = PERSON
    bad = [(f"P{n}", name, phone) for n in range(20)]
    county.put("许可_202307.csv", bad)
    county.run()
    data = f"许可编号,持有人姓名,发证日期\n{number},{name},2023-05-31\n".encode()
    county.put_bytes("许可_202308.csv", data)
    county.run()
    send(county.workshop, clock.now() + timedelta(days=70))
    assert service.bodies
    for value in PERSON:
        assert value not in service.said


ROBOTS = {
    "wecombot": ("wecombot://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa", "NotifyWeComBot"),
    "dingtalk": ("dingtalk://SECabcdef@abcdef0123456789/", "NotifyDingTalk"),
    "feishu": ("feishu://abcdef-0123-4567-89ab-abcdef012345", "NotifyFeishu"),
}


@pytest.fixture(params=sorted(ROBOTS))
def robot(
    request: pytest.FixtureRequest, service: Service, monkeypatch: pytest.MonkeyPatch
) -> Service:
    """A robot's service, its fixed address on loopback instead of the internet."""
    url, plugin = ROBOTS[request.param]
    monkeypatch.setenv("DUTY_TOKEN", url)
    known = apprise.plugins.N_MGR.plugins()  # type: ignore[no-untyped-call]
    (kind,) = [one for one in known if one.__name__ == plugin]
    monkeypatch.setattr(kind, "notify_url", f"http://127.0.0.1:{service.port}/robot")
    return service


def test_robots_get_text_with_the_title(robot: Service) -> None:
    """WeCom, DingTalk and Feishu: title and text arrive in their own shapes."""
    robot.answer = b'{"errcode": 0, "errmsg": "ok", "code": 0}'
    deliver("env:DUTY", "平定县 数据归集通知", ["■ 公安局\n[逾期] 实有人口"])
    assert "平定县 数据归集通知" in robot.said
    assert "[逾期] 实有人口" in robot.said


def test_a_robot_that_refuses_with_status_200_took_nothing(robot: Service) -> None:
    """A wrong key or a lacking keyword is a number in the body; it is not taken for delivered."""
    robot.answer = b'{"errcode": 93000, "errmsg": "invalid key", "code": 19001, "msg": "bad"}'
    with pytest.raises(ChannelError) as raised:
        deliver("env:DUTY", "标题", ["正文"])
    assert "93000: invalid key" in str(raised.value) or "19001" in str(raised.value)


def test_a_webhook_may_answer_what_it_likes(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only robots' numbers are judged: another service's `code: 200` is no refusal."""
    monkeypatch.setenv("DUTY_TOKEN", f"json://127.0.0.1:{service.port}/hook")
    service.answer = b'{"code": 200, "errcode": 7}'
    deliver("env:DUTY", "标题", ["一", "二"])
    assert [body["message"] for body in service.bodies] == ["一", "二"]


def test_a_letter_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """E-mail goes to the site's own mail server, title and text in one letter."""
    with mail_server() as box:
        address = f"mailto://127.0.0.1:{box.port}?from=lake@county.example&to=duty@county.example"
        monkeypatch.setenv("DUTY_TOKEN", f"{address}&format=text")
        deliver("env:DUTY", "平定县 notices", ["late population"])
    (letter,) = box.letters
    assert "duty@county.example" in letter
    assert "bGF0ZSBwb3B1bGF0aW9u" in letter or "late population" in letter


def test_a_file_name_is_no_markup_in_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a department calls its file is shown, and fetches nothing from anywhere."""
    with mail_server() as box:
        address = f"mailto://127.0.0.1:{box.port}?from=lake@county.example&to=duty@county.example"
        monkeypatch.setenv("LETTER_TOKEN", address)
        deliver("env:LETTER", "t", ["<img src=x>.csv"])
        monkeypatch.setenv("LETTER_TOKEN", f"{address}&format=html")
        deliver("env:LETTER", "t", ["<img src=x>.csv"])
    plain, styled = (message_from_string(letter) for letter in box.letters)
    assert plain.get_content_type() == "text/plain"
    parts = [f"{part.get_payload(decode=True)!r}" for part in styled.walk()
             if part.get_content_type() == "text/html"]  # fmt: skip
    assert parts
    assert not any("<img" in part for part in parts)


def test_no_message_goes_where_its_address_does_not_say(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that sends to another place has not taken the message."""
    with web_service() as other:
        service.status, service.location = 307, f"http://127.0.0.1:{other.port}/"
        monkeypatch.setenv("ROBOT_TOKEN", f"json://127.0.0.1:{service.port}/")
        with pytest.raises(ChannelError):
            deliver("env:ROBOT", "t", ["part"])
        assert other.bodies == []


def test_two_senders_do_not_tell_twice(county: County, service: Service) -> None:
    """While one process tells, another leaves it to that one."""
    other = HomeLock(county.workshop.home.tasks / "notices.lock")
    with other.hold("telling", 0.0):
        assert send_due(county.workshop) == []
    assert service.bodies == []
    assert send_due(county.workshop)
    assert os.environ["DUTY_TOKEN"] not in str(ledger(county.workshop))


def test_the_lake_is_free_while_a_message_is_on_its_way(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a slow service: during the delivery the writer's lock can be had."""
    free: list[bool] = []

    def watched(*arguments: Any) -> None:
        with HomeLock(county.workshop.home.lock).hold("looking", 0.0):
            free.append(True)
        deliver(*arguments)

    monkeypatch.setattr("dagster_project.components.steps.notices.sending.deliver", watched)
    send(county.workshop)
    assert free == [True]
    assert [type(one) for one in ledger(county.workshop)] == [Notice]
