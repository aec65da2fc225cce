"""``countylake city register|revoke|keys``: whose packages are accepted, signed with which keys."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    ByOption,
    CityOption,
    JsonOption,
    WhyOption,
    console,
    emit,
    note,
    opened,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("register")(enter)
    app.command("revoke")(revoke)
    app.command("keys")(keys)


def enter(  # noqa: PLR0917 - options of a command
    card: Annotated[Path, typer.Argument(help="the site's public.json, brought by hand")],
    via: Annotated[
        str, typer.Option(help="code of the registered site that passes its packages on")
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="another key is meant; its fingerprint was compared")
    ] = False,
    why: WhyOption = "",
    by: ByOption = "",
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Accept a site's packages from now on; its keys are followed by announcements."""
    from dagster_project.city.register import register as accept
    from dagster_project.protocol.site_card import fingerprint

    site = accept(
        opened(home, "receive"),
        card.expanduser().resolve(),
        via=via,
        replace=replace,
        why=why,
        by=by or getpass.getuser(),
    )
    if as_json:
        emit({"code": site.code, "name": site.name, "key_id": site.key_id, "serial": site.serial})
        return
    console().print(f"registered {site.code} {site.name}, key {fingerprint(site.key_id)}")
    if replace:
        note("packages that were refused for the key are judged anew with the next reception")


def revoke(  # noqa: PLR0917 - options of a command
    code: Annotated[str, typer.Argument(help="the site's code")],
    key_id: Annotated[str, typer.Argument(help="the key that others may have")],
    why: WhyOption,
    by: ByOption = "",
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Refuse from now on whatever is signed with a key; what was accepted stays, and is listed."""
    from dagster_project.city.announcing import tell_children
    from dagster_project.city.register import revoke as refuse
    from dagster_project.reporting.identity import signer_of
    from dagster_project.settings import load_site

    place = opened(home, "receive")
    child = refuse(place, code, key_id, why=why, by=by or getpass.getuser())
    site = load_site(place)
    tell_children(place, site, signer_of(site))
    if as_json:
        emit({"code": code, "key_id": key_id, "current": child.card.key_id})
        return
    console().print(f"key {key_id} of {code} {child.card.name} is refused from now on")
    if not child.card.key_id:
        note(
            f"{code} has no other key: it runs `countylake key rotate --lost` and brings its"
            " public.json; then `countylake city register --replace` here"
        )


def keys(home: CityOption = CITY_HOME, as_json: JsonOption = False) -> None:
    """The keys of every registered site, and how many packages were accepted with each."""
    from dagster_project import clock
    from dagster_project.city.keyring import keyring
    from dagster_project.cli.tables import key_table
    from dagster_project.lake import Lake
    from dagster_project.settings import load_settings

    place = opened(home, "receive")
    sites = keyring(Lake(place, load_settings(place)), clock.now())
    if as_json:
        emit({"sites": sites})
        return
    if not sites:
        console().print("没有登记的下级 no site is registered")
    for site in sites:
        console().print(key_table(site))
        for key in site["keys"]:
            if key["packages_after_revocation"]:
                note(
                    f"{site['code']}: {key['packages_after_revocation']:,} packages signed with"
                    f" {key['key_id']} came between its revocation and the news of it; ask the site"
                )
