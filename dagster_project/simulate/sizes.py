"""How many rows a feed has at least: enough for what is planted in it, at every scale.

Each rule is planted at least once. In a file of a hundred rows fifty faults would be half of it,
and such a delivery is held as a whole; so small counties have more contracts, payments or units
than their scale says. Registers cannot grow (a county has the villages that it has).
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.contracts.model import Contracts
from dagster_project.simulate.cells import Checker
from dagster_project.simulate.faults import CLEAN, plants
from dagster_project.simulate.feeds import FORMS


def least_rows(contracts: Contracts) -> Mapping[str, int]:
    """The rows of each feed that bear its faults."""
    checker = Checker(contracts.codes, {})
    least: dict[str, int] = {}
    for name, form in FORMS.items():
        feed = contracts.feeds.get(name)
        if feed is not None:
            header = tuple(column.title for column in feed.columns) if form.encoding else ()
            made = plants(feed, form.kit, contracts.codes, checker, header=header)
            least[name] = CLEAN * sum(plant.verdict == "rejected" for plant in made)
    return least
