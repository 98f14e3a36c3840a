"""Endpoints by the API: entered, replaced and deleted; and components that the operator forgets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Response

from checker.config_one import one_endpoint
from checker.config_source import ConfigError
from checker.model import Kind, MonitorSpec
from checker.store import components, endpoints
from checker.store.checks import TakenError
from checker.web import schemas
from checker.web.context import Context
from checker.web.endpoint_schema import Endpoint

_PROBLEM = {"model": schemas.Problem}
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: _PROBLEM | {"description": "no such thing"},
    409: _PROBLEM | {"description": "it is not the API's"},
}
_FULL_NAME = Path(description="an endpoint, or one of its components", max_length=500)


def add(context: Context, _reading: APIRouter, writing: APIRouter) -> None:
    """Add the routes."""

    @writing.put(
        "/endpoints/{name:path}",
        summary="Enter an endpoint, or replace it",
        response_model=schemas.Entered,
        responses={201: {"model": schemas.Entered, "description": "it is new"}, 409: _REFUSED[409]},
    )
    async def put(name: Annotated[str, Path(max_length=200)], endpoint: Endpoint, response: Response) -> Any:
        """The keys are those of an `[[endpoint]]` in the file; what is left out has its default."""
        spec = _meant(context, name, endpoint)
        now = context.clock()
        try:
            made, is_new = await context.store.write(lambda conn: endpoints.put(conn, spec, now))
        except TakenError as error:
            raise HTTPException(409, str(error)) from None
        await context.monitors.reload()
        response.status_code = 201 if is_new else 200
        return {"name": made.spec.name, "source": made.spec.source}

    @writing.delete(
        "/monitors/{name:path}",
        status_code=204,
        summary="Delete an endpoint that the API made, or forget a component",
        responses=_REFUSED,
    )
    async def delete(name: Annotated[str, _FULL_NAME]) -> None:
        """History is kept. A component that its document still has comes back with the next look."""
        monitor_id = context.monitors.full_name(name)
        spec = None if monitor_id is None else context.monitors.by_id(monitor_id)
        if monitor_id is None or spec is None:
            raise HTTPException(404, f'no monitor is called "{name[:100]}"')
        if not await _deleted(context, monitor_id, spec):
            where = (
                "the API of Healthchecks (/api/v3)"
                if spec.kind is Kind.HEARTBEAT
                else "the configuration file"
            )
            raise HTTPException(409, f'"{name[:100]}" belongs to {where}: delete it there')
        await context.monitors.reload()
        context.wake()


def _meant(context: Context, name: str, endpoint: Endpoint) -> MonitorSpec:
    try:
        return one_endpoint({"name": name, **endpoint.said()}, context.channels())
    except ConfigError as error:
        raise HTTPException(422, str(error)) from None


async def _deleted(context: Context, monitor_id: int, spec: MonitorSpec) -> bool:
    now = context.clock()
    if spec.kind is Kind.COMPONENT:
        return bool(await context.store.write(lambda conn: components.forget(conn, [monitor_id], now)))
    return await context.store.write(lambda conn: endpoints.delete(conn, monitor_id, now))
