"""One figure of a receiving site opened to the packages, and from their receipts to files.

It reads the lake and the kept copies of accepted packages, which never change. The rows of persons
stay where they were delivered: the answer ends with what to ask the site that holds them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.city.merge import received_columns
from dagster_project.city.register import cards
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError, UsageError
from dagster_project.lineage.describe import base_schema
from dagster_project.lineage.opening.figure import Asked, End, Figure, Grounds, Step, open_figure
from dagster_project.lineage.packages import Share, feeds_giving, keys_of, shares, strangers
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import parse_json, sha256_file
from dagster_project.protocol.dsse import key_ids
from dagster_project.protocol.manifest import Header, Manifest
from dagster_project.protocol.receipt import Receipt, receipt_of
from dagster_project.protocol.site_card import SiteCard
from dagster_project.protocol.standing import standings_of
from dagster_project.transform.models import Parameters, parameters_of

MOST_PLACES = 20
"""So many rows of one package are named as what to ask the sender."""
_PACKAGE = """
SELECT site_code, outcome, report, period, revision, package_no, package_hash
FROM lake.ops.received
WHERE package_id = ?
ORDER BY outcome = 'accepted' DESC, received_at DESC
LIMIT 1
"""


@dataclass(frozen=True)
class TracedFeed:
    """A feed behind a package's rows, from its receipt.

    ``gives_values`` is true where its values flow into the asked column; the others decide which
    rows there are. ``batches`` are those whose rows counted; ``others`` counts the rest.
    """

    feed: str
    gives_values: bool
    contract_version: str
    batches: tuple[Mapping[str, Any], ...]
    others: int
    read: int
    rejected: int
    open_cases: int
    standing: Mapping[str, Any]


@dataclass
class TracedPackage:
    """One package whose rows take part.

    ``faults`` are sentences: why the kept copy does not prove the rows; empty where it does.
    ``ask`` are commands for the sender, one a row. ``rows`` give values, ``deciding`` only tell
    which of them count.
    """

    package_id: str
    site_code: str
    outcome: str
    report: str
    period: str
    revision: int
    package_no: int
    package_hash: str
    rows: dict[str, int]
    deciding: dict[str, int] = field(default_factory=dict)
    site_name: str = ""
    key_id: str = ""
    key_state: str = ""
    is_genuine: bool = False
    faults: list[str] = field(default_factory=list)
    snapshot: int | None = None
    cut_off_at: str = ""
    contract_version: str = ""
    receipt_hash: str = ""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    feeds: list[TracedFeed] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    ask: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CityTrace:
    """A figure of a receiving site and where it comes from.

    ``recomputed`` is computed from the traced rows alone. ``registers`` counts the rows of tables
    that came in no package: the site's own. ``proven`` says that both figures agree and that every
    traced row stands in a package whose signature and receipt hold.
    """

    table: str
    where: Mapping[str, str]
    column: str
    figure: object
    recomputed: object
    equal: bool
    suppressed: bool
    proven: bool
    steps: tuple[Step, ...]
    registers: Mapping[str, int]
    packages: tuple[TracedPackage, ...]


def trace_received(
    workshop: Workshop, table: str, where: Mapping[str, str], column: str
) -> CityTrace:
    """Open one figure of ``city.<table>``.

    Args:
        workshop: A site that receives.
        table: ``city.<name>``; the layer may be left out.
        where: Values of columns that pick out one row.
        column: The figure's column.

    Raises:
        UsageError: No such table, column or row.
        ModelError: It cannot be traced exactly.
        PackageError: The register of children is damaged.
    """
    name = table if "." in table else f"city.{table}"
    known = cards(workshop.home)
    with workshop.lake.reader() as con:
        grounds = _grounds(workshop, con, name)
        figure = open_figure(con, grounds, Asked(name, where, column))
        found = shares(con, figure, grounds.schema)
        packages = [
            _Looked(workshop, con, figure, known).look(package_id, parts)
            for package_id, parts in _by_package(found).items()
        ]
    proven = figure.equal and all(one.is_genuine and not one.faults for one in packages)
    return CityTrace(
        table=name,
        where=dict(where),
        column=column,
        figure=figure.shown,
        recomputed=figure.recomputed,
        equal=figure.equal,
        suppressed=figure.suppressed,
        proven=proven,
        steps=figure.steps,
        registers={one.table: one.rows + one.deciding for one in found if not one.package_id},
        packages=tuple(packages),
    )


def _grounds(workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str) -> Grounds:
    schema = base_schema(workshop.contracts)
    for name, columns in workshop.given.items():
        schema[name] = {one.name: one.duck_type for one in columns}
    for name, lineage in workshop.lineages.items():
        schema[name] = dict.fromkeys(lineage.columns, "UNKNOWN")
    keys = {
        f"city.{name}": ("site_code", "period", "revision", *_key(workshop, name))
        for name in workshop.reports
    }
    if table not in keys and table not in workshop.graph.models:
        raise UsageError(
            f"there is no table {table}",
            todo=f"Name one of {', '.join(sorted([*keys, *workshop.graph.models]))}",
        )
    now = clock.now()
    otherwise = Parameters(now, clock.local_day(now), workshop.site.code)
    literals = (
        parameters_of(con, workshop.graph, table, otherwise)
        if table in workshop.graph.models
        else otherwise
    ).literals()
    return Grounds(workshop.graph.models, schema, literals, keys)


def _key(workshop: Workshop, report: str) -> tuple[str, ...]:
    return workshop.contracts.tables["report", report].key


def _by_package(found: Sequence[Share]) -> dict[str, list[Share]]:
    parts: dict[str, list[Share]] = {}
    for one in found:
        if one.package_id:
            parts.setdefault(one.package_id, []).append(one)
    return dict(sorted(parts.items()))


@dataclass(frozen=True)
class _Looked:
    """Looks into the kept copies of packages."""

    workshop: Workshop
    con: duckdb.DuckDBPyConnection
    figure: Figure
    cards: Mapping[str, SiteCard]

    def look(self, package_id: str, parts: Sequence[Share]) -> TracedPackage:
        """What is known of one package, and whether its copy proves the rows."""
        row = self.con.execute(_PACKAGE, [package_id]).fetchone()
        said = [value if value is not None else "" for value in row or ("",) * 7]
        code, outcome, report, period, revision, number, digest = said
        told = TracedPackage(
            package_id=package_id,
            site_code=str(code),
            outcome=str(outcome),
            report=str(report),
            period=str(period),
            revision=int(revision or 0),
            package_no=int(number or 0),
            package_hash=str(digest),
            rows={one.table: one.rows for one in parts if one.rows},
            deciding={one.table: one.deciding for one in parts if one.deciding},
        )
        folder = self.workshop.home.received / told.site_code / package_id
        if outcome != "accepted":
            told.is_genuine = True  # nothing of it is in a figure but that it came
            return told
        try:
            manifest = self._opened(told, folder)
            self._prove(told, folder, manifest.header)
        except (PackageError, OSError) as error:
            told.faults.append(str(error) or type(error).__name__)
        return told

    def _opened(self, told: TracedPackage, folder: Path) -> Manifest:
        """The signed manifest of the kept copy, whose files are as they were signed."""
        card = self.cards.get(told.site_code)
        if card is None:
            raise PackageError(
                f"site {told.site_code} is no longer registered, its key is not known",
                where=told.package_id,
                todo="Register its public.json again",
            )
        told.site_name = card.name
        data = (folder / fmt.SIGNATURE).read_bytes()
        manifest = fmt.read_manifest(data, card.every_key)
        told.key_id = key_ids(data, fmt.SIGNATURE)[0]
        key = card.named(told.key_id)
        told.key_state = key.state(clock.now()) if key else ""
        if manifest.package_hash != told.package_hash:
            raise PackageError("it is not the package that was accepted", where=told.package_id)
        told.faults += [
            f"{one.path}: its SHA-256 is not the one that was signed."
            for one in manifest.files
            if sha256_file(folder / one.path) != one.sha256
        ]
        told.is_genuine = not told.faults
        return manifest

    def _prove(self, told: TracedPackage, folder: Path, header: Header) -> None:
        told.snapshot, told.cut_off_at = header.snapshot, header.cut_off_at
        told.contract_version = header.contract_version
        if header.kind != "report":
            return
        for end in self._ends(told):
            file = values.read_parquet(folder / fmt.data_path(header.report))
            own = [column.name for column in received_columns(())]
            if count := strangers(self.con, end, told.package_id, file, own):
                told.faults.append(f"{count} rows of {end.table} do not stand in its file.")
            if not end.deciding:
                told.ask += list(self._asks(end, told, header))
        receipt = receipt_of((folder / fmt.RECEIPTS).read_bytes(), header)
        told.receipt_hash = receipt.receipt_hash
        told.inputs = [one.model_dump() for one in receipt.inputs]
        told.held = sorted({one.feed for one in receipt.held})
        told.feeds = self._feeds(told, folder, receipt)

    def _ends(self, told: TracedPackage) -> Iterator[End]:
        """Where rows of the package's own report were opened."""
        return (end for end in self.figure.ends if end.table == f"city.{told.report}")

    def _asks(self, end: End, told: TracedPackage, header: Header) -> Iterator[str]:
        key = _key(self.workshop, header.report)
        figures = [name for name in end.columns if name not in key]
        for place in keys_of(self.con, end, told.package_id, key, MOST_PLACES):
            # The sender's words stand in a command that somebody copies.
            where = " ".join(
                f"--where {shlex.quote(f'{name}={value}')}" for name, value in place.items()
            )
            for column in figures:
                yield (
                    f"countylake trace report.{header.report} {where} --column {column}"
                    f" --package {told.package_id}"
                )

    def _feeds(self, told: TracedPackage, folder: Path, receipt: Receipt) -> list[TracedFeed]:
        wanted = {name for end in self._ends(told) for name in end.columns}
        with (folder / fmt.LINEAGE).open(encoding="utf-8") as events:
            giving = feeds_giving(events, receipt.table, wanted)
        status = parse_json((folder / fmt.STATUS).read_bytes(), fmt.STATUS)
        standing = {one.feed: one.model_dump() for one in standings_of(status).feeds}
        return [
            TracedFeed(
                feed=one.feed,
                gives_values=one.feed in giving,
                contract_version=one.contract_version,
                batches=tuple(batch.model_dump() for batch in one.batches),
                others=one.others.count,
                read=one.others.counts.read + sum(b.counts.read for b in one.batches),
                rejected=one.others.counts.rejected + sum(b.counts.rejected for b in one.batches),
                open_cases=one.open_cases,
                standing=standing.get(one.feed, {}),
            )
            for one in receipt.feeds
        ]
