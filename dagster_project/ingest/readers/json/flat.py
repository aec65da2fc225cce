"""One record as fields of text: nested objects flattened, arrays as compact JSON.

Every value keeps its written form; which column a field belongs to is ``machine``'s matter.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.json.scan import Number

DEPTH = 64
"""Objects and arrays are nested at most so deep."""
DOT = "."
_encode = json.JSONEncoder(ensure_ascii=False).encode
_TEXTS = {str, Number, type(None)}
_WORDS = {True: "true", False: "false"}


class FlatteningError(Exception):
    """A record that cannot be flattened; the sentence says why."""


def flattened(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without nested objects: ``{"a": {"b": 1}}`` has the field ``a.b``.

    An empty object has no field at all.

    Raises:
        FlatteningError: Two fields come to one name, or the record is nested too deeply.
    """
    made: dict[str, Any] = {}
    if _fill(made, record, "", DEPTH) != len(made):
        raise FlatteningError("two fields of the record come to one name when it is flattened")
    return made


def _fill(made: dict[str, Any], record: Mapping[str, Any], prefix: str, depth: int) -> int:
    """Add a record's fields; how many there are."""
    if not depth:
        raise FlatteningError("objects are nested too deeply to be a table")
    count = 0
    for key, value in record.items():
        if type(value) is dict:
            count += _fill(made, value, f"{prefix}{key}{DOT}", depth - 1)
        else:
            made[prefix + key] = value
            count += 1
    return count


def compact(value: Any, depth: int = DEPTH) -> str:
    """A value as JSON without blanks; numbers as they were written.

    Raises:
        FlatteningError: It is nested too deeply.
    """
    if not depth:
        raise FlatteningError("arrays are nested too deeply to be a table")
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        inner = (f"{_quoted(key)}:{compact(one, depth - 1)}" for key, one in value.items())
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(one, depth - 1) for one in value) + "]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return _encode(value)


def texts(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Flat records as one column of texts per field; what a record lacks is NULL.

    Raises:
        FlatteningError: A value is nested too deeply.
    """
    names = dict.fromkeys(itertools.chain.from_iterable(records))
    if not names:
        return pl.DataFrame(height=len(records))
    return pl.DataFrame([_column(name, [r.get(name) for r in records]) for name in names])


def _column(name: str, values: list[Any]) -> pl.Series:
    # Asked first: the engine would look into every list before it refuses it.
    ready = set(map(type, values)) <= _TEXTS
    texts = values if ready else _plain(values)
    try:
        return pl.Series(_whole(name), texts, pl.String)
    except UnicodeEncodeError:
        return pl.Series(_whole(name), _mended(texts), pl.String)


def _plain(values: list[Any]) -> list[str | None]:
    """Values that are not all texts, as texts."""
    return [value if value is None or isinstance(value, str) else _text(value) for value in values]


def _text(value: Any) -> str:
    return _WORDS[value] if isinstance(value, bool) else compact(value)


def _mended(texts: list[str | None]) -> list[str | None]:
    """Texts of which some hold half a character: it is lost, and told as such."""
    return [None if text is None else _whole(text) for text in texts]


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )  # fmt: skip


def refusal(error: FlatteningError, *, where: str, record: int) -> DeliveryError:
    """What a record that cannot be flattened means for its file."""
    return DeliveryError(
        str(error),
        where=f"{where}, record {record}",
        todo="Have the source send records of fewer levels and distinct names",
        reason="malformed",
    )
