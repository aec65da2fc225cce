"""The receiver's signed answer to one package.

It says what was decided on which bytes; how the decision is made is the receiver's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json, parse_canonical
from dagster_project.protocol.keys import PublicKey, Signer
from dagster_project.protocol.manifest import Code, Hash, HashOrNone, Instant, Whole

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
    return dsse.sign(signer, PAYLOAD_TYPE, canonical_json(answer.model_dump()))


def read_acknowledgement(data: bytes, keys: Mapping[str, PublicKey], where: str) -> Acknowledgement:
    """Verify an answer and read it.

    Raises:
        PackageError: The signature does not hold, or the signed text is not an answer.
    """
    payload = dsse.open_envelope(data, PAYLOAD_TYPE, keys, where)
    parse_canonical(payload, where)
    try:
        return Acknowledgement.model_validate_json(payload)
    except ValidationError as error:
        raise PackageError(
            "the signed acknowledgement is not valid",
            where=where,
            todo="Ask the receiving site to answer again with a programme of the same format",
        ) from error
