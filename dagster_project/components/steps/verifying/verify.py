"""Verifying sealed packages: every part of each, the chains, the answers, and the lake below.

The order is from what is certain to what rests on it; nothing stops at a fault. What is looked at
is told by the modules beside; here it is decided what is asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import zip_longest
from typing import Any, Self

import duckdb

from dagster_project import clock
from dagster_project.components.steps.verifying import verdict as found
from dagster_project.components.steps.verifying.answers import Answers
from dagster_project.components.steps.verifying.chains import chain_faults
from dagster_project.components.steps.verifying.difference import differences
from dagster_project.components.steps.verifying.evidence import Evidence, gather
from dagster_project.components.steps.verifying.inputs import Grounds, unreadable
from dagster_project.components.steps.verifying.ledger import (
    Ledger,
    exists_at,
    newest_snapshot,
    read_ledger,
)
from dagster_project.components.steps.verifying.rebuilt import Maker, bytes_of, other_engine
from dagster_project.components.steps.verifying.reread import Rereader
from dagster_project.components.steps.verifying.sources import Sources
from dagster_project.components.steps.verifying.verdict import Verdict, Verified
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import CountyLakeError, UsageError
from dagster_project.lake import sums
from dagster_project.lineage.rates import rate_faults
from dagster_project.lineage.receipts import programme, rule_results
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.receipt import Receipt
from dagster_project.reporting.identity import own_card
from dagster_project.written import nearest

_LAYERS = ("bronze", "silver")
_YEAR = 366


def verify(
    workshop: Workshop,
    package_id: str = "",
    *,
    report: str = "",
    quick: bool = False,
    files: bool = False,
) -> Verified:
    """Hold sealed packages against everything that this home knows, and make them again.

    Args:
        workshop: The site.
        package_id: One package; all of them, and the chains, if empty.
        report: Only packages of one report.
        quick: Signatures, hashes, ledgers, chains and answers only: nothing is made again.
        files: Also read the landed files again, and hold all of bronze against them.

    Raises:
        UsageError: No such package or report.
    """
    done = Verified()
    with workshop.lake.reader() as con:
        ledger = _ledger(con, done)
        wanted = _wanted(ledger, package_id, report)
        with Bench(workshop, con, ledger, done) as bench:
            done.faults += bench.answers.faults
            for package in wanted:
                done.verdicts.append(bench.verdict(package, quick=quick))
            if not (quick or package_id or report):
                done.faults += bench.sources.every_file()
        if not quick:
            done.faults += _data_files(workshop, con, ledger, wanted, done, package_id or report)
        if files:
            feeds = () if not package_id and not report else _behind(ledger, wanted)
            done.faults += Rereader(workshop, con, done).faults(feeds)
    if not package_id and not report:
        done.faults += chain_faults(ledger, workshop.home.outbox)
        done.faults += bench.answers.heads(ledger.packages)
        done.looked["links of the chains"] = len(ledger.packages) + len(ledger.receipts)
    return done


def _ledger(con: duckdb.DuckDBPyConnection, done: Verified) -> Ledger:
    """What the lake remembers; where it cannot, that is a fault, and the files still speak."""
    try:
        return read_ledger(con)
    except duckdb.Error as error:
        done.faults.append(unreadable("ops.package, ops.receipt or ops.contract", error))
        return Ledger({}, {}, {})


def _data_files(  # noqa: PLR0917 - what to look at, and where to tell
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    ledger: Ledger,
    packages: list[Any],
    done: Verified,
    only: str,
) -> Iterator[str]:
    """Files of the lake that are not as they were written; of some packages, those behind them."""
    tables = {f"{layer}/{feed}" for feed in _behind(ledger, packages) for layer in _LAYERS}
    tables |= {one.replace(".", "/", 1) for one in _inputs(ledger, packages)}
    folders = tuple(sorted(tables)) if only else ()
    if only and not folders:
        return
    for path, what in sums.differences(con, workshop.home, folders):
        done.looked["data files"] += 1
        if what:
            yield f"{path}: {what} after it was written. Restore it from a backup."


def _inputs(ledger: Ledger, packages: list[Any]) -> set[str]:
    return {name for one in packages for name in _named(ledger, one, "inputs", "table")}


def _named(ledger: Ledger, package: Any, part: str, word: str) -> set[str]:
    """What the receipt in the ledger names; nothing where it cannot be read."""
    row = ledger.receipts.get(package["package_id"])
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return {str(one[word]) for one in json.loads(row["receipt"])[part]} if row else set()
    return set()


def _behind(ledger: Ledger, packages: list[Any]) -> tuple[str, ...]:
    """The feeds behind packages, as their receipts name them."""
    return tuple(
        sorted({name for one in packages for name in _named(ledger, one, "feeds", "feed")})
    )


def _wanted(ledger: Ledger, package_id: str, report: str) -> list[Any]:
    packages = list(ledger.packages.values())
    if package_id and package_id not in ledger.packages:
        raise UsageError(
            f"there is no package {package_id[:200]}{nearest(package_id, ledger.packages)}",
            todo="`countylake package list` names them",
        )
    if report and report not in (known := sorted({one["report"] for one in packages})):
        raise UsageError(
            f"no package of a report {report[:200]} was sealed{nearest(report, known)}",
            todo=f"Sealed reports: {', '.join(known)}",
        )
    return [
        one
        for one in packages
        if package_id in {"", one["package_id"]} and report in {"", one["report"]}
    ]


class Bench:
    """What verifying many packages shares; use it as a context."""

    def __init__(
        self, workshop: Workshop, con: duckdb.DuckDBPyConnection, ledger: Ledger, done: Verified
    ) -> None:
        self.workshop, self.con, self.ledger = workshop, con, ledger
        self.looked = done.looked
        self.keys = own_card(workshop.home).every_key
        self.answers = Answers(con, workshop.home, done.looked)
        self.grounds = Grounds(con, newest_snapshot(con), done.looked)
        self.sources = Sources(con, workshop.home, done.looked)
        self.maker = Maker(workshop, con, ledger)
        self.programme = programme(con)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        self._stack.enter_context(self.maker)
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what was made."""
        self._stack.close()

    def verdict(self, package: Any, *, quick: bool) -> Verdict:
        """All that is found of one package."""
        name = package["package_id"]
        one = Verdict(name, package["report"])
        folder = self.workshop.home.outbox / name
        evidence = gather(folder, package, self.ledger.receipts.get(name), self.keys)
        one.faults += evidence.faults
        faults, notes = self.answers.of(package)
        one.faults += faults
        one.notes += notes
        if quick or not package["content_hash"]:
            return one
        if evidence.receipt is None:
            if not package["receipt_hash"]:
                one.notes.append(f"{name} was sealed without a receipt and is not made again.")
            return one
        self._make(one, package, evidence, evidence.receipt)
        return one

    def _make(self, one: Verdict, package: Any, evidence: Evidence, receipt: Receipt) -> None:
        """Everything that a receipt says, made and looked up again."""
        if not exists_at(self.con, receipt.snapshot):
            self._gone(one, package, receipt)
            return
        for step in (
            self.sources.batches,
            self.sources.landing,
            self.grounds.contents,
            self.grounds.rows,
        ):
            one.faults += self._told(step(receipt), one.package_id)
        one.faults += self._told(self._figures(one, package, evidence, receipt), one.package_id)

    def _gone(self, one: Verdict, package: Any, receipt: Receipt) -> None:
        """The snapshot is gone: by the site's own rule, or against it."""
        years = self.workshop.site.keep.packages_years
        if years and package["sealed_at"] < clock.now() - timedelta(days=years * _YEAR):
            one.notes.append(
                f"{one.package_id}: states of the lake are kept for {years}"
                f" year{'s' if years > 1 else ''} (site.yaml keep); it is older and not made again."
            )
            return
        one.faults.append(
            f"{one.package_id}: the lake no longer holds snapshot {receipt.snapshot}, of which"
            " it was made. Restore an earlier copy of the home."
        )

    def _told(self, faults: Iterator[str], package_id: str) -> list[str]:
        """The faults of one step; what keeps it from going on is a fault, too."""
        told: list[str] = []
        try:
            told.extend(faults)
        except CountyLakeError as error:
            told.append(f"{package_id}: {error}")
        except duckdb.Error as error:
            told.append(unreadable(f"what {package_id} was made of", error))
        return told

    def _figures(
        self, one: Verdict, package: Any, evidence: Evidence, receipt: Receipt
    ) -> Iterator[str]:
        made = self.maker.figures(receipt, self.grounds.snapshots(receipt))
        self.looked["figures made again"] += made.num_rows * made.num_columns
        contract = self.maker.contract(receipt)
        for said, now in zip_longest(receipt.rules, rule_results(self.con, contract, made)):
            if said != now:
                yield (
                    f"receipt of {one.package_id}: rule {(said or now).rule} is told otherwise than"
                    " its rows are judged."
                )
        for fault in rate_faults(receipt.rounding, made):
            yield f"{one.package_id}: {fault}"
        path = self.workshop.home.outbox / one.package_id / fmt.data_path(receipt.table[7:])
        if values.content_hash(made) != package["content_hash"]:
            one.made = found.DIFFERENT
            if evidence.rows is None:
                yield f"{one.package_id}: made again, its figures are not those that were sealed."
            else:
                yield from differences(evidence.rows, made, contract.key, one.package_id)
            return
        one.engine = other_engine(receipt, self.programme)
        if one.engine:
            one.made = found.SAME_CONTENT
            one.notes.append(f"{one.package_id}: content equal; engine differs: {one.engine}.")
            return
        one.made = found.SAME_BYTES
        signed, again = evidence.signed_data, bytes_of(self.workshop, made)
        if not signed:
            one.made = found.UNSIGNED  # its signature is broken: no bytes are vouched for
        elif sha256_bytes(again) != signed:
            one.made = found.DIFFERENT
            yield f"{path}: its figures come out again, but in other bytes than were signed."
