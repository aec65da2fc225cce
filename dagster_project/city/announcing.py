"""What this site says of keys: to its children, and to its parent about the sites below it.

A child learns nothing of the keys of others. Everything is made from the register, so that it can
be written again at any time; what others say is ``announced``'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dagster_project.city.announced import UP, evidence
from dagster_project.city.register import Child, children, door_of
from dagster_project.paths import Home
from dagster_project.protocol import dsse
from dagster_project.protocol.announcement import PAYLOAD_TYPE, SUFFIX, announce, file_name
from dagster_project.protocol.folders import read_untrusted, write_file
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.revocation import FILE, Revocations, Revoked, sign_revocations
from dagster_project.settings import Site

DOWN = "parent"
"""The folder, in a child's exchange folder, of what this site says of keys."""
_MOST_BYTES = 1 << 20


def revocations(entries: Mapping[str, Child], site: Site, only: str = "") -> Revocations:
    """The keys that a site refuses: all, or those of a child and of whoever reports through it."""
    return Revocations(
        site=site.code,
        revoked=tuple(
            Revoked(code=code, key_id=key.key_id, revoked_at=key.revoked_at, why=key.revoked_why)
            for code, child in entries.items()
            if only in {"", door_of(entries, code)}
            for key in child.card.listed
            if key.revoked_at
        ),
    )


def tell_children(home: Home, site: Site, signer: Signer) -> None:
    """Write down what this site says of keys: its list, and for each child what concerns it.

    The same bytes every time.

    Raises:
        PackageError: The register is damaged.
        OSError: A folder cannot be written.
    """
    entries = children(home)
    _keep_equal(home.root, FILE, sign_revocations(revocations(entries, site), signer))
    own = sorted((home.outbox / UP).glob(f"{site.code}-*{SUFFIX}"))
    for code, child in entries.items():
        folder = home.exchange / code / DOWN
        if child.via or folder.is_symlink() or folder.parent.is_symlink():
            continue
        for path in own:
            _keep_equal(folder, path.name, path.read_bytes())
        told = revocations(entries, site, code)
        if told.revoked or (folder / FILE).exists():
            _keep_equal(folder, FILE, sign_revocations(told, signer))


def tell_parent(home: Home, site: Site, signer: Signer) -> None:
    """Lay ready for the parent what it must know of the sites whose packages are passed on.

    Each is made known once with the card that is known here; then its own announcements follow
    unchanged, so that nobody in between can give it another key. Call it where there is a parent.

    Raises:
        PackageError: The register is damaged.
        OSError: The outbox cannot be written.
    """
    folder, entries = home.outbox / UP, children(home)
    for code, child in entries.items():
        for _, path in _serials(folder, code):
            _sign_anew(path, child, signer)
        told = max((serial for serial, _ in _serials(folder, code)), default=-1)
        if told >= 0:
            for serial, path in _serials(evidence(home), code):
                if serial > told:
                    _keep_equal(folder, path.name, path.read_bytes())
                    told = serial
        if told < child.card.serial:
            why = f"made known by {site.code}"
            write_file(folder / file_name(child.card), announce(child.card, why, [signer]))
    refused = revocations(entries, site)
    if refused.revoked or (folder / FILE).exists():
        _keep_equal(folder, FILE, sign_revocations(refused, signer))


def _sign_anew(path: Path, child: Child, signer: Signer) -> None:
    """Let the site's present key vouch for what an earlier one made known."""
    data = path.read_bytes()
    signed_by = set(dsse.key_ids(data, path.name))
    if signer.key_id not in signed_by and not signed_by & child.card.every_key.keys():
        _, payload = dsse.unverified(data, path.name)
        write_file(path, dsse.sign(signer, PAYLOAD_TYPE, payload))


def _serials(folder: Path, code: str) -> list[tuple[int, Path]]:
    """The announcements of a site in a folder of ours, by serial."""
    found = folder.glob(f"{code}-*{SUFFIX}")
    return sorted((int(path.name.removesuffix(SUFFIX).partition("-")[2]), path) for path in found)


def _keep_equal(folder: Path, name: str, data: bytes) -> None:
    if not folder.is_dir() or read_untrusted(folder, name, _MOST_BYTES) != data:
        write_file(folder / name, data)
