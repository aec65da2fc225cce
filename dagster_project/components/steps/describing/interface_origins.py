"""How an undescribed interface is asked: where its answer holds records, and how it gives more.

What one answer and the address say is written into the contract; where an interface gives only a
part and nothing says how it is asked for the rest, that is refused, never taken for the whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from dagster_project.contracts.model import Server
from dagster_project.credentials import credential
from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels.interface.client import Bounds, Client

ANSWER = 64 << 20
"""No interface is looked at whose first answer is longer, in bytes."""
WORDS: Final = ("records", "total", "page", "offset", "size", "rows", "cursor", "parameter", "next")
"""What ``--set`` may say of an interface; the style follows from what is said."""
_TOTAL = re.compile(
    r"^(?:total|count|record)(?:_?(?:count|num|rows?|elements|records|size))?$", re.IGNORECASE
)
_PAGE = re.compile(
    r"^(?:page|p|current|(?:page|current)_?(?:no|num|number|index|page))$", re.IGNORECASE
)
_OFFSET = re.compile(r"^(?:offset|start|skip)$", re.IGNORECASE)
_SIZE = re.compile(r"^(?:size|limit|rows|count|per_?page|page_?(?:size|rows))$", re.IGNORECASE)
_NEXT = re.compile(r"^next(?:_?(?:page|link|url))?$", re.IGNORECASE)
_CURSOR = re.compile(r"^cursor$|^next_?(?:page_?)?(?:cursor|token)$", re.IGNORECASE)


def asked(server: Server, options: Mapping[str, str]) -> Server:
    """The server with its ``request`` and without the address's own words for a page.

    Args:
        server: The interface, with its address as somebody wrote it.
        options: Words of ``--set``.

    Raises:
        UsageError: It gives only a part, and nothing says how it is asked for the rest.
        ChannelError: It cannot be reached, or its answer holds no list of records.
    """
    answer = _answer(server)
    place, records = _records(answer, options.get("records"), server.name)
    total, stated = _total(answer, place, options.get("total", ""))
    location, said = _page_words(httpx.URL(server.location))
    paging = _paging({**said, **{w: options[w] for w in WORDS if w in options}}, answer)
    if paging["style"] == "none" and stated > records:
        raise UsageError(
            f"the interface gave {records} of {stated} records, and nothing says how it is asked"
            " for more",
            where=server.location,
            todo="Write its parameters into the address (…?pageNo=1&pageSize=500), or say them:"
            " --set page=pageNo --set size=pageSize",
        )
    request: dict[str, Any] = {"records": place, "total": total}
    request = {word: value for word, value in request.items() if value} | {"paging": paging}
    return replace(server, location=location, options={**server.options, "request": request})


def _answer(server: Server) -> Any:
    address = httpx.URL(server.location)
    with Client(
        f"{server.name}, {address.copy_with(query=None)}",
        credential(server.credentials),
        secure=address.scheme == "https",
        reference=server.credentials,
        bounds=Bounds(),
    ) as client:
        text = client.ask(address, lambda pieces: _joined(pieces, server.name))
    try:
        return json.loads(text)
    except ValueError as error:
        raise ChannelError(
            "the answer is no JSON", where=server.name, todo="Check the address"
        ) from error


def _joined(pieces: Iterator[bytes], where: str) -> bytes:
    made = bytearray()
    for piece in pieces:
        made += piece
        if len(made) > ANSWER:
            raise ChannelError(
                f"the answer is longer than {ANSWER >> 20} MiB",
                where=where,
                todo="Ask for less of it: write the parameters of its pages into the address",
            )
    return bytes(made)


def _records(answer: Any, said: str | None, where: str) -> tuple[str, int]:
    """Where the records are, as said or the longest list of objects, and how many came."""
    lists = dict(_lists(answer, ""))
    if said and said not in lists:
        lists[said] = 0
    if not lists:
        raise ChannelError(
            "the answer holds no list of records",
            where=where,
            todo="Say where they are with --set records=data.items",
        )
    place = said or max(lists, key=lambda one: (lists[one], -len(one)))
    return place, lists[place]


def _lists(value: Any, place: str) -> Iterator[tuple[str, int]]:
    """Every list of objects and how many it has; records of records are no places of their own."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        yield place, len(value)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _lists(one, f"{place}.{name}" if place else name)


def _scalars(value: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Name, place and value of everything in an answer that is neither a list nor an object."""
    if isinstance(value, dict):
        for name, one in value.items():
            inner = f"{place}.{name}" if place else name
            if isinstance(one, dict):
                yield from _scalars(one, inner)
            elif not isinstance(one, list):
                yield name, inner, one


def _total(answer: Any, records: str, said: str) -> tuple[str, int]:
    """The place of the stated number of records, and the number; 0 where nothing states it."""
    found = {
        place: value
        for name, place, value in _scalars(answer)
        if type(value) is int and (place == said if said else _TOTAL.match(name))
    }
    if said or not found:
        return said, found.get(said, 0)
    # The number that stands nearest to the records is theirs.
    beside = records.rpartition(".")[0]
    place = min(found, key=lambda one: (one.rpartition(".")[0] != beside, -found[one], one))
    return place, found[place]


def _page_words(address: httpx.URL) -> tuple[str, dict[str, str]]:
    """The address without its parameters of a page, and what they say."""
    kinds = (("page", "first", _PAGE), ("offset", "first", _OFFSET), ("size", "rows", _SIZE))
    said: dict[str, str] = {}
    for kind, word, expression in kinds:
        for name, value in address.params.items():
            if expression.match(name) and kind not in said and value.isdigit():
                said |= {kind: name, word: value}
    if not {"page", "offset"} & said.keys():
        return str(address), {}
    rest = [
        (name, value)
        for name, value in address.params.multi_items()
        if name not in {said.get("page"), said.get("offset"), said.get("size")}
    ]
    return str(address.copy_with(params=rest or None)), said


def _paging(said: Mapping[str, str], answer: Any) -> dict[str, Any]:
    """``request.paging``: as said, else as the answer's own words lead on."""
    size: dict[str, Any] = {"size": said["size"]} if "size" in said else {}
    if "rows" in said:
        size["rows"] = max(int(said["rows"]), 1)
    for style in ("page", "offset"):
        if style in said:
            # Whatever page was looked at, a walk begins at the beginning: at 0, or at 1.
            first = min(int(said.get("first", style == "page")), int(style == "page"))
            return {"style": style, style: said[style], **size, "first": first}
    if "cursor" in said:
        parameter = said.get("parameter", "cursor")
        return {"style": "cursor", "cursor": said["cursor"], "parameter": parameter, **size}
    if "next" in said:
        return {"style": "next", "next": said["next"]}
    for name, place, value in _scalars(answer):
        if isinstance(value, str) and _NEXT.match(name) and re.match(r"https?://|/|\?", value):
            return {"style": "next", "next": place}
        if isinstance(value, str) and value and _CURSOR.match(name):
            raise UsageError(
                f"the interface names a cursor for more ({place}), and not how it is asked with it",
                where="--set",
                todo=f"Say the parameter: --set cursor={place} --set parameter=cursor",
            )
    return {"style": "none"}
