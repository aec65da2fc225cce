"""What people wrote down for a machine: the words of a YAML file with their lines, and variables.

Which words there are, and what they mean, is ``settings``' matter.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from dagster_project.errors import UsageError

PREFIX = "COUNTYLAKE_"
BY_HAND = "Correct it by hand"


@dataclass(frozen=True)
class Written:
    """The words of a mapping in a file; ``lines`` says where each stands, from 1."""

    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    file: str = ""
    parts: Mapping[str, Written] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """``file:line`` of a word; the file where the word is not in it."""
        line = self.lines.get(name)
        return f"{self.file}:{line}" if line else self.file

    def section(self, name: str) -> Written:
        """The words below a word; none where it is not there.

        Raises:
            UsageError: What stands there is no mapping.
        """
        if self.values.get(name) is None:
            return Written(file=self.file)
        if name not in self.parts:
            raise UsageError(
                f"`{name}` holds no words", where=self.place(name), todo="Write `word: value` lines"
            )
        return self.parts[name]


def read_written(file: Path) -> Written:
    """Read a YAML mapping with the line of each word, two levels deep.

    Raises:
        UsageError: The file cannot be read, is no YAML, or holds no mapping.
    """
    try:
        text = file.read_text(encoding="utf-8")
        loader = yaml.CSafeLoader(text)
        root = loader.get_single_node()
        values = loader.construct_document(root) if root is not None else None
    except OSError as error:
        what = f"the file cannot be read ({error.strerror})"
        raise UsageError(what, where=str(file), todo="Check its rights") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        what = f"this is not valid YAML ({error.problem}{line})"
        raise UsageError(what, where=str(file), todo=BY_HAND) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = "this is not valid YAML in UTF-8"
        raise UsageError(what, where=str(file), todo=BY_HAND) from error
    if not isinstance(values, dict) or not isinstance(root, yaml.MappingNode):
        what = "the site's description is not valid: it holds no `word: value` lines"
        raise UsageError(what, where=str(file), todo=BY_HAND)
    return _written(root, values, str(file))


def _written(node: yaml.MappingNode, values: Mapping[Any, Any], file: str) -> Written:
    parts = {
        str(key.value): _written(child, values[key.value], file)
        for key, child in node.value
        if isinstance(child, yaml.MappingNode) and isinstance(values.get(key.value), dict)
    }
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    return Written({str(name): value for name, value in values.items()}, lines, file, parts)


def variables() -> dict[str, str]:
    """Our environment variables that are set: the name after the prefix, in lower case -> name."""
    return {
        name[len(PREFIX) :].lower(): name
        for name, value in os.environ.items()
        if name.upper().startswith(PREFIX) and value
    }


def nearest(name: str, known: Iterable[str]) -> str:
    """A question for somebody who mistyped a name; empty when no known name is like it."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; the nearest right one is `{found[0]}`" if found else ""
