"""The web application: the ping receiver in front, FastAPI with pages and API behind it."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from checker.record import Overloaded
from checker.store import StoreUnavailable, board
from checker.store.views import channel_views
from checker.web import actions, announce, api, dashboard, gather, metrics, outside, v3
from checker.web.access import may_see_pages
from checker.web.context import Context
from checker.web.headers import SafeHeaders
from checker.web.pages import HERE
from checker.web.ping import App, Gate, PingReceiver
from healthkit_fastapi import mount_health

logger = logging.getLogger(__name__)


def distribution_version() -> str:
    """Return the installed version, "0" from a bare checkout."""
    try:
        return version("healthkit-monitor")
    except PackageNotFoundError:
        return "0"


def app(context: Context) -> App:
    """Return the ASGI application of a running checker."""
    return receiving(context, SafeHeaders(pages(context)))


def receiving(context: Context, behind: App) -> App:
    """Return the ping receiver, with what answers all other requests behind it."""

    def gate() -> Gate:
        server = context.config().server
        return _gate(server.ping_key or "", server.open_slugs)

    taking = context.announcements
    return PingReceiver(
        behind,
        registry=context.monitors,
        door=context.recorder,
        clock=context.clock,
        gate=gate,
        ask=context.ask,
        announce=taking.job if taking else None,
    )


@lru_cache(maxsize=1)  # asked for each ping, and another one only once the configuration changed
def _gate(key: str, open_slugs: bool) -> Gate:
    return Gate(key=key, open_slugs=open_slugs)


class Described(FastAPI):
    """An application that describes itself when first asked to: that takes longer than a start should."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once, with the management API's key."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes["ApiKey"] = {"type": "apiKey", "in": "header", "name": "X-Api-Key"}
        return super().openapi()


def pages(context: Context) -> FastAPI:
    """Return the part behind the ping receiver: pages, API, metrics and the checker's own health."""
    fastapi = Described(
        title="healthkit checker",
        description="The checker's own JSON API; times are epoch seconds.",
        version=distribution_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    fastapi.include_router(dashboard.router(context))
    fastapi.include_router(outside.router(context))
    fastapi.include_router(actions.router(context))
    fastapi.include_router(api.router(context))
    fastapi.include_router(announce.router(context))
    for number in v3.VERSIONS:
        fastapi.include_router(v3.router(context, number))

    @fastapi.get("/openapi.json", include_in_schema=False)
    async def described() -> Response:
        return JSONResponse(await asyncio.to_thread(fastapi.openapi))

    @fastapi.get("/metrics", include_in_schema=False)
    async def figures(request: Request) -> Response:
        may_see_pages(context.config().server, request)
        return Response(await _scraped(context), media_type=metrics.MEDIA_TYPE)

    @fastapi.exception_handler(StoreUnavailable)
    async def unavailable(request: Request, error: StoreUnavailable) -> Response:
        logger.warning("%s could not be answered: %s", request.url.path, error)
        return _refusal(request, 503, "the store cannot be read now", {"Retry-After": "5"})

    @fastapi.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        return _refusal(request, 503, "overloaded, try again", {"Retry-After": f"{error.retry_after:.0f}"})

    @fastapi.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        text = error.detail.lower() if error.status_code in (404, 405) else error.detail
        return _refusal(request, error.status_code, text, dict(error.headers or {}))

    @fastapi.exception_handler(RequestValidationError)
    async def not_meant(request: Request, error: RequestValidationError) -> Response:
        return _refusal(request, 422, _first(error), {})

    fastapi.mount("/static", StaticFiles(directory=HERE / "static"))
    mount_health(fastapi, context.health)
    return fastapi


async def _scraped(context: Context) -> str:
    channels = context.channels()
    found = await context.store.read(
        lambda conn: metrics.Scrape(
            board.standings(conn), gather.open_count(conn), channel_views(conn, channels)
        )
    )
    specs = context.monitors.specs
    return await asyncio.to_thread(metrics.render, found, specs)


def _first(error: RequestValidationError) -> str:
    """Return the first thing that is wrong with a request; never what was sent."""
    first = error.errors()[0]
    place = ".".join(str(each) for each in first["loc"])
    return f"{place}: {first['msg']}".encode("utf-8", "replace").decode()[:500]


def _refusal(request: Request, status: int, text: str, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": text}, status, headers)
    return PlainTextResponse(text, status, headers)
