"""The site's own identity: its signing key, the card it shows, the card of its parent.

Keys themselves are ``protocol.keys``; whom a parent trusts is the parent's register.
"""

from __future__ import annotations

from pathlib import Path

from dagster_project.errors import PackageError
from dagster_project.paths import Home, keys_dir
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.keys import FileSigner, create_key, load_signer
from dagster_project.protocol.site_card import SiteCard, read_card
from dagster_project.settings import Site, load_site, save_site


def give_key(home: Home, folder: Path | None = None) -> Site:
    """Make sure that a site has a signing key and a ``public.json``; keep the key it has.

    Args:
        home: An initialised home.
        folder: The keys folder, if not the machine's own.

    Returns:
        The site, with its ``signing_key`` set.

    Raises:
        PackageError: The key cannot be made or read.
    """
    site, folder = load_site(home), folder or keys_dir()
    if not site.signing_key:
        site = site.model_copy(update={"signing_key": create_key(folder)})
        save_site(home, site)
    key = load_signer(folder, site.signing_key).public
    card = SiteCard(code=site.code, name=site.name, key_id=key.key_id, public_key=key.text)
    if not home.public_file.exists() or home.public_file.read_bytes() != card.content:
        write_file(home.public_file, card.content)
    return site


def signer_of(site: Site, folder: Path | None = None) -> FileSigner:
    """The site's signer.

    Raises:
        PackageError: The site has no key, or it cannot be read.
    """
    if not site.signing_key:
        raise PackageError(
            "the site has no signing key",
            where=f"site {site.code}",
            todo="Run `countylake init` for this home again",
        )
    return load_signer(folder or keys_dir(), site.signing_key)


def trust_parent(home: Home, card_file: Path) -> SiteCard:
    """Keep the parent site's card, so that its acknowledgements can be verified.

    Raises:
        PackageError: Not a site's card, or another key than the one trusted so far.
    """
    card = read_card(card_file)
    known = parent_card(home)
    if known and known.key_id != card.key_id:
        raise PackageError(
            f"site {card.code} shows another key than the one trusted so far",
            where=str(card_file),
            todo=f"Ask the site; if the change is true, remove {home.parent_file.name} first",
        )
    write_file(home.parent_file, card.content)
    return card


def parent_card(home: Home) -> SiteCard | None:
    """The parent's card, if it is known."""
    return read_card(home.parent_file) if home.parent_file.exists() else None
