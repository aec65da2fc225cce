"""A contract as it is written, in parts and words that two versions of it can be compared by.

Nothing is judged here (see ``changes``). It takes any YAML mapping, sound or not: columns, rules,
servers and custom properties are known by their names and not by their places in lists. The code
lists that a contract uses are part of its wording: a list that changes changes what is accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dagster_project.contracts.codelists import read_codes
from dagster_project.contracts.document import Document, read
from dagster_project.contracts.model import CodeList, Contracts, Feed, Table
from dagster_project.errors import ContractError, UsageError

Part = tuple[str, ...]
"""What words are about: ``()`` the contract, ``("columns", name)``, ``("codes", list, code)`` …"""
Words = Mapping[str, Any]
CodeRows = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Code list -> code -> title, synonyms joined by ``|``, valid from, valid to."""

LAYERS = ("feeds", "gold", "report", "city")
_NAMES = ("property", "name", "id", "server")
_NAMELESS = "''"
"""How a name is shown that is written as nothing: a place has to be somewhere."""
ORDER = "order"


@dataclass(frozen=True)
class Wording:
    """One contract's text with the code lists it uses; ``layer`` is its folder."""

    layer: str
    name: str
    text: str
    codes: CodeRows = field(default_factory=dict)

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The YAML's data."""
        data = yaml.load(self.text, Loader=_PlainLoader)  # noqa: S506 - a safe loader
        return data if isinstance(data, dict) else {}

    @property
    def version(self) -> str:
        """The version that it says it has."""
        return str(self.data.get("version", ""))

    @property
    def title(self) -> str:
        """The table's Chinese title."""
        return str(self.data.get("name", ""))

    @property
    def is_feed(self) -> bool:
        """Whether a department delivers it: then files and not only tables depend on it."""
        return self.layer == "feeds"

    @cached_property
    def hash(self) -> str:
        """Changes with every byte of the contract and every entry of its code lists."""
        return hashlib.sha256(f"{self.text}\n{codes_text(self.codes)}".encode()).hexdigest()

    @cached_property
    def parts(self) -> Mapping[Part, Words]:
        """Every word of the contract but its version, by what it is about."""
        return dict(_parts(self))


class _PlainLoader(yaml.CSafeLoader):
    """Dates stay text, as where contracts are loaded."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def wordings(root: Path, contracts: Contracts) -> dict[tuple[str, str], Wording]:
    """The wording of every contract that loads, by layer and name.

    Args:
        root: The ``schemas`` folder.
        contracts: As they are loaded from it.
    """
    feeds = (*contracts.feeds.values(), *contracts.drafts.values())
    found: list[Feed | Table] = [*feeds, *contracts.tables.values()]
    made: dict[tuple[str, str], Wording] = {}
    for contract in found:
        path = root.parent / contract.path
        raw = path.read_bytes() if path.exists() else b""
        # A file that was changed since is another contract than the one at work.
        found_hash = hashlib.sha256(raw).hexdigest()
        if isinstance(contract, Feed):
            found_hash = contracts.policy.hash_of(contract.name, found_hash)
        if found_hash == contract.hash:
            worded = _worded(contract, raw.decode("utf-8"), contracts.codes)
            made[worded.layer, worded.name] = worded
    return made


def layer_of(contract: Feed | Table) -> str:
    """The folder of a contract below ``schemas``."""
    return contract.layer if isinstance(contract, Table) else "feeds"


def _worded(found: Feed | Table, text: str, codes: Mapping[str, CodeList]) -> Wording:
    used = sorted({column.codes for column in found.columns if column.codes in codes})
    return Wording(
        layer_of(found), found.name, text, {name: code_rows(codes[name]) for name in used}
    )


def wording_of_file(path: Path, root: Path) -> Wording:
    """The wording of one YAML file.

    Its code lists are those beside its folder (``../codes``), else the site's.

    Args:
        path: The file.
        root: The site's ``schemas`` folder.

    Raises:
        UsageError: There is no such file.
        ContractError: It is no YAML mapping.
    """
    if not path.is_file():
        raise UsageError("there is no such contract", where=str(path), todo="Name a YAML file")
    document = read(path, str(path))
    if not isinstance(document, Document):
        raise ContractError(document.sentence, where=f"{document.path}:{document.line}")
    own = path.parent.parent / "codes"
    lists, _ = read_codes(own if own.is_dir() else root / "codes", "codes")
    layer = path.parent.name if path.parent.name in LAYERS else _layer_of_id(document)
    made = Wording(layer, path.stem, path.read_text(encoding="utf-8"))
    used = {str(words["codes"]) for part, words in made.parts.items() if "codes" in words and part}
    rows = {name: code_rows(lists[name]) for name in sorted(used & lists.keys())}
    return Wording(layer, path.stem, made.text, rows)


def _layer_of_id(document: Document) -> str:
    steps = str(document.data.get("id", "")).split(".")
    found = [layer for layer in LAYERS if layer in steps]
    return found[0] if found else "feeds"


def code_rows(codes: CodeList) -> dict[str, tuple[str, ...]]:
    """A code list's entries as words."""
    return {
        entry.code: (
            entry.title,
            "|".join(entry.synonyms),
            entry.valid_from.isoformat() if entry.valid_from else "",
            entry.valid_to.isoformat() if entry.valid_to else "",
        )
        for entry in codes.entries
    }


def codes_text(codes: CodeRows) -> str:
    """Code lists as the lake keeps them."""
    return json.dumps({name: dict(codes[name]) for name in sorted(codes)}, ensure_ascii=False)


def codes_of_text(text: str) -> CodeRows:
    """Code lists from what the lake kept."""
    kept: dict[str, dict[str, list[str]]] = json.loads(text or "{}")
    return {name: {code: tuple(row) for code, row in rows.items()} for name, rows in kept.items()}


def _parts(wording: Wording) -> Iterator[tuple[Part, Words]]:
    data = dict(wording.data)
    data.pop("version", None)
    schema = data.pop("schema", None)
    table: dict[str, Any] = {}
    if isinstance(schema, list) and schema and isinstance(schema[0], dict):
        table, schema = dict(schema[0]), schema[1:]
    if schema:
        data["schema"] = schema
    servers = data.pop("servers", None)
    yield (), dict(_flat(data))
    lists = {"columns": table.pop("properties", None), "rules": table.pop("quality", None)}
    yield ("table",), dict(_flat(table))
    for kind, items in (*lists.items(), ("servers", servers)):
        named = _named(items)
        if named is None:
            yield (kind,), {} if items is None else {"content": items}
            continue
        yield (kind,), {ORDER: list(named)}
        for name, item in named.items():
            yield (kind, name), dict(_flat(item))
    for name, rows in wording.codes.items():
        yield ("codes", name), {ORDER: list(rows)}
        for code, (title, synonyms, since, until) in rows.items():
            words = {"title": title, "synonyms": synonyms.split("|") if synonyms else []}
            yield ("codes", name, code), {**words, "valid_from": since, "valid_to": until}


def _named(items: object) -> dict[str, Mapping[str, Any]] | None:
    """A list's mappings by their names; None where it is no such list. Repeated names stay two."""
    if not isinstance(items, list) or not items:
        return None
    if not all(isinstance(item, dict) for item in items):
        return None
    word = next((word for word in _NAMES if all(word in item for item in items)), None)
    if word is None:
        return None
    named: dict[str, Mapping[str, Any]] = {}
    for item in items:
        written = str(item[word]) or _NAMELESS
        name, times = written, 2
        while name in named:
            name, times = f"{written} ({times})", times + 1
        named[name] = {key: value for key, value in item.items() if key != word}
    return named


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a mapping under dotted words; a custom property is a word like any other."""
    for key, child in value.items():
        named = _named(child)
        if named is not None:
            yield f"{path}{key}.{ORDER}", list(named)
            stem = path + {"customProperties": "", "slaProperties": "sla."}.get(key, f"{key}.")
            for name, item in named.items():
                yield from _property(item, f"{stem}{name}")
        elif isinstance(child, dict) and child:
            yield from _flat(child, f"{path}{key}.")
        else:
            yield f"{path}{key}", child


def _property(item: Mapping[str, Any], word: str) -> Iterator[tuple[str, Any]]:
    """``{property: x, value: 1}`` is the word x; what else the entry says stands below it."""
    value = item.get("value")
    if isinstance(value, dict) and value:
        yield from _flat(value, f"{word}.")
    elif "value" in item:
        yield word, value
    rest = {key: child for key, child in item.items() if key != "value"}
    if rest:
        yield from _flat(rest, f"{word}.")
    elif "value" not in item:
        yield word, {}
