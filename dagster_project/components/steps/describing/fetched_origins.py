"""A look at a source that a channel fetches from: database, interface, remote files.

The channel itself brings a few thousand rows; what a contract says of the channel comes from the
address. Files that lie here are ``origins``' matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dagster_project.components.steps.describing import interface_origins
from dagster_project.contracts.inference.profiles import SourceColumn
from dagster_project.contracts.model import Feed, Server
from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels.pull import Memory, pull_channel
from dagster_project.ingest.readers.table.generic import ad_hoc

LOOK = 5_000
"""So many rows are fetched for a look."""
PORTS = {"postgresql": 5432, "mysql": 3306}
OVERLAP = 300
"""Seconds that a watermark goes back, for rows that were committed late."""
_SCHEME = re.compile(r"^(postgresql|postgres|mysql|mariadb|sqlite|sftp|s3|https?):", re.IGNORECASE)
_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_ENDINGS = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".json": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Fetched:
    """Rows that a channel brought, and the channel."""

    file: Path
    server: Server
    columns: tuple[SourceColumn, ...] = field(default=())


def is_fetched(source: str) -> bool:
    """Whether a source is an address rather than a file.

    Raises:
        UsageError: It is an address of a kind that is not looked at; it is not repeated, for it
            may hold a password.
    """
    if _SCHEME.match(source):
        return True
    if _ADDRESS.match(source):
        raise UsageError(
            "no source of this kind is looked at",
            where="--from",
            todo="Name a file, or postgresql://, mysql://, sqlite:, sftp://, s3://, https://",
        )
    return False


def fetched(
    source: str, table: str, credentials: str, options: Mapping[str, str], scratch: Path
) -> Fetched:
    """Fetch a look at a source.

    Args:
        source: The address, without a user and a password.
        table: A database's table or view, with its schema if it has one.
        credentials: Where they lie; empty when none are needed.
        options: Further words: ``hostKey``, ``region``, ``endpointUrl``; for an interface those of
            ``interface_origins.WORDS``.
        scratch: A folder for the rows.

    Raises:
        UsageError: The address is none, or says a password.
        ChannelError: The source cannot be reached or answers wrongly.
    """
    server, inbox = _server(source, table, credentials, options)
    if server.type == "api":
        server = interface_origins.asked(server, options)
    file, columns = _look(server, scratch / "spool", inbox)
    if file is None:
        raise ChannelError(
            "the source holds nothing to look at",
            where=server.name,
            todo="Try again when it has rows",
        )
    return Fetched(file, server, columns)


def _look(server: Server, spool: Path, inbox: Path) -> tuple[Path | None, tuple[SourceColumn, ...]]:
    channel = pull_channel(_feed(server), server, spool, inbox=inbox)
    columns = tuple(
        SourceColumn(one.name, one.type, one.nullable, one.key_position, one.comment)
        for one in channel.describe()
    )
    with closing(channel.pull(Memory(look=LOOK))) as extracts:
        for extract in extracts:
            return extract.file, columns
    return None, columns


def _feed(server: Server) -> Feed:
    return replace(ad_hoc([]), name="look", servers=(server,))


def _server(
    source: str, table: str, credentials: str, options: Mapping[str, str]
) -> tuple[Server, Path]:
    """The channel that an address names, and the folder that files are below."""
    scheme = source.partition(":")[0].lower()
    if scheme == "sqlite":
        path = Path(unquote(source.partition(":")[2].removeprefix("//"))).expanduser().resolve()
        if not path.is_file():
            raise UsageError("there is no such file", where=source, todo="Name a database's file")
        inside = f"{path.parent.name}/{path.name}"
        server = Server("ledger", "sqlite", format="parquet", path=inside, table=_needed(table))
        return server, path.parent.parent
    try:
        parts = urlsplit(source)
        port = parts.port
    except ValueError as error:
        raise UsageError(
            "this is no address", where="--from", todo="Write it as scheme://host:port/path"
        ) from error
    if parts.username or parts.password:
        raise UsageError(
            "an address holds no user and no password",
            where="--from",
            todo="Keep them where --credentials says: env:NAME or file:name",
        )
    kind = {"postgres": "postgresql", "mariadb": "mysql"}.get(scheme, scheme)
    if kind in PORTS:
        schema, _, name = _needed(table).rpartition(".")
        return Server(
            "database",
            "postgresql" if kind == "postgresql" else "mysql",
            format="parquet",
            host=parts.hostname or "",
            port=port or PORTS[kind],
            database=parts.path.strip("/"),
            schema=schema or ("public" if kind == "postgresql" else ""),
            table=name,
            credentials=credentials,
        ), Path()
    made = {word: value for word, value in options.items() if word in {"hostKey", "region"}}
    if kind in {"sftp", "s3"}:
        return Server(
            "files",
            "sftp" if kind == "sftp" else "s3",
            format=_ENDINGS.get(Path(parts.path).suffix.lower(), "workbook"),
            location=source,
            endpoint=options.get("endpointUrl", ""),
            credentials=credentials,
            options=made,
        ), Path()
    return Server(
        "interface", "api", format="json", location=source, credentials=credentials
    ), Path()


def _needed(table: str) -> str:
    if not table:
        raise UsageError("a database has many tables", where="--table", todo="Name one of them")
    return table


def words(server: Server) -> dict[str, Any]:
    """The channel as ``servers`` of a contract writes it."""
    made: dict[str, Any] = {"server": server.name}
    custom: dict[str, Any] = {}
    if server.type == "sqlite":
        made["type"] = "custom"
        custom |= {"channel": "sqlite", "file": server.path}
    else:
        made["type"] = server.type
    plain = {
        "location": server.location, "host": server.host, "port": server.port,
        "database": server.database, "schema": server.schema if server.type != "mysql" else "",
        "endpointUrl": server.endpoint,
    }  # fmt: skip
    made |= {word: value for word, value in plain.items() if value}
    if server.type in {"sftp", "s3"}:
        made["format"] = server.format
    custom |= {"table": server.table, "credentials": server.credentials, **server.options}
    entries = [{"property": word, "value": value} for word, value in custom.items() if value]
    return made | ({"customProperties": entries} if entries else {})


def followed(words: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The channel with a watermark: only what is newer is fetched."""
    mark = {"property": "watermark", "value": {"column": column, "overlap": OVERLAP}}
    return {**words, "customProperties": [*words.get("customProperties", ()), mark]}
