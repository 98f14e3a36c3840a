"""The web application: the ping receiver in front, FastAPI with pages and API behind it."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from checker.store import StoreUnavailable
from checker.web import api, dashboard, metrics
from checker.web.context import Context
from checker.web.headers import SafeHeaders
from checker.web.pages import HERE
from checker.web.ping import App, Directory, Door, Gate, PingReceiver
from healthkit_fastapi import mount_health

logger = logging.getLogger(__name__)


def distribution_version() -> str:
    """Return the installed version, "0" from a bare checkout."""
    try:
        return version("healthkit-monitor")
    except PackageNotFoundError:
        return "0"


def app(context: Context, *, registry: Directory, door: Door) -> App:
    """Return the ASGI application of a running checker."""

    def gate() -> Gate:
        server = context.config().server
        return Gate(key=server.ping_key or "", open_slugs=server.open_slugs)

    behind = SafeHeaders(pages(context))
    return PingReceiver(behind, registry=registry, door=door, clock=context.clock, gate=gate)


def pages(context: Context) -> FastAPI:
    """Return the part behind the ping receiver: pages, API, metrics and the checker's own health."""
    fastapi = FastAPI(
        title="healthkit checker",
        description="The checker's own JSON API; times are epoch seconds.",
        version=distribution_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    fastapi.include_router(dashboard.router(context))
    fastapi.include_router(api.router(context))

    @fastapi.get("/metrics", include_in_schema=False)
    async def figures() -> Response:
        return Response(metrics.render(await context.overview()), media_type=metrics.MEDIA_TYPE)

    @fastapi.exception_handler(StoreUnavailable)
    async def unavailable(request: Request, error: StoreUnavailable) -> Response:
        logger.warning("%s could not be answered: %s", request.url.path, error)
        return _refusal(request, 503, "the store cannot be read now", {"Retry-After": "5"})

    @fastapi.exception_handler(404)
    async def unknown(request: Request, _error: Exception) -> Response:
        return _refusal(request, 404, "not found", {})

    fastapi.mount("/static", StaticFiles(directory=HERE / "static"))
    mount_health(fastapi, context.health)
    return fastapi


def _refusal(request: Request, status: int, text: str, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": text}, status, headers)
    return PlainTextResponse(text, status, headers)
