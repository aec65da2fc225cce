"""DSSE, the Dead Simple Signing Envelope (secure-systems-lab, protocol version 1.0.2).

The envelope's own bytes are canonical too, so that no byte of a signed file is free. What the
payload means is not this module's business.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from dagster_project.errors import PackageError
from dagster_project.protocol.canonical import canonical_json, parse_canonical
from dagster_project.protocol.keys import PublicKey, Signer

_KEYS = {"payload", "payloadType", "signatures"}
_SIGNATURE_KEYS = {"keyid", "sig"}


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """DSSE's PAE: the bytes that are really signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(signer: Signer, payload_type: str, payload: bytes) -> bytes:
    """Wrap ``payload`` into a signed envelope."""
    signature = signer.sign(pre_authentication(payload_type, payload))
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": signer.key_id, "sig": base64.b64encode(signature).decode("ascii")}
            ],
        }
    )


def open_envelope(
    data: bytes, payload_type: str, keys: Mapping[str, PublicKey], where: str
) -> bytes:
    """Verify an envelope and return its payload.

    Args:
        data: The envelope's bytes.
        payload_type: The only type that is accepted.
        keys: The trusted keys by id; an envelope's own key is never trusted.
        where: The name used in errors.

    Raises:
        PackageError: Not an envelope of that type, signed by an unknown key, or changed.
    """
    envelope = parse_canonical(data, where)
    if not isinstance(envelope, dict) or set(envelope) != _KEYS:
        raise _refusal("the signature is not a DSSE envelope", where)
    if envelope["payloadType"] != payload_type:
        raise _refusal("the signature is for another kind of document", where)
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise _refusal("the envelope must hold exactly one signature", where)
    one = signatures[0]
    if not isinstance(one, dict) or set(one) != _SIGNATURE_KEYS:
        raise _refusal("the envelope's signature must hold a key id and a signature", where)
    key = keys.get(one["keyid"]) if isinstance(one["keyid"], str) else None
    if key is None:
        raise _refusal("the signature was made with a key that is not registered", where)
    payload = _decode(envelope["payload"], "payload", where)
    signature = _decode(one["sig"], "signature", where)
    if not key.verifies(signature, pre_authentication(payload_type, payload)):
        raise _refusal("the signature does not fit what was signed", where)
    return payload


def _decode(text: Any, part: str, where: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise _refusal(f"the envelope's {part} is not base64", where) from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise _refusal(f"the envelope's {part} is not in its canonical base64", where)
    return raw


def _refusal(what: str, where: str) -> PackageError:
    return PackageError(what, where=where, todo="Do not use it; ask the sender for the original")
