"""A line to another site's web: what goes wrong before anybody answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.errors import ChannelError
from dagster_project.protocol.line import Line
from dagster_project.reporting.links.link import LinkError

NOBODY = "http://127.0.0.1:1"


def line(url: str, authorities: Path | None = None) -> Line:
    """A line that shows a token."""
    return Line(url, "s3cret", "the child", "ca", authorities, connect=2.0, error=LinkError)


def test_a_line_shows_its_token_to_nobody_else() -> None:
    """Neither a log of the line nor a sentence has it."""
    with line(NOBODY) as made, pytest.raises(LinkError) as raised, made.ask("GET", "/v1/site"):
        pass
    assert "s3cret" not in repr(made) + str(raised.value)
    assert raised.value.transient
    assert str(raised.value).startswith(f"{NOBODY}: the child cannot be reached")


def test_authorities_that_cannot_be_read_are_named() -> None:
    """The sentence names the file and the setting."""
    with (
        pytest.raises(ChannelError, match=r"^/nowhere/ca\.pem: .* Correct `ca`"),
        line("https://county.example", Path("/nowhere/ca.pem")),
    ):
        pass


def test_what_is_no_address_is_refused() -> None:
    """Trying again does not help."""
    with (
        line("http://county.example:port") as made,
        pytest.raises(ChannelError, match="no address") as raised,
        made.ask("GET", "/"),
    ):
        pass
    assert not raised.value.transient
