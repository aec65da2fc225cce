"""The addresses for a site's parent: packages to fetch, answers and corrections to leave."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dagster_project.city.announced import name_of
from dagster_project.clock import now
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError
from dagster_project.protocol import archive
from dagster_project.protocol.acknowledgement import SUFFIX, read_acknowledgement
from dagster_project.protocol.correction import ANSWERED, ASKED, FOLDER, MOST_BYTES, read_correction
from dagster_project.protocol.manifest import SIGNATURE, FileEntry, Header
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.identity import parent_card
from dagster_project.reporting.links.folder import DOWN, PARENT
from dagster_project.reporting.rotation import announced
from dagster_project.web import messages
from dagster_project.web.access.gate import opens
from dagster_project.web.access.refusals import RefusedError, told
from dagster_project.web.access.tokens import Scope
from dagster_project.web.bodies import JSON, small
from dagster_project.web.exchange.shelf import Sealed, Shelf, Shown
from dagster_project.web.forms import PackageId, asked, body, sent
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


class Left(BaseModel):
    """What was taken and now waits to be looked at."""

    name: str


def router(workshop: Workshop, shelf: Shelf) -> APIRouter:
    """The addresses of one site."""
    made = APIRouter(prefix="/v1", tags=["outgoing"])
    _packages(made, shelf)
    _files(made, shelf)
    _archives(made, shelf)
    _answers(made, workshop, shelf)
    _corrections(made, workshop)
    _keys(made, workshop)
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


def _answers(made: APIRouter, workshop: Workshop, shelf: Shelf) -> None:
    @made.put(
        "/packages/{package_id}/acknowledgement",
        dependencies=[opens(Scope.WRITE_ACKNOWLEDGEMENTS, "parent")],
        status_code=202,
        responses=told(401, 403, 404, 408, 413, 415, 422),
        openapi_extra=body(JSON, "the acknowledgement as the parent signed it"),
    )
    async def acknowledgement(request: Request, package_id: PackageId) -> Left:
        """Leave the answer on a package; the next delivery stores it."""
        data = await small(request, MOST_BYTES)
        name = package_id + SUFFIX

        def keep() -> None:
            if package_id not in _known(shelf):
                raise RefusedError(404)
            card = _parent(workshop)
            try:
                answer = read_acknowledgement(data, card.keys_for(data, now(), name), name)
            except PackageError as error:
                raise RefusedError(422, "this is no answer that the parent signed") from error
            meant = (answer.package_id, answer.sender, answer.recipient)
            if meant != (package_id, workshop.site.code, card.code):
                raise RefusedError(422, "the answer is about something else")
            messages.take(_exchange(workshop) / DOWN, name, data, most_files=None)

        await run_in_threadpool(keep)
        return Left(name=name)


def _corrections(made: APIRouter, workshop: Workshop) -> None:
    @made.get(
        "/corrections",
        dependencies=[opens(Scope.READ_ANSWERS, "parent")],
        responses=told(401, 403, 404),
    )
    def answers() -> messages.Corrections:
        """The corrections that were asked for here, and this site's answers."""
        return messages.listed(_exchange(workshop) / FOLDER)

    @made.get(
        "/corrections/{name}",
        dependencies=[opens(Scope.READ_ANSWERS, "parent")],
        responses={**sent(JSON, whole="the signed answer"), **told(401, 403, 404, 412, 422)},
        response_class=Response,
        openapi_extra=asked(ranges=False),
    )
    def answer(
        request: Request, name: Annotated[str, Path(pattern=messages.pattern(ANSWERED))]
    ) -> Response:
        """One answer to a correction."""
        return messages.show(request, _exchange(workshop) / FOLDER, name)

    @made.put(
        "/corrections/{name}",
        dependencies=[opens(Scope.ASK_CORRECTIONS, "parent")],
        status_code=202,
        responses=told(401, 403, 404, 408, 413, 415, 422),
        openapi_extra=body(JSON, "the correction as the parent signed it"),
    )
    async def ask(
        request: Request, name: Annotated[str, Path(pattern=messages.pattern(ASKED))]
    ) -> Left:
        """Ask for the correction of a figure; the next run opens its cases."""
        data = await small(request, MOST_BYTES)

        def keep() -> None:
            card = _parent(workshop)
            try:
                found = read_correction(data, card.keys_for(data, now(), name), name)
            except PackageError as error:
                raise RefusedError(422, "this is no correction that the parent signed") from error
            meant = (found.correction_id + ASKED, found.sender, found.recipient)
            if meant != (name, workshop.site.code, card.code):
                raise RefusedError(422, "the correction is about something else")
            messages.take(_exchange(workshop) / FOLDER, name, data)

        await run_in_threadpool(keep)
        return Left(name=name)


def _keys(made: APIRouter, workshop: Workshop) -> None:
    @made.get(
        "/keys",
        dependencies=[opens(Scope.READ_PACKAGES, "parent")],
        responses=told(401, 403, 404),
    )
    def announcements() -> messages.Announcements:
        """What this site announces of its keys, and of those of the sites below it."""
        return messages.announced(announced(workshop.home))

    @made.put(
        "/keys",
        dependencies=[opens(Scope.WRITE_ACKNOWLEDGEMENTS, "parent")],
        status_code=202,
        responses=told(401, 403, 404, 408, 413, 415, 422),
        openapi_extra=body(JSON, "an announcement of the parent's keys, or the keys it refuses"),
    )
    async def hear(request: Request) -> Left:
        """Tell of the parent's keys; the next delivery decides whether to believe it."""
        data = await small(request, messages.KEYS_BYTES)

        def keep() -> str:
            try:
                name = name_of(data, _parent(workshop))
            except PackageError as error:
                raise RefusedError(422, "this is no announcement of keys") from error
            messages.take(_exchange(workshop) / PARENT, name, data, messages.KEYS_BYTES)
            return name

        return Left(name=await run_in_threadpool(keep))


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


def _parent(workshop: Workshop) -> SiteCard:
    card = parent_card(workshop.home)
    if card is None:
        raise RefusedError(404)
    return card


def _exchange(workshop: Workshop) -> FilePath:
    """The folder that this site's own deliveries look into."""
    if workshop.site.has_address:
        raise RefusedError(404)
    return workshop.site.folder(workshop.home, "exchange")
