"""Is a file's form right? Checked against ``schemas/contract.schema.json``, in sentences.

Whether its words fit together (columns, code lists, references) is ``checks``' question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from dagster_project import paths
from dagster_project.contracts.document import Document
from dagster_project.contracts.model import Problem

if TYPE_CHECKING:
    from jsonschema import Draft201909Validator, Draft202012Validator
    from jsonschema.exceptions import ValidationError


def form_problems(document: Document, kind: str) -> Iterator[Problem]:
    """What is wrong with the form of a contract.

    Args:
        document: The file.
        kind: ``feed`` or ``table``.
    """
    found = _first_fault(document, kind)
    if found is None:
        return
    # The validator speaks once per lacking key, our sentence names them all.
    told = dict.fromkeys(
        document.problem(_sentence(error, document.data), *error.absolute_path, *_inner_step(error))
        for error in _profile(kind).iter_errors(document.data)
    )
    yield from told or [document.problem(_ODD, *found)]


def standard_problems(document: Document) -> Iterator[Problem]:
    """What the Open Data Contract Standard's own schema says; slower, and never the first to speak.

    The profile is stricter than the standard, which a unit test proves; loading does not ask twice.
    """
    for error in _standard().iter_errors(document.data):
        yield document.problem(_sentence(error, document.data), *error.absolute_path)


def _first_fault(document: Document, kind: str) -> list[str | int] | None:
    """Where the fast validator finds something first; what it is, the other one says."""
    try:
        for error in _fast_profile(kind).iter_errors(document.data):
            return error.instance_path
    except ValueError:
        return []  # keys that are no text, numbers that JSON does not know
    return None


@cache
def _fast_profile(kind: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(kind))


@cache
def _profile(kind: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow, and seldom asked

    return Draft202012Validator(_schema(kind))


def _schema(kind: str) -> dict[str, Any]:
    """The schema of one kind of contract."""
    path = paths.PROJECT / "schemas" / "contract.schema.json"
    definitions = json.loads(path.read_bytes())["$defs"]
    return {**definitions[kind], "$defs": definitions}


@cache
def _standard() -> Draft201909Validator:
    from jsonschema import Draft201909Validator  # noqa: PLC0415 - slow, and seldom asked

    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    return Draft201909Validator(json.loads(text))


_ODD: Final = "this is not written as it should be (a line break at the end?); write it anew"
"""Python's patterns let a text end with a line break, those of the standard do not."""


def _unknown(error: ValidationError) -> list[str]:
    instance: Any = error.instance
    return [key for key in instance if key not in _words(error)]


def _words(error: ValidationError) -> list[str]:
    schema: Any = error.schema
    return list(schema.get("properties", ()))


def _inner_step(error: ValidationError) -> list[str]:
    """The key to point at when the error is about a key inside the instance."""
    return _unknown(error)[:1] if error.validator == "additionalProperties" else []


def _sentence(error: ValidationError, data: Any) -> str:
    """What is wrong and what to change."""
    place = _place(error, data)
    say = _SENTENCES.get(str(error.validator))
    if say is None:
        return f"{place}: {error.message}; see schemas/contract.schema.json"
    return say(place, error.instance, error.validator_value, error)


_ADDRESSES: Final = frozenset({
    "credentials", "endpointUrl", "host", "location", "url", "value",
})  # fmt: skip
"""Words that are wrong, more often than not, because somebody wrote a secret into them."""


def _shown(has: Any, error: ValidationError) -> str:
    """A value that does not fit, unless it may be a secret: sentences are kept and published."""
    word = str(error.absolute_path[-1]) if error.absolute_path else ""
    is_secret = word in _ADDRESSES and "servers" in error.absolute_path
    return "is not written as it should be" if is_secret else f"is `{has}`"


_KINDS: Final = {
    "array": "a list: [a, b]", "boolean": "true or false", "integer": "a whole number",
    "number": "a number", "object": "a mapping: {word: value}", "string": "a text",
}  # fmt: skip

_Say = Callable[[str, Any, Any, "ValidationError"], str]

_SENTENCES: Final[dict[str, _Say]] = {
    "additionalProperties": lambda place, _has, _rule, error: (
        f"`{_unknown(error)[0]}` is no word of {place}; use one of: {', '.join(_words(error))}"
    ),
    "required": lambda place, has, rule, _error: (
        f"{place} lacks {', '.join(f'`{key}`' for key in rule if key not in has)}; add it"
    ),
    "enum": lambda place, has, rule, _error: (
        f"{place} is `{has}`; use one of: {', '.join(str(value) for value in rule)}"
    ),
    "const": lambda place, has, rule, _error: f"{place} is `{has}`; write `{rule}`",
    "type": lambda place, _has, rule, _error: (
        f"{place} is of the wrong kind; write {_KINDS[rule if isinstance(rule, str) else rule[0]]}"
    ),
    "pattern": lambda place, has, rule, error: (
        f"{place} {_shown(has, error)}; it must match `{rule}`"
    ),
    "contains": lambda place, _has, rule, _error: (
        f"{place} lacks `{rule['properties']['property']['const']}`; add it"
    ),
    "minItems": lambda place, _has, _rule, _error: f"{place} is empty; fill it in",
    "minLength": lambda place, _has, _rule, _error: f"{place} is empty; fill it in",
    "maxItems": lambda place, has, rule, _error: f"{place} has {len(has)} entries; keep {rule}",
}


def _place(error: ValidationError, data: Any) -> str:
    """What the error is about: the custom property by its name, else the nearest keys."""
    steps = list(error.absolute_path)
    if steps[-1:] == ["value"]:
        entry = data
        for step in steps[:-1]:
            entry = entry[step]
        return f"`{entry.get('property')}`"
    words = [step for step in steps if isinstance(step, str)]
    return f"`{'.'.join(words[-2:])}`" if words else "the contract"
