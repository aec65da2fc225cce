"""XML of delivered files, parsed as a stream: no document type, no entities, no tree."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.detect import SAVE_AS

DEPTH = 200_000
"""Open elements; spreadsheets have about ten."""


def parser(where: str, *, encoding: str | None = None) -> expat.XMLParserType:
    """A parser without handlers for elements; ``encoding`` overrides what the file says.

    A document type is refused: it is no part of a spreadsheet, and its entities can grow without
    bound or fetch files.
    """
    made = expat.ParserCreate(encoding)
    made.buffer_text = True
    made.buffer_size = 1 << 16

    def refuse(*_: Any) -> None:
        raise entities(where)

    made.StartDoctypeDeclHandler = refuse
    made.EntityDeclHandler = refuse
    return made


def follow(
    stream: expat.XMLParserType,
    where: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _: None,
) -> None:
    """Hand elements on as they begin and end; refuse what is nested beyond all use.

    The parser keeps the name of every open element: without a bound they fill the memory.
    """
    depth = 0

    def begins(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise DeliveryError(
                f"its XML elements are nested more than {DEPTH} deep",
                where=where,
                todo=SAVE_AS,
                reason="damaged",
            )
        start(tag, attributes)

    def ends(tag: str) -> None:
        nonlocal depth
        depth -= 1
        end(tag)

    stream.StartElementHandler = begins
    stream.EndElementHandler = ends


def entities(where: str) -> DeliveryError:
    """The refusal of XML that declares entities."""
    return DeliveryError(
        "its XML declares a document type or entities, as no spreadsheet program does",
        where=where,
        todo=SAVE_AS,
        reason="xml_entities",
    )


@contextlib.contextmanager
def parsed(where: str, *, placed: bool = True) -> Iterator[None]:
    """Errors of the parser as sentences; it knows places only where it was given everything."""
    try:
        yield
    except expat.ExpatError as error:
        place = f" at line {error.lineno}, column {error.offset + 1}" if placed else ""
        raise DeliveryError(
            f"its XML is damaged{place} ({expat.ErrorString(error.code)})",
            where=where,
            todo=SAVE_AS,
            reason="damaged",
        ) from error
    except (LookupError, ValueError) as error:
        raise DeliveryError(
            "its XML says that it is in an encoding that is not known",
            where=where,
            todo=SAVE_AS,
            reason="undecodable",
        ) from error


def local(name: str) -> str:
    """A name without its prefix."""
    return name.rpartition(":")[2]


def locals_of(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes by their names without prefixes."""
    return {name.rpartition(":")[2]: value for name, value in attributes.items()}
