"""A correction that a receiver asks for, and the sender's answer; both signed.

A figure is named by its package, its row's key and its column: the receiver knows no record. Who
decides what is wrong is the sender's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from dagster_project.protocol.keys import PublicKey, Signer
from dagster_project.protocol.manifest import CODE, PACKAGE_ID, Code, Instant, Name
from dagster_project.protocol.signed import read_form, sign_form

ASKED_TYPE = "application/vnd.countylake.correction+json"
ANSWER_TYPE = "application/vnd.countylake.correction-answer+json"
ASKED, ANSWERED = ".correction.json", ".answer.json"
"""How the files of both end; they lie in ``corrections`` of the sender's exchange folder."""
FOLDER = "corrections"
MOST_BYTES = 64 << 10

MOST_WORDS = 2000
_NUMBERS = re.compile(
    r"(?<![0-9.])(?:1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])|[0-9]{13,}"
    r"|[0-9]{6}[ -][0-9]{8}[ -][0-9]{3}|[0-9]{4}(?:[ -][0-9]{4}){3})"
)
"""Phones, citizen numbers and accounts, also in groups; a division's code has twelve digits."""


def is_plain(text: str) -> bool:
    """Whether a text has no character that steers a terminal or turns the reading direction."""
    return all(one.isprintable() or one in "\n\u3000" for one in text)


def words_fault(text: str) -> str:
    """Why words may not go to the other site, as a clause; empty when they may.

    Names cannot be told from other words; numbers of persons and accounts can.
    """
    read = unicodedata.normalize("NFKC", text)
    if not text.strip():
        return "it is without a reason"
    if len(text) > MOST_WORDS:
        return f"the reason has more than {MOST_WORDS:,} characters"
    if not is_plain(text):
        return "the reason holds control characters"
    if _NUMBERS.search(read):
        return "the reason holds what looks like the number of a person, a phone or an account"
    return ""


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError("control characters")
    return text


def _package(text: str) -> str:
    if not PACKAGE_ID.match(text):
        raise ValueError("no package")
    return text


CorrectionId = Annotated[str, StringConstraints(pattern=rf"^{CODE}-JZ[0-9A-F]{{12}}$")]
Words = Annotated[
    str, StringConstraints(min_length=1, max_length=MOST_WORDS), AfterValidator(_plain)
]
Value = Annotated[str, StringConstraints(max_length=200), AfterValidator(_plain)]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Correction(BaseModel):
    """What the receiver doubts: one figure of one package, and why.

    ``place`` is the row's key, column -> value as text; an empty ``column`` means the whole row.
    """

    model_config = _STRICT

    format: Literal["countylake-correction/1"] = "countylake-correction/1"
    correction_id: CorrectionId
    sender: Code
    recipient: Code
    package_id: Annotated[str, StringConstraints(max_length=120), AfterValidator(_package)]
    report: Name
    place: dict[Name, Value]
    column: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,62})?$")]
    why: Words
    asked_at: Instant


class CorrectionAnswer(BaseModel):
    """What the sender found: it was wrong and is corrected at its source, or it is right."""

    model_config = _STRICT

    format: Literal["countylake-correction-answer/1"] = "countylake-correction-answer/1"
    correction_id: CorrectionId
    sender: Code
    recipient: Code
    outcome: Literal["corrected", "unfounded"]
    answer: Words
    answered_at: Instant


def sign_correction(message: Correction | CorrectionAnswer, signer: Signer) -> bytes:
    """The bytes of ``<correction_id>.correction.json`` or ``.answer.json``."""
    kind = ASKED_TYPE if isinstance(message, Correction) else ANSWER_TYPE
    return sign_form(message, kind, signer)


def read_correction(data: bytes, keys: Mapping[str, PublicKey], where: str) -> Correction:
    """Verify what a receiver asks for, and read it.

    Raises:
        PackageError: The signature does not hold, or the signed text is no correction.
    """
    return read_form(Correction, ASKED_TYPE, data, keys, where)


def read_answer(data: bytes, keys: Mapping[str, PublicKey], where: str) -> CorrectionAnswer:
    """Verify a sender's answer, and read it.

    Raises:
        PackageError: The signature does not hold, or the signed text is no answer.
    """
    return read_form(CorrectionAnswer, ANSWER_TYPE, data, keys, where)
