"""Checks by the management API: listed, made, changed, deleted, paused, resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Connection

from checker.model import Command, MonitorSpec, State
from checker.record import UnknownMonitorError
from checker.store import checks, codec, views
from checker.store.checks import TakenError
from checker.store.monitors import Monitor
from checker.web import v3_spec
from checker.web.context import Context
from checker.web.v3_call import Call, Desk, Stop
from checker.web.v3_json import channel_id, check_json
from checker.web.v3_spec import Asked, AskedError

FROM_FILE = '"{name}" stands in the configuration: change it there; here it can be paused and resumed'


class Checks:
    """The handlers of one version."""

    def __init__(self, context: Context, desk: Desk, version: int) -> None:
        self._context = context
        self._desk = desk
        self._version = version

    async def list(self, request: Request) -> Response:
        """All checks; `tag` (repeatable) and `slug` narrow them down."""
        call = self._desk.reading(request)
        tags = set(request.query_params.getlist("tag"))
        slug = request.query_params.get("slug")

        def told(conn: Connection) -> str:
            found = [
                self._json(each, call)
                for each in views.heartbeats(conn)
                if tags <= set(each.spec.tags) and (not slug or each.spec.slug == slug)
            ]
            return codec.dumps({"checks": found})

        # Made where it is read: of very many checks that takes longer than a ping may wait.
        return Response(await self._context.store.read(told), media_type="application/json")

    async def create(self, request: Request) -> Response:
        """Make a check, or change the one that `unique` finds."""
        call = await self._desk.writing(request)
        asked = self._asked(call)
        names = self._channel_names()
        derived = self._version < 3 and asked.slug is None

        def put(conn: Connection) -> tuple[Monitor | None, bool]:
            checks.alone(conn)
            present = _lookup(conn, asked)
            if present is None:
                spec = v3_spec.revised(v3_spec.fresh(asked), asked, names, version=self._version)
                return checks.create(conn, spec, self._context.clock(), derived=derived), True
            _refuse_file(present.spec)
            return self._change(conn, present.id, asked, names, derived), False

        monitor, created = await self._written(put)
        if monitor is None:
            raise Stop(404, "not found")
        self._context.monitors.put(monitor)
        self._context.wake()
        return JSONResponse(await self._one(monitor.id, call), 201 if created else 200)

    async def get(self, request: Request) -> Response:
        """A check, by its uuid or its unique key."""
        call = self._desk.reading(request)
        monitor_id, _ = self._desk.found(request)
        return JSONResponse(await self._one(monitor_id, call))

    async def update(self, request: Request) -> Response:
        """Change what is named of a check; the rest stays."""
        call = await self._desk.writing(request)
        monitor_id, spec = self._desk.found(request, keys=False)
        _refuse_file(spec)
        asked, names = self._asked(call), self._channel_names()
        derived = self._version < 3 and asked.slug is None
        monitor = await self._written(lambda conn: self._change(conn, monitor_id, asked, names, derived))
        if monitor is None:
            raise Stop(404, "not found")
        self._context.monitors.put(monitor)
        self._context.wake()
        return JSONResponse(await self._one(monitor_id, call))

    async def delete(self, request: Request) -> Response:
        """Delete a check for good, with its pings; answers what it was."""
        call = await self._desk.writing(request)
        monitor_id, spec = self._desk.found(request, keys=False)
        _refuse_file(spec)
        document = await self._one(monitor_id, call)
        now = self._context.clock()
        if not await self._context.store.write(lambda conn: checks.delete(conn, monitor_id, now)):
            raise Stop(404, "not found")
        self._context.monitors.discard(monitor_id)
        self._context.wake()
        return JSONResponse(document)

    async def pause(self, request: Request) -> Response:
        """Pause a check, until it is resumed or pinged; wherever it was made."""
        call = await self._desk.writing(request)
        monitor_id, _ = self._desk.found(request, keys=False)
        await self._command(monitor_id, "pause")
        return JSONResponse(await self._one(monitor_id, call))

    async def resume(self, request: Request) -> Response:
        """Watch a paused check again, as new."""
        call = await self._desk.writing(request)
        monitor_id, _ = self._desk.found(request, keys=False)
        present = await self._watched(monitor_id)
        if present.state.state is not State.PAUSED:
            raise Stop(409, "check is not paused", plain=True)
        await self._command(monitor_id, "resume")
        return JSONResponse(await self._one(monitor_id, call))

    # What the handlers share

    def _asked(self, call: Call) -> Asked:
        try:
            return v3_spec.read(call.document)
        except AskedError as error:
            raise Stop(400, str(error)) from None

    def _channel_names(self) -> dict[str, str]:
        return {channel_id(name): name for name in self._context.channels()}

    def _change(
        self, conn: Connection, monitor_id: int, asked: Asked, names: Mapping[str, str], derived: bool
    ) -> Monitor | None:
        return checks.update(
            conn,
            monitor_id,
            lambda spec: v3_spec.revised(spec, asked, names, version=self._version),
            self._context.clock(),
            derived=derived,
        )

    async def _written(self, put: Callable[[Connection], Any]) -> Any:
        try:
            return await self._context.store.write(put)
        except AskedError as error:
            raise Stop(400, str(error)) from None
        except TakenError as error:
            raise Stop(409, str(error)) from None

    async def _command(self, monitor_id: int, verb: str) -> None:
        try:
            await self._context.record([(monitor_id, Command(verb, self._context.clock(), "the API"))])
        except UnknownMonitorError:
            raise Stop(404, "not found") from None

    async def _watched(self, monitor_id: int) -> views.Watched:
        found = await self._context.store.read(lambda conn: views.heartbeats(conn, [monitor_id]))
        if not found:
            raise Stop(404, "not found")
        return found[0]

    async def _one(self, monitor_id: int, call: Call) -> dict[str, Any]:
        return self._json(await self._watched(monitor_id), call)

    def _json(self, watched: views.Watched, call: Call) -> dict[str, Any]:
        return check_json(
            watched,
            root=self._context.public_url,
            version=self._version,
            readonly=call.readonly,
            channels=self._context.channels(),
        )


def _lookup(conn: Connection, asked: Asked) -> Monitor | None:
    """Return the oldest check that `unique` speaks of."""
    if not v3_spec.is_unique_asked(asked):
        return None
    unique: Iterable[str] = asked.unique or ()
    name = v3_spec.base_name(asked.name or "") if "name" in unique else None
    slug = asked.slug if "slug" in unique else None
    found = checks.namesakes(conn, name, slug)
    return next((each for each in found if v3_spec.is_match(each.spec, asked)), None)


def _refuse_file(spec: MonitorSpec) -> None:
    if spec.source == "file":
        raise Stop(403, FROM_FILE.format(name=spec.name))
