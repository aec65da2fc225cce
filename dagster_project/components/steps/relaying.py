"""Passing on what the sites below sent: up to the parent as it is, the parent's answers noted.

What goes up is ``city.relay``'s, how it travels is the link's; this site's own packages are
``steps.delivering``'s matter.
"""

from __future__ import annotations

from datetime import datetime

from dagster_project import clock
from dagster_project.city.ledger import Entry
from dagster_project.city.relay import folder_of, pending
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError
from dagster_project.protocol.acknowledgement import SUFFIX, read_acknowledgement
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.answers import Answer, store
from dagster_project.reporting.identity import parent_card, signer_of
from dagster_project.reporting.links.link import Link, LinkError

MOST = 2_000
"""So many packages are passed on at one meeting; the others go up at the next."""
MOST_TOLD = 20


def pass_on(workshop: Workshop, link: Link) -> list[str]:
    """Send up what the parent has not settled, after its answers were read; twice does no harm.

    Args:
        workshop: A site with a parent, to which other sites report.
        link: The open link to the parent.

    Returns:
        Sentences for whoever must act.

    Raises:
        LinkError: The link broke off; what is left goes up at the next meeting.
        LakeError, LakeBusyError: The lake cannot be read or written.
    """
    if not workshop.site.receives or not workshop.home.catalog.exists():
        return []
    with workshop.lake.reader() as con:
        owed = pending(con)
    if not owed:
        return []
    settled, wrong = _hear(workshop, link, owed)
    site, signer = workshop.site, signer_of(workshop.site)
    for entry in [one for one in owed if one.package_id not in settled][:MOST]:
        folder = folder_of(workshop.home, entry, site.code, signer)
        if folder is None:
            wrong.append(
                f"{entry.package_id}: it is no longer here and cannot be passed on to the parent. "
                "Restore `received` from a backup, or let its sender carry it there."
            )
            continue
        try:
            if not link.holds(folder):
                link.send(folder)
        except LinkError as error:
            if not error.only:
                raise
            wrong.append(f"{entry.package_id}: {error}")
    more = len(wrong) - MOST_TOLD
    return wrong[:MOST_TOLD] + ([f"{more:,} more like these."] if more > 0 else [])


def _hear(workshop: Workshop, link: Link, owed: list[Entry]) -> tuple[set[str], list[str]]:
    """The parent's answers to what was passed on: ids that it settled, and what is not believed."""
    parent, at = parent_card(workshop.home), clock.now()
    there = link.answers()
    settled, wrong, fresh = set[str](), list[str](), list[Answer]()
    for entry in owed:
        if parent is None or entry.package_id not in there:
            continue
        try:
            answer = _believed(parent, entry, link.answer(entry.package_id) or b"", at)
        except PackageError as error:
            wrong.append(str(error))
            continue
        fresh.append(answer)
        said = answer.said
        if said.outcome == "accepted" or said.head_hash == entry.package_hash:
            settled.add(entry.package_id)
    store(workshop.lake, fresh)
    return settled, wrong


def _believed(parent: SiteCard, entry: Entry, data: bytes, at: datetime) -> Answer:
    where = entry.package_id + SUFFIX
    said = read_acknowledgement(data, parent.keys_for(data, at, where), where)
    about = (said.package_id, said.sender, said.recipient)
    if about != (entry.package_id, entry.site_code, parent.code):
        raise PackageError(
            "the answer is not the parent's to this package",
            where=where,
            todo="Ask the parent site what happened",
        )
    return Answer(said, data)
