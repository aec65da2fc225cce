"""Whose packages are accepted: one card per registered county, with its public key.

Nothing is verified here; a package's own key is never trusted.
"""

from __future__ import annotations

import re
from pathlib import Path

from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.site_card import SiteCard, read_card

CODE = re.compile(r"^[0-9]{6}\Z")


def register(home: Home, card_file: Path) -> SiteCard:
    """Register a county by its ``public.json`` and make its exchange folders.

    Registering the same card again changes nothing.

    Raises:
        PackageError: Not a site's card, or the county is registered with another key.
    """
    card = read_card(card_file)
    target = home.counties / f"{card.code}.json"
    if target.exists() and read_card(target).key_id != card.key_id:
        raise PackageError(
            f"county {card.code} is registered with another key",
            where=str(card_file),
            todo=f"Ask the county; if it really has a new key, remove {target} first",
        )
    if not target.exists() or target.read_bytes() != card.content:
        write_file(target, card.content)
    for name in ("up", "down"):
        (home.exchange / card.code / name).mkdir(parents=True, exist_ok=True)
    return card


def counties(home: Home) -> dict[str, SiteCard]:
    """The registered counties by code, in the order of their codes.

    Raises:
        PackageError: A card in the register is damaged.
    """
    cards = {}
    for path in sorted(home.counties.glob("[0-9]*.json")):
        card = read_card(path)
        if path.stem != card.code:
            raise PackageError(
                f"the card is county {card.code}'s but is filed under another code",
                where=str(path),
                todo="Remove it and register the county again",
            )
        cards[card.code] = card
    return cards
