"""``countylake key …``: the site's own keys, and the key of the site above it.

Which keys of other sites are accepted is told and changed by ``countylake city …``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    WhyOption,
    console,
    emit,
    note,
)

if TYPE_CHECKING:
    from dagster_project.paths import Home
    from dagster_project.protocol.site_card import SiteCard

app = typer.Typer(help="The site's signing keys: list, replace, revoke.", no_args_is_help=True)
_OVERLAP = re.compile(r"([0-9]{1,4})([dh])")


@app.command("list")
def list_(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Every key of the site, and the keys of its parent that it trusts."""
    from dagster_project.cli.tables import key_table
    from dagster_project.reporting.identity import own_card, parent_card

    site = _opened(home)
    cards = [own_card(site), *filter(None, [parent_card(site)])]
    if as_json:
        emit({"sites": [described(card) for card in cards]})
        return
    for card in cards:
        console().print(key_table(described(card)))


@app.command()
def rotate(
    why: WhyOption,
    overlap: Annotated[
        str, typer.Option(help="how long the key until now is still accepted: 30d, 12h, 0d")
    ] = "30d",
    lost: Annotated[
        bool, typer.Option("--lost", help="the key until now cannot sign, or others may have it")
    ] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Make the next signing key and announce it to the other sites."""
    from dagster_project.errors import UsageError
    from dagster_project.lake import Lake
    from dagster_project.protocol.site_card import fingerprint
    from dagster_project.reporting import rotation
    from dagster_project.settings import load_settings

    said = _OVERLAP.fullmatch(overlap)
    if not said:
        raise UsageError("the overlap is no time", todo="Write it like 30d or 12h")
    number, unit = int(said[1]), said[2]
    kept = timedelta(days=number) if unit == "d" else timedelta(hours=number)
    site = _opened(home)
    card = rotation.rotate(site, overlap=kept, why=why, lost=lost)
    _logged("key rotated", key_id=card.key_id, overlap=overlap, lost=lost, why=why)
    waiting = rotation.waiting_with(Lake(site, load_settings(site)), card.key_id)
    if as_json:
        emit({**described(card), "packages_to_sign_anew": waiting})
        return
    console().print(f"{card.code} {card.name} signs with key {fingerprint(card.key_id)} now")
    if lost:
        note(
            f"take {site.public_file} to the sites that this one exchanges with, and compare the"
            " fingerprint over the telephone: `countylake city register --replace`"
            " there, `countylake key trust --replace` at the sites below"
        )
    if waiting:
        when = "are refused" if lost else f"are accepted for {overlap} only"
        note(
            f"{waiting:,} waiting packages bear an earlier signature and {when}:"
            " `countylake key resign` signs them anew"
        )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="the key that others may have")],
    why: WhyOption,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Have a key of this site refused by the other sites as soon as they hear of it."""
    from dagster_project.reporting import rotation

    site = _opened(home)
    card = rotation.revoke(site, key_id, why=why)
    _logged("key revoked", key_id=key_id, why=why)
    if as_json:
        emit(described(card))
        return
    console().print(f"key {key_id} is revoked; the other sites hear of it with the next delivery")
    if not card.key_id:
        note("the site signs nothing until `countylake key rotate --lost`")


@app.command()
def resign(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Sign packages that wait to be accepted anew with the current key."""
    from dagster_project.lake import Lake
    from dagster_project.reporting.identity import signer_of
    from dagster_project.reporting.rotation import resign as sign_anew
    from dagster_project.settings import load_settings, load_site

    place = _opened(home)
    site = load_site(place)
    done = sign_anew(Lake(place, load_settings(place)), site, signer_of(site))
    _logged("packages signed anew", packages=len(done), key_id=site.signing_key)
    if as_json:
        emit({"signed": done})
    else:
        console().print(f"{len(done):,} packages were signed anew; `countylake deliver` sends them")


@app.command()
def trust(
    card: Annotated[Path, typer.Argument(help="the parent's public.json, brought by hand")],
    replace: Annotated[
        bool, typer.Option("--replace", help="another key is meant; its fingerprint was compared")
    ] = False,
    why: WhyOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Keep the parent's card, so that its answers can be verified."""
    from dagster_project.errors import UsageError
    from dagster_project.protocol.site_card import fingerprint
    from dagster_project.reporting.identity import trust_parent

    if replace and not why.strip():
        raise UsageError("a replaced key needs a reason", todo="Give it with --why")
    kept = trust_parent(_opened(home), card.expanduser().resolve(), replace=replace)
    _logged("parent trusted", parent=kept.code, key_id=kept.key_id, replace=replace, why=why)
    if as_json:
        emit(described(kept))
    else:
        console().print(f"{kept.code} {kept.name} is trusted with key {fingerprint(kept.key_id)}")


def described(card: SiteCard) -> dict[str, Any]:
    """A card for people and machines: its keys with their state now."""
    from dagster_project import clock
    from dagster_project.paths import keys_dir
    from dagster_project.protocol.keys import is_encrypted

    now = clock.now()
    return {
        "code": card.code,
        "name": card.name,
        "serial": card.serial,
        "keys": [
            {
                **key.model_dump(exclude={"public_key"}),
                "state": key.state(now),
                "here": is_encrypted(keys_dir(), key.key_id) is not None,
                "encrypted": bool(is_encrypted(keys_dir(), key.key_id)),
            }
            for key in card.listed
        ],
    }


def _logged(event: str, **words: object) -> None:
    """Keep what was done to keys in the home's log."""
    import structlog

    structlog.get_logger(__name__).info(event, **words)


def _opened(home: Path) -> Home:
    """The home of any site; what is done to its keys is logged there."""
    from dagster_project.components.steps.journal import open_journal
    from dagster_project.paths import Home
    from dagster_project.settings import load_site

    found = Home(home.expanduser().resolve())
    load_site(found)
    open_journal(found)
    return found
