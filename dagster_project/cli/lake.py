"""``countylake lake …``: which past states of the lake are held and by what, and keeping it.

What is held and what may go is decided in ``components.steps.keeping`` and the rooms below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    counted,
    emit,
    literally,
    note,
    standing,
    working,
)

if TYPE_CHECKING:
    from rich.console import Console

    from dagster_project.components.steps.keeping import Kept
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.lake.retention import Decision

app = typer.Typer(
    help=(
        "The lake 数据湖: gc, snapshots.\n\nWhich past states are kept and for whom, and keeping "
        "it small. A state that a package was made of is never given up, unless `keep` in "
        "site.yaml says for how many years packages must be verifiable."
    ),
    no_args_is_help=True,
)
_SHOWN = 8


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would go")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Give up states that nobody needs, merge small files, and remove what is left over."""
    from dagster_project.components.steps.keeping import keep, told

    workshop = _workshop(home)
    with working("looking at the lake" if dry_run else "keeping the lake"):
        done = keep(workshop, dry_run=dry_run)
    if as_json:
        emit({"dry_run": dry_run, **told(done)})
    else:
        _show(console(), done, told(done), dry_run=dry_run)
    for claim in done.outlook.decision.lacking:
        if claim.kind == "package":
            complain(f"{claim.by} was made of snapshot {claim.snapshot}, which is gone")


@app.command()
def snapshots(
    everything: Annotated[bool, typer.Option("--all", help="also those nobody needs")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """The lake's past states that are held, and what holds each."""
    from dagster_project.components.steps.keeping import outlook

    workshop = _workshop(home)
    with working("looking at the lake"):
        decision = outlook(workshop).decision
    if as_json:
        emit(
            {
                "held": [
                    {
                        "snapshot": number,
                        "by": [{"kind": one.kind, "name": one.by} for one in some],
                    }
                    for number, some in decision.held.items()
                ],
                "unclaimed": [
                    {"snapshot": one.id, "committed_at": one.committed_at, "what": one.message}
                    for one in decision.gone
                ],
            }
        )
        return
    _show_held(console(), decision, everything=everything)


def _show_held(screen: Console, decision: Decision, *, everything: bool) -> None:
    """One line for neighbours that the same unnamed claim holds: mostly the young ones."""
    from rich.table import Table

    from dagster_project.lake.retention import KINDS

    table = Table(pad_edge=False)
    for head in ("快照 snapshot", "因何保留 held by", "何者 name"):
        table.add_column(head, overflow="fold")
    lines: list[tuple[int, int, str, str]] = []
    for number, some in decision.held.items():
        kinds = "\n".join(dict.fromkeys(KINDS[one.kind] for one in some))
        names = [one.by for one in some if one.by]
        more = f" … {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        line = (number, number, kinds, ", ".join(names[:_SHOWN]) + more)
        if lines and not names and lines[-1][2:] == line[2:]:
            line = (lines.pop()[0], *line[1:])
        lines.append(line)
    for first, last, kinds, named in lines:
        numbers = str(first) if first == last else f"{first} … {last}"
        table.add_row(numbers, kinds, literally(named))
    if everything:
        for one in decision.gone:
            table.add_row(str(one.id), "[dim]–[/dim]", literally(one.message))
    screen.print(table)
    claimed = "is" if len(decision.gone) == 1 else "are"
    rest = "" if everything or not decision.gone else "; --all lists them"
    note(f"{counted(len(decision.gone), 'snapshot')} {claimed} claimed by nobody{rest}")


def _workshop(home: Path) -> Workshop:
    from dagster_project.components.steps.journal import open_journal
    from dagster_project.components.steps.workshop import Workshop

    site, found = standing(home)
    open_journal(found)
    return Workshop.at(found.root, "collect" if site.collects else "receive")


def _show(screen: Console, done: Kept, said: dict[str, Any], *, dry_run: bool) -> None:
    from dagster_project.lake.retention import KINDS

    be, found = ("would be " if dry_run else ""), done.outlook
    screen.print(f"{counted(said['snapshots'], 'snapshot')}, {said['held']} held:")
    for kind, title in KINDS.items():
        if kind in said["held_by"]:
            screen.print(f"  {said['held_by'][kind]:>6,}  {title}")
    gone = found.decision.gone if dry_run else done.expired
    files, size = found.freed
    freeing = f", and with them {counted(files, 'file')} of {_size(size)}" if files else ""
    screen.print(f"{be}given up: {counted(len(gone), 'snapshot')}{freeing if gone else ''}")
    for one in found.agenda.tables if dry_run else ():
        worth = (
            f"{one.small:,} of {counted(one.files, 'file')} small, {one.deleted:,} mostly deleted"
        )
        screen.print(
            f"would be made compact: {one.table}, {worth}, {_size(one.size)}", soft_wrap=True
        )
    for pair in done.compacted:
        screen.print(f"made compact: {pair.table}, {pair.before:,} → {counted(pair.after, 'file')}")
    for one in found.agenda.left:
        note(f"{one.table}: left in {counted(one.files, 'file')}; to prove it would take too long")
    if not dry_run:
        screen.print(f"proven: {counted(done.proven, 'content')} hashed again and equal")
        held = f"the lake was held {done.longest:.1f} s at a time"
        screen.print(f"it took {done.seconds:.1f} s; {held}")
    _show_removed(screen, done, be)


def _show_removed(screen: Console, done: Kept, be: str) -> None:
    for words, label in REMOVED.items():
        if names := getattr(done.removed, words):
            screen.print(f"{be}removed: {len(names):,} {label}")
    screen.print(f"{be}removed in all: {_size(done.removed.size)}")
    files, size = done.waiting
    if files:
        waits = "needed by no snapshot, stay a day: nobody can be reading them then"
        screen.print(f"{counted(files, 'file')} of {_size(size)}, {waits}", soft_wrap=True)


REMOVED = {
    "replicas": "read replicas older than a week",
    "shared": "masked copies that no replica reads",
    "scratch": "leavings of processes that died",
    "orphans": "data files of commits that never came",
    "given_up": "data files that no snapshot needs",
}


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:  # noqa: PLR2004
            return f"{value:,.0f} {unit}"
        value /= 1024
    return f"{value:,.1f} GiB"
