"""The channels that a contract names: from the standard's ``servers`` to typed ones, and checks.

How a channel fetches is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dagster_project.contracts.document import Document
from dagster_project.contracts.model import Feed, Problem, Server, Watermark
from dagster_project.contracts.words import BOOK_ENDINGS, MACHINE_ENDINGS, TEXT_ENDINGS

_FORMATS = {"api": "json", "postgresql": "parquet", "mysql": "parquet", "custom": "parquet"}
"""What a channel's extracts are, where the contract need not say."""
_PAGING = {
    "none": (), "page": ("page",), "offset": ("offset",), "cursor": ("cursor", "parameter"),
    "next": ("next",),
}  # fmt: skip
"""The words without which a style of paging cannot go on."""
_SECRET = re.compile(r"(?i)(.*[_-])?(token|api_?key|app_?key|secret|password|passwd|pwd|sign)")
"""How interfaces call what opens them."""


def build_servers(document: Document) -> tuple[Server, ...]:
    """Every channel of a contract of right form."""
    said = document.data.get("servers", ())
    return tuple(
        _server(entry, document.line("servers", number)) for number, entry in enumerate(said)
    )


def _server(entry: Mapping[str, Any], line: int) -> Server:
    custom = {word["property"]: word["value"] for word in entry.get("customProperties", ())}
    watermark = custom.get("watermark")
    known = {field.name for field in fields(Server)}
    return Server(
        name=entry["server"],
        type=custom.get("channel", entry["type"]),
        format=entry.get("format") or _FORMATS[entry["type"]],
        path=entry.get("path") or custom.get("file", ""),
        location=entry.get("location") or custom.get("url", ""),
        endpoint=entry.get("endpointUrl", ""),
        watermark=Watermark(**watermark) if watermark else None,
        slice_rows=custom.get("slice", Server.slice_rows),
        options={
            word: value
            for word, value in custom.items()
            if word in {"hostKey", "region", "request"}
        },
        line=line,
        **{
            word: value
            for word, value in {**entry, **custom}.items()
            if word in known - {"path", "location", "format", "type", "watermark"}
        },
    )


def server_problems(feed: Feed, document: Document) -> Iterator[Problem]:
    """What does not fit in a feed's channels."""
    names: set[str] = set()
    for number, server in enumerate(feed.servers):
        place = ("servers", number)
        if server.name in names:
            what = f"two channels are called `{server.name}`; their deliveries could not be told"
            yield document.problem(f"{what} apart; rename one", *place)
        names.add(server.name)
        yield from (document.problem(fault, *place) for fault in _faults(feed, server))


def _faults(feed: Feed, server: Server) -> Iterator[str]:
    if server.format not in (*feed.formats, "workbook"):
        yield f"`accepts` does not list the format {server.format}; add it"
    if server.type == "local":
        yield from _path_faults(server.path)
        yield from _ending_faults(server.path, server.format)
    elif server.type in {"sftp", "s3"}:
        yield from _ending_faults(server.location, server.format)
    elif server.type == "sqlite":
        yield from _path_faults(server.path) if server.path else ("`file` is missing; add it",)
    elif server.type == "sqlalchemy" and not server.location:
        yield "`url` is missing; add it"
    elif server.type == "api":
        request = server.options.get("request", {})
        yield from _paging_faults(request.get("paging", {}))
        yield from _secret_faults([*request.get("parameters", {}), *_queried(server.location)])
    if server.watermark:
        yield from _watermark_faults(feed, server, server.watermark)


def _path_faults(path: str) -> Iterator[str]:
    glob = PurePosixPath(path)
    if glob.is_absolute() or ".." in glob.parts or "\\" in path or ":" in glob.parts[0]:
        yield f"the path `{path}` leaves the inbox; write it relative, without `..`"
    elif len(glob.parts) < 2:  # noqa: PLR2004  a folder and a file
        yield f"the path `{path}` names no folder; begin with the department's"


def _ending_faults(path: str, kind: str) -> Iterator[str]:
    suffix = PurePosixPath(path).suffix
    endings = {"csv": TEXT_ENDINGS, **MACHINE_ENDINGS}.get(kind, BOOK_ENDINGS)
    if "*" not in suffix and suffix.lower() not in endings:
        yield (
            f"the path `{path}` does not end like a file of the format {kind}"
            f" ({' '.join(endings)}); make them agree"
        )


def _paging_faults(paging: Mapping[str, Any]) -> Iterator[str]:
    """Without one of its words a style would stop after the first page, in silence."""
    style = paging.get("style", "none")
    for word in _PAGING[style]:
        if word not in paging:
            yield f"`request.paging` of the style {style} lacks `{word}`; add it"


def _queried(location: str) -> list[str]:
    return [word for word, _ in parse_qsl(urlsplit(location).query, keep_blank_values=True)]


def _secret_faults(parameters: Sequence[str]) -> Iterator[str]:
    """A contract is published; what opens an interface is not."""
    for word in parameters:
        if _SECRET.fullmatch(word):
            yield (
                f"the parameter `{word}` looks like a secret, which no contract may hold;"
                " put it into the credentials as the token, and its name into"
                " `request.tokenParameter`"
            )


def _watermark_faults(feed: Feed, server: Server, watermark: Watermark) -> Iterator[str]:
    if feed.delivery == "full":
        yield (
            "a full snapshot is read whole and needs no `watermark`; leave it out,"
            " or say `delivery: incremental`"
        )
    if server.type == "api" and not watermark.parameter:
        yield "the interface's `watermark` lacks `parameter`, which takes it; add it"
