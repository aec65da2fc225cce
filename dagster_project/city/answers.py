"""The signed answers that go down to the senders.

An answer is made from the committed decision alone, so that it can be written again at any time
with the same bytes.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from dagster_project.city.ledger import Entry
from dagster_project.protocol.acknowledgement import (
    SUFFIX,
    Acknowledgement,
    sign_acknowledgement,
)
from dagster_project.protocol.folders import read_untrusted, write_file
from dagster_project.protocol.keys import Signer

_ANSWER_BYTES = 64 << 10


def answer(down: Path, entry: Entry, recipient: str, signer: Signer) -> None:
    """Make sure that the county finds our answer in its ``down`` folder."""
    name = entry.package_id + SUFFIX
    text = sign_acknowledgement(
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
            acknowledged_at=entry.received_at.astimezone(UTC).replace(tzinfo=None).isoformat()
            + "Z",
        ),
        signer,
    )
    if not down.is_dir() or read_untrusted(down, name, _ANSWER_BYTES) != text:
        write_file(down / name, text)
