"""Corrections that the parent site asks for: taken in as cases, answered when all are.

The parent names a figure; which departments it comes from is found along lineage, so that each has
a case. How messages are signed and read is ``protocol.correction``'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import duckdb

from dagster_project import clock
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.case_numbers import case_number
from dagster_project.errors import PackageError
from dagster_project.lake.emptiness import has_rows
from dagster_project.lineage.columns import ROWS
from dagster_project.protocol.correction import (
    ANSWERED,
    ASKED,
    Correction,
    CorrectionAnswer,
    read_correction,
    sign_correction,
)
from dagster_project.protocol.folders import shown
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.identity import parent_card, signer_of
from dagster_project.reporting.links import link_of
from dagster_project.reporting.links.link import Link, LinkError

MOST = 500
"""So many corrections are taken in at one meeting; the others at the next."""
MOST_READ = 20_000
"""So many files are looked at for them: what is no correction must not keep one waiting."""
MOST_TOLD = 20
"""So many files that cannot be believed are named."""
LEDGER = "lake.ops.correction"


def meet(workshop: Workshop, link: Link | None = None) -> list[str]:
    """Take in what the parent asks for, and send up what was answered.

    A missing link is not an error: everything happens at the next meeting.

    Args:
        workshop: The site.
        link: An open link, where packages travel at the same meeting; else the site's own.

    Returns:
        Sentences for whoever must act.

    Raises:
        LinkError: The given link broke off; whoever opened it remembers that.
    """
    if not workshop.home.catalog.exists():
        return []
    if link is not None:
        return _met(workshop, link)
    try:
        with link_of(workshop.home, workshop.site) as own:
            return _met(workshop, own)
    except LinkError as error:
        return [str(error)]


def _met(workshop: Workshop, link: Link) -> list[str]:
    remarks = list[str]()
    fresh = list(_fresh(workshop, link, remarks))
    if fresh:
        _open(workshop, fresh)
    _answer(workshop, link)
    return remarks


def _fresh(workshop: Workshop, link: Link, remarks: list[str]) -> Iterable[Correction]:
    """Corrections that are not in the ledger yet and can be believed."""
    names = link.corrections()
    if not names:
        return
    with workshop.lake.reader() as con:
        known = _known(con)
        packages = {
            row[0] for row in con.execute("SELECT package_id FROM lake.ops.package").fetchall()
        }
    new = [name for name in names if name.removesuffix(ASKED) not in known]
    card, found, wrong = parent_card(workshop.home), 0, list[str]()
    for name in new[:MOST_READ]:
        if found == MOST:
            break
        try:
            correction = _believed(workshop, card, (name, link.correction(name)), packages)
        except PackageError as error:
            wrong.append(str(error))
            continue
        found += 1
        yield correction
    remarks += wrong[:MOST_TOLD]
    if len(wrong) > MOST_TOLD:
        remarks.append(f"{link.where}: {len(wrong) - MOST_TOLD:,} more files are no corrections.")


def _believed(
    workshop: Workshop,
    card: SiteCard | None,
    file: tuple[str, bytes | None],
    packages: set[str],
) -> Correction:
    """A file, by its name and bytes, as the correction that the parent signed.

    Raises:
        PackageError: It cannot be believed.
    """
    name, data = file
    where = shown(name)
    if card is None:
        raise PackageError(
            "the parent site's key is not known, so that nothing it asks can be verified",
            where=where,
            todo="Ask it for its public.json",
        )
    if data is None:
        raise PackageError("the file is no correction", where=where, todo="Remove it")
    found = read_correction(data, card.keys_for(data, clock.now(), where), where)
    for wrong, what in (
        (name != found.correction_id + ASKED, "the file is named after another"),
        (found.sender != workshop.site.code, "it is for another site"),
        (found.recipient != card.code, "it comes from another site than the parent"),
        (found.package_id not in packages, "it is about a package never sealed here"),
        (found.package_id.split("-")[1] != found.report, "it names another report"),
    ):
        if wrong:
            raise PackageError(what, where=where, todo="Ask the parent site")
    return found


def _known(con: duckdb.DuckDBPyConnection) -> set[str]:
    if not has_rows(con, LEDGER):
        return set()
    rows = con.execute(f"SELECT DISTINCT correction_id FROM {LEDGER}").fetchall()
    return {row[0] for row in rows}


def suppliers(workshop: Workshop, report: str, column: str) -> list[str]:
    """The feeds from whose records a report's column is made; of all columns if none is named.

    Returns:
        Names of feeds; one empty name where it comes from no feed's records.
    """
    table = f"report.{report}"
    lineages = workshop.lineages
    columns = lineages[table].columns if table in lineages else ()
    wanted = [column] if column in columns else list(columns)
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(table, name) for name in wanted]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        name, _, stem = here[0].partition(".")
        if name == "silver" and stem in workshop.contracts.feeds:
            found.add(stem)
        elif here[0] in lineages:
            lineage = lineages[here[0]]
            names = lineage.columns if here[1] == ROWS else (here[1],)
            todo += [
                (edge.source_table, edge.source_column)
                for one in names
                for edge in lineage.sources(one)
            ]
    return sorted(found) or [""]


def _open(workshop: Workshop, fresh: Iterable[Correction]) -> None:
    at, occasion = clock.now(), manual()
    rows = [
        [
            *(case_number("city", one.correction_id, feed), feed, one.correction_id, "city"),
            *(one.recipient, at, f"report.{one.report}"),
            *(json.dumps(one.place, ensure_ascii=False, sort_keys=True), one.column or None),
            *(one.package_id, one.why, "open"),
        ]
        for one in fresh
        for feed in suppliers(workshop, one.report, one.column)
    ]
    with (
        workshop.lake.writer("taking corrections in") as writer,
        writer.transaction("corrections of the parent", run_id=occasion.run_id) as tx,
    ):
        known = _known(tx.con)
        for row in (row for row in rows if row[2] not in known):
            tx.con.execute(
                f"INSERT INTO {LEDGER} (case_id, feed, correction_id, origin, origin_code,"
                " asked_at, table_name, place, column_name, package_id, why, state)"
                " VALUES (?, ?, ?, ?, ?, ?::TIMESTAMPTZ, ?, ?, ?, ?, ?, ?)",
                row,
            )


def _answer(workshop: Workshop, link: Link) -> None:
    """Make sure that the parent finds every answer; the same bytes every time."""
    with workshop.lake.reader() as con:
        if not has_rows(con, LEDGER):
            return
        rows = con.execute(
            "SELECT correction_id, any_value(origin_code), bool_or(how = 'corrected'),"
            " string_agg(answer, '\n' ORDER BY case_id), max(answered_at)"
            f" FROM {LEDGER} WHERE origin = 'city' GROUP BY correction_id"
            " HAVING bool_and(state = 'closed') ORDER BY correction_id"
        ).fetchall()
    signer = signer_of(workshop.site)
    for correction_id, city, corrected, words, at in rows:
        message = CorrectionAnswer(
            correction_id=correction_id,
            sender=workshop.site.code,
            recipient=city,
            outcome="corrected" if corrected else "unfounded",
            answer=words[:2000],
            answered_at=clock.utc_text(at),
        )
        link.reply(correction_id + ANSWERED, sign_correction(message, signer))
