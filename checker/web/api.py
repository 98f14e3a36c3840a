"""The checker's own JSON API under `/api`. Who may read and write it: `access.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from checker.maintenance import MaintenanceSpec, active
from checker.model import Command, Incident, Kind, MonitorSpec, Snooze, State
from checker.record import UnknownMonitorError
from checker.rules.uptime import Uptime
from checker.schedule import describe
from checker.slugs import slug as slug_of
from checker.store import operations, snoozes, uptime, views, windows
from checker.store.views import Watched
from checker.store.windows import OneOff
from checker.verdict import as_json
from checker.web import schemas
from checker.web.access import may_read_api, may_write_api
from checker.web.context import Context

DAY = 86_400.0
LARGEST = 2**63 - 1  # an id
_SCHEME = HTTPBearer(auto_error=False, description="the admin_token, or for reading the read_only_token")
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "no token, or a wrong one"},
    403: {"model": schemas.Problem, "description": "not with this token, or from this place"},
    422: {"model": schemas.Problem, "description": "not what is meant"},
    503: {"model": schemas.Problem, "description": "the store cannot be used now; try again"},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "no such thing"}}

Limit = Annotated[int, Query(ge=1, le=1000, description="how many, the newest first (1 to 1000)")]
Days = Annotated[float, Query(gt=0, le=366, description="how many days back from now (up to 366)")]
Name = Annotated[str, Path(description="a monitor's full name, or its slug", max_length=500)]
Id = Annotated[int, Path(ge=1, le=LARGEST)]


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
    for add in (_status, _monitors, _incidents, _maintenance):
        add(context, reading, writing)
    api = APIRouter(prefix="/api", tags=["api"], responses=_PROBLEMS)
    api.include_router(reading)
    api.include_router(writing)
    return api


def _status(context: Context, reading: APIRouter, _writing: APIRouter) -> None:
    @reading.get(
        "/status",
        summary="The verdict and every monitor",
        response_model=schemas.Status,
        response_model_exclude_unset=True,
    )
    async def status() -> Any:
        """The verdict, and every monitor with its components: state, since (epoch seconds) and reason."""
        return as_json(await context.overview())

    @reading.get("/deliveries", summary="The outbox", response_model=schemas.Deliveries)
    async def deliveries(limit: Limit = 100) -> Any:
        """What was, is and will be sent to which channel: status, attempts, last error."""
        found = await context.store.read(lambda conn: views.deliveries(conn, limit=limit))
        return {"deliveries": [{**asdict(each), "status": each.status} for each in found]}


def _monitors(context: Context, reading: APIRouter, writing: APIRouter) -> None:
    @reading.get("/monitors", summary="Monitors", response_model=schemas.Monitors)
    async def monitors(kind: Kind | None = None, state: State | None = None, tag: str | None = None) -> Any:
        """Endpoints with their components, and heartbeats; `kind`, `state` and `tag` narrow them down."""
        wanted = _filter(kind, state, tag)
        found = await context.store.read(views.watched)
        return {"monitors": [monitor_json(each) for each in found if wanted(each)]}

    @reading.get("/components", summary="Components", response_model=schemas.Components)
    async def components(endpoint: str | None = None, state: State | None = None) -> Any:
        """The components of all endpoints, or of one; `state` narrows them down."""
        found = await context.store.read(views.watched)
        parts = (part for each in found if endpoint in (None, each.spec.name) for part in each.components)
        return {"components": [component_json(part) for part in parts if state in (None, part.state.state)]}

    @reading.get("/uptime", summary="The uptime of everything", response_model=schemas.Uptimes)
    async def uptime_of_all(days: Days = 30.0) -> Any:
        """The share of the last days in which each monitor was up, as far as somebody knows."""
        names = {key: spec.full_name for key, spec in context.monitors.specs.items()}
        start, end, found = await _uptimes(context, names, days)
        shown = [uptime_json(names[key], each, start, end) for key, each in found.items()]
        return {"uptimes": sorted(shown, key=lambda each: str(each["name"]))}

    @reading.get(
        "/monitors/{name:path}/uptime",
        summary="The uptime of a monitor",
        response_model=schemas.Uptime,
        responses=_UNKNOWN,
    )
    async def uptime_of_one(name: Name, days: Days = 30.0) -> Any:
        """The share of the last days in which it was up, as far as somebody knows."""
        monitor_id, spec = _find(context, name)
        start, end, found = await _uptimes(context, {monitor_id: spec.full_name}, days)
        return uptime_json(spec.full_name, found.get(monitor_id, Uptime()), start, end)

    @reading.get(
        "/monitors/{name:path}/changes",
        summary="How a monitor's state changed",
        response_model=schemas.Changes,
        responses=_UNKNOWN,
    )
    async def changes(name: Name, limit: Limit = 100) -> Any:
        """Its changes of state with their evidence, the newest first."""
        monitor_id, _ = _find(context, name)
        found = await context.store.read(
            lambda conn: views.changes(conn, monitor_id, start=None, end=None, limit=limit)
        )
        return {"changes": [_change_json(each) for each in found]}

    @writing.post(
        "/monitors/{name:path}/snooze",
        summary="Tell nobody of a monitor for a time",
        response_model=schemas.Monitor,
        responses=_UNKNOWN,
    )
    async def snooze(name: Name, asked: schemas.NewSnooze) -> Any:
        """From now on; an endpoint with its components. What is not well at the end is told then."""
        monitor_id, spec = _find(context, name)
        wanted = _snooze(context, asked)
        await context.store.write(lambda conn: snoozes.put(conn, [monitor_id], wanted))
        return monitor_json(await _watched(context, spec.parent or spec.name))

    @writing.post(
        "/monitors/{name:path}/unsnooze",
        summary="Tell of a snoozed monitor again",
        response_model=schemas.Monitor,
        responses=_UNKNOWN,
    )
    async def unsnooze(name: Name) -> Any:
        """From now on; what is known of it already is not told again."""
        monitor_id, spec = _find(context, name)
        await context.store.write(lambda conn: snoozes.forget(conn, [monitor_id]))
        context.wake()
        return monitor_json(await _watched(context, spec.parent or spec.name))

    for verb, summary in (("pause", "Stop watching a monitor"), ("resume", "Watch a paused monitor again")):
        _command(context, writing, verb, summary)

    @reading.get(
        "/monitors/{name:path}", summary="A monitor", response_model=schemas.Monitor, responses=_UNKNOWN
    )
    async def monitor(name: Name) -> Any:
        """An endpoint with its components, or a heartbeat; a component's name gives its endpoint."""
        spec = _find(context, name)[1]
        return monitor_json(await _watched(context, spec.parent or spec.name))


def _command(context: Context, writing: APIRouter, verb: str, summary: str) -> None:
    @writing.post(
        f"/monitors/{{name:path}}/{verb}",
        summary=summary,
        response_model=schemas.Standing,
        responses=_UNKNOWN,
        operation_id=verb,
    )
    async def command(name: Name) -> Any:
        monitor_id, spec = _find(context, name)
        try:
            done = await context.record([(monitor_id, Command(verb, context.clock(), "the API"))])
        except UnknownMonitorError:
            raise HTTPException(404, f'"{name[:100]}" was removed just now') from None
        state = done[0].after
        return _standing(spec.full_name, state)


def _incidents(context: Context, reading: APIRouter, writing: APIRouter) -> None:
    @reading.get("/incidents", summary="Incidents", response_model=schemas.Incidents)
    async def incidents(open: bool | None = None, limit: Limit = 100) -> Any:
        """Incidents with their members, the newest first; `open` true or false for one kind alone."""
        resolved = None if open is None else not open
        found = await context.store.read(lambda conn: views.incidents(conn, resolved=resolved, limit=limit))
        return {"incidents": [incident_json(each) for each in found]}

    @reading.get(
        "/incidents/{number}", summary="An incident", response_model=schemas.Incident, responses=_UNKNOWN
    )
    async def incident(number: Id) -> Any:
        """An incident with its members."""
        return incident_json(await _incident(context, number))

    @writing.post(
        "/incidents/{number}/acknowledge",
        summary="Acknowledge an incident",
        response_model=schemas.Incident,
        responses={**_UNKNOWN, 409: {"model": schemas.Problem, "description": "it is over"}},
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
        responses={**_UNKNOWN, 409: {"model": schemas.Problem, "description": "it is over"}},
    )
    async def snooze(number: Id, asked: schemas.NewSnooze) -> Any:
        """All that it is about is snoozed; if it still lasts at the end, it is told again."""
        wanted = _snooze(context, asked)
        if not await context.store.write(lambda conn: snoozes.put_incident(conn, number, wanted)):
            await _incident(context, number)
            raise HTTPException(409, f"incident {number} is resolved: there is nothing to snooze")
        return incident_json(await _incident(context, number))


def _snooze(context: Context, asked: schemas.NewSnooze) -> Snooze:
    now = context.clock()
    return Snooze(now + float(asked.length), now, asked.by)


def _maintenance(context: Context, reading: APIRouter, writing: APIRouter) -> None:
    @reading.get("/maintenance", summary="Maintenance windows", response_model=schemas.Windows)
    async def maintenance() -> Any:
        """The windows of the configuration, and the one-off ones that are not over."""
        now = context.clock()
        found = await context.store.read(lambda conn: windows.load(conn, now))
        recurring = [_recurring_json(each, now) for each in context.config().maintenance]
        return {"maintenance": [*recurring, *(window_json(each, now) for each in found)]}

    @writing.post("/maintenance", status_code=201, summary="Announce a window", response_model=schemas.Window)
    async def announce(window: schemas.NewWindow) -> Any:
        """Tell nothing new of these monitors from `start` to `end`, for example around a deploy."""
        now = context.clock()
        made = _one_off(window, now)
        kept = await context.store.write(lambda conn: windows.insert(conn, made))
        await context.windows.reload()
        context.wake()
        return window_json(kept, now)

    @writing.delete(
        "/maintenance/{number}", status_code=204, summary="End or cancel a window", responses=_UNKNOWN
    )
    async def cancel(number: Id) -> None:
        """Forget a one-off window; if it is open, it ends now."""
        if not await context.store.write(lambda conn: windows.delete(conn, number)):
            raise HTTPException(404, f"no one-off maintenance window has the id {number}")
        await context.windows.reload()
        context.wake()


def _filter(kind: Kind | None, state: State | None, tag: str | None) -> Callable[[Watched], bool]:
    return lambda each: (
        kind in (None, each.spec.kind)
        and state in (None, each.state.state)
        and (tag is None or tag in each.spec.tags)
    )


def _find(context: Context, name: str) -> tuple[int, MonitorSpec]:
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


async def _uptimes(
    context: Context, names: dict[int, str], days: float
) -> tuple[float, float, dict[int, Uptime]]:
    end = context.clock()
    start = end - days * DAY
    opened = await context.openings(start, end)
    found = await context.store.read(lambda conn: uptime.uptimes(conn, names, start, end, opened))
    return start, end, found


async def _watched(context: Context, name: str) -> Watched:
    found = await context.store.read(views.watched)
    for each in found:
        if each.spec.name == name:
            return each
    raise HTTPException(404, f'no monitor is called "{name[:100]}"')


async def _incident(context: Context, number: int) -> Incident:
    found = await context.store.read(lambda conn: views.incident_of(conn, number))
    if found is None:
        raise HTTPException(404, f"no incident has the id {number}")
    return found


def _one_off(window: schemas.NewWindow, now: float) -> OneOff:
    start = now if window.start is None else window.start
    end = start + window.duration if isinstance(window.duration, float) else (window.end or 0.0)
    if not now < end <= schemas.LATEST or not start < end <= start + schemas.LONGEST_WINDOW:
        raise HTTPException(
            422, "the window must end after now and after its start, and last 31 days at most"
        )
    return OneOff(window.name, start, end, tuple(window.monitors), window.description, now)


def window_json(window: OneOff, now: float) -> dict[str, Any]:
    """Return a one-off window as the API tells it."""
    return {
        "id": window.id,
        "name": window.name,
        "monitors": list(window.monitors),
        "description": window.description,
        "source": "api",
        "schedule": "",
        "start": window.start,
        "end": window.end,
        "open": window.start <= now < window.end,
    }


def _recurring_json(spec: MaintenanceSpec, now: float) -> dict[str, Any]:
    window = active(spec, now)
    return {
        "id": None,
        "name": spec.name,
        "monitors": list(spec.monitors),
        "description": spec.description,
        "source": "file",
        "schedule": describe(spec.schedule),
        "start": window.start if window else None,
        "end": window.end if window else None,
        "open": window is not None,
    }


def uptime_json(name: str, found: Uptime, start: float, end: float) -> dict[str, Any]:
    """Return a monitor's uptime as the API tells it."""
    return {
        "name": name,
        "start": start,
        "end": end,
        "uptime": found.share,
        "up_seconds": found.up,
        "warn_seconds": found.warn,
        "down_seconds": found.down,
        "uncounted_seconds": found.uncounted,
        "blind_seconds": found.blind,
        "paused_seconds": found.paused,
        "maintenance_seconds": found.maintenance,
        "falls": found.falls,
    }


def _standing(name: str, state: Any) -> dict[str, Any]:
    return {
        "name": name,
        "state": state.state,
        "since": state.since,
        "reason": state.reason,
        "cause": state.cause,
    }


def component_json(part: Watched) -> dict[str, Any]:
    """Return a component as the API tells it."""
    return {
        **_standing(part.spec.name, part.state),
        "full_name": part.spec.full_name,
        "endpoint": part.spec.parent,
        "value": part.state.value,
        "unit": part.state.unit,
        "last_seen": part.state.last_seen,
        "last_good": part.state.last_good,
    }


def monitor_json(watched: Watched) -> dict[str, Any]:
    """Return an endpoint or a heartbeat as the API tells it; never its URL, headers or tokens."""
    spec, state = watched.spec, watched.state
    return {
        **_standing(spec.name, state),
        "kind": spec.kind,
        "slug": spec.slug or slug_of(spec.name),
        "source": spec.whose,
        "tags": list(spec.tags),
        "channels": None if spec.channels is None else list(spec.channels),
        "depends_on": list(spec.depends_on),
        "description": spec.description,
        "schedule": describe(spec.schedule) if spec.schedule else "",
        "failures": state.failures,
        "last_seen": state.last_seen,
        "last_good": state.last_good,
        "started": state.started,
        "last_start": state.last_start,
        "last_duration": state.last_duration,
        "due_at": state.due_at,
        "pings": state.pings,
        "processed": state.processed,
        "backlog": state.backlog,
        "metrics": state.value if spec.kind is Kind.HEARTBEAT and isinstance(state.value, dict) else {},
        "latency": state.latency,
        "snoozed_until": watched.snoozed_until,
        "components": [component_json(part) for part in watched.components],
    }


def _change_json(change: Any) -> dict[str, Any]:
    return {
        "at": change.at,
        "old": change.old,
        "new": change.new,
        "cause": change.cause,
        "reason": change.reason,
        "evidence": dict(change.evidence),
    }


def incident_json(incident: Incident) -> dict[str, Any]:
    """Return an incident as the API tells it; times are epoch seconds."""
    return {
        "id": incident.id,
        "dedup_key": incident.dedup_key,
        "title": incident.title,
        "cause": incident.cause,
        "severity": incident.severity.value,
        "since": incident.since,
        "resolved_at": incident.resolved_at,
        "acknowledged_at": incident.acknowledged_at,
        "snoozed_until": incident.snoozed_until,
        "suppressed": list(incident.suppressed),
        "monitors": [
            {
                "name": member.name,
                "state": member.state.value,
                "cause": member.cause.value,
                "reason": member.reason,
                "since": member.since,
                "resolved_at": member.resolved_at,
            }
            for member in incident.members
        ],
    }
