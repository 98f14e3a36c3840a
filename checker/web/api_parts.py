"""What the routers of the API share: the parameters, and how a monitor is found."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import HTTPException, Path, Query

from checker.model import MonitorSpec, Snooze
from checker.slugs import slug as slug_of
from checker.store import views
from checker.store.views import Watched
from checker.web import schemas
from checker.web.context import Context

LARGEST = 2**63 - 1  # an id
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "no such thing"}}

Limit = Annotated[int, Query(ge=1, le=1000, description="how many, the newest first (1 to 1000)")]
Most = Annotated[int, Query(ge=1, le=1000, description="how many at most (1 to 1000)")]
Offset = Annotated[
    int, Query(ge=0, le=10_000_000, description="how many to leave out first: `next` of the answer")
]
Days = Annotated[float, Query(gt=0, le=366, description="how many days back from now (up to 366)")]
Name = Annotated[str, Path(description="a monitor's full name, or its slug", max_length=500)]
Id = Annotated[int, Path(ge=1, le=LARGEST)]


def following(offset: int, limit: int, total: int) -> int | None:
    """Return the offset of the next page; None where this one was the last."""
    return offset + limit if offset + limit < total else None


def find(context: Context, name: str) -> tuple[int, MonitorSpec]:
    """Return the monitor of that full name or slug; raises 404."""
    registry = context.monitors
    monitor_id = registry.full_name(name)
    spec = None if monitor_id is None else registry.by_id(monitor_id)
    if monitor_id is not None and spec is not None:
        return monitor_id, spec
    found = registry.by_slug(slug_of(name))
    if found is None:
        raise HTTPException(404, f'no monitor is called "{name[:100]}"')
    return found


async def watched_of(context: Context, spec: MonitorSpec) -> Watched:
    """Return an endpoint or heartbeat as it stands, or the endpoint of a component; raises 404."""
    number = context.monitors.full_name(spec.parent or spec.name)
    found = () if number is None else await context.store.read(lambda conn: views.watched(conn, [number]))
    if not found:
        raise HTTPException(404, f'no monitor is called "{spec.name[:100]}"')
    return found[0]


def snooze_of(context: Context, asked: schemas.NewSnooze) -> Snooze:
    """Return the snooze that is asked for, from now on."""
    now = context.clock()
    return Snooze(now + float(asked.length), now, asked.by)
