"""Which reports a department feeds: with values, or only by deciding which rows count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dagster_project.errors import UsageError
from dagster_project.lineage.atlas.atlas import Atlas, Card
from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.walk import Spot, Walk
from dagster_project.written import nearest


@dataclass(frozen=True)
class FedReport:
    """A report, or a table of the receiving site, and what of the department is in it.

    ``values`` are the columns that its values or the number of its records make up, ``rows`` those
    for which it only decides which rows count; ``feeds`` are its feeds that do either, those that
    give values first.
    """

    table: str
    title: str
    values: tuple[str, ...]
    rows: tuple[str, ...]
    feeds: tuple[str, ...]
    columns: int


@dataclass(frozen=True)
class Fed:
    """What a department feeds. ``unused`` are its feeds that no report and no city table reads."""

    code: str
    name: str
    feeds: tuple[str, ...]
    unused: tuple[str, ...]
    reports: tuple[FedReport, ...]


def fed_by(atlas: Atlas, said: str) -> Fed:
    """Everything that leaves the county and depends on a department.

    Args:
        atlas: The site's tables.
        said: The department's code, its name, or a part of its name.

    Raises:
        UsageError: No such department, or several.
    """
    code, name = department(atlas, said)
    feeds = [
        card
        for card in atlas.cards.values()
        if card.layer == "silver" and card.department_code == code
    ]
    walks = {card.name: atlas.network.walk("down", _own(card)) for card in feeds}
    reports = tuple(_reports(atlas, walks))
    used = {feed for one in reports for feed in one.feeds}
    unused = tuple(feed for feed in walks if feed not in used)
    return Fed(code, name, tuple(walks), unused, reports)


def _own(card: Card) -> tuple[Spot, ...]:
    return (*((card.table, column.name) for column in card.columns), (card.table, ROWS))


def department(atlas: Atlas, said: str) -> tuple[str, str]:
    """The code and the name of the department that is meant."""
    known = atlas.departments
    exact = [(code, name) for code, name in known.items() if said in (code, name)]
    found = exact or [(code, name) for code, name in known.items() if said and said in name]
    if len(found) == 1:
        return found[0]
    listed = "、".join(f"{code} {name}" for code, name in (found or known.items()))
    what = "several departments are" if found else "no department that delivers is"
    meant = "" if found else nearest(said, [*known, *known.values()])
    raise UsageError(f"{what} called {said}{meant}", todo=f"Name one of {listed}")


def _reports(atlas: Atlas, walks: dict[str, Walk]) -> Iterator[FedReport]:
    network = atlas.network
    for table in network.order:
        if not table.startswith(("report.", "city.")):
            continue
        columns = network.lineages[table].columns
        makers = {name: {made for made, _ in network.origins((table, name))} for name in columns}
        giving = [
            feed for feed in walks if any(f"silver.{feed}" in made for made in makers.values())
        ]
        deciding = [feed for feed, walked in walks.items() if table in walked.tables]
        if not giving and not deciding:
            continue
        reached = {name for feed in deciding for name in walks[feed].tables[table]}
        own = {f"silver.{feed}" for feed in walks}
        values = tuple(name for name in columns if makers[name] & own)
        yield FedReport(
            table,
            atlas.table_title(table),
            values,
            tuple(name for name in columns if name in reached and name not in values),
            tuple(dict.fromkeys([*giving, *deciding])),
            len(columns),
        )
