"""``countylake notify …``: who is told of what, a test of the addresses, and telling now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    deciding,
    emit,
    literally,
    note,
    opened,
    working,
)
from dagster_project.errors import ChannelError, UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.notices.sending import Notice, Sent
    from dagster_project.settings import Recipient

app = typer.Typer(
    help=(
        "Notices 通知: list, test, send.\n\n"
        "Off until `notify:` in site.yaml names somebody: `to` (env:NAME or file:name), `about` "
        "(late, failed, drifted, held, returned, refused, undelivered, recovered), "
        "`departments`, `feeds`, `every` (minutes). The address is the token of the credentials, "
        "as apprise writes it: wecombot://KEY, "
        "dingtalk://SECRET@TOKEN, feishu://TOKEN, mailto://…, json://…"
    ),
    no_args_is_help=True,
)
STATES = {"waiting": "待送达 waiting", "told": "已送达 told", "recovering": "恢复待通知 recovering"}


@app.command("list")
def list_notices(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Who is told of what, what waits for somebody now, and what was told of it."""
    from dagster_project.components.steps.notices.messenger import address_fault
    from dagster_project.components.steps.notices.sending import (
        ledger,
        open_conditions,
        recipient_faults,
    )
    from dagster_project.components.steps.notices.text import line, messages
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.settings import load_site

    workshop = Workshop.at(opened(home).root)
    with working("reading the lake"):
        recipients = load_site(workshop.home).notify
        found, known = open_conditions(workshop), ledger(workshop)
    faults = {
        to.to: "; ".join(filter(None, (address_fault(to.to), *recipient_faults(workshop, to))))
        for to in recipients
    }
    if as_json:
        emit(
            {
                "recipients": [{**to.model_dump(), "fault": faults[to.to]} for to in recipients],
                "conditions": [{**vars(one), "line": line(one)} for one in found],
                "notices": [vars(one) for one in known],
            }
        )
        return
    screen = console()
    if not recipients:
        note("nobody is told: site.yaml has no `notify`")
    else:
        screen.print(_recipients(recipients, known))
    for fault in filter(None, faults.values()):
        complain(fault)
    for part in messages(found):
        screen.print(literally(part))
    if not found:
        screen.print("[green]Nothing waits for anybody.[/green]")


def _recipients(recipients: tuple[Recipient, ...], known: list[Notice]) -> Any:
    from rich import box
    from rich.table import Table

    from dagster_project.cli.tables import local

    table = Table(box=box.SIMPLE_HEAD)
    for head in (
        "接收方 to",
        "事由 about",
        "范围 of",
        "已送达 told",
        "待送达 waiting",
        "最近 last",
    ):
        table.add_column(head, overflow="fold")
    for to in recipients:
        mine = [one for one in known if one.recipient == to.to]
        told = [one.told_at for one in mine if one.told_at]
        table.add_row(
            literally(to.to),
            "、".join(to.about) or "all",
            literally("、".join((*to.departments, *to.feeds)) or "all"),
            str(sum(one.state == "told" for one in mine)),
            str(sum(one.state != "told" for one in mine)),
            local(max(told, default=None)),
        )
    return table


@app.command("test")
def try_addresses(
    to: Annotated[str, typer.Option(help="only this reference; else everybody")] = "",
    home: HomeOption = COUNTY_HOME,
) -> None:
    """Send one short message to each address and say what became of it. Exit code 10: not all."""
    from dagster_project.clock import now
    from dagster_project.components.steps.notices.messenger import deliver
    from dagster_project.components.steps.notices.text import local
    from dagster_project.settings import load_site

    site = load_site(opened(home))
    known = [one.to for one in site.notify if to in ("", one.to)]
    if not known:
        raise UsageError(
            f"nobody is told under {to}" if to else "nobody is told of anything",
            where=str(home / "site.yaml"),
            todo="Add an entry to `notify`",
        )
    faults = []
    for one in known:
        try:
            deliver(one, f"{site.name} 数据归集通知", [f"这是一条测试消息（{local(now())}）"])
        except (ChannelError, UsageError) as error:
            faults.append(error)
            complain(str(error))
        else:
            console().print(f"[green]✓[/green] {one}")
    if faults:
        raise typer.Exit(ChannelError.exit_code)


@app.command()
def send(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Tell what is due now, as a run does when it ends. Exit code 10: not all was delivered."""
    from dagster_project.components.steps.notices.sending import send as tell_due

    workshop = deciding(home)
    with working("telling what is due"):
        done = tell_due(workshop)
    if as_json:
        emit([vars(one) for one in done])
    else:
        _told(done)
    if any(one.fault for one in done):
        raise typer.Exit(ChannelError.exit_code)


def _told(done: list[Sent]) -> None:
    for one in done:
        if one.fault:
            complain(one.fault)
        else:
            console().print(f"[green]✓[/green] {one.recipient}: {one.told}")
    if not done:
        note("nothing is due")
