"""What the W3C submission PROV-JSON (24 April 2013) demands of a document, as far as we write it.

Records are kept by kind and id; relations name their ends; every end is described in the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

ELEMENTS = ("entity", "activity", "agent")
RELATIONS: dict[str, dict[str, str]] = {
    "wasGeneratedBy": {"entity": "entity", "activity": "activity"},
    "used": {"activity": "activity", "entity": "entity"},
    "wasDerivedFrom": {
        "generatedEntity": "entity",
        "usedEntity": "entity",
        "activity": "activity",
    },
    "wasAssociatedWith": {"activity": "activity", "agent": "agent", "plan": "entity"},
    "wasAttributedTo": {"entity": "entity", "agent": "agent"},
    "actedOnBehalfOf": {"delegate": "agent", "responsible": "agent"},
}
OPTIONAL = {("wasDerivedFrom", "activity"), ("wasAssociatedWith", "plan")}
_NAME = re.compile(r"([A-Za-z][\w-]*|_):[A-Za-z0-9][A-Za-z0-9._-]*")
_OWN = {"entity": set[str](), "activity": {"startTime", "endTime"}, "agent": set[str]()}
_COMMON = {"label", "type", "value", "location", "role"}


def prov_faults(document: dict[str, Any]) -> list[str]:
    """Everything that is not as the submission says."""
    return list(_faults(document))


def _faults(document: dict[str, Any]) -> Iterator[str]:
    prefixes = set(document.get("prefix", {})) | {"prov", "xsd", "_"}
    for kind in document.keys() - {"prefix", *ELEMENTS, *RELATIONS}:
        yield f"{kind}: no kind of record"
    known = {kind: set(document.get(kind, {})) for kind in ELEMENTS}
    for kind in (*ELEMENTS, *RELATIONS):
        for name, record in document.get(kind, {}).items():
            if not _NAME.fullmatch(name) or name.partition(":")[0] not in prefixes:
                yield f"{kind} {name}: no qualified name"
            yield from _record(kind, name, record, prefixes)
            if kind in RELATIONS:
                yield from _ends(kind, name, record, known)


def _record(kind: str, name: str, record: dict[str, Any], prefixes: set[str]) -> Iterator[str]:
    allowed = _COMMON | (_OWN[kind] if kind in _OWN else set(RELATIONS[kind]))
    for word, value in record.items():
        prefix, _, local = word.partition(":")
        if prefix not in prefixes or (prefix == "prov" and local not in allowed):
            yield f"{kind} {name}: {word} is no attribute"
        if isinstance(value, dict) and (set(value) != {"$", "type"} or ":" not in value["$"]):
            yield f"{kind} {name}: {word} is no typed value"
        if not isinstance(value, str | int | dict):
            yield f"{kind} {name}: {word} is {type(value).__name__}"
        if local.endswith("Time") and prefix == "prov":
            datetime.fromisoformat(value)


def _ends(
    kind: str, name: str, record: dict[str, Any], known: dict[str, set[str]]
) -> Iterator[str]:
    for end, element in RELATIONS[kind].items():
        other = record.get(f"prov:{end}")
        if other is None and (kind, end) not in OPTIONAL:
            yield f"{kind} {name}: {end} is missing"
        elif other is not None and other not in known[element]:
            yield f"{kind} {name}: {end} {other} is described nowhere"
