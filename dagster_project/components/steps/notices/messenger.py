"""Handing a message to an address in apprise's words (WeCom, DingTalk, Feishu, e-mail, webhook …).

What is told to whom is decided in ``notices``. The address holds a secret: it is looked up here,
and neither logged nor told. Nothing but the address is ever connected to, and nothing is kept.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from dagster_project.credentials import credential
from dagster_project.errors import ChannelError, UsageError

CONNECT_S, READ_S = 5.0, 10.0
PAUSE_S: Final = 1.0
"""Between the parts of one message; apprise's own pause is made for crowds."""
ROBOTS: Final[dict[str, str]] = {
    "wecombot": "errcode",
    "dingtalk": "errcode",
    "feishu": "code",
    "lark": "code",
}
"""What robots call the answer's number, by their scheme; it is 0 when they took the message."""
REPLY: Final = 200


def address_fault(reference: str) -> str:
    """Why a reference names no address; empty when it does. Nothing is connected to."""
    try:
        _service(reference)
    except UsageError as error:
        return str(error)
    return ""


def deliver(reference: str, title: str, parts: Sequence[str]) -> None:
    """Hand the parts of one message over, in order.

    Args:
        reference: ``env:NAME`` or ``file:name``, whose token is the address.
        title: The message's title.
        parts: Its parts; each fits into one message of every service.

    Raises:
        UsageError: The reference names no address.
        ChannelError: The service did not take a part; those before it were taken.
    """
    service = _service(reference)
    for part in parts:
        with _silence(), _answers() as heard:
            # Told as text, or a file's name would be markup in a letter.
            taken = service.notify(body=part, title=title, body_format="text")
        number = ROBOTS.get(str(service.secure_protocol), "")
        refusal = next(filter(None, (_refusal(number, answer) for answer in heard)), "")
        if not taken or refusal:
            raise ChannelError(
                f"the address {reference} did not take a message ({refusal or 'no connection'})",
                todo="Check the address with `countylake notify test`; it is tried again later",
                transient=True,
            )


def _service(reference: str) -> Any:
    """The service of an address, with our patience and without any memory."""
    url = credential(reference).token
    if not url:
        raise UsageError(
            f"the credentials {reference} hold no token",
            todo="Write `token=` and the address as apprise writes it, e.g. wecombot://…",
        )
    import apprise  # noqa: PLC0415 - most processes send nothing

    with _silence():
        asset = apprise.AppriseAsset(
            storage_mode="memory", async_mode=False, secure_logging=True, http_redirects=False
        )
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        raise UsageError(
            f"the token of {reference} is no address that apprise knows",
            todo="Write it as scheme://…: wecombot, dingtalk, feishu, mailto, json",
        )
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_S, READ_S
    service.request_rate_per_sec = min(service.request_rate_per_sec, PAUSE_S)
    return service


@contextmanager
def _silence() -> Iterator[None]:
    """Libraries that would log addresses and messages keep silent within the block."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _answers() -> Iterator[list[bytes]]:
    """What is answered to this thread's HTTP requests within the block.

    Robots refuse a message (wrong key, too many, a lacking keyword) with status 200 and a number
    in the body. apprise looks at the status alone and would take that for delivered.
    """
    import requests  # noqa: PLC0415

    heard: list[bytes] = []
    mine, before = threading.get_ident(), requests.Session.send

    def send(session: requests.Session, request: requests.PreparedRequest, **how: Any) -> Any:
        response = before(session, request, **how)
        if threading.get_ident() == mine:
            heard.append(response.content)
        return response

    requests.Session.send = send  # type: ignore[method-assign,assignment]
    try:
        yield heard
    finally:
        requests.Session.send = before  # type: ignore[method-assign]


def _refusal(number: str, answer: bytes) -> str:
    """What a robot says when it refuses; empty when it took the message, or is no robot."""
    try:
        said = json.loads(answer) if number else None
    except ValueError:
        return ""
    if not isinstance(said, dict) or said.get(number, 0) == 0:
        return ""
    why = str(said.get("errmsg") or said.get("msg") or "")[:REPLY]
    return f"{number} {said[number]}: {why}" if why else f"{number} {said[number]}"
