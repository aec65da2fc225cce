"""The one hierarchy of errors: sentences for the person who must act.

Every error says what is wrong, where (file, sheet, row, column, YAML line) and what to do.
No error text holds a cell's value: cells belong to real people.
"""

from __future__ import annotations


class CountyLakeError(Exception):
    """A sentence that says what is wrong, where, and what to do.

    Args:
        what: What is wrong, without a full stop.
        where: File, sheet, row, column or YAML line; empty when the whole site is meant.
        todo: What the reader should do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{what}." + (f" {todo}." if todo else ""))


class UsageError(CountyLakeError):
    """The command or a setting asks for something that does not exist."""

    exit_code = 2


class ContractError(CountyLakeError):
    """A contract cannot be loaded or contradicts what the lake holds."""

    exit_code = 3


class DeliveryError(CountyLakeError):
    """A delivered file is refused; nothing of it was merged.

    ``reason`` is one word for machines that never changes: ``empty``, ``encrypted``, ``damaged`` …
    """

    exit_code = 4

    def __init__(
        self, what: str, *, where: str = "", todo: str = "", reason: str = "refused"
    ) -> None:
        self.reason = reason
        super().__init__(what, where=where, todo=todo)


class LakeBusyError(CountyLakeError):
    """Another process holds the lake's writer lock for too long."""

    exit_code = 5


class LakeError(CountyLakeError):
    """The lake cannot be read or written (disk, permissions, a broken law)."""

    exit_code = 6


class PackageError(CountyLakeError):
    """A package cannot be sealed, delivered, verified or merged."""

    exit_code = 7


class ModelError(CountyLakeError):
    """A SQL model breaks a rule of the house or cannot be built."""

    exit_code = 8


class ChannelError(CountyLakeError):
    """A channel's counterpart cannot be reached or answers wrongly; nothing of it was taken.

    ``transient`` means that the same request may succeed a little later: cut, timed out, busy.
    """

    exit_code = 10

    def __init__(
        self, what: str, *, where: str = "", todo: str = "", transient: bool = False
    ) -> None:
        self.transient = transient
        super().__init__(what, where=where, todo=todo)
