"""A source that nobody has described -> a contract that loads and through which its rows flow.

The file is read by shape, counted (``profiling``), a contract is inferred and written, and the very
file is read and conformed by it: what our own words would reject is loosened or told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps.describing.fetched_origins import followed
from dagster_project.components.steps.describing.origins import Asked, Origin, looked_at
from dagster_project.components.steps.describing.profiling import profiled
from dagster_project.contracts import load, load_one
from dagster_project.contracts.inference import (
    Dictionary,
    Draft,
    Heading,
    Vocabulary,
    contract,
    inferred,
    loosened,
)
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.contracts.versions import first_entry, read_changelog, write_entry
from dagster_project.contracts.wording import wording_of_file
from dagster_project.errors import ContractError, UsageError
from dagster_project.ingest.readers.read import read
from dagster_project.paths import schemas_dir
from dagster_project.transform.conform import Preview, compile_feed, preview

ROUNDS = 4
"""After so many rounds what is still rejected is told, not loosened."""


@dataclass(frozen=True)
class Inference:
    """The contract's text, and what led to it. ``rejects`` are rule id -> rows of ``rows``."""

    text: str
    draft: Draft
    heading: Heading
    rows: int
    rejected: int
    repeated: int
    rejects: Mapping[str, int]
    said: tuple[str, ...]
    sampled: bool = False

    def share(self, column: str) -> float:
        """The share of rows that a column's rules would reject."""
        failed = sum(n for rule, n in self.rejects.items() if rule.partition(".")[0] == column)
        return failed / self.rows if self.rows else 0.0


def infer(
    asked: Asked,
    *,
    contracts: Contracts | None = None,
    without: Sequence[str] = (),
    replica: Path | None = None,
) -> Inference:
    """Infer a contract.

    Args:
        asked: The source and what is known of it.
        contracts: What titles mean already; those of the site if left out.
        without: Feeds that the dictionary leaves out, besides the one that is written.
        replica: A published copy of a lake, for references.

    Raises:
        UsageError: There is no such source.
        DeliveryError: The file cannot be read.
        ContractError: Nothing tells the rows apart, or no sound contract came out.
    """
    schemas = schemas_dir()
    contracts = contracts or load(schemas)
    dictionary = Dictionary.of(contracts, without=(asked.name, *without))
    with tempfile.TemporaryDirectory(prefix="countylake-") as folder:
        scratch = Path(folder)
        origin = looked_at(asked, dictionary, scratch)
        profile = profiled(origin.table, contracts, delivered_at=clock.now(), replica=replica)
        draft = inferred(
            profile,
            dictionary,
            Vocabulary.at(schemas),
            table=origin.heading.title,
            key=asked.key,
        )
        made = _tried(_followed(origin, draft, asked), draft, scratch, schemas)
    return replace(
        made,
        sampled=profile.sampled,
        said=(*made.said, *_same_title(asked.name, made.heading.title, contracts)),
    )


def _same_title(name: str, title: str, contracts: Contracts) -> list[str]:
    """People know feeds by their titles, and ``config check`` wants two of them to differ."""
    return [
        f"the title {title} is also that of the feed {feed.name}: tell them apart with --title"
        for feed in contracts.feeds.values()
        if feed.title == title and feed.name != name
    ]


def _followed(origin: Origin, draft: Draft, asked: Asked) -> Origin:
    """A database's table with a time of change is followed by it."""
    if not origin.is_database or not draft.order_by or asked.delivery == "full":
        return origin
    header = draft.column(draft.order_by).header
    heading = origin.heading
    return replace(
        origin,
        heading=replace(
            heading,
            delivery="incremental",
            servers=tuple(followed(words, header) for words in heading.servers),
            ask={word: text for word, text in heading.ask.items() if word != "delivery"},
        ),
    )


def _tried(origin: Origin, draft: Draft, scratch: Path, schemas: Path) -> Inference:
    """The contract after the file has flowed through it, loosened where it was too strict."""
    said: list[str] = list(draft.notes)
    for _ in range(ROUNDS):
        text = contract(origin.heading, draft)
        contracts, feed = _loaded(text, origin.heading.name, scratch, schemas)
        counts, missing = _flown(origin, feed, contracts, scratch)
        if missing:
            for name in missing:
                title = draft.column(name).column.title
                said.append(f"{title}: the title is not found again in the file, left out")
                draft = draft.without(name)
            continue
        rows = counts.accepted + counts.rejected
        shares = {rule: n / rows for rule, n in counts.rules.items() if rows}
        draft, words = loosened(draft, shares)
        if not words:
            break
        said += words
    return Inference(
        text, draft, origin.heading, rows, counts.rejected, counts.repeated, counts.rules,
        tuple(said),
    )  # fmt: skip


def _loaded(text: str, name: str, scratch: Path, schemas: Path) -> tuple[Contracts, Feed]:
    path = scratch / "feeds" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    contracts = load_one(path, schemas)
    if name not in contracts.feeds:
        said = "; ".join(problem.sentence for problem in contracts.problems)
        raise ContractError(
            f"the contract that was inferred would not load: {said.rstrip('.')}",
            where=name,
            todo="Report this; nothing was written",
        )
    return contracts, contracts.feeds[name]


def _flown(
    origin: Origin, feed: Feed, contracts: Contracts, scratch: Path
) -> tuple[Preview, tuple[str, ...]]:
    """The file read and conformed by the contract, and columns that were not found in it."""
    rows = scratch / "flown.parquet"
    units: Mapping[str, str] = {}
    result = read(origin.file, feed, "inferred", rows, name=origin.file.name, lenient=True)
    units = result.units
    if result.missing:
        return Preview(0, 0, 0, {}, {}), result.missing
    with duckdb.connect() as con:
        plan = compile_feed(feed, contracts)
        return preview(con, plan, rows, delivered_at=clock.now(), units=units), ()


def told(made: Inference) -> dict[str, Any]:
    """The inference for people and machines; no cell's value is in it."""
    return {
        "name": made.heading.name,
        "title": made.heading.title,
        "rows": made.rows,
        "rejected": made.rejected,
        "repeated": made.repeated,
        "key": [g.column.name for g in made.draft.columns if g.column.is_key],
        "columns": [
            {
                "name": guess.column.name,
                "title": guess.column.title,
                "type": guess.column.type,
                "codes": guess.column.codes,
                "format": guess.column.format,
                "key": guess.column.key_position,
                "required": guess.column.required,
                "level": guess.column.level,
                "mask": guess.column.mask,
                "why": list(guess.why),
                "ask": guess.ask,
                "rejects": round(made.share(guess.column.name), 4),
            }
            for guess in made.draft.columns
        ],
        "notes": list(made.said),
    }


def written(made: Inference, place: Path, *, force: bool = False) -> list[str]:
    """Write the contract, complete or not at all, and the first entry of its changelog.

    Returns:
        What would be wrong beside the site's other contracts: a file claimed twice, a reference.

    Raises:
        UsageError: A contract is there already, or the name is none.
        ContractError: The folder cannot be written.
    """
    name = made.heading.name
    if place.stem != name:
        raise UsageError(
            f"the file is named {place.stem} and the feed {name}",
            where=str(place),
            todo="A contract's file has its feed's name",
        )
    if place.exists() and not force:
        raise UsageError(
            "there is a contract already",
            where=str(place),
            todo="Use --force to replace it, or --out",
        )
    temporary = place.with_name(f".{place.name}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(made.text, encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        raise ContractError(
            f"the contract cannot be written ({error.strerror})",
            where=str(place),
            todo="Write it elsewhere with --out",
        ) from error
    if place.resolve().parent != (schemas_dir() / "feeds").resolve():
        return []
    if not read_changelog(schemas_dir(), "feeds", name):
        day = clock.local_day(clock.now()).isoformat()
        wording = wording_of_file(place, schemas_dir())
        write_entry(schemas_dir(), wording, first_entry(wording, day=day))
    return [str(one) for one in load(schemas_dir()).problems if Path(one.path).stem == name]
