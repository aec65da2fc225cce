"""``countylake city rejected`` and ``countylake city chain``: what was refused, what follows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    CityOption,
    JsonOption,
    console,
    emit,
    literally,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster_project.city.ledger import Entry
    from dagster_project.city.quarantine import Refused

_MOST = 50
_SHORT = 12


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(rejected)
    app.command()(chain)


def rejected(
    package_id: Annotated[str, typer.Argument(help="one package; all without it")] = "",
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Packages that were refused and are kept aside, with the reasons; nothing of them merged."""
    from dagster_project.components.steps.city import refused
    from dagster_project.components.steps.workshop import Workshop

    found = refused(Workshop.at(opened(home, "receive").root, "receive"), package_id)
    if as_json:
        told = [{**one.told, "folder": str(one.folder), "files": one.files} for one in found]
        emit({"rejected": told})
    elif not found:
        console().print("没有退回的报送包 no package was refused")
    elif package_id:
        _show(found)
    else:
        _list(found)


def chain(
    code: Annotated[str, typer.Argument(help="the site's division code")],
    most: Annotated[int, typer.Option(min=1, help="how many of the newest decisions")] = _MOST,
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """The decisions on one site's packages: numbers, hashes, outcomes, reasons and remarks."""
    from dagster_project.components.steps.city import chain as decisions
    from dagster_project.components.steps.workshop import Workshop

    found = decisions(Workshop.at(opened(home, "receive").root, "receive"), code, most)
    if as_json:
        emit({"site_code": code, "decisions": [asdict(one) for one in found]})
    else:
        _show_chain(found)


def _list(found: Sequence[Refused]) -> None:
    from rich import box
    from rich.table import Table

    from dagster_project.cli.tables import local

    table = Table(
        pad_edge=False, box=box.SIMPLE_HEAD, title="退回的报送包 rejected", title_justify="left"
    )
    table.add_column("报送包 package", no_wrap=True)
    table.add_column("收到 received", no_wrap=True)
    table.add_column("理由 reason", overflow="fold")
    for one in found:
        reasons = one.told.get("reasons") or [""]
        more = f" (+{len(reasons) - 1})" if len(reasons) > 1 else ""
        table.add_row(
            literally(str(one.told.get("package_id", one.folder.name))),
            local(datetime.fromisoformat(said)) if (said := one.told.get("received_at")) else "–",
            literally(reasons[0] + more),
        )
    console().print(table)


def _show(found: Sequence[Refused]) -> None:
    for one in found:
        console().print(literally(f"{one.folder}"))
        for reason in one.told.get("reasons", ()):
            console().print(literally(f"  {reason}"))
        files = ", ".join(one.files) or "nothing but the reasons"
        console().print(literally(f"  kept: {files}"))


def _show_chain(found: Sequence[Entry]) -> None:
    from rich import box
    from rich.table import Table

    from dagster_project.cli.tables import WIDE

    table = Table(pad_edge=False, box=box.SIMPLE_HEAD, title="报送链 chain", title_justify="left")
    table.add_column("序号", justify="right", no_wrap=True)
    is_wide = console().width >= WIDE
    heads = ("报送包 package", "结果 outcome", *(("散列值 hash",) if is_wide else ()))
    for head in heads:
        table.add_column(head, no_wrap=True)
    table.add_column("附言 remarks", overflow="fold")
    for one in found:
        table.add_row(
            str(one.package_no or "–"),
            literally(one.package_id),
            f"{one.outcome}" if one.consumed or one.outcome == "held" else f"{one.outcome} (–)",
            *([one.package_hash[:_SHORT]] if is_wide else []),
            literally(" ".join((*one.reasons, *one.remarks))),
        )
    console().print(table)
