"""What others hear of what leaves a site and comes to one: packages, reception, replica, rules.

When it is told is ``telling``'s work; how it is written is ``lineage.events``'. Feeds and models
are told in ``told``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from dagster_project.city.ledger import Entry
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.telling import Telling, telling
from dagster_project.components.steps.told import at
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.engine import quoted
from dagster_project.lake.plan import PublishTable
from dagster_project.lineage.columns import Edge
from dagster_project.lineage.events.events import Work
from dagster_project.lineage.events.facets import Assertion, Dataset, Evidence, Written
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import Receipt
from dagster_project.quality.table_rules import Judged
from dagster_project.reporting.package import Package
from dagster_project.transform.models import Model

_JUDGED = ("ops.check_result", "ops.rectification")
Certify = Callable[[Header, pa.Table], Receipt]


@dataclass
class Sealed:
    """The packages that one sealing makes, each told of from its receipt to its commit."""

    workshop: Workshop
    model: Model
    occasion: Occasion
    _runs: dict[str, Telling] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def noting(self, certify: Certify) -> Certify:
        """The same maker of receipts; the package is told of once it is certain to be made."""

        def made(header: Header, rows: pa.Table) -> Receipt:
            run = self._open.enter_context(telling(self.workshop, self._work(header)))
            self._runs[header.package_id] = run
            receipt = certify(header, rows)
            run.add(lambda: {"evidence": of_receipt(receipt)})
            return receipt

        return made

    def committed(self, package_id: str, package_hash: str) -> None:
        """A package was committed, under the hash that was signed."""
        run = self._runs[package_id]
        run.add(lambda: self._made(run.work, package_hash))

    def _made(self, work: Work, package_hash: str) -> Mapping[str, object]:
        """A package has the columns of its report's table."""
        columns = self.workshop.described(self.model.table)
        table, evidence = self.model.table, work.evidence or Evidence()
        edges = tuple(Edge(one.name, table, one.name, "identity") for one in columns)
        return {
            "outputs": [
                replace(one, version=package_hash, columns=columns, edges=edges)
                for one in work.outputs
            ],
            "evidence": replace(evidence, package_hash=package_hash),
        }

    def _work(self, header: Header) -> Work:
        return Work(
            site=self.workshop.site.code,
            job=f"package.{header.report}",
            run_id=self.occasion.run_id,
            nominal_at=datetime.fromisoformat(header.cut_off_at),
            inputs=(Dataset(self.model.table, at(header.snapshot)),),
            outputs=(Dataset(f"package.{header.report}", written=Written(header.rows)),),
            kind="PACKAGE",
            part=header.package_id,
            evidence=Evidence(header.snapshot, header.content_hash, package_id=header.package_id),
        )


@contextmanager
def sealing(workshop: Workshop, model: Model, occasion: Occasion) -> Iterator[Sealed]:
    """A report's rows become packages; those that say nothing new are not told of."""
    with ExitStack() as stack:
        yield Sealed(workshop, model, occasion, _open=stack)


def of_receipt(receipt: Receipt) -> Evidence:
    """What proves a package: its receipt, and the landed files that the receipt names."""
    batches = [batch for feed in receipt.feeds for batch in feed.batches]
    sources = {one for batch in batches for one in (batch.files or (batch.sha256,)) if one}
    others = [feed.others for feed in receipt.feeds if feed.others.count]
    return Evidence(
        receipt.snapshot,
        receipt.content_hash,
        package_id=receipt.package_id,
        receipt_no=receipt.receipt_no,
        receipt_hash=receipt.receipt_hash,
        sources=sorted(sources),
        other_batches=sum(one.count for one in others),
    )


@contextmanager
def withdrawing(
    workshop: Workshop, package_id: str, run_id: str, moment: datetime
) -> Iterator[Callable[[Package], None]]:
    """A period is taken back; the block tells the package that says so."""
    work = Work(
        site=workshop.site.code,
        job="package.withdrawal",
        run_id=run_id,
        nominal_at=moment,
        kind="PACKAGE",
        part=package_id,
        evidence=Evidence(package_id=package_id),
    )
    with telling(workshop, work) as run:

        def withdrawn(made: Package) -> None:
            run.add(
                lambda: {
                    "outputs": (
                        Dataset("package.withdrawal", made.package_hash, written=Written(0)),
                    ),
                    "evidence": Evidence(
                        package_id=made.package_id, package_hash=made.package_hash
                    ),
                }
            )

        yield withdrawn


@contextmanager
def merging_packages(
    workshop: Workshop, run_id: str, accepted: Sequence[Entry]
) -> Iterator[Callable[[int], None]]:
    """Packages of children become rows of the city's tables; the block tells the snapshot."""
    reports = sorted({one.report for one in accepted if one.report})
    work = Work(
        site=workshop.site.code,
        job="city.reception",
        run_id=run_id,
        nominal_at=max(one.received_at for one in accepted),
        inputs=tuple(
            Dataset(f"package.{one.report}", one.package_hash, site=one.site_code)
            for one in accepted
        ),
        outputs=tuple(Dataset(f"city.{name}") for name in reports),
        kind="RECEPTION",
        part=accepted[0].package_id,
    )
    with telling(workshop, work) as run:

        def merged(snapshot: int) -> None:
            run.add(
                lambda: {
                    "outputs": [_received(workshop, one, accepted, snapshot) for one in reports],
                    "evidence": Evidence(snapshot),
                }
            )

        yield merged


def _received(workshop: Workshop, report: str, accepted: Sequence[Entry], snapshot: int) -> Dataset:
    """The city's table of a report: its columns are the packages' own."""
    mine = [one for one in accepted if one.report == report]
    table, package = f"city.{report}", f"package.{report}"
    lineage = workshop.whole.get(table)
    edges = (
        replace(edge, source_table=package) if edge.source_table == f"report.{report}" else edge
        for edge in (lineage.edges if lineage else ())
    )
    return Dataset(
        table,
        at(snapshot),
        tuple(workshop.given.get(table, ())),
        tuple(edges),
        written=Written(sum(one.row_count or 0 for one in mine)),
        sites={package: sorted({one.site_code for one in mine})},
    )


@contextmanager
def publishing(
    workshop: Workshop, moment: datetime, tables: Sequence[PublishTable]
) -> Iterator[tuple[Callable[[], None], Callable[[int], None]]]:
    """The lake's tables become a replica that analysts open.

    The block tells that it makes one, and then its snapshot.
    """
    work = Work(
        site=workshop.site.code,
        job="published.replica",
        run_id=f"published {moment.isoformat()}",
        nominal_at=moment,
        outputs=(Dataset("published.county"),),
        kind="REPLICA",
    )
    with telling(workshop, work, at_once=False) as run:

        def published(snapshot: int) -> None:
            run.add(
                lambda: {
                    "inputs": [Dataset(f"{one.schema}.{one.name}", at(snapshot)) for one in tables],
                    "outputs": [_published(one, snapshot) for one in tables],
                    "evidence": Evidence(snapshot),
                }
            )

        yield run.begin, published


def _published(table: PublishTable, snapshot: int) -> Dataset:
    """What the replica shows of a table; a column that is not shown as it is hides its source."""
    name = f"{table.schema}.{table.name}"
    if table.schema != "silver":
        return Dataset(f"published.{name}", at(snapshot))
    shown = {one.name: one.expression == quoted(one.source) for one in table.columns}
    return Dataset(
        f"published.{name}",
        at(snapshot),
        edges=tuple(
            Edge(one.name, name, one.source, "identity" if shown[one.name] else "transformation")
            for one in table.columns
        ),
        levels={(name, one.source): "L3" for one in table.columns if not shown[one.name]},
        masked=[column for column, as_it_is in shown.items() if not as_it_is],
    )


@contextmanager
def asking_rules(
    workshop: Workshop, occasion: Occasion, moment: datetime
) -> Iterator[Callable[[Iterable[Judged], int], None]]:
    """Rules of whole tables are asked of silver; the block tells the answers and the snapshot."""
    work = Work(
        site=workshop.site.code,
        job="ops.references",
        run_id=occasion.run_id,
        nominal_at=moment,
        outputs=tuple(Dataset(name) for name in _JUDGED),
        kind="RULES",
    )
    with telling(workshop, work) as run:

        def asked(judged: Iterable[Judged], snapshot: int) -> None:
            run.add(lambda: _asked(judged, snapshot))

        yield asked


def _asked(judged: Iterable[Judged], snapshot: int) -> Mapping[str, object]:
    answers: dict[str, list[Assertion]] = {}
    for one in judged:
        found = Assertion(
            one.rule.id,
            one.failed == 0,
            severity=one.rule.severity,
            checked=one.checked,
            failed=one.failed,
        )
        answers.setdefault(f"silver.{one.feed}", []).append(found)
    before = at(snapshot - 1)
    return {
        "inputs": [Dataset(one, before, assertions=answers[one]) for one in sorted(answers)],
        "outputs": [Dataset(name, at(snapshot)) for name in _JUDGED],
        "evidence": Evidence(snapshot - 1),
    }
