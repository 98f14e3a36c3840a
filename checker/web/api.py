"""The checker's own JSON API under `/api`. Who may read and write it: `access.py`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from checker.store import codec, views
from checker.store.stands import stands
from checker.verdict import as_json
from checker.web import api_endpoints, api_history, api_incidents, api_maintenance, api_monitors, schemas
from checker.web.access import may_read_api, may_write_api
from checker.web.api_parts import Limit
from checker.web.context import Context

_SCHEME = HTTPBearer(auto_error=False, description="the admin_token, or for reading the read_only_token")
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "no token, or a wrong one"},
    403: {"model": schemas.Problem, "description": "not with this token, or from this place"},
    422: {"model": schemas.Problem, "description": "not what is meant"},
    503: {"model": schemas.Problem, "description": "the store cannot be used now; try again"},
}


def router(context: Context) -> APIRouter:
    """Return the routes under `/api`."""

    async def reader(
        request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]
    ) -> None:
        may_read_api(context.config().server, request)

    async def writer(
        request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]
    ) -> None:
        may_write_api(context.config().server, request)

    reading = APIRouter(dependencies=[Depends(reader)])
    writing = APIRouter(dependencies=[Depends(writer)])
    _status(context, reading)
    # `/monitors/{name:path}` last: it would take what ends in a word of its own, too
    for part in (api_history, api_endpoints, api_monitors, api_incidents, api_maintenance):
        part.add(context, reading, writing)
    api = APIRouter(prefix="/api", tags=["api"], responses=_PROBLEMS)
    api.include_router(reading)
    api.include_router(writing)
    return api


def _status(context: Context, reading: APIRouter) -> None:
    @reading.get(
        "/status",
        summary="The verdict and every monitor",
        response_model=schemas.Status,
    )
    async def status() -> Any:
        """The verdict, and every monitor with its components: state, since (epoch seconds) and reason."""
        text = await context.store.read(lambda conn: codec.dumps(as_json(stands(conn))))
        return Response(text, media_type="application/json")

    @reading.get("/deliveries", summary="The outbox", response_model=schemas.Deliveries)
    async def deliveries(limit: Limit = 100) -> Any:
        """What was, is and will be sent to which channel: status, attempts, last error."""
        found = await context.store.read(lambda conn: views.deliveries(conn, limit=limit))
        return {"deliveries": [schemas.Delivery.model_validate(each) for each in found]}
