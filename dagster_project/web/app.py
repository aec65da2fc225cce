"""The HTTP face of one site: which address answers what. How it is served is ``server``'s.

There are no pages about the interface itself: those of FastAPI load scripts from elsewhere. Its
description is ``/v1/openapi.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dagster_project import __version__
from dagster_project.errors import PackageError
from dagster_project.protocol.site_card import SiteCard
from dagster_project.reporting.identity import own_card
from dagster_project.web.access.audit import Audit
from dagster_project.web.access.bounds import Bounds
from dagster_project.web.access.gate import Gate, request_id
from dagster_project.web.access.refusals import SENTENCES, RefusedError, refusal, told
from dagster_project.web.bodies import JSON
from dagster_project.web.exchange import routes as outgoing
from dagster_project.web.exchange.shelf import Shelf, sealed_packages
from dagster_project.web.keeper import Keeper
from dagster_project.web.metrics.exposition import CONTENT_TYPE, openmetrics
from dagster_project.web.reception import routes as incoming
from dagster_project.web.reception.chains import standings
from dagster_project.web.reception.intake import Intake
from dagster_project.web.site import ShownSite

HOSTS = ("127.0.0.1", "localhost")
"""Other names that lead here were made up by a page in somebody's browser."""


@dataclass(frozen=True)
class Face:
    """What one socket shows: ``is_local`` adds health and metrics, which are this machine's."""

    hosts: tuple[str, ...] = HOSTS
    is_local: bool = True
    bounds: Bounds = field(default_factory=Bounds)


def build(site: ShownSite, face: Face | None = None) -> FastAPI:
    """The app of a site: packages for its parent, reception for its children, or both."""
    face, workshop = face or Face(), site.workshop
    app = FastAPI(
        title="CountyLake",
        version=__version__,
        description="Packages go up, signed answers come down. Errors are {error, todo, id}.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )
    audit = Audit(workshop.home)
    app.state.parent = workshop.site.parent
    app.state.parts = [audit]
    if face.is_local:
        _own(app, site)
    _card(app, site)
    if workshop.site.parent:
        packages = Keeper(workshop, sealed_packages)
        app.state.parts.append(packages)
        app.include_router(outgoing.router(workshop, Shelf(workshop.home.outbox, packages)))
    if workshop.site.receives:
        chains = Keeper(workshop, standings)
        app.state.parts.append(chains)
        intake = Intake(workshop.home, face.bounds, chains)
        app.include_router(incoming.router(workshop, intake))
    _refuse(app)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(face.hosts))
    app.add_middleware(Gate, home=workshop.home, bounds=face.bounds, audit=audit)
    return app


def close(app: FastAPI) -> None:
    """End what an app keeps open; the access log is on the disk afterwards."""
    for part in app.state.parts:
        part.close()


def _own(app: FastAPI, site: ShownSite) -> None:
    @app.get("/health", include_in_schema=False)
    def health(response: Response) -> dict[str, str]:
        """Whether the programme answers and its home is there; the lake is not asked."""
        there = site.workshop.home.site_file.exists()
        response.status_code = 200 if there else 503
        return {"status": "ok" if there else "the home is gone"}

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        """The site's figures; 200 also where the lake is busy, empty or broken."""
        return Response(openmetrics(site.registry), media_type=CONTENT_TYPE)


def _card(app: FastAPI, site: ShownSite) -> None:
    @app.get("/v1/site", response_model=SiteCard, responses=told(404), tags=["site"])
    def card() -> Response:
        """The site's public card: code, name and keys. It needs no token."""
        try:
            found = own_card(site.workshop.home)
        except PackageError:
            raise RefusedError(404) from None
        return Response(found.content, media_type=JSON)


def _refuse(app: FastAPI) -> None:
    """Give every refusal of the framework the form of ours."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        status = error.status_code if error.status_code in SENTENCES else 400
        return refusal(RefusedError(status), request_id(request), error.headers)

    @app.exception_handler(RequestValidationError)
    async def odd(request: Request, error: RequestValidationError) -> Response:
        # Names of parameters are ours; what was written there is not repeated.
        names = sorted({str(one["loc"][1]) for one in error.errors() if len(one["loc"]) > 1})
        what = f"{SENTENCES[422][0]} ({', '.join(names)})"
        return refusal(RefusedError(422, what), request_id(request))
