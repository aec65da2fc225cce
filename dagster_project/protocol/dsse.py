"""DSSE, the Dead Simple Signing Envelope (secure-systems-lab, protocol version 1.0.2).

The envelope's own bytes are canonical too, so that no byte of a signed file is free. What the
payload means is not this module's business.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.errors import PackageError
from dagster_project.protocol.canonical import canonical_json, parse_canonical
from dagster_project.protocol.keys import PublicKey, Signer

_KEYS = {"payload", "payloadType", "signatures"}
_SIGNATURE_KEYS = {"keyid", "sig"}
_MOST_SIGNATURES = 8


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """DSSE's PAE: the bytes that are really signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(signer: Signer, payload_type: str, payload: bytes) -> bytes:
    """Wrap ``payload`` into a signed envelope."""
    return sign_together([signer], payload_type, payload)


def sign_together(signers: Sequence[Signer], payload_type: str, payload: bytes) -> bytes:
    """Wrap ``payload`` into an envelope with a signature of each signer, in the order of ids."""
    message = pre_authentication(payload_type, payload)
    return canonical_json(
        {
            "payload": _text(payload),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": signer.key_id, "sig": _text(signer.sign(message))}
                for signer in sorted(signers, key=lambda one: one.key_id)
            ],
        }
    )


def open_envelope(
    data: bytes, payload_type: str, keys: Mapping[str, PublicKey], where: str
) -> bytes:
    """Verify an envelope with one signature and return its payload.

    Args:
        data: The envelope's bytes.
        payload_type: The only type that is accepted.
        keys: The trusted keys by id; an envelope's own key is never trusted.
        where: The name used in errors.

    Raises:
        PackageError: Not an envelope of that type, signed by an unknown key, or changed.
    """
    payload, signed_by = open_together(data, payload_type, keys, where)
    if len(signed_by) != 1:
        raise _refusal("the envelope must hold exactly one signature", where)
    return payload


def open_together(
    data: bytes, payload_type: str, keys: Mapping[str, PublicKey], where: str
) -> tuple[bytes, tuple[str, ...]]:
    """Verify an envelope with one signature or several; every one of them must hold.

    Returns:
        The payload, and the ids of the keys that signed it.

    Raises:
        PackageError: Not an envelope of that type, signed by an unknown key, or changed.
    """
    envelope = _envelope(data, where)
    if envelope["payloadType"] != payload_type:
        raise _refusal("the signature is for another kind of document", where)
    payload = _decode(envelope["payload"], "payload", where)
    message = pre_authentication(payload_type, payload)
    for one in envelope["signatures"]:
        key = keys.get(one["keyid"])
        if key is None:
            raise _refusal("the signature was made with a key that is not registered", where)
        if not key.verifies(_decode(one["sig"], "signature", where), message):
            raise _refusal("the signature does not fit what was signed", where)
    return payload, tuple(one["keyid"] for one in envelope["signatures"])


def unverified(data: bytes, where: str) -> tuple[str, bytes]:
    """An envelope's payload type and payload as they stand there; nothing is verified.

    Raises:
        PackageError: Not an envelope.
    """
    envelope = _envelope(data, where)
    return envelope["payloadType"], _decode(envelope["payload"], "payload", where)


def key_ids(data: bytes, where: str) -> tuple[str, ...]:
    """The ids of the keys that an envelope says it was signed with; nothing is verified.

    Raises:
        PackageError: Not an envelope.
    """
    return tuple(one["keyid"] for one in _envelope(data, where)["signatures"])


def _envelope(data: bytes, where: str) -> dict[str, Any]:
    """The parts of an envelope, each of its kind; signatures in the order of ids, none twice."""
    envelope = parse_canonical(data, where)
    if not isinstance(envelope, dict) or set(envelope) != _KEYS:
        raise _refusal("the signature is not a DSSE envelope", where)
    if not isinstance(envelope["payloadType"], str):
        raise _refusal("the signature is for another kind of document", where)
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= _MOST_SIGNATURES:
        raise _refusal("the envelope must hold exactly one signature, or a few", where)
    for one in signatures:
        if not isinstance(one, dict) or set(one) != _SIGNATURE_KEYS:
            raise _refusal("the envelope's signature must hold a key id and a signature", where)
        if not isinstance(one["keyid"], str):
            raise _refusal("the signature was made with a key that is not registered", where)
    named = [one["keyid"] for one in signatures]
    if named != sorted(set(named)):
        raise _refusal("the envelope's signatures are not in the order of their keys", where)
    return envelope


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _decode(text: Any, part: str, where: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise _refusal(f"the envelope's {part} is not base64", where) from error
    if _text(raw) != text:
        raise _refusal(f"the envelope's {part} is not in its canonical base64", where)
    return raw


def _refusal(what: str, where: str) -> PackageError:
    return PackageError(what, where=where, todo="Do not use it; ask the sender for the original")
