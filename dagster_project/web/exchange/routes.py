"""The addresses for a site's parent: its packages, listed and sent.

What the parent leaves here and is told of besides is ``letters``' matter.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol import archive
from dagster_project.protocol.manifest import SIGNATURE, FileEntry, Header
from dagster_project.web.access.gate import opens
from dagster_project.web.access.refusals import RefusedError, told
from dagster_project.web.access.tokens import Scope
from dagster_project.web.exchange import letters
from dagster_project.web.exchange.shelf import Sealed, Shelf, Shown
from dagster_project.web.forms import PackageId, asked, sent
from dagster_project.web.sending import CACHE, FRESH, Sendable, send

LOOK_S = 10.0
"""How long a request waits for a look at the ledger before the one before is shown."""
RETRY_S = 15.0
_REFUSED = told(401, 403, 404, 412, 416, 422)
FilePathParameter = Annotated[
    str, Path(pattern=r"^(data/)?[a-z][a-z0-9_]*\.[a-z]+$", max_length=120)
]


class Listed(BaseModel):
    """A package of the index; ``outcome`` is the parent's last answer, empty without one."""

    package_id: str
    package_no: int
    kind: Literal["report", "withdrawal"]
    report: str
    period: str
    revision: int
    package_hash: str = Field(description="SHA-256 of the signed manifest")
    bytes: int = Field(description="size of the archive")
    sealed_at: datetime
    outcome: str


class Index(BaseModel):
    """Packages in the order of their numbers; ``next`` is the ``after`` of the next page."""

    packages: list[Listed]
    next: int | None


class Whole(BaseModel):
    """A package as one stream of bytes."""

    bytes: int
    sha256: str


class Described(BaseModel):
    """A package: its manifest as it was signed, and its archive."""

    header: Header
    files: tuple[FileEntry, ...]
    package_hash: str
    archive: Whole


def router(workshop: Workshop, shelf: Shelf) -> APIRouter:
    """The addresses of one site."""
    made = APIRouter(prefix="/v1", tags=["outgoing"])
    _packages(made, shelf)
    _files(made, shelf)
    _archives(made, shelf)
    letters.add(made, workshop, lambda package_id: package_id in _known(shelf))
    return made


def _packages(made: APIRouter, shelf: Shelf) -> None:
    reading = [opens(Scope.READ_PACKAGES, "parent")]

    @made.get("/packages", dependencies=reading, responses=told(401, 403, 404, 422))
    def packages(
        report: Annotated[str, Query(pattern=r"^([a-z][a-z0-9_]{0,62})?$")] = "",
        after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Index:
        """The sealed packages after a number, in the order of their numbers."""
        fitting = [
            one
            for one in _known(shelf).values()
            if one.package_no > after and report in {"", one.report}
        ]
        listed = [
            Listed.model_validate({**vars(one), "bytes": shown.archive.size})
            for one in fitting[:limit]
            if (shown := shelf.show(one)) is not None
        ]
        following = fitting[limit - 1].package_no if len(fitting) > limit else None
        return Index(packages=listed, next=following)

    @made.get("/packages/{package_id}", dependencies=reading, responses=told(401, 403, 404, 422))
    def package(package_id: PackageId) -> Described:
        """A package's manifest, its files and its archive."""
        shown = _shown(shelf, package_id)
        return Described(
            header=shown.manifest.header,
            files=shown.manifest.files,
            package_hash=shown.manifest.package_hash,
            archive=Whole(bytes=shown.archive.size, sha256=shown.archive_sha256),
        )


def _files(made: APIRouter, shelf: Shelf) -> None:
    path = "/packages/{package_id}/files/{path:path}"
    answers = {**sent("application/octet-stream", whole="the file"), **_REFUSED}

    @made.get(path, operation_id="file", **_sending(answers))
    @made.head(path, operation_id="file_head", **_sending(answers))
    def file(request: Request, package_id: PackageId, path: FilePathParameter) -> Response:
        """One file of a package; its tag is its SHA-256."""
        found = _shown(shelf, package_id).files.get(path)
        if found is None:
            raise RefusedError(404)
        what = Sendable(
            sha256=found.sha256,
            size=found.size,
            media_type="application/octet-stream",
            name=found.path.name,
            chunks=partial(archive.blocks, found.path),
            cache=FRESH if path == SIGNATURE else CACHE,
        )
        return send(request.method, request.headers, what)


def _archives(made: APIRouter, shelf: Shelf) -> None:
    path = "/packages/{package_id}/archive"
    answers = {**sent(archive.MEDIA_TYPE, whole="the package"), **_REFUSED}

    @made.get(path, operation_id="archive", **_sending(answers))
    @made.head(path, operation_id="archive_head", **_sending(answers))
    def whole_package(request: Request, package_id: PackageId) -> Response:
        """A package as an uncompressed ZIP; its tag is its SHA-256."""
        shown = _shown(shelf, package_id)
        what = Sendable(
            sha256=shown.archive_sha256,
            size=shown.archive.size,
            media_type=archive.MEDIA_TYPE,
            name=f"{package_id}.zip",
            chunks=shown.archive.chunks,
            cache=FRESH,
        )
        return send(request.method, request.headers, what)


def _sending(answers: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
    """How an operation that sends a package's bytes is declared."""
    return {
        "dependencies": [opens(Scope.READ_PACKAGES, "parent")],
        "responses": answers,
        "response_class": Response,
        "openapi_extra": asked(),
    }


def _known(shelf: Shelf) -> dict[str, Sealed]:
    found = shelf.packages(LOOK_S)
    if found is None:
        raise RefusedError(503, retry_s=RETRY_S)
    return {one.package_id: one for one in found}


def _shown(shelf: Shelf, package_id: str) -> Shown:
    sealed = _known(shelf).get(package_id)
    shown = shelf.show(sealed) if sealed else None
    if shown is None:
        raise RefusedError(404)
    return shown
