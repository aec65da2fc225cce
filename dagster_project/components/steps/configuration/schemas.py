"""What is wrong with a site's contracts, their versions, and its SQL models."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from dagster_project import clock
from dagster_project.components.steps import contract_versions, lineage_check
from dagster_project.components.steps.configuration.fault import Fault, of_error, of_problem
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import items
from dagster_project.contracts.cron import Cron
from dagster_project.contracts.model import Contracts, Feed, Layer, Table
from dagster_project.contracts.workdays import Calendar
from dagster_project.errors import CountyLakeError, LakeBusyError
from dagster_project.lineage.lint import lint_file
from dagster_project.paths import PACKAGE
from dagster_project.transform.models.load import DUTY_LAYERS

NOTICE_MONTH = 10
"""The State Council announces a year's holidays in October or November of the year before."""
_RESOURCE = re.compile(r"[123][0-9]{5,}/[0-9]+")
"""类 1 (1 base, 2 theme, 3 department), 项 2, 目 3, 细目 any / 顺序码."""


def contract_faults(workshop: Workshop) -> Iterator[Fault]:
    """Contracts that do not load, and what each of several says of the same thing."""
    contracts = workshop.contracts
    yield from (of_problem("contracts", problem) for problem in contracts.problems)
    feeds = [*contracts.feeds.values(), *contracts.drafts.values()]
    yield from _department_faults(feeds)
    yield from _title_faults(feeds)
    yield from _schedule_faults()
    yield from calendar_faults(contracts.calendar, clock.local_day(clock.now()))
    every: list[Feed | Table] = [*feeds, *contracts.tables.values()]
    for contract in every:
        code = str(contract.catalogue.get("code", ""))
        if code and not _RESOURCE.fullmatch(code):
            what = f"the resource code {code} is not 类1 项2 目3 细目 / 顺序码 with 类 1, 2 or 3"
            yield Fault(
                "catalogue", what, contract.path, "Give the entry its code of the catalogue"
            )
    yield from _item_faults(contracts)


def _department_faults(feeds: list[Feed]) -> Iterator[Fault]:
    names: Mapping[str, dict[str, Feed]] = defaultdict(dict)
    codes: Mapping[str, dict[str, Feed]] = defaultdict(dict)
    for feed in feeds:
        names[feed.department_code].setdefault(feed.department_name, feed)
        codes[feed.department_name].setdefault(feed.department_code, feed)
    for code, found in names.items():
        if len(found) > 1:
            said = " and ".join(f"{name} ({feed.name})" for name, feed in found.items())
            where = next(reversed(found.values())).path
            what = f"the department `{code}` has several names: {said}"
            yield Fault("contracts", what, where, "Write one name in all its contracts")
    for name, coded in codes.items():
        if len(coded) > 1:
            said = " and ".join(f"{code} ({feed.name})" for code, feed in coded.items())
            where = next(reversed(coded.values())).path
            what = f"the department {name} has several codes: {said}"
            yield Fault("contracts", what, where, "Write one code in all its contracts")


def _title_faults(feeds: list[Feed]) -> Iterator[Fault]:
    first: dict[str, Feed] = {}
    for feed in feeds:
        if (other := first.setdefault(feed.title, feed)) is not feed:
            what = f"the title {feed.title} is also that of the feed {other.name}"
            todo = "Tell them apart, for people know feeds by their titles"
            yield Fault("contracts", what, feed.path, todo)


def _schedule_faults() -> Iterator[Fault]:
    """The cron line of the county's day; those of feeds are judged where contracts are loaded."""
    day = PACKAGE / "defs" / "day" / "defs.yaml"
    for line in day.read_text(encoding="utf-8").splitlines():
        word, _, value = line.partition(":")
        if word.strip() != "daily_at":
            continue
        try:
            Cron.parse(value.strip().strip("'\""))
        except ValueError as error:
            what = f"the schedule cannot be read: {error}"
            todo = "Write five fields: minute, hour, day, month, weekday"
            yield Fault("contracts", what, "defs/day/defs.yaml", todo)


def calendar_faults(calendar: Calendar, today: date) -> Iterator[Fault]:
    """Years whose working days nobody has written down: this one, and from October the next."""
    years = [today.year, *([today.year + 1] if today.month >= NOTICE_MONTH else [])]
    for year in sorted(set(years) - calendar.years):
        what = f"the holidays of {year} are not known; its workdays count as Monday to Friday"
        todo = "Add them from the State Council's notice (国务院办公厅关于部分节假日安排的通知)"
        yield Fault("calendar", what, "schemas/calendar.csv", todo, is_warning=True)


def _item_faults(contracts: Contracts) -> Iterator[Fault]:
    """Data items that two departments collect."""
    for problem in items.problems(contracts):
        fault = of_problem("items", problem)
        # A warning: Decree 809 asks for one source, and what was collected is there all the same.
        yield Fault(fault.group, fault.what, fault.where, fault.todo, is_warning=True)


def version_faults(workshop: Workshop) -> Iterator[Fault]:
    """Changes that no version tells of, and versions that no changelog explains."""
    try:
        found = contract_versions.standings(workshop)
    except CountyLakeError as error:
        # No fault of a contract: the lake cannot be asked what it knows.
        yield of_error("machine", error, is_warning=isinstance(error, LakeBusyError))
        found = {}
    for (layer, name), standing in found.items():
        if standing.fault:
            where = f"{workshop.schemas.name}/{layer}/{name}.yaml"
            todo = f"See `countylake feed diff {layer}/{name}`, then `countylake feed bump`"
            yield Fault("versions", standing.fault, where, todo)
    for wording, path, fault in contract_versions.changelog_faults(workshop):
        todo = f"Run `countylake feed bump {wording.layer}/{wording.name} --why …`"
        yield Fault("versions", fault, path, todo, is_warning=True)


def model_faults(workshop: Workshop) -> Iterator[Fault]:
    """Models that cannot be read or built, or that break a rule of the house."""
    yield from (of_problem("models", problem) for problem in lineage_check.check(workshop).problems)
    for path, layer in _models(workshop):
        table = workshop.contracts.tables.get((layer, path.stem))
        key = table.key if table else ()
        for one in lint_file(path, layer, f"sql/{layer}/{path.name}", key=key):
            if not one.is_law:  # what is law stands among the graph's problems
                where = f"{one.path}:{one.line}"
                yield Fault("models", f"{one.code}: {one.reason}", where, one.fix)


def _models(workshop: Workshop) -> Iterator[tuple[Path, Layer]]:
    for layer in DUTY_LAYERS[workshop.duty]:
        yield from ((path, layer) for path in sorted((workshop.sql / layer).glob("*.sql")))
