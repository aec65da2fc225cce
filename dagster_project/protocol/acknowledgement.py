"""The receiver's signed answer to one package.

It says what was decided on which bytes; how the decision is made is the receiver's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from dagster_project.protocol.keys import PublicKey, Signer
from dagster_project.protocol.manifest import Code, Hash, HashOrNone, Instant, Whole
from dagster_project.protocol.signed import read_form, sign_form

PAYLOAD_TYPE = "application/vnd.countylake.acknowledgement+json"
SUFFIX = ".ack.json"
Outcome = Literal["accepted", "rejected", "held"]


class Acknowledgement(BaseModel):
    """One answer.

    ``accepted``: merged, its number used up; ``remarks`` say what looked odd all the same.
    ``held``: genuine, but an earlier number is missing. ``rejected``: not merged, for the
    ``reasons`` given. ``package_hash`` is empty where the package's signature did not hold;
    ``received_hash`` names the received bytes in any case. ``head_no`` and ``head_hash`` are the
    last package of the sender's chain that the recipient knows after its decision.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["countylake-acknowledgement/1"] = "countylake-acknowledgement/1"
    package_id: Annotated[str, StringConstraints(max_length=120)]
    package_hash: HashOrNone
    received_hash: Hash
    sender: Code
    recipient: Code
    outcome: Outcome
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    head_no: Whole = 0
    head_hash: HashOrNone = ""
    acknowledged_at: Instant


def sign_acknowledgement(answer: Acknowledgement, signer: Signer) -> bytes:
    """The bytes of ``<package_id>.ack.json``."""
    return sign_form(answer, PAYLOAD_TYPE, signer)


def read_acknowledgement(data: bytes, keys: Mapping[str, PublicKey], where: str) -> Acknowledgement:
    """Verify an answer and read it.

    Raises:
        PackageError: The signature does not hold, or the signed text is not an answer.
    """
    return read_form(Acknowledgement, PAYLOAD_TYPE, data, keys, where)
