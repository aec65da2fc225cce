"""The HTTP face of one site: which address answers what. How it is served is ``server``'s.

There are no pages about the interface itself: those of FastAPI load scripts from elsewhere.
"""

from __future__ import annotations

from fastapi import FastAPI, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dagster_project.web.metrics.exposition import CONTENT_TYPE, openmetrics
from dagster_project.web.site import ShownSite

HOSTS = ["127.0.0.1", "localhost"]
"""Other names that lead here were made up by a page in somebody's browser."""


def build(site: ShownSite) -> FastAPI:
    """The app of a site."""
    app = FastAPI(title="CountyLake", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @app.get("/health")
    def health(response: Response) -> dict[str, str]:
        """Whether the programme answers and its home is there; the lake is not asked."""
        there = site.workshop.home.site_file.exists()
        response.status_code = 200 if there else 503
        return {"status": "ok" if there else "the home is gone"}

    @app.get("/metrics")
    def metrics() -> Response:
        """The site's figures; 200 also where the lake is busy, empty or broken."""
        return Response(openmetrics(site.registry), media_type=CONTENT_TYPE)

    return app
