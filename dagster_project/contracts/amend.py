"""A contract's text with one thing changed in it, and every other byte as it was.

Each function takes the text of a YAML contract (or of a code list) and gives the changed text.
Places come from the YAML parser's own marks, so that comments, flow style, quotes and order stay.
What to change, and whether the result is a sound contract, is decided in ``acceptance``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from dagster_project.errors import ContractError

_PLAIN = re.compile(r"[A-Za-z\u3400-\u9fff][0-9A-Za-z\u3400-\u9fff_（）()/.%℃²³㎡-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


@dataclass(frozen=True)
class _Place:
    """The mapping of one column in the text."""

    text: str
    node: yaml.MappingNode

    def entry(self, key: str) -> tuple[yaml.Node, yaml.Node] | None:
        """Key and value of one word of the column."""
        return _entry(self.node, key)

    @property
    def indent(self) -> int:
        """The column at which the words of the column stand."""
        return int(self.node.value[0][0].start_mark.column)

    @property
    def end(self) -> int:
        """Where a further word may be written: after the column's last line."""
        return _line_end(self.text, _last(self.node))


def quoted(value: str) -> str:
    """A text as YAML writes it within a flow sequence: plain where it may be.

    Raises:
        ContractError: It holds characters that no person sees, or that YAML cannot hold.
    """
    if not value.isprintable():
        raise _unwritable("a title holds control characters")
    if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
        return value
    return "'" + value.replace("'", "''") + "'"


def with_version(text: str, version: str) -> str:
    """The contract under another version."""
    found = _entry(_root(text), "version")
    if found is None:
        raise _unwritable("it has no version")
    return _replaced(text, found[1], version)


def bumped(version: str, part: int) -> str:
    """The next version: ``part`` 0 major, 1 minor, 2 patch."""
    numbers = [int(number) for number in version.split(".")]
    numbers[part] += 1
    return ".".join(str(n) for n in [*numbers[: part + 1], *[0] * (2 - part)])


def with_alias(text: str, column: str, title: str) -> str:
    """The contract in which a column has one more header.

    Raises:
        ContractError: The contract has no such column, or is written in a way not foreseen.
    """
    place = _column(text, column)
    customs = place.entry("customProperties")
    entry = _custom(customs[1], "aliases") if customs else None
    if entry is not None:
        return _appended(text, entry, title)
    word = f"- {{property: aliases, value: [{quoted(title)}]}}"
    if customs is None:
        space = " " * place.indent
        return _inserted(text, place.end, f"{space}customProperties:\n{space}  {word}\n")
    items = customs[1]
    if not isinstance(items, yaml.SequenceNode) or items.flow_style:
        raise _unwritable(f"the customProperties of {column} are not one line each")
    first = items.value[0]
    space = " " * (first.start_mark.column - 2)
    return _inserted(text, _line_start(text, first), f"{space}{word}\n")


def with_optional(text: str, column: str) -> str:
    """The contract in which a column may be missing.

    Raises:
        ContractError: The contract has no such column.
    """
    found = _column(text, column).entry("required")
    return text if found is None else _replaced(text, found[1], "false")


def with_length(text: str, column: str, length: int) -> str:
    """The contract in which a column's cells may be longer.

    Raises:
        ContractError: The contract has no such column, or it has no length.
    """
    options = _column(text, column).entry("logicalTypeOptions")
    found = _entry(options[1], "maxLength") if options else None
    if found is None:
        raise _unwritable(f"{column} has no maxLength")
    return _replaced(text, found[1], str(length))


def with_column(text: str, name: str, title: str) -> str:
    """The contract with one more column, at its end: text, personal until somebody says otherwise.

    Raises:
        ContractError: The contract is written in a way not foreseen.
    """
    columns = _columns(text)
    if columns.flow_style or not columns.value:
        raise _unwritable("its columns are not one below the other")
    last = columns.value[-1]
    space = " " * (last.start_mark.column - 2)
    words = (
        f"- name: {name}",
        f"  businessName: {quoted(title)}",
        "  logicalType: string",
        "  classification: L3",
        "  customProperties:",
        "    - {property: mask, value: drop}",
        "    - {property: textual, value: true}",
    )
    block = "".join(f"{space}{word}\n" for word in words)
    return _inserted(text, _line_end(text, _last(last)), block)


def with_codes(text: str, codes: Sequence[str], note: str) -> str:
    """A code list with further codes whose title is the code, and a line that says why."""
    lines = text.splitlines(keepends=True)
    notes = sum(1 for line in lines if line.startswith("#"))
    body = "".join(lines[notes:])
    ended = body if body.endswith("\n") or not body else body + "\n"
    made = io.StringIO(newline="")
    end = "\r\n" if "\r\n" in text else "\n"
    csv.writer(made, lineterminator=end).writerows([code, code, "", "", ""] for code in codes)
    return "".join([*lines[:notes], f"# {note}{end}", ended, made.getvalue()])


def _root(text: str) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise _unwritable("it holds no contract")
    return root


def _columns(text: str) -> yaml.SequenceNode:
    tables = _entry(_root(text), "schema")
    first: Any = tables[1].value[0] if tables else None
    found = _entry(first, "properties") if first else None
    if found is None or not isinstance(found[1], yaml.SequenceNode):
        raise _unwritable("it describes no columns")
    return found[1]


def _column(text: str, name: str) -> _Place:
    for node in _columns(text).value:
        found = _entry(node, "name")
        if found is not None and found[1].value == name:
            if node.flow_style:
                raise _unwritable(f"{name} is not one word a line")
            return _Place(text, node)
    raise _unwritable(f"it has no column {name}")


def _entry(node: yaml.Node, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for one, value in node.value:
            if one.value == key:
                return one, value
    return None


def _custom(customs: yaml.Node, name: str) -> yaml.Node | None:
    """The value of one custom property."""
    for item in customs.value:
        said = _entry(item, "property")
        if said is not None and said[1].value == name:
            found = _entry(item, "value")
            return found[1] if found else None
    return None


def _appended(text: str, node: yaml.Node, value: str) -> str:
    """A sequence with one more text at its end; as it is if the text is there already."""
    if not isinstance(node, yaml.SequenceNode):
        raise _unwritable("its aliases are no list")
    if value in {item.value for item in node.value}:
        return text
    last = node.value[-1]
    if node.flow_style:
        return _inserted(text, last.end_mark.index, f", {quoted(value)}")
    space = " " * (last.start_mark.column - 2)
    return _inserted(text, _line_end(text, last), f"{space}- {quoted(value)}\n")


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def _inserted(text: str, at: int, more: str) -> str:
    if at and text[at - 1] != "\n" and more.endswith("\n"):
        more = "\n" + more.removesuffix("\n")
    if "\r\n" in text:
        more = more.replace("\n", "\r\n")
    return text[:at] + more + text[at:]


def _last(node: yaml.Node) -> yaml.Node:
    """The last written part of a node: a block's own end is where the next one begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _last(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _last(node.value[-1])
    return node


def _line_start(text: str, node: yaml.Node) -> int:
    return text.rfind("\n", 0, node.start_mark.index) + 1


def _line_end(text: str, node: yaml.Node) -> int:
    # A literal block ends where the next line begins.
    end = node.end_mark.index
    if end and text[end - 1] == "\n":
        return end
    at = text.find("\n", end)
    return len(text) if at < 0 else at + 1


def _unwritable(what: str) -> ContractError:
    return ContractError(
        f"the contract cannot be changed by the programme: {what}",
        todo="Change it by hand, raise its version, and decide again",
    )
