"""Manifests: what a department states of the files of a delivery.

``<name>.manifest.json`` in UTF-8 stands in the folder of the files, or above it::

    {"files": [{"path": "南坳镇.csv", "bytes": 20480, "sha256": "…64 hex digits…", "rows": 311}]}

Paths are relative to the manifest's folder. ``rows`` counts records of data without titles, headers
and totals, and may be left out; further words are ignored. All files of one manifest that one feed
claims are one delivery, in the manifest's order. How deliveries are made of it is told by
``grouping``.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError, field_validator

from dagster_project.errors import DeliveryError
from dagster_project.ingest.channels.base import Part

ENDING = ".manifest.json"
MOST_BYTES = 16 << 20
WRITE_IT_SO = 'Write it as {"files": [{"path": …, "bytes": …, "sha256": …}]} with relative paths'


class _File(BaseModel):
    path: Annotated[str, Field(min_length=1, max_length=1000)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")]
    rows: Annotated[int, Field(ge=0)] | None = None

    @field_validator("path")
    @classmethod
    def _stays(cls, path: str) -> str:
        """The path with forward slashes; it must not lead out of the manifest's folder."""
        found = PurePosixPath(path.replace("\\", "/"))
        if found.is_absolute() or ".." in found.parts or ":" in found.parts[0]:
            message = "the path leads out of the manifest's folder"
            raise ValueError(message)
        return found.as_posix()


class _Manifest(BaseModel):
    files: Annotated[list[_File], Field(min_length=1)]

    @field_validator("files")
    @classmethod
    def _once(cls, files: list[_File]) -> list[_File]:
        if len({same(file.path) for file in files}) < len(files):
            message = "a file is listed twice"
            raise ValueError(message)
        return files


@dataclass(frozen=True)
class Stated:
    """One line of a manifest; ``path`` is relative to the channel's root, ``rows`` -1 if unsaid."""

    path: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """One manifest; ``fault`` is the sentence that says why it cannot be read."""

    file: Part
    files: tuple[Stated, ...] = ()
    fault: str = ""


def same(path: str) -> str:
    """A path as two systems agree on it: one Unicode form."""
    return unicodedata.normalize("NFC", path)


def is_manifest(path: str) -> bool:
    """Whether a file's name says that it is a manifest."""
    return path.casefold().endswith(ENDING)


def read_manifest(root: Path, file: Part, *, at: Path | None = None) -> Manifest:
    """What a manifest states; one that cannot be read says why.

    Args:
        root: The folder to which paths are relative.
        file: The manifest.
        at: Where its bytes are, if not below ``root``.
    """
    folder = PurePosixPath(file.path).parent
    try:
        if file.size > MOST_BYTES:
            return Manifest(file, fault=_fault(file, f"is larger than {MOST_BYTES >> 20} MiB"))
        text = (at or root / file.path).read_text(encoding="utf-8-sig")
        said = _Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        why = f"{place}: {first['msg']}" if place else str(first["msg"])
        return Manifest(file, fault=_fault(file, f"cannot be read ({why})"))
    except OSError as error:
        return Manifest(file, fault=_fault(file, f"cannot be read ({error.strerror})"))
    except UnicodeDecodeError:
        return Manifest(file, fault=_fault(file, "is not UTF-8"))
    stated = tuple(
        Stated(
            (folder / one.path).as_posix(),
            one.bytes,
            one.sha256.lower(),
            -1 if one.rows is None else one.rows,
        )
        for one in said.files
    )
    return Manifest(file, stated)


def _fault(file: Part, what: str) -> str:
    return str(DeliveryError(f"this manifest {what}", where=file.path, todo=WRITE_IT_SO))
