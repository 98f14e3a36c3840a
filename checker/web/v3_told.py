"""What the management API tells beside the checks themselves: pings, flips, channels, badges."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from checker.store import views
from checker.web.context import Context
from checker.web.v3_call import Desk, Stop, whole
from checker.web.v3_json import badges_json, channels_json, flip_json, is_flip, ping_json

PINGS = 1_000  # the newest that are listed
FLIPS = 10_000
LATEST = 10_000_000_000  # a moment in the year 2286: beyond is a mistake
YEAR = 31_536_000
LARGEST = 2**31 - 1  # a ping's number
_LISTS_FLIPS = "py-healthchecks.io"  # expects the list that the documentation shows


class Told:
    """The handlers of one version."""

    def __init__(self, context: Context, desk: Desk, version: int) -> None:
        self._context = context
        self._desk = desk
        self._version = version

    async def pings(self, request: Request) -> Response:
        """A check's last pings, the newest first, at most 1,000."""
        await self._desk.writing(request)
        monitor_id, spec = self._desk.found(request, keys=False)
        found = await self._context.store.read(lambda conn: views.pings(conn, monitor_id, PINGS))
        root = self._context.public_url
        shown = [ping_json(each, spec.token, root=root, version=self._version) for each in found]
        return JSONResponse({"pings": shown})

    async def ping_body(self, request: Request) -> Response:
        """What a ping brought, as it came."""
        await self._desk.writing(request)
        monitor_id, _ = self._desk.found(request, keys=False)
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
        self._desk.reading(request)
        monitor_id, _ = self._desk.found(request)
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
        await self._desk.writing(request)
        return JSONResponse(channels_json(self._context.channels()))

    async def badges(self, request: Request) -> Response:
        """Where the badges of all checks, and of each tag, are."""
        self._desk.reading(request)
        tags = self._context.monitors.heartbeat_tags()
        return JSONResponse(badges_json(tags, self._context.public_url))

    async def status(self, _request: Request) -> Response:
        """`OK` while the store answers."""
        await self._context.store.read(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
        return PlainTextResponse("OK")

    def _span(self, request: Request) -> tuple[float | None, float | None]:
        """Return the moments that a request for flips names; raises `Stop`."""
        start = whole(request, "start", LATEST)
        end = whole(request, "end", LATEST)
        seconds = whole(request, "seconds", YEAR)
        if seconds:
            start = max(start or 0, self._context.clock() - seconds)
        return start or None, end or None
