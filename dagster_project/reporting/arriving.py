"""What comes down: which answers were read already, and whether one can be believed.

Nothing is stored here but the marks of what was read, which may be lost.
"""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import SUFFIX, read_acknowledgement
from dagster_project.protocol.folders import shown, write_file
from dagster_project.reporting.answers import Answer
from dagster_project.reporting.identity import parent_card
from dagster_project.settings import Site

_CLOCKS_DIFFER = timedelta(days=1)
"""The newest answer counts: one that is dated ahead would stand before all that follow."""


class Believer:
    """Reads answers as foreign bytes.

    Args:
        home: Whose parent.
        site: To whom the answers must be.
        sealed: Ids of the packages that were ever sealed here.
        at: When the answers are received: by it, the parent's keys are judged.
    """

    def __init__(self, home: Home, site: Site, sealed: AbstractSet[str], at: datetime) -> None:
        self._card_file, self._parent = home.parent_file, parent_card(home)
        self._site, self._sealed, self._at = site, sealed, at

    def read(self, package_id: str, data: bytes | None) -> Answer:
        """An answer that was filed under a package.

        Raises:
            PackageError: It is none, or it cannot be believed.
        """
        parent, where = self._parent, shown(package_id + SUFFIX)
        if parent is None:
            raise PackageError(
                "the parent site's key is not known, so its answers cannot be verified",
                where=self._card_file.name,
                todo="Ask it for its public.json: `countylake key trust public.json`",
            )
        if data is None:
            raise PackageError("the file is not an acknowledgement", where=where, todo="Remove it")
        answer = read_acknowledgement(data, parent.keys_for(data, self._at, where), where)
        for wrong, what in (
            (package_id != answer.package_id, "the answer is about another package"),
            (answer.sender != self._site.code, "the answer is for another site"),
            (
                datetime.fromisoformat(answer.acknowledged_at) > self._at + _CLOCKS_DIFFER,
                "the answer says that it is of a later day",
            ),
            (answer.recipient != parent.code, "the answer comes from another site than the parent"),
            (
                answer.package_id not in self._sealed,
                "the answer is about a package that this site never sealed",
            ),
        ):
            if wrong:
                raise PackageError(what, where=where, todo="Ask the parent site what happened")
        return Answer(answer, data)


class Marks:
    """Which answers of a link were read, so that a thousand old ones are not read every time.

    Args:
        home: Where they are kept.
        where: The link; another one has other marks.
        is_kept: Whether to keep them: a stick that was carried once is not seen again.
    """

    def __init__(self, home: Home, where: str, *, is_kept: bool) -> None:
        self._file, self._where, self._is_kept = (
            home.acknowledgements / ".read.json",
            where,
            is_kept,
        )
        self._marks = self._recalled() if is_kept else {}
        self._is_new = False

    def has(self, package_id: str, mark: str) -> bool:
        """Whether this answer was read as it is."""
        return self._marks.get(package_id) == mark

    def add(self, package_id: str, mark: str) -> None:
        """Note that it was read."""
        self._marks[package_id], self._is_new = mark, True

    def save(self) -> None:
        """Write them down, after what was read is stored."""
        if self._is_kept and self._is_new:
            text = json.dumps({"link": self._where, "read": self._marks}, ensure_ascii=False)
            write_file(self._file, text.encode())

    def _recalled(self) -> dict[str, str]:
        try:
            found = json.loads(self._file.read_bytes())
            marks = found["read"] if found["link"] == self._where else {}
            return {str(name): str(mark) for name, mark in marks.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
