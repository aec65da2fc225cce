"""Puts plants among the rows of a feed, chunk by chunk, and tells the manifest where.

A row of the truth carries at most one plant, so that each fault speaks alone. What a plant does is
its own matter; what a file looks like is the writer's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
import polars as pl

from dagster_project.errors import CountyLakeError
from dagster_project.simulate.county import County
from dagster_project.simulate.manifest import FeedManifest
from dagster_project.simulate.plants import Cells, Kit, Plant, Turn
from dagster_project.simulate.rng import Stream
from dagster_project.simulate.writers import RAW

_TRIES = 60
_SMALL = 5_000
_AT = "_at"


@dataclass
class _Extra:
    """A row to insert behind the row ``after`` of the chunk."""

    after: int
    cells: Cells
    plant: Plant


class Planter:
    """Plants one feed's faults.

    Args:
        county: The county.
        key: The feed's key columns.
        kit: The feed's own part in it.
        plants: What to plant, with how many of each.
        manifest: Where it is entered.
        expected_rows: About how many rows of truth will come.
        observe: Called with each chunk's truth, after warnings and before dirt.
        totalled: Columns whose sums over all data rows are kept in ``totals``.
    """

    def __init__(
        self,
        county: County,
        *,
        key: Sequence[str],
        kit: Kit,
        plants: Sequence[tuple[Plant, int]],
        manifest: FeedManifest,
        expected_rows: int,
        observe: Callable[[pl.DataFrame], None],
        totalled: Sequence[str] = (),
    ) -> None:
        self._county, self._key, self._kit = county, tuple(key), kit
        self._plants, self._manifest, self._observe = list(plants), manifest, observe
        self._expected = max(expected_rows, 1)
        self._seen, self._serial = 0, 0
        self._done = [0] * len(self._plants)
        # Each plant comes due at its own moments, so that early chunks and sheets get some too.
        self._phase = [(n * 0.618) % 1 for n in range(len(self._plants))]
        self._keys: set[tuple[str | None, ...]] = set()
        self.totals = {name: Decimal(0) for name in totalled}
        self._draw = Stream(*county.random.path, "plant", manifest.feed)

    def plant(self, truth: pl.DataFrame, *, sheet: str, first_row: int, last: bool) -> pl.DataFrame:
        """The chunk as it is written: dirty, with the extra rows and a ``_raw`` column.

        Args:
            truth: The chunk's true rows.
            sheet: The sheet's name, empty for text files.
            first_row: The record number that the chunk's first row gets.
            last: Whether it is the file's last chunk: what is still due must be planted now.
        """
        used: set[int] = set()
        edits: list[tuple[int, Cells, Plant]] = []
        extras: list[_Extra] = []
        share = 1.0 if last else min((self._seen + truth.height) / self._expected, 1.0)
        self._seen += truth.height
        # In-place plants first: extra rows may copy any row, changed ones need one of their own.
        order = sorted(range(len(self._plants)), key=lambda n: not self._plants[n][0].in_place)
        for number in order:
            plant, wanted = self._plants[number]
            due = wanted if last else int(wanted * share + self._phase[number])
            while self._done[number] < due:
                everywhere = last and not self._done[number]
                if not self._place(plant, truth, used, edits, extras, everywhere=everywhere):
                    break
                self._done[number] += 1
            if last and not self._done[number] and wanted and not plant.may_lack_rows:
                raise CountyLakeError(
                    f"no row of {self._manifest.feed} suits the planted fault {plant.name}",
                    todo="Give the fault's change rows that it can use, or raise the scale",
                )
        return self._assemble(truth, edits, extras, sheet, first_row)

    def _place(
        self,
        plant: Plant,
        truth: pl.DataFrame,
        used: set[int],
        edits: list[tuple[int, Cells, Plant]],
        extras: list[_Extra],
        *,
        everywhere: bool,
    ) -> bool:
        self._serial += 1
        turn = Turn(self._serial, self._county)
        for at in self._candidates(truth.height, everywhere=everywhere):
            if at in used and plant.verdict not in {"rejected", "dropped"}:
                continue
            row: Cells = truth.row(at, named=True)
            if plant.in_place:
                change = plant.change(row, turn)
                if change is None:
                    continue
                edits.append((at, change, plant))
                used.add(at)
                return True
            copy = self._copy(plant, row, turn)
            if copy is not None:
                extras.append(_Extra(at, copy, plant))
                if plant.verdict != "rejected":
                    used.add(at)
                return True
        return False

    def _candidates(self, height: int, *, everywhere: bool) -> Iterator[int]:
        """Rows to try: some at random; in small chunks, or if asked, then every row."""
        if not height:
            return
        stream = self._draw.of(str(self._serial))
        some = stream.below(np.arange(_TRIES, dtype=np.int64), height).tolist()
        yield from dict.fromkeys(some)
        if everywhere or height <= _SMALL:
            yield from range(some[0], height)
            yield from range(some[0])

    def _copy(self, plant: Plant, row: Cells, turn: Turn) -> Cells | None:
        copy = dict(row)
        if plant.verdict == "rejected":
            fresh = self._kit.new_key(copy, turn)
            if fresh is None:
                return None
            copy |= fresh
            key = tuple(copy[name] for name in self._key)
            if key in self._keys:
                return None
            change = plant.change(copy, turn)
            if change is None:
                return None
            self._keys.add(key)
            return copy | change
        change = plant.change(copy, turn)
        return None if change is None else copy | change

    def _total(self, truth: pl.DataFrame, extras: Sequence[_Extra]) -> None:
        for name in self.totals:
            whole = truth[name].cast(pl.Decimal(38, 2)).sum()
            self.totals[name] += Decimal(str(whole or 0))
            for extra in extras:
                if extra.plant.verdict != "dropped":
                    self.totals[name] += _amount(extra.cells[name])

    def _assemble(
        self,
        truth: pl.DataFrame,
        edits: Sequence[tuple[int, Cells, Plant]],
        extras: Sequence[_Extra],
        sheet: str,
        first_row: int,
    ) -> pl.DataFrame:
        meant = [edit for edit in edits if edit[2].is_warning or edit[2].is_truth]
        warned = _edited(truth, meant)
        self._observe(warned)
        self._manifest.truth(truth.height)
        self._total(warned, extras)
        dirty = _edited(warned, [edit for edit in edits if edit[2].repairs])
        ordered = sorted(extras, key=lambda extra: extra.after)
        behind = np.array([extra.after for extra in ordered], dtype=np.int64)
        # The rank among extras breaks ties, so that positions are told without sorting again.
        rows = (
            first_row + np.arange(truth.height) + np.searchsorted(behind, np.arange(truth.height))
        )
        for at, _, plant in edits:
            self._manifest.planted(plant, sheet=sheet, row=int(rows[at]))
        for rank, extra in enumerate(ordered):
            row = first_row + extra.after + 1 + rank
            if extra.plant.verdict == "dropped":
                self._manifest.drop(extra.plant.name, sheet=sheet, row=row)
            else:
                self._manifest.planted(extra.plant, sheet=sheet, row=row)
        base = dirty.with_columns(
            pl.Series(_AT, np.arange(truth.height) * 1.0), pl.lit(None, pl.String).alias(RAW)
        )
        if not ordered:
            return base.drop(_AT)
        added = pl.DataFrame(
            [
                {**extra.cells, _AT: extra.after + 0.5, RAW: extra.plant.raw or None}
                for extra in ordered
            ],
            schema={**truth.schema, _AT: pl.Float64, RAW: pl.String},
        )
        return pl.concat([base, added]).sort(_AT, maintain_order=True).drop(_AT)


def _amount(cell: str | None) -> Decimal:
    try:
        return Decimal(cell or "0")
    except InvalidOperation:
        return Decimal(0)


def _edited(frame: pl.DataFrame, edits: Sequence[tuple[int, Cells, Plant]]) -> pl.DataFrame:
    """The frame with some cells replaced."""
    columns: dict[str, tuple[list[int], list[str | None]]] = {}
    for at, change, _ in edits:
        for name, value in change.items():
            places, values = columns.setdefault(name, ([], []))
            places.append(at)
            values.append(value)
    replaced = [
        frame[name].scatter(places, pl.Series(values, dtype=pl.String)).alias(name)
        for name, (places, values) in columns.items()
    ]
    return frame.with_columns(replaced) if replaced else frame
