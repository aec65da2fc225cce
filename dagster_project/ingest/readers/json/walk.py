"""Through the objects and arrays that stand around records, one member after another.

What of them matters is known by who asks; nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator

from dagster_project.ingest.readers.json.flat import DEPTH
from dagster_project.ingest.readers.json.scan import TOO_DEEP, Scanner


def members(scanner: Scanner) -> Iterator[str]:
    """The names in the object that comes next; each one's value is to be taken before the next."""
    scanner.take("{")
    seen: set[str] = set()
    while scanner.peek() != "}" or seen:
        if scanner.peek() != '"':
            raise scanner.expected("a name in quotation marks")
        name = str(scanner.value())
        if name in seen:
            raise scanner.wrong("an object names a field twice")
        seen.add(name)
        scanner.take(":")
        yield name
        if scanner.peek() != ",":
            break
        scanner.take(",")
    scanner.take("}")


def items(scanner: Scanner) -> Iterator[None]:
    """Once per item of the array that comes next; each is to be taken before the next."""
    scanner.take("[")
    begun = False
    while scanner.peek() != "]" or begun:
        begun = True
        yield
        if scanner.peek() != ",":
            break
        scanner.take(",")
    scanner.take("]")


def skip(scanner: Scanner, depth: int = DEPTH) -> None:
    """Go past a value, however large it is.

    Raises:
        DeliveryError: It is no JSON, cut, or too deep.
    """
    mark = scanner.peek()
    if not depth:
        raise scanner.wrong(TOO_DEEP)
    if mark == "{":
        for _ in members(scanner):
            skip(scanner, depth - 1)
    elif mark == "[":
        for _ in items(scanner):
            scanner.value()
    else:
        scanner.value()
