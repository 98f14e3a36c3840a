"""How monitors have been, as JSON: uptime, percentiles, changes of state."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from checker.rules.uptime import Uptime
from checker.store import figures, uptime, views
from checker.web import schemas
from checker.web.api_json import figures_json, uptime_json
from checker.web.api_parts import UNKNOWN, Days, Limit, Most, Name, Offset, find, following
from checker.web.context import Context

DAY = 86_400.0


def add(context: Context, reading: APIRouter, _writing: APIRouter) -> None:
    """Add the routes."""

    @reading.get("/uptime", summary="The uptime of everything", response_model=schemas.Uptimes)
    async def uptime_of_all(days: Days = 30.0, limit: Most = 1000, offset: Offset = 0) -> Any:
        """The share of the last days in which each monitor was up, as far as somebody knows."""
        everyone = sorted((spec.full_name, key) for key, spec in list(context.monitors.specs.items()))
        names = {key: name for name, key in everyone[offset : offset + limit]}
        start, end, found = await _uptimes(context, names, days)
        shown = [uptime_json(name, found[key], start, end) for key, name in names.items() if key in found]
        return {"uptimes": shown, "total": len(everyone), "next": following(offset, limit, len(everyone))}

    @reading.get(
        "/monitors/{name:path}/uptime",
        summary="The uptime of a monitor",
        response_model=schemas.Uptime,
        responses=UNKNOWN,
    )
    async def uptime_of_one(name: Name, days: Days = 30.0) -> Any:
        """The share of the last days in which it was up, as far as somebody knows."""
        monitor_id, spec = find(context, name)
        start, end, found = await _uptimes(context, {monitor_id: spec.full_name}, days)
        return uptime_json(spec.full_name, found.get(monitor_id, Uptime()), start, end)

    @reading.get(
        "/monitors/{name:path}/changes",
        summary="How a monitor's state changed",
        response_model=schemas.Changes,
        responses=UNKNOWN,
    )
    async def changes(name: Name, limit: Limit = 100) -> Any:
        """Its changes of state with their evidence, the newest first."""
        monitor_id, _ = find(context, name)
        found = await context.store.read(
            lambda conn: views.changes(conn, monitor_id, start=None, end=None, limit=limit)
        )
        return {"changes": [schemas.Change.model_validate(each) for each in found]}

    @reading.get(
        "/monitors/{name:path}/history",
        summary="A monitor in numbers",
        response_model=schemas.History,
        responses=UNKNOWN,
    )
    async def history(name: Name) -> Any:
        """Uptime, looks or runs and how long they took: over a day, a week, 30, 90 and 365 days."""
        monitor_id, spec = find(context, name)
        now = context.clock()
        opened = await context.openings((now - 366 * DAY, now))
        found = await context.store.read(
            lambda conn: figures.figures(conn, monitor_id, spec.full_name, now, opened)
        )
        return {"name": spec.full_name, "spans": [figures_json(each) for each in found]}


async def _uptimes(
    context: Context, names: dict[int, str], days: float
) -> tuple[float, float, dict[int, Uptime]]:
    end = context.clock()
    start = end - days * DAY
    opened = await context.openings((start, end))
    found = await context.store.read(lambda conn: uptime.uptimes(conn, names, start, end, opened))
    return start, end, found
