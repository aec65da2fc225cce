"""What a parent that fetches leaves and finds besides packages: answers, corrections, keys.

They lie in the exchange folder, where this site's own deliveries look; who signed them is looked at
before, and decided on by whoever reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dagster_project.city.announced import name_of
from dagster_project.clock import now
from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol.acknowledgement import SUFFIX, read_acknowledgement
from dagster_project.protocol.correction import ANSWERED, ASKED, FOLDER, MOST_BYTES, read_correction
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.identity import parent_card
from dagster_project.reporting.links.folder import DOWN, PARENT
from dagster_project.reporting.rotation import announced
from dagster_project.web import messages
from dagster_project.web.access.gate import opens
from dagster_project.web.access.refusals import RefusedError, told
from dagster_project.web.access.tokens import Scope
from dagster_project.web.bodies import JSON, small
from dagster_project.web.forms import PackageId, asked, body, sent
from dagster_project.web.messages import Left


def add(made: APIRouter, workshop: Workshop, is_sealed: Callable[[str], bool]) -> None:
    """Add these addresses to those of a site.

    Args:
        made: The site's addresses.
        workshop: The site.
        is_sealed: Whether a package of that id was sealed here.
    """
    _answers(made, workshop, is_sealed)
    _corrections(made, workshop)
    _keys(made, workshop)


def _answers(made: APIRouter, workshop: Workshop, is_sealed: Callable[[str], bool]) -> None:
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
            if not is_sealed(package_id):
                raise RefusedError(404)
            card = _parent(workshop)
            with messages.only("answer that the parent signed"):
                answer = read_acknowledgement(data, card.keys_for(data, now(), name), name)
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
            with messages.only("correction that the parent signed"):
                found = read_correction(data, card.keys_for(data, now(), name), name)
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
            with messages.only("announcement of keys"):
                name = name_of(data, _parent(workshop))
            messages.take(_exchange(workshop) / PARENT, name, data, messages.KEYS_BYTES)
            return name

        return Left(name=await run_in_threadpool(keep))


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
