"""healthkit in FastAPI and Starlette: `mount_health(app, health)`, or `health_router(health)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Lifespan

from healthkit.asgi import HealthApp, read
from healthkit.endpoint import Endpoint, mount_path
from healthkit.errors import ConfigurationError
from healthkit.health import Health

__all__ = ["health_router", "mount_health"]

_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def mount_health(app: Starlette, health: Health, path: str = "/health") -> None:
    """Serve the health routes before every other: no catch-all and no app-wide dependency stands before them.

    Middleware of the app still does. Raises `ConfigurationError` for a path that cannot be mounted at.
    """
    if not isinstance(app, Starlette):
        raise ConfigurationError(f"mount_health: a {type(app).__name__} is not a FastAPI or Starlette app")
    mount, serve = mount_path(path), HealthApp(health)
    app.router.lifespan_context = _starting(health, app.router.lifespan_context)
    app.router.routes[:0] = [
        Route(mount, serve, include_in_schema=False),
        Route(f"{mount}/{{below:path}}", serve, include_in_schema=False),
    ]


def health_router(health: Health, prefix: str = "/health") -> APIRouter:
    """Return a router for `app.include_router(...)`: dependencies given there, and app-wide ones, apply."""
    mount, endpoint = mount_path(prefix), Endpoint(health)

    async def serve(request: Request) -> Response:
        below = request.path_params.get("below", "")
        answer = await endpoint.respond_async(read(request.scope, below))
        return Response(answer.body, answer.status, dict(answer.headers))

    router = APIRouter(lifespan=_starting(health))
    options: dict[str, Any] = {"methods": _EVERY_METHOD, "include_in_schema": False, "response_model": None}
    router.add_api_route(mount, serve, **options)
    router.add_api_route(f"{mount}/{{below:path}}", serve, **options)
    return router


def _starting(health: Health, inner: Lifespan[Any] | None = None) -> Lifespan[Any]:
    """Return a lifespan that starts what needs no caller in the process that serves, around another one."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        health.start()
        if inner is None:
            yield
        else:
            async with inner(app) as state:
                yield state

    return lifespan
