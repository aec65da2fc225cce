"""Through all pages of an interface, until what came is provably everything, or an error.

A record that comes twice, equal in every value, is kept once: it says nothing new, and pages that
overlap would otherwise pass for more records than there are. A key that comes twice with different
values may be a record that was changed, and moved to another page, while the pages were read; then
another one slipped between two pages. Such a walk counts only when a second one finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from dagster_project.clock import now
from dagster_project.errors import ChannelError
from dagster_project.ingest.channels.interface.answer import (
    Answer,
    Path,
    Places,
    inside,
    read_answer,
)
from dagster_project.ingest.channels.interface.client import Bounds, Client
from dagster_project.ingest.channels.interface.draft import Draft
from dagster_project.ingest.channels.interface.paging import (
    STYLES,
    AgainError,
    Counted,
    EndlessError,
    Paging,
    Position,
    Seen,
)
from dagster_project.ingest.channels.watermarks import Mark, mark

DAY = timedelta(days=1)
"""Clocks run ahead by less, and so do records that are stamped with the end of their day."""


class _EnoughError(Exception):
    """As many records as were asked for to look at."""


@dataclass
class Walk:
    """One extract of an interface.

    Args:
        client: Asks.
        draft: Takes the records.
        address: With the parameters of every request.
        request: How the contract says that the interface is asked.
        column: Where records hold their watermark; nothing when they have none.
        key: Finds what tells a record from others; None where it is not known.
        must_mark: Whether some record must hold a watermark: the first time, all of them come.
        bounds: When to give up.
        look: So many records are enough; 0 means all.
    """

    client: Client
    draft: Draft
    address: httpx.URL
    request: Mapping[str, Any]
    column: Path
    key: Callable[[dict[str, Any]], Any]
    bounds: Bounds
    must_mark: bool = False
    look: int = 0
    _best: Mark | None = None
    _before: str = ""
    _soon: bool = False
    _pages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = Places.of(self.request)
        self._paging = self._fresh(self.draft.done.size)

    def run(self) -> None:
        """Bring every record into the draft.

        Raises:
            ChannelError: They cannot be brought completely.
        """
        done, why = self.draft.done, ""
        if done.pages and done.total is None and not self._paging.can_resume:
            self._begin_again(AgainError(""))
        for _ in range(self.bounds.restarts + 1):
            try:
                self._walk()
                self._prove()
            except AgainError as again:
                why = again.why
                self._begin_again(again)
            except EndlessError as error:
                self.draft.restart()
                raise self.client.endless(str(error)) from error
            except _EnoughError:
                return
            else:
                return
        raise ChannelError(
            f"the interface's pages do not fit together: {why}",
            where=self.client.where,
            todo="Ask the supplier for pages in a fixed order, by a column without repetition;"
            " a source whose records are equal in every value states no `total`",
            transient=True,
        )

    def _fresh(self, size: int) -> Paging:
        words = self.request.get("paging", {"style": "none"})
        paging = STYLES[words["style"]](words)
        if size and (words.get("size") or self.draft.done.pages):
            paging.size = size
        return paging

    def _begin_again(self, again: AgainError) -> None:
        size = again.size or self._paging.size
        self.draft.restart()
        self._pages.clear()
        self._paging = self._fresh(size)

    def _walk(self) -> None:
        done, begun = self.draft.done, bool(self.draft.done.pages)
        self._best = mark(done.mark)
        position = None if done.complete else done.position or self._paging.first()
        while position is not None:
            if self.draft.done.pages >= self.bounds.pages:
                raise EndlessError("pages without end")
            try:
                answer = self._ask(position)
            except ChannelError as error:
                if begun and not error.transient:
                    raise AgainError("an interrupted walk cannot go on") from error
                raise
            begun = False
            position = self._take(position, answer)

    def _ask(self, position: Position) -> Answer:
        if "next" in position:
            address = self.client.beside(self.address, position["next"])
        else:
            address = self.client.with_parameters(self.address, self._paging.parameters(position))
        return self.client.ask(address, self._read)

    def _read(self, chunks: Iterator[bytes]) -> Answer:
        """One answer into the draft; what an earlier try brought of it is forgotten."""
        self.draft.undo()
        self._best = mark(self.draft.done.mark)
        return read_answer(
            chunks,
            self._places,
            self._record,
            where=self.client.where,
            longest=self.bounds.record_bytes,
        )

    def _record(self, record: dict[str, Any], text: str) -> None:
        if self.column:
            self._compare(inside(record, self.column))
        self.draft.add(record, text, self.key(record))
        if self.look and self.draft.rows >= self.look:
            raise _EnoughError

    def _compare(self, said: Any) -> None:
        """Take a record's watermark into account; none, and one that lies ahead, moves nothing."""
        if said is None or said == "":
            return
        found = mark(said) if isinstance(said, str) else None
        if found and not found.is_believable(now()):
            self._soon |= found.is_believable(now() + DAY)
            return
        best = self._best
        if found is None or (best and best.kind != found.kind):
            raise ChannelError(
                f"`{'.'.join(self.column)}` is not always a number, a date or a time",
                where=self.client.where,
                todo="Name another column as `watermark` in the contract, or none",
            )
        if best is None or found.order > best.order:
            self._best = found

    def _take(self, position: Position, answer: Answer) -> Position | None:
        """Keep a whole page; where to go on."""
        done, page = self.draft.done, self.draft.page()
        if done.pages and answer.total != done.total:
            raise AgainError("the number of records changed while they were read")
        repeated = bool(answer.rows) and page in self._pages
        seen = Seen(answer, done.rows + answer.rows, done.pages + 1, answer.total, repeated)
        following = self._paging.following(position, seen)
        self._pages.append(page)
        self.draft.keep({
            "position": following,
            "complete": following is None,
            "size": self._paging.size,
            "pages": done.pages + 1,
            "total": answer.total,
            "mark": self._best.text if self._best else "",
        })  # fmt: skip
        return following

    def _prove(self) -> None:
        """Whether what came is everything, as far as the interface lets it be told."""
        done = self.draft.done
        found, keys = self.draft.distinct()
        if done.total not in {None, found}:
            raise AgainError(f"{done.total} records are stated, and {found} different ones came")
        if keys < found and done.pages > 1 and self._before != self.draft.fingerprint():
            self._before = self.draft.fingerprint()
            raise AgainError("records with one key came with different values")
        if done.total is None and isinstance(self._paging, Counted) and done.pages > 1:
            answer = self._ask(self._paging.first())
            is_same = self.draft.page() == self._pages[0]
            self.draft.undo()
            if not is_same:
                raise AgainError("the first page changed while the others were read", answer.rows)
        if self.must_mark and done.rows and not (done.mark or self._soon):
            raise ChannelError(
                f"no record holds a watermark `{'.'.join(self.column)}` that is not far ahead",
                where=self.client.where,
                todo="Correct `watermark.column` in the contract",
            )
