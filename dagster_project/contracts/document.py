"""A YAML file with the line of everything in it. What the words mean is decided elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from dagster_project.contracts.model import Problem

DEEPEST = 64
"""So many parts of a file lie within one another at most."""


class _Loader(yaml.CSafeLoader):
    """YAML's safe loader that leaves dates as text: JSON Schema and the standard know no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Document:
    """One YAML file: its data, its hash, and where each part stands."""

    path: str
    stem: str
    hash: str
    data: dict[str, Any]
    root: yaml.Node

    def line(self, *path: str | int) -> int:
        """The line (from 1) of the part at ``path``, or of the nearest part that is there."""
        node, line = self.root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line

    def problem(self, sentence: str, *path: str | int) -> Problem:
        """A problem at ``path``."""
        return Problem(self.path, self.line(*path), sentence)


def read(path: Path, name: str) -> Document | Problem:
    """Read one YAML file.

    Args:
        path: The file.
        name: How problems name it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Problem(name, 0, f"the file cannot be read ({error.strerror}); check its rights")
    return understood(raw, path.stem, name)


def understood(raw: bytes, stem: str, name: str) -> Document | Problem:
    """What the bytes of a YAML file say.

    Args:
        raw: The bytes.
        stem: What the document is called: its table's or feed's name.
        name: How problems name it.
    """
    try:
        _bound(raw)
        loader = _Loader(raw)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            return Problem(name, 1, "the file holds no contract; begin with `apiVersion: v3.1.0`")
        for mark, key in _repeated(root):
            return Problem(name, mark, f"the key `{key}` is written twice; keep one of them")
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(name, line, f"this is not valid YAML ({error.problem}); mend the line")
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return Problem(name, 1, "this is not valid YAML in UTF-8; save it as UTF-8 text")
    return Document(name, stem, hashlib.sha256(raw).hexdigest(), data, root)


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None


def _bound(raw: bytes) -> None:
    """Refuse what would make a small file endless, or too deep to be walked through.

    Raises:
        MarkedYAMLError: It has aliases or too many levels.
    """
    depth, fault = 0, ""
    for event in yaml.parse(raw, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            fault = "an alias is not followed here, write out what it stands for"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                fault = f"more than {DEEPEST} parts lie within one another"
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if fault:
            raise yaml.MarkedYAMLError(
                problem=fault, problem_mark=cast("yaml.Mark", event.start_mark)
            )


def _repeated(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Keys written twice in one mapping: YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key.value, str):
                if key.value in seen:
                    yield key.start_mark.line + 1, key.value
                seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
