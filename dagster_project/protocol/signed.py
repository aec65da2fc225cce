"""Small messages of an agreed form: written canonically, signed, and read back only as written.

Which messages there are, and what they mean, is told where their forms are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json, parse_canonical
from dagster_project.protocol.keys import PublicKey, Signer

Form = TypeVar("Form", bound=BaseModel)


def sign_form(message: BaseModel, payload_type: str, signer: Signer) -> bytes:
    """The bytes of a signed message; the same for the same message and key."""
    return dsse.sign(signer, payload_type, canonical_json(message.model_dump()))


def read_form(
    form: type[Form], payload_type: str, data: bytes, keys: Mapping[str, PublicKey], where: str
) -> Form:
    """Verify a message and read it.

    Args:
        form: What it must be.
        payload_type: The only type that is accepted.
        data: Its bytes; their size is the caller's to bound.
        keys: The trusted keys by id.
        where: The name used in errors.

    Raises:
        PackageError: The signature does not hold, or the signed text is not of that form.
    """
    payload = dsse.open_envelope(data, payload_type, keys, where)
    parse_canonical(payload, where)
    try:
        return form.model_validate_json(payload)
    except ValidationError as error:
        places = [one["loc"][0] for one in error.errors() if one["loc"]]
        fields = {str(one) for one in places if one in form.model_fields} or {"it"}
        raise PackageError(
            f"the signed text is not of the agreed form ({', '.join(sorted(fields))})",
            where=where,
            todo="Ask the other site which programme wrote it",
        ) from error
