"""Events handed on: each once, in order, to a server that validates them; nothing waits for it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from dagster_project.lineage.events import forwarding
from dagster_project.lineage.events.events import Work, completed, started
from dagster_project.lineage.events.facets import Assertion, Dataset, Evidence, Written
from dagster_project.lineage.events.forwarding import forward, recall, waiting
from dagster_project.lineage.events.log import append
from dagster_project.paths import Home
from dagster_project.settings import LineageServer
from tests.openlineage_kit import Receiver, receiving

AT = datetime(2023, 5, 31, 12, 30, tzinfo=UTC)


def work(number: int) -> Work:
    """One materialization, with everything that can be told of it."""
    made = Dataset(
        f"gold.t{number}",
        "snapshot 3",
        written=Written(3, 100, 1),
        assertions=[Assertion("is_positive", success=True, column="n", checked=3, failed=0)],
    )
    return Work(
        "140321",
        f"gold.t{number}",
        "r",
        AT,
        inputs=[Dataset("silver.house", "snapshot 2")],
        outputs=[made],
        sql="SELECT 1",
        evidence=Evidence(2, "a" * 64, sources=["b" * 64]),
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with twelve events."""
    found = Home(tmp_path)
    for number in range(6):
        append(found, [started(work(number), AT), completed(work(number), AT)])
    return found


def server(receiver: Receiver, token: str = "") -> LineageServer:
    """The setting that names the receiver."""
    return LineageServer(url=receiver.url, token=token)


def jobs(receiver: Receiver) -> list[str]:
    """What came, in order."""
    return [f"{one['job']['name']} {one['eventType']}" for one in receiver.events]


EXPECTED = [f"gold.t{number} {kind}" for number in range(6) for kind in ("START", "COMPLETE")]


def test_every_event_comes_once_in_order_and_is_valid(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is shown, nothing is sent twice, and what comes later follows."""
    monkeypatch.setenv("OL_TOKEN", "secret")
    with receiving() as receiver:
        done = forward(home, server(receiver, "env:OL"), AT)
        assert (done.sent, done.refused, done.last_error) == (12, 0, "")
        assert forward(home, server(receiver, "env:OL"), AT).sent == 12
        append(home, [started(work(9), AT)])
        assert waiting(home, server(receiver, "env:OL")) > 0
        forward(home, server(receiver, "env:OL"), AT)
        assert waiting(home, server(receiver, "env:OL")) == 0
    assert jobs(receiver) == [*EXPECTED, "gold.t9 START"]
    assert receiver.faults == []
    assert set(receiver.tokens) == {"Bearer secret"}


def test_a_server_that_is_away_is_left_alone_and_misses_nothing(home: Home) -> None:
    """It is asked again only when its time has come; then it gets all, from where it broke off."""
    with receiving() as receiver:
        receiver.refuse = 1
        known = forward(home, server(receiver), AT)
        assert (known.sent, known.failures) == (0, 1)
        assert "answers 503" in known.last_error
        assert forward(home, server(receiver), AT + timedelta(seconds=30)).sent == 0
        assert receiver.asked == 1
        known = forward(home, server(receiver), AT + timedelta(minutes=1))
        assert (known.sent, known.failures, known.last_error) == (12, 0, "")
    assert jobs(receiver) == EXPECTED


def test_nobody_there_is_a_sentence(home: Home) -> None:
    """A refused connection raises nothing, and the pause grows with each failure."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api/v1/lineage"
    known = forward(home, LineageServer(url=url), AT)
    assert "cannot be reached" in known.last_error
    later = AT + timedelta(minutes=2)
    again = forward(home, LineageServer(url=url), later)
    assert again.next_attempt_at == later + timedelta(minutes=2)
    assert (again.failures, again.place) == (2, 0)


def test_an_event_that_is_refused_holds_back_nobody(home: Home) -> None:
    """It is counted and passed over; a torn line is passed over, too."""
    odd = json.loads(completed(work(7), AT)) | {"eventTime": "yesterday"}
    append(home, [json.dumps(odd, separators=(",", ":"))])
    with (home.lineage / "events.ndjson").open("ab") as stream:
        stream.write(b'{"eventType":"COMPL')
    append(home, [started(work(8), AT)])
    with receiving() as receiver:
        known = forward(home, server(receiver), AT)
    assert (known.sent, known.refused) == (13, 1)
    assert jobs(receiver)[-1] == "gold.t8 START"
    assert len(receiver.faults) == 1


def test_a_wrong_token_is_told_and_loses_no_event(home: Home) -> None:
    """A server that does not know us says nothing about the event."""
    with receiving() as receiver:
        receiver.refuse, receiver.status = 1, 401
        known = forward(home, server(receiver), AT)
        assert (known.refused, known.place) == (0, 0)
        assert "answers 401" in known.last_error


def test_it_takes_only_so_much_at_a_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run waits for a server that was away for a year."""
    monkeypatch.setattr(forwarding, "MOST", 5)
    with receiving() as receiver:
        assert [forward(home, server(receiver), AT).sent for _ in range(4)] == [5, 10, 12, 12]
    assert jobs(receiver) == EXPECTED


def test_another_server_gets_all_of_it(home: Home) -> None:
    """And one that lost its place, for the file of events was replaced by a shorter one."""
    with receiving() as first:
        forward(home, server(first), AT)
    with receiving() as second:
        assert forward(home, server(second), AT).sent == 12
        append(home, [])
        path = home.lineage / "events.ndjson"
        path.write_text(started(work(1), AT) + "\n", encoding="utf-8")
        assert forward(home, server(second), AT).sent == 1
    assert jobs(second) == [*EXPECTED, "gold.t1 START"]
    assert recall(home).url == second.url


@pytest.mark.parametrize(
    "url", ["http://lineage.example/api", "https://example:p@lineage.example/", "ftp://x.example"]
)
def test_events_leave_the_machine_over_https_only(url: str) -> None:
    """An address that shows a token in the open is no setting."""
    with pytest.raises(ValidationError):
        LineageServer(url=url)
