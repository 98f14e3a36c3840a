"""The management API of Healthchecks (versions 1 to 3), so that its clients work by a change of the host.

Statuses and error texts are those of hc/api/views.py and decorators.py of that project. What is its own here:
checks that stand in the configuration, or were made by `create=1`, are listed beside those that the API made;
the former cannot be changed or deleted here (403), only paused and resumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import Connection

from checker.model import Command, MonitorSpec, State
from checker.record import Overloaded, UnknownMonitorError
from checker.store import checks, views
from checker.store.checks import TakenError
from checker.store.monitors import Monitor
from checker.web import v3_schema as schema
from checker.web import v3_spec
from checker.web.access import NO_TOKEN, Right, is_here, is_open, right_of
from checker.web.body import TooLargeError, read_body
from checker.web.context import Context
from checker.web.v3_json import (
    badges_json,
    channel_id,
    channels_json,
    check_json,
    flip_json,
    is_flip,
    ping_json,
)
from checker.web.v3_spec import Asked, AskedError

VERSIONS = (1, 2, 3)
BODY = 1_000_000  # bytes of a request
SLOW = 30.0  # seconds for a request's body to arrive
PINGS = 1_000  # the newest that are listed
FLIPS = 10_000
LATEST = 10_000_000_000  # a moment in the year 2286: beyond is a mistake
YEAR = 31_536_000
LARGEST = 2**31 - 1  # a ping's number
FROM_FILE = '"{name}" stands in the configuration: change it there; here it can be paused and resumed'
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(r"[0-9a-z]{40}")
_LISTS_FLIPS = "py-healthchecks.io"  # expects the list that the documentation shows
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "X-Api-Key",
    "Access-Control-Max-Age": "600",
}

Found = tuple[int, MonitorSpec]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered: what it brought, and whether its key only reads."""

    request: Request
    version: int
    document: Mapping[str, Any]
    readonly: bool


class Stop(Exception):
    """Ends a request with an answer."""

    def __init__(self, status: int, text: str, *, plain: bool = False) -> None:
        super().__init__(text)
        self.response = PlainTextResponse(text, status) if plain else JSONResponse({"error": text}, status)


Handler = Callable[..., Awaitable[Response]]


def router(context: Context, version: int) -> APIRouter:
    """Return the routes under `/api/v<version>`; the newest alone is described in the OpenAPI document."""
    api = Api(context, version)
    routes = APIRouter(prefix=f"/api/v{version}", tags=["management"], include_in_schema=version == 3)

    def add(path: str, methods: Mapping[str, tuple[Handler, schema.Described]]) -> None:
        for method, (handler, described) in methods.items():
            routes.add_api_route(
                path, api.guarded(handler), methods=[method], response_model=None, **described.options()
            )
        allowed = ", ".join([*methods, "OPTIONS"])
        routes.add_api_route(path, _options(allowed), methods=["OPTIONS"], include_in_schema=False)
        rest = [each for each in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD") if each not in methods]
        routes.add_api_route(path, _refused(allowed), methods=rest, include_in_schema=False)

    add("/checks/", {"GET": (api.list_checks, schema.CHECKS), "POST": (api.create_check, schema.CREATE)})
    add(
        "/checks/{check}",
        {
            "GET": (api.get_check, schema.CHECK),
            "POST": (api.update_check, schema.UPDATE),
            "DELETE": (api.delete_check, schema.DELETE),
        },
    )
    add("/checks/{check}/pause", {"POST": (api.pause, schema.PAUSE)})
    add("/checks/{check}/resume", {"POST": (api.resume, schema.RESUME)})
    add("/checks/{check}/pings/", {"GET": (api.pings, schema.PINGS)})
    add("/checks/{check}/pings/{n}/body", {"GET": (api.ping_body, schema.BODY)})
    add("/checks/{check}/flips/", {"GET": (api.flips, schema.FLIPS)})
    add("/channels/", {"GET": (api.channels, schema.CHANNELS)})
    add("/badges/", {"GET": (api.badges, schema.BADGES)})
    add("/status/", {"GET": (api.status, schema.STATUS)})
    return routes


class Api:
    """The handlers of one version."""

    def __init__(self, context: Context, version: int) -> None:
        self._context = context
        self._version = version

    def guarded(self, handler: Handler) -> Handler:
        """Return the handler with its `Stop`s made answers, and the headers that let other sites ask."""

        @wraps(handler)
        async def answer(request: Request) -> Response:
            try:
                await self._learn(request)
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

    async def _learn(self, request: Request) -> None:
        """Where the path's check is not known here, wait until what other nodes made is."""
        text, ask = request.path_params.get("check", ""), self._context.ask
        if ask is not None and _UUID.fullmatch(text) and self._context.monitors.by_token(text) is None:
            await ask()

    async def list_checks(self, request: Request) -> Response:
        """All checks; `tag` (repeatable) and `slug` narrow them down."""
        call = await self._reading(request)
        tags = set(request.query_params.getlist("tag"))
        slug = request.query_params.get("slug")
        found = await self._context.store.read(views.heartbeats)
        shown = [
            self._json(each, call)
            for each in found
            if tags <= set(each.spec.tags) and (not slug or each.spec.slug == slug)
        ]
        return JSONResponse({"checks": shown})

    async def create_check(self, request: Request) -> Response:
        """Make a check, or change the one that `unique` finds."""
        call = await self._writing(request)
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

    async def get_check(self, request: Request) -> Response:
        """A check, by its uuid or its unique key."""
        call = await self._reading(request)
        monitor_id, _ = self._found(request)
        return JSONResponse(await self._one(monitor_id, call))

    async def update_check(self, request: Request) -> Response:
        """Change what is named of a check; the rest stays."""
        call = await self._writing(request)
        monitor_id, spec = self._found(request, keys=False)
        _refuse_file(spec)
        asked, names = self._asked(call), self._channel_names()
        derived = self._version < 3 and asked.slug is None
        monitor = await self._written(lambda conn: self._change(conn, monitor_id, asked, names, derived))
        if monitor is None:
            raise Stop(404, "not found")
        self._context.monitors.put(monitor)
        self._context.wake()
        return JSONResponse(await self._one(monitor_id, call))

    async def delete_check(self, request: Request) -> Response:
        """Delete a check for good, with its pings; answers what it was."""
        call = await self._writing(request)
        monitor_id, spec = self._found(request, keys=False)
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
        call = await self._writing(request)
        monitor_id, _ = self._found(request, keys=False)
        await self._command(monitor_id, "pause")
        return JSONResponse(await self._one(monitor_id, call))

    async def resume(self, request: Request) -> Response:
        """Watch a paused check again, as new."""
        call = await self._writing(request)
        monitor_id, _ = self._found(request, keys=False)
        present = await self._watched(monitor_id)
        if present.state.state is not State.PAUSED:
            raise Stop(409, "check is not paused", plain=True)
        await self._command(monitor_id, "resume")
        return JSONResponse(await self._one(monitor_id, call))

    async def pings(self, request: Request) -> Response:
        """A check's last pings, the newest first, at most 1,000."""
        await self._writing(request)
        monitor_id, spec = self._found(request, keys=False)
        found = await self._context.store.read(lambda conn: views.pings(conn, monitor_id, PINGS))
        root = self._context.public_url
        shown = [ping_json(each, spec.token, root=root, version=self._version) for each in found]
        return JSONResponse({"pings": shown})

    async def ping_body(self, request: Request) -> Response:
        """What a ping brought, as it came."""
        await self._writing(request)
        monitor_id, _ = self._found(request, keys=False)
        text = request.path_params["n"]
        n = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
        body = None
        if 0 < n <= LARGEST:
            body = await self._context.store.read(lambda conn: views.ping_body(conn, monitor_id, n))
        if not body:
            raise Stop(404, "not found")
        return Response(body, media_type="text/plain")

    async def flips(self, request: Request) -> Response:
        """When a check went up and down, the newest first; `start`, `end` and `seconds` narrow it down."""
        await self._reading(request)
        monitor_id, _ = self._found(request)
        start, end = self._span(request)
        found = await self._context.store.read(
            lambda conn: views.changes(conn, monitor_id, start=start, end=end, limit=FLIPS)
        )
        shown = [flip_json(each) for each in found if is_flip(each)]
        agent = request.headers.get("user-agent", "")
        if self._version < 3 or agent.startswith(_LISTS_FLIPS):
            return JSONResponse(shown)
        return JSONResponse({"flips": shown})

    async def channels(self, request: Request) -> Response:
        """The configured channels, which Healthchecks calls integrations."""
        await self._writing(request)
        return JSONResponse(channels_json(self._context.channels()))

    async def badges(self, request: Request) -> Response:
        """Where the badges of all checks, and of each tag, are."""
        await self._reading(request)
        tags = self._context.monitors.heartbeat_tags()
        return JSONResponse(badges_json(tags, self._context.public_url))

    async def status(self, _request: Request) -> Response:
        """`OK` while the store answers."""
        await self._context.store.read(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
        return PlainTextResponse("OK")

    # What the handlers share

    async def _reading(self, request: Request) -> Call:
        """Return a call whose key may read, in its header alone; raises `Stop`."""
        server = self._context.config().server
        token = request.headers.get("x-api-key", "")
        right = right_of(server, token)
        if right is Right.NONE and is_open(server):
            if not is_here(server, request):
                raise Stop(403, NO_TOKEN.format(verb="read", header="X-Api-Key"))
            right = Right.READ
            return Call(request, self._version, {}, readonly=False)
        if right is Right.NONE:
            raise Stop(401, "wrong api key" if token else "missing api key")
        return Call(request, self._version, {}, readonly=right is Right.READ)

    async def _writing(self, request: Request) -> Call:
        """Return a call whose key may write, in its header or its body; raises `Stop`."""
        document = await _document(request) if request.method == "POST" else {}
        server = self._context.config().server
        token = request.headers.get("x-api-key")
        if token is None:
            token = str(document.get("api_key", ""))
        right = right_of(server, token)
        if right is Right.WRITE:
            return Call(request, self._version, document, readonly=False)
        if is_open(server) and request.method == "GET" and is_here(server, request):
            return Call(request, self._version, document, readonly=False)
        if not server.admin_token:
            verb = "read" if request.method == "GET" else "change"
            raise Stop(403, NO_TOKEN.format(verb=verb, header="X-Api-Key"))
        raise Stop(401, "wrong api key" if token else "missing api key")

    def _found(self, request: Request, *, keys: bool = True) -> Found:
        """Return the check of the path, by its uuid or (where `keys`) its unique key; raises `Stop`."""
        text = request.path_params["check"]
        found = None
        if _UUID.fullmatch(text):
            found = self._context.monitors.by_token(text)
        elif keys and _KEY.fullmatch(text):
            found = self._context.monitors.by_unique_key(text)
        if found is None:
            raise Stop(404, "not found")
        return found

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

    def _span(self, request: Request) -> tuple[float | None, float | None]:
        """Return the moments that a request for flips names; raises `Stop`."""
        start = _whole(request, "start", LATEST)
        end = _whole(request, "end", LATEST)
        seconds = _whole(request, "seconds", YEAR)
        if seconds:
            start = max(start or 0, self._context.clock() - seconds)
        return start or None, end or None


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


def _whole(request: Request, name: str, most: int) -> float | None:
    """Return a whole number of the query; raises `Stop` for any other text."""
    text = request.query_params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 11 and int(text) <= most):
        raise Stop(400, f"{name} must be a whole number from 0 to {most}")
    return float(int(text))


async def _document(request: Request) -> Mapping[str, Any]:
    """Return the JSON object of a request's body, an empty one where there is none; raises `Stop`."""
    try:
        raw = await read_body(request, most=BODY, within=SLOW)
    except TooLargeError:
        raise Stop(413, "the request body is too large") from None
    except TimeoutError:
        raise Stop(408, "the request body is too slow") from None
    if not raw:
        return {}
    try:
        document = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise Stop(400, "could not parse request body") from None
    if not isinstance(document, dict):
        raise Stop(400, "json validation error: value is not an object")
    return document


def _options(allowed: str) -> Handler:
    async def answer() -> Response:
        return Response(status_code=204, headers={**_CORS, "Access-Control-Allow-Methods": allowed})

    return answer


def _refused(allowed: str) -> Handler:
    async def answer() -> Response:
        headers = {**_CORS, "Access-Control-Allow-Methods": allowed, "Allow": allowed}
        return JSONResponse({"error": f"method not allowed; use {allowed}"}, 405, headers)

    return answer
