"""The addresses for a site's children, each below its own code."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from dagster_project.city.announced import UP as KEYS_UP
from dagster_project.city.announced import name_of
from dagster_project.city.announcing import DOWN as KEYS_DOWN
from dagster_project.city.arrivals import ANSWER_BYTES, DOWN
from dagster_project.city.register import children, door_of
from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol.acknowledgement import SUFFIX
from dagster_project.protocol.archive import MEDIA_TYPE
from dagster_project.protocol.correction import ANSWERED, ASKED, FOLDER, MOST_BYTES
from dagster_project.protocol.manifest import CODE
from dagster_project.web import messages
from dagster_project.web.access.gate import opens
from dagster_project.web.access.refusals import RefusedError, told
from dagster_project.web.access.tokens import Scope
from dagster_project.web.bodies import JSON, small
from dagster_project.web.forms import PackageId, SiteCode, asked, body, sent
from dagster_project.web.messages import Left
from dagster_project.web.reception.chains import Answers
from dagster_project.web.reception.intake import Intake

RETRY_S = 15.0
PAGE = 1000
_CURSOR = r"^([0-9]{8}T[0-9]{6}\.[0-9]{6}~[0-9a-zQ_-]{1,120})?$"
Name = Annotated[str, Path(pattern=messages.pattern(ASKED, ANSWERED))]


class Taken(BaseModel):
    """What became of a package: ``waiting`` until reception looked at it."""

    package_id: str
    state: Literal["waiting", "held", "accepted", "rejected"]


class Answered(BaseModel):
    """An answer that can be fetched; ``sha256`` is that of the signed file."""

    package_id: str
    outcome: str
    acknowledged_at: str
    sha256: str


class Acknowledgements(BaseModel):
    """Answers in the order of their instants; ``next`` is the ``after`` of the next page."""

    acknowledgements: list[Answered]
    next: str | None


class Chain(BaseModel):
    """What is known of a sender's chain.

    ``missing`` are numbers below one that came; ``waiting`` are packages that lie here and were
    not decided on yet, or wait for a missing one.
    """

    head_no: int
    head_hash: str
    missing: list[int]
    waiting: list[str]


def router(workshop: Workshop, intake: Intake) -> APIRouter:
    """The addresses of one site."""
    made = APIRouter(prefix="/v1/children/{code}", tags=["incoming"])
    _packages(made, intake)
    _acknowledgements(made, intake)
    _chain(made, workshop, intake)
    _corrections(made, intake)
    _keys(made, workshop, intake)
    return made


def _packages(made: APIRouter, intake: Intake) -> None:
    @made.put(
        "/packages/{package_id}",
        dependencies=[opens(Scope.WRITE_PACKAGES, "child")],
        status_code=202,
        responses={
            200: {"model": Taken, "description": "it was known, and is decided"},
            **told(401, 403, 404, 408, 409, 413, 415, 422, 507),
        },
        openapi_extra=body(MEDIA_TYPE, "the package as an uncompressed ZIP in the agreed form"),
    )
    async def push(
        request: Request, response: Response, code: SiteCode, package_id: PackageId
    ) -> Taken:
        """Push a package. The same one again changes nothing; reception decides later."""
        arrived = await intake.take(request, code, package_id)
        response.status_code = 202 if arrived.is_new or arrived.state == "waiting" else 200
        return Taken(package_id=package_id, state=arrived.state)


def _acknowledgements(made: APIRouter, intake: Intake) -> None:
    reading = [opens(Scope.READ_ACKNOWLEDGEMENTS, "child")]
    answers = Answers()

    @made.get("/acknowledgements", dependencies=reading, responses=told(401, 403, 404, 422))
    def acknowledgements(
        code: SiteCode, after: Annotated[str, Query(pattern=_CURSOR, max_length=150)] = ""
    ) -> Acknowledgements:
        """The answers after a place in their order, up to a thousand."""
        found = [one for one in answers.lying(intake.door(code)) if one.cursor > after]
        following = found[PAGE - 1].cursor if len(found) > PAGE else None
        listed = [Answered.model_validate(vars(one)) for one in found[:PAGE]]
        return Acknowledgements(acknowledgements=listed, next=following)

    @made.get(
        "/acknowledgements/{package_id}",
        dependencies=reading,
        responses={**sent(JSON, whole="the signed answer"), **told(401, 403, 404, 412, 422)},
        response_class=Response,
        openapi_extra=asked(ranges=False),
    )
    def acknowledgement(request: Request, code: SiteCode, package_id: PackageId) -> Response:
        """One answer as it was signed."""
        down = intake.door(code).folder / DOWN
        return messages.show(request, down, package_id + SUFFIX, ANSWER_BYTES)


def _chain(made: APIRouter, workshop: Workshop, intake: Intake) -> None:
    @made.get(
        "/chain",
        dependencies=[opens(Scope.READ_ACKNOWLEDGEMENTS, "child")],
        responses=told(401, 403, 404, 422),
    )
    def chain(code: SiteCode, sender: Annotated[str, Query(pattern=rf"^({CODE})?$")] = "") -> Chain:
        """What is known of the child's chain, or of one whose packages it passes on."""
        door = intake.door(code)
        if sender and door_of(children(workshop.home), sender) != code:
            raise RefusedError(404)
        meant = sender or code
        known = intake.standing(meant)
        if known is None:
            raise RefusedError(503, retry_s=RETRY_S)
        return Chain(
            head_no=known.head_no,
            head_hash=known.head_hash,
            missing=list(known.missing),
            waiting=[one for one in door.waiting(known.head_no) if one.startswith(f"{meant}-")],
        )


def _corrections(made: APIRouter, intake: Intake) -> None:
    reading = [opens(Scope.READ_CORRECTIONS, "child")]

    @made.get("/corrections", dependencies=reading, responses=told(401, 403, 404, 422))
    def corrections(code: SiteCode) -> messages.Corrections:
        """The corrections that this site asks the child for, and the child's answers."""
        return messages.listed(intake.door(code).folder / FOLDER)

    @made.get(
        "/corrections/{name}",
        dependencies=reading,
        responses={**sent(JSON, whole="the signed file"), **told(401, 403, 404, 412, 422)},
        response_class=Response,
        openapi_extra=asked(ranges=False),
    )
    def correction(request: Request, code: SiteCode, name: Name) -> Response:
        """One correction, or the child's own answer, as it was signed."""
        return messages.show(request, intake.door(code).folder / FOLDER, name)

    @made.put(
        "/corrections/{name}",
        dependencies=[opens(Scope.WRITE_ANSWERS, "child")],
        status_code=202,
        responses=told(401, 403, 404, 408, 413, 415, 422),
        openapi_extra=body(JSON, "the answer as the child signed it"),
    )
    async def reply(
        request: Request,
        code: SiteCode,
        name: Annotated[str, Path(pattern=messages.pattern(ANSWERED))],
    ) -> Left:
        """Answer a correction that was asked for; reception reads it later."""
        data = await small(request, MOST_BYTES)

        def keep() -> None:
            folder = intake.door(code).folder / FOLDER
            if name.removesuffix(ANSWERED) + ASKED not in messages.names(folder, (ASKED,)):
                raise RefusedError(404)
            messages.take(folder, name, data)

        await run_in_threadpool(keep)
        return Left(name=name)


def _keys(made: APIRouter, workshop: Workshop, intake: Intake) -> None:
    @made.put(
        "/keys",
        dependencies=[opens(Scope.WRITE_KEYS, "child")],
        status_code=202,
        responses=told(401, 403, 404, 408, 413, 415, 422),
        openapi_extra=body(JSON, "a signed announcement of keys, or list of refused ones"),
    )
    async def announce(request: Request, code: SiteCode) -> Left:
        """Announce keys; reception decides whether to believe it."""
        data = await small(request, messages.KEYS_BYTES)

        def keep() -> str:
            door = intake.door(code)
            with messages.only("announcement of keys"):
                name = name_of(data, children(workshop.home)[code].card)
            messages.take(door.folder / KEYS_UP, name, data, messages.KEYS_BYTES)
            return name

        return Left(name=await run_in_threadpool(keep))

    @made.get(
        "/parent",
        dependencies=[opens(Scope.READ_ACKNOWLEDGEMENTS, "child")],
        responses=told(401, 403, 404, 422),
    )
    def parent(code: SiteCode) -> messages.Announcements:
        """What this site announces of its own keys, and which ones it refuses."""
        return messages.announced(intake.door(code).folder / KEYS_DOWN)
