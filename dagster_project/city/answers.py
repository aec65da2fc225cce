"""The signed answers that go down to the senders.

An answer is made from the committed decision alone, so that it can be written again at any time
with the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from dagster_project.city.ledger import Entry
from dagster_project.clock import utc_text
from dagster_project.protocol.acknowledgement import (
    SUFFIX,
    Acknowledgement,
    sign_acknowledgement,
)
from dagster_project.protocol.folders import read_untrusted, write_file
from dagster_project.protocol.keys import Signer

_ANSWER_BYTES = 64 << 10


def answered(entry: Entry, recipient: str, signer: Signer) -> bytes:
    """The answer to a package, as this site signs it."""
    return sign_acknowledgement(
        Acknowledgement(
            package_id=entry.package_id,
            package_hash=entry.package_hash,
            received_hash=entry.received_hash,
            sender=entry.site_code,
            recipient=recipient,
            remarks=entry.remarks,
            head_no=entry.head_no or 0,
            head_hash=entry.head_hash,
            outcome=entry.outcome,
            reasons=entry.reasons,
            acknowledged_at=utc_text(entry.received_at),
        ),
        signer,
    )


def answer(down: Path, entry: Entry, recipient: str, signer: Signer) -> None:
    """Make sure that our answer lies in a ``down`` folder."""
    name, text = entry.package_id + SUFFIX, answered(entry, recipient, signer)
    if not down.is_dir() or read_untrusted(down, name, _ANSWER_BYTES) != text:
        write_file(down / name, text)
