"""Writes one simulated county: files, manifest, and the values that must never get out."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.errors import ContractError
from dagster_project.paths import schemas_dir
from dagster_project.simulate.cells import Checker
from dagster_project.simulate.county import County
from dagster_project.simulate.faults import plants, shared_out
from dagster_project.simulate.feeds import FORMS, XLSX_LIMIT, Form, Source, sources
from dagster_project.simulate.figures import Figures
from dagster_project.simulate.findings import Findings
from dagster_project.simulate.manifest import FeedManifest
from dagster_project.simulate.planter import Planter
from dagster_project.simulate.sizes import least_rows
from dagster_project.simulate.suspicions import Suspicions
from dagster_project.simulate.writers import CsvWriter, XlsxWriter, sha256

Progress = Callable[[str, float], None]
Observer = Callable[[str, pl.DataFrame], None]
PERSONAL_MASKS = frozenset({"id", "name", "phone", "account"})
_ORG_TOWN = "_town"


def simulate(
    county_code: str,
    scale: float,
    out_dir: Path,
    seed: int,
    *,
    day: date = date(2023, 5, 31),
    faults: bool = True,
    feeds: Collection[str] = tuple(FORMS),
    expected_dir: Path | None = None,
    personal: bool = False,
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> dict[str, Any]:
    """Write one day of a county's department files, and what must become of them.

    The same arguments give the same bytes.

    Args:
        county_code: A county of a register, as ``140321`` (平定县): see ``county.counties``.
        scale: 1 is the real county's size; memory does not grow with it.
        out_dir: The inbox folder; departments' folders are made below it.
        seed: Another seed is another county.
        day: The day the files are of; nothing in them is later.
        faults: Whether dirt, faults, duplicates and warnings are planted.
        feeds: What the county's departments deliver; the others' rows stay in the simulator.
        expected_dir: Where ``<county>.json`` goes; by default ``expected`` beside ``out_dir``.
        personal: Also write ``<county>.personal.txt``: every personal value, one a line.
        progress: Called with a feed's name and the share of its rows that is written.
        observe: Called with a feed's name and each chunk of its truth (text, one row per row that
            must be accepted): what must arrive once dirt is undone.

    Returns:
        The manifest, as written.

    Raises:
        UsageError: The county is unknown or the scale is not positive.
        ContractError: A feed's contract cannot be read, or asks for a column nobody makes.
        CountyLakeError: A rule of a contract has no planted fault.
    """
    contracts = load(schemas_dir())
    county = County(county_code, scale, seed, day, least=least_rows(contracts))
    run = _Run(county, contracts, Path(out_dir), faults=faults, progress=progress, observe=observe)
    run.feeds = frozenset(feeds)
    manifest = run.write()
    expected = Path(expected_dir) if expected_dir else Path(out_dir).parent / "expected"
    expected.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
    # One line per planted row keeps the file readable and its changes small.
    text = text.replace('{"row":', '\n{"row":')
    (expected / f"{county_code}.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    if personal:
        values = "\n".join(sorted(run.personal)) + "\n"
        path = expected / f"{county_code}.personal.txt"
        path.write_text(values, encoding="utf-8", newline="\n")
    return manifest


class _Run:
    """One county being written."""

    def __init__(
        self,
        county: County,
        contracts: Contracts,
        out: Path,
        *,
        faults: bool,
        progress: Progress | None,
        observe: Observer | None,
    ) -> None:
        self.observer = observe
        self.county, self.contracts, self.out = county, contracts, out
        self.faults, self.progress = faults, progress
        self.feeds = frozenset(FORMS)
        self.figures = Figures(county)
        self.findings = Findings()
        self.personal: set[str] = set()
        self.parents: dict[str, set[str]] = {}
        columns = (column for feed in contracts.feeds.values() for column in feed.columns)
        self.referenced = {column.reference.feed for column in columns if column.reference}
        self.suspicions = Suspicions(county) if faults else None
        self.towns: dict[str, str] = {}

    def write(self) -> dict[str, Any]:
        """Write every feed."""
        books: dict[str, FeedManifest] = {}
        for source in sources(self.county, self.suspicions, self.feeds):
            books |= self._source(source)
        return {
            "county": self.county.code,
            "name": self.county.name,
            "scale": self.county.scale,
            "seed": self.county.seed,
            "day": self.county.day.isoformat(),
            "feeds": {name: self._told(books[name]) for name in FORMS if name in books},
            "flags": self._flags(),
            "truth": self.figures.as_json(),
        }

    def _flags(self) -> dict[str, Any]:
        return self.suspicions.as_json(self.asked) if self.suspicions else {}

    def asked(self, feed: str, rule: str) -> bool:
        """Whether the county has everything that a table rule reads."""
        rules = self.contracts.feeds[feed].table_rules if feed in self.feeds else ()
        return any(one.id == rule and self.feeds.issuperset(one.inputs) for one in rules)

    def _told(self, book: FeedManifest) -> dict[str, Any]:
        """A feed's books, with what its table rules must find."""
        records = self._flags().get("records", {}).get(book.feed, {})
        named = {rule: len(keys) for rule, keys in records.items()}
        counted = {r: n for r, n in self.findings.of(book.feed).items() if self.asked(book.feed, r)}
        return book.as_json() | {"findings": dict(sorted((book.cross | named | counted).items()))}

    def _source(self, source: Source) -> Mapping[str, FeedManifest]:
        files: dict[str, _File] = {}
        seen = dict.fromkeys(source.feeds, 0)
        for chunk, last in _with_last(source.chunks()):
            for name in filter(self.feeds.__contains__, source.feeds):
                if name not in files:
                    rows = 0 if last else source.rows[name]
                    rows = rows or chunk[name].height
                    files[name] = _File(self, self._feed(name), FORMS[name], rows)
                files[name].write(chunk[name], last=last)
                seen[name] += chunk[name].height
                if self.progress:
                    whole = max(source.rows[name], seen[name])
                    self.progress(name, 1.0 if last else seen[name] / whole)
        return {name: file.close() for name, file in files.items()}

    def _feed(self, name: str) -> Feed:
        if name not in self.contracts.feeds:
            problems = [str(p) for p in self.contracts.problems]
            why = next((p for p in problems if f"/{name}.yaml" in p), "there is no such contract")
            raise ContractError(
                f"the contract of {name} cannot be read ({why})",
                where=f"schemas/feeds/{name}.yaml",
                todo="Correct the contract before simulating",
            )
        return self.contracts.feeds[name]

    def observe(self, feed: Feed, truth: pl.DataFrame) -> None:
        """Take in a chunk of the truth: figures, parents' keys, personal values."""
        self.figures.observe(feed.name, truth)
        self.findings.observe(feed.name, truth)
        if self.observer:
            self.observer(feed.name, truth)
        if feed.name in self.referenced:
            for key in feed.key:
                self.parents.setdefault(f"{feed.name}.{key}", set()).update(truth[key])
        if feed.name == "collective_org":
            named = self.county.towns
            pairs = zip(truth["org_code"], truth["town_code"], strict=True)
            self.towns = {org: named[town] for org, town in pairs}
        if self.county.scale <= SMALL:
            for column in feed.columns:
                if is_personal(column.name, column.mask, column.level):
                    self.personal.update(truth[column.name].drop_nulls())


SMALL = 0.05
"""Up to this scale personal values are collected."""


def is_personal(name: str, mask: str, level: str) -> bool:
    """Whether a column's values name or reach a person: ids, names, phones, accounts."""
    return mask in PERSONAL_MASKS and level in {"L3", "L4"} and not name.endswith("house_code")


class _File:
    """One feed's file while it grows."""

    def __init__(self, run: _Run, feed: Feed, form: Form, rows: int) -> None:
        self.run, self.feed, self.form = run, feed, form
        self.columns = [column.name for column in feed.columns]
        self.titles = [form.headers.get(column.name, column.title) for column in feed.columns]
        may_be_text = any(pattern.endswith(".csv") for pattern in feed.patterns)
        is_text = bool(form.encoding) or (may_be_text and rows > XLSX_LIMIT)
        relative = _path(feed, run.county.day, suffix=".csv" if is_text else ".xlsx")
        self.path = run.out / relative
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.book = FeedManifest(feed.name, file=relative)
        self.money = [c.name for c in feed.columns if c.unit == "元"] if not is_text else []
        checker = Checker(run.contracts.codes, {k: frozenset(v) for k, v in run.parents.items()})
        header = self.titles if is_text else ()
        made = plants(feed, form.kit, run.contracts.codes, checker, header=header)
        asked = (p for p in made if not p.is_table or run.asked(feed.name, p.name))
        self.plants = shared_out(asked, rows) if run.faults else []
        self.book.unplanted = [plant.name for plant, often in self.plants if not often]
        self.rows = rows
        self.planter = self._planter()
        self.csv = (
            CsvWriter(self.path, self.titles, form.encoding or "utf-8-sig") if is_text else None
        )
        numeric = frozenset(self.columns.index(name) for name in self.money)
        dates = (n for n, c in enumerate(feed.columns) if c.type == "date" and form.has_dates)
        self.xlsx = None if is_text else XlsxWriter(self.path, numeric, frozenset(dates))
        self.next_row = 2 if is_text else 0
        self.sheet = ""

    def _planter(self) -> Planter:
        return Planter(
            self.run.county,
            key=self.feed.key,
            kit=self.form.kit,
            plants=self.plants,
            manifest=self.book,
            expected_rows=self.rows,
            observe=lambda truth: self.run.observe(self.feed, truth),
            totalled=self.money,
        )

    def write(self, truth: pl.DataFrame, *, last: bool) -> None:
        """Append a chunk of true rows, with what is planted among them."""
        unmade = set(self.columns) - set(truth.columns)
        if unmade:
            raise ContractError(
                f"the simulator makes no column {', '.join(sorted(unmade))}",
                where=self.feed.path,
                todo="Add the column to the feed's rows in dagster_project/simulate",
            )
        truth = truth.select(pl.col(self.columns).cast(pl.String))
        if self.csv:
            self.csv.write(self._planted(truth, last=last))
            return
        for sheet, part, is_end in self._sheets(truth, last=last):
            if sheet != self.sheet:
                self._begin(sheet)
            if self.xlsx:
                self.xlsx.write(self._planted(part, last=is_end))
            if self.form.by_town or last:
                self._end()

    def _planted(self, truth: pl.DataFrame, *, last: bool) -> pl.DataFrame:
        dirty = self.planter.plant(truth, sheet=self.sheet, first_row=self.next_row, last=last)
        self.next_row += dirty.height
        return dirty

    def _sheets(
        self, truth: pl.DataFrame, *, last: bool
    ) -> Iterator[tuple[str, pl.DataFrame, bool]]:
        if not self.form.by_town:
            yield self.feed.title, truth, last
            return
        towns = self.run.towns
        named = truth.with_columns(pl.col("org_code").replace_strict(towns).alias(_ORG_TOWN))
        parts = named.partition_by(_ORG_TOWN, maintain_order=True)
        for number, part in enumerate(parts, start=1):
            yield part[_ORG_TOWN][0], part.drop(_ORG_TOWN), last and number == len(parts)

    def _begin(self, sheet: str) -> None:
        self.sheet = sheet
        county = self.run.county
        heading = [
            [f"{county.name}{self.form.title}"],
            [
                f"填报单位：{self.feed.department_name}",
                "",
                "",
                f"填报日期：{county.day:%Y年%m月%d日}",
            ],
        ]
        if self.xlsx:
            self.xlsx.begin(sheet, [*heading, self.titles])
        for row in range(1, len(heading) + 1):
            self.book.drop("title", sheet=sheet, row=row)
        self.next_row = len(heading) + 2
        for name in self.planter.totals:
            self.planter.totals[name] *= 0

    def _end(self) -> None:
        """The totals row of the sheet, and a note below it."""
        tail: list[dict[str, str | None]] = []
        if self.money:
            sums = {name: f"{total:.2f}" for name, total in self.planter.totals.items()}
            self.book.drop("total", sheet=self.sheet, row=self.next_row)
            self.book.control_totals += [
                {"sheet": self.sheet, "row": self.next_row, "column": name, "stated": total}
                for name, total in sums.items()
            ]
            tail.append({self.columns[0]: "合计", **sums})
        self.book.drop("footnote", sheet=self.sheet, row=self.next_row + len(tail))
        tail.append({self.columns[0]: "填表说明：本表由业务系统导出，数据截至填报日期。"})
        self.next_row += len(tail)
        if self.xlsx:
            self.xlsx.write(pl.DataFrame(tail, schema=dict.fromkeys(self.columns, pl.String)))

    def close(self) -> FeedManifest:
        """Finish the file; its books are complete then."""
        if self.csv:
            self.csv.close()
        if self.xlsx:
            self.xlsx.close()
        self.book.sha256 = sha256(self.path)
        return self.book


def _path(feed: Feed, day: date, *, suffix: str) -> str:
    """The file's path by the contract's own pattern."""
    for pattern in feed.patterns:
        if pattern.endswith(suffix):
            return pattern.replace("*", f"{day:%Y%m%d}", 1)
    raise ContractError(
        f"the contract of {feed.name} has no path for {suffix} files",
        where=feed.path,
        todo="Add a server entry for that format",
    )


def _with_last(chunks: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Each chunk, and whether it is the last."""
    iterator = iter(chunks)
    held = next(iterator, None)
    while held is not None:
        following = next(iterator, None)
        yield held, following is None
        held = following
