"""Packages of the sites below that go on to this site's own parent: the same bytes and signature.

The chain of a sender is whole at every site above, so each number that was used here goes up. What
was accepted goes as it is; of what was refused only the signature goes, with this site's signed
refusal beside it (``verify.WITHHELD``), so that the number is used there too and everybody sees by
whom and why. How folders travel is said by whoever composes the rooms.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import duckdb

from dagster_project.city import ledger, quarantine
from dagster_project.city.answers import answered
from dagster_project.city.ledger import Entry
from dagster_project.city.verify import WITHHELD
from dagster_project.paths import Home
from dagster_project.protocol.folders import place, seal_tree
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.manifest import SIGNATURE

_PENDING = """
consumed AND NOT EXISTS (
  SELECT 1 FROM lake.ops.acknowledgement AS answer
  WHERE answer.package_id = decided.package_id
    AND (answer.outcome = 'accepted' OR answer.head_hash = decided.package_hash)
)
"""
"""The parent settles a number by accepting it or by making it its head; else it is still owed."""


def pending(con: duckdb.DuckDBPyConnection) -> list[Entry]:
    """The used numbers that the parent has not settled yet, in the order in which they came."""
    return ledger.entries(con, _PENDING)


def folder_of(home: Home, entry: Entry, recipient: str, signer: Signer) -> Path | None:
    """The folder that goes up for a decision; None if it is no longer here.

    Args:
        home: This site's home.
        entry: A decision that used up a number.
        recipient: This site's code, to which the package came.
        signer: Signs the refusal, as it was signed for the sender.
    """
    if entry.outcome == "accepted":
        folder = home.received / entry.site_code / entry.package_id
        return folder if (folder / SIGNATURE).is_file() else None
    folder = home.withheld / entry.site_code / entry.package_id
    if folder.is_dir():
        return folder
    signature = quarantine.folder_of(home, entry) / SIGNATURE
    if not signature.is_file():
        return None
    scratch = home.scratch / f"withheld-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True)
    shutil.copyfile(signature, scratch / SIGNATURE)
    (scratch / WITHHELD).write_bytes(answered(entry, recipient, signer))
    seal_tree(scratch)
    place(scratch, folder)
    return folder
