"""Incidents as JSON, and what an operator does about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query

from checker.model import Incident
from checker.store import operations, snoozes, views
from checker.web import schemas
from checker.web.api_json import incident_json
from checker.web.api_parts import LARGEST, UNKNOWN, Id, Limit, snooze_of
from checker.web.context import Context

Before = Annotated[int | None, Query(ge=1, le=LARGEST, description="only those with lower ids")]


def add(context: Context, reading: APIRouter, writing: APIRouter) -> None:
    """Add the routes."""

    @reading.get("/incidents", summary="Incidents", response_model=schemas.Incidents)
    async def incidents(open: bool | None = None, limit: Limit = 100, before: Before = None) -> Any:
        """Incidents with their members, the newest first; `open` true or false for one kind alone."""
        resolved = None if open is None else not open
        found = await context.store.read(
            lambda conn: views.incidents(conn, resolved=resolved, limit=limit, before=before)
        )
        return {"incidents": [incident_json(each) for each in found]}

    @reading.get(
        "/incidents/{number}", summary="An incident", response_model=schemas.Incident, responses=UNKNOWN
    )
    async def incident(number: Id) -> Any:
        """An incident with its members."""
        return incident_json(await _incident(context, number))

    @writing.post(
        "/incidents/{number}/acknowledge",
        summary="Acknowledge an incident",
        response_model=schemas.Incident,
        responses={**UNKNOWN, 409: {"model": schemas.Problem, "description": "it is over"}},
    )
    async def acknowledge(
        number: Id, acknowledgement: Annotated[schemas.Acknowledgement | None, Body()] = None
    ) -> Any:
        """Say that somebody takes care of it; repeated, the first one stays."""
        by = (acknowledgement or schemas.Acknowledgement()).by
        now = context.clock()
        present = await _incident(context, number)
        if present.resolved_at is not None:
            raise HTTPException(409, f"incident {number} is resolved: there is nothing to acknowledge")
        await context.store.write(lambda conn: operations.acknowledge_incident(conn, number, now, by))
        return incident_json(await _incident(context, number))

    @writing.post(
        "/incidents/{number}/snooze",
        summary="Tell nobody of an incident for a time",
        response_model=schemas.Incident,
        responses={**UNKNOWN, 409: {"model": schemas.Problem, "description": "it is over"}},
    )
    async def snooze(number: Id, asked: schemas.NewSnooze) -> Any:
        """All that it is about is snoozed; if it still lasts at the end, it is told again."""
        wanted = snooze_of(context, asked)
        if not await context.store.write(lambda conn: snoozes.put_incident(conn, number, wanted)):
            await _incident(context, number)
            raise HTTPException(409, f"incident {number} is resolved: there is nothing to snooze")
        return incident_json(await _incident(context, number))


async def _incident(context: Context, number: int) -> Incident:
    found = await context.store.read(lambda conn: views.incident_of(conn, number))
    if found is None:
        raise HTTPException(404, f"no incident has the id {number}")
    return found
