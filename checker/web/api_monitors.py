"""Monitors and components as JSON, and what an operator does to them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from sqlalchemy import Connection

from checker.model import Command, Kind, State
from checker.record import UnknownMonitorError
from checker.store import listing, snoozes, views
from checker.web import schemas
from checker.web.api_json import component_json, monitor_json, standing_json
from checker.web.api_parts import UNKNOWN, Most, Name, Offset, find, following, snooze_of, watched_of
from checker.web.context import Context

Tag = Annotated[str | None, Query(max_length=200)]


def add(context: Context, reading: APIRouter, writing: APIRouter) -> None:
    """Add the routes."""

    @reading.get("/monitors", summary="Monitors", response_model=schemas.Monitors)
    async def monitors(
        kind: Kind | None = None,
        state: State | None = None,
        tag: Tag = None,
        limit: Most = 1000,
        offset: Offset = 0,
    ) -> Any:
        """Endpoints with their components, then heartbeats, by name; narrowed by `kind`, `state`, `tag`."""
        tagged = None if tag is None else context.monitors.tagged(tag)

        def read(conn: Connection) -> tuple[listing.Part, tuple[views.Watched, ...]]:
            part = listing.monitors(
                conn, limit=limit, offset=offset, kind=kind, state=state, among_ids=tagged
            )
            return part, views.watched(conn, part.ids)

        part, found = await context.store.read(read)
        shown = [monitor_json(each) for each in found]
        return {"monitors": shown, "total": part.total, "next": following(offset, limit, part.total)}

    @reading.get("/components", summary="Components", response_model=schemas.Components)
    async def components(
        endpoint: str | None = None, state: State | None = None, limit: Most = 1000, offset: Offset = 0
    ) -> Any:
        """The components of all endpoints, or of one; `state` narrows them down."""

        def read(conn: Connection) -> tuple[listing.Part, tuple[views.Watched, ...]]:
            part = listing.components(conn, limit=limit, offset=offset, endpoint=endpoint, state=state)
            return part, views.watched(conn, listing.tops(conn, part.ids))

        part, found = await context.store.read(read)
        wanted = set(part.ids)
        parts = [component_json(each) for top in found for each in top.components if each.id in wanted]
        return {"components": parts, "total": part.total, "next": following(offset, limit, part.total)}

    @writing.post(
        "/monitors/{name:path}/snooze",
        summary="Tell nobody of a monitor for a time",
        response_model=schemas.Monitor,
        responses=UNKNOWN,
    )
    async def snooze(name: Name, asked: schemas.NewSnooze) -> Any:
        """From now on; an endpoint with its components. What is not well at the end is told then."""
        monitor_id, spec = find(context, name)
        wanted = snooze_of(context, asked)
        await context.store.write(lambda conn: snoozes.put(conn, [monitor_id], wanted))
        return monitor_json(await watched_of(context, spec))

    @writing.post(
        "/monitors/{name:path}/unsnooze",
        summary="Tell of a snoozed monitor again",
        response_model=schemas.Monitor,
        responses=UNKNOWN,
    )
    async def unsnooze(name: Name) -> Any:
        """From now on; what is known of it already is not told again."""
        monitor_id, spec = find(context, name)
        await context.store.write(lambda conn: snoozes.forget(conn, [monitor_id]))
        context.wake()
        return monitor_json(await watched_of(context, spec))

    for verb, summary in (("pause", "Stop watching a monitor"), ("resume", "Watch a paused monitor again")):
        _command(context, writing, verb, summary)

    @reading.get(
        "/monitors/{name:path}", summary="A monitor", response_model=schemas.Monitor, responses=UNKNOWN
    )
    async def monitor(name: Name) -> Any:
        """An endpoint with its components, or a heartbeat; a component's name gives its endpoint."""
        spec = find(context, name)[1]
        return monitor_json(await watched_of(context, spec))


def _command(context: Context, writing: APIRouter, verb: str, summary: str) -> None:
    @writing.post(
        f"/monitors/{{name:path}}/{verb}",
        summary=summary,
        response_model=schemas.Standing,
        responses=UNKNOWN,
        operation_id=verb,
    )
    async def command(name: Name) -> Any:
        monitor_id, spec = find(context, name)
        try:
            done = await context.record([(monitor_id, Command(verb, context.clock(), "the API"))])
        except UnknownMonitorError:
            raise HTTPException(404, f'"{name[:100]}" was removed just now') from None
        state = done[0].after
        return standing_json(spec.full_name, state)
