"""The management API of Healthchecks (versions 1 to 3), so that its clients work by a change of the host.

Statuses and error texts are those of hc/api/views.py and decorators.py of that project. What is its own here:
checks that stand in the configuration, or were made by `create=1`, are listed beside those that the API made;
the former cannot be changed or deleted here (403), only paused and resumed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from checker.record import Overloaded
from checker.web import v3_schema as schema
from checker.web.context import Context
from checker.web.v3_call import Desk, Stop
from checker.web.v3_checks import Checks
from checker.web.v3_told import Told

VERSIONS = (1, 2, 3)
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "X-Api-Key",
    "Access-Control-Max-Age": "600",
}

Handler = Callable[..., Awaitable[Response]]


def router(context: Context, version: int) -> APIRouter:
    """Return the routes under `/api/v<version>`; the newest alone is described in the OpenAPI document."""
    desk = Desk(context)
    checks, told = Checks(context, desk, version), Told(context, desk, version)
    routes = APIRouter(prefix=f"/api/v{version}", tags=["management"], include_in_schema=version == 3)

    def add(path: str, methods: Mapping[str, tuple[Handler, schema.Described]]) -> None:
        for method, (handler, described) in methods.items():
            routes.add_api_route(
                path, _guarded(handler, desk), methods=[method], response_model=None, **described.options()
            )
        allowed = ", ".join([*methods, "OPTIONS"])
        routes.add_api_route(path, _options(allowed), methods=["OPTIONS"], include_in_schema=False)
        rest = [each for each in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD") if each not in methods]
        routes.add_api_route(path, _refused(allowed), methods=rest, include_in_schema=False)

    add("/checks/", {"GET": (checks.list, schema.CHECKS), "POST": (checks.create, schema.CREATE)})
    add(
        "/checks/{check}",
        {
            "GET": (checks.get, schema.CHECK),
            "POST": (checks.update, schema.UPDATE),
            "DELETE": (checks.delete, schema.DELETE),
        },
    )
    add("/checks/{check}/pause", {"POST": (checks.pause, schema.PAUSE)})
    add("/checks/{check}/resume", {"POST": (checks.resume, schema.RESUME)})
    add("/checks/{check}/pings/", {"GET": (told.pings, schema.PINGS)})
    add("/checks/{check}/pings/{n}/body", {"GET": (told.ping_body, schema.BODY)})
    add("/checks/{check}/flips/", {"GET": (told.flips, schema.FLIPS)})
    add("/channels/", {"GET": (told.channels, schema.CHANNELS)})
    add("/badges/", {"GET": (told.badges, schema.BADGES)})
    add("/status/", {"GET": (told.status, schema.STATUS)})
    return routes


def _guarded(handler: Handler, desk: Desk) -> Handler:
    """Return the handler with its `Stop`s made answers, and the headers that let other sites ask."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            await desk.learn(request)
            response = await handler(request)
        except Stop as stop:
            response = stop.response
        except Overloaded as error:
            response = JSONResponse({"error": "overloaded, try again"}, 503)
            response.headers["Retry-After"] = f"{error.retry_after:.0f}"
        response.headers.update(_CORS)
        return response

    answer.__annotations__ = {"request": Request, "return": Response}
    del answer.__wrapped__  # its signature is ours
    return answer


def _options(allowed: str) -> Handler:
    async def answer() -> Response:
        return Response(status_code=204, headers={**_CORS, "Access-Control-Allow-Methods": allowed})

    return answer


def _refused(allowed: str) -> Handler:
    async def answer() -> Response:
        headers = {**_CORS, "Access-Control-Allow-Methods": allowed, "Allow": allowed}
        return JSONResponse({"error": f"method not allowed; use {allowed}"}, 405, headers)

    return answer
