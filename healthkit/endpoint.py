"""Bake once: (method, path, query, headers) -> (status, headers, body). All policy is here."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from healthkit import wire
from healthkit.bounds import clean
from healthkit.engine import collect, collect_async
from healthkit.errors import ConfigurationError, UnknownCheckError
from healthkit.formats import FORMATS, HTML, JSON, PLAIN_JSON, PROMETHEUS, Format
from healthkit.health import Health, max_age
from healthkit.model import Reading
from healthkit.negotiation import MAX_ACCEPT, by_accept, by_name
from healthkit.outcomes import where
from healthkit.query import Query, read
from healthkit.selection import ALL, LIVE, READY, STARTUP, Selection
from healthkit.status import Status

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD")
MAX_BAKED = 64
MAX_CONDITION = 2_000
ROUTES = {"": ALL, LIVE: LIVE, READY: READY, STARTUP: STARTUP}
ORCHESTRATED = frozenset({LIVE, READY, STARTUP})  # who asks for these restarts and routes, and tells nobody
_CHECKS = "checks/"
_PREFIX = re.compile(r"(?:/[\w.~@+-]+)+")


class Request(NamedTuple):
    """What policy needs of a request. `path` is relative to the mount: "", "/live", "/checks/disk"."""

    method: str
    path: str
    query: str = ""
    accept: str = ""
    authorization: str = ""
    if_none_match: str = ""


class Response(NamedTuple):
    """What to send, whatever the framework. A HEAD answer has the headers of GET and an empty body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request understood: which checks, how to write them, and for whom."""

    selection: Selection
    form: Format
    is_full: bool
    nonce: str | None
    is_head: bool
    if_none_match: str


class _Baked(NamedTuple):
    """A body, the readings it was made of, and the tag of what matters in it."""

    readings: tuple[Reading, ...]
    status: Status
    body: bytes
    tag: str


class Endpoint:
    """Answers requests for one `Health`; never raises, whatever the request or a check does."""

    def __init__(self, health: Health) -> None:
        if not isinstance(health, Health):
            raise ConfigurationError(
                f"health: a {type(health).__name__} is not a healthkit.Health; pass the object"
            )
        self.health = health
        self._baked: dict[tuple[str, str, bool], _Baked] = {}

    def respond(self, request: Request) -> Response:
        """Answer, waiting in this thread for checks that are not fresh, no longer than their timeouts."""
        try:
            plan = self._plan(request)
            if isinstance(plan, Response):
                return plan
            readings = self.health.fresh(plan.selection.runners)
            if readings is None:
                readings = tuple(collect(plan.selection.runners))
            return self._answer(plan, readings)
        except Exception as error:  # noqa: BLE001 - a framework's error page could show what nobody may see
            return self._broken(request, error)

    async def respond_async(self, request: Request) -> Response:
        """Answer as `respond` does, without blocking the running loop; at once where all is fresh."""
        try:
            plan = self._plan(request)
            if isinstance(plan, Response):
                return plan
            readings = self.health.fresh(plan.selection.runners)
            if readings is None:
                readings = tuple(await collect_async(plan.selection.runners))
            return self._answer(plan, readings)
        except Exception as error:  # noqa: BLE001 - as above
            return self._broken(request, error)

    def start(self) -> None:
        """Begin what happens without a caller; adapters call it with the app's first request or start."""
        self.health.start()

    def _plan(self, request: Request) -> _Plan | Response:
        self.health.start()
        is_full = self._may_see(request.authorization)
        is_head = request.method == "HEAD"
        if request.method not in METHODS:
            return _refusal(405, f"use {' or '.join(METHODS)}", is_head, [("Allow", ", ".join(METHODS))])
        query = read(request.query)
        if isinstance(query, str):
            return _refusal(400, query, is_head)
        form = by_accept(request.accept[:MAX_ACCEPT]) if query.format is None else by_name(query.format)
        if form is None:
            return _refusal(400, f"format= must be one of: {', '.join(FORMATS)}", is_head)
        found = self._find(request.path.strip("/"), query, is_full)
        if isinstance(found, str):
            return _refusal(404, found, is_head, extra=self._available() if is_full else {})
        return _Plan(found, form, is_full, query.nonce, is_head, request.if_none_match)

    def _find(self, route: str, query: Query, is_full: bool) -> Selection | str:
        """Return what a request is about, or the reason why there is nothing."""
        if not is_full and (route not in ROUTES or query.filters):
            # one answer for all else, or it would tell which names exist
            return "nothing here, or nothing that is shown without the details token"
        try:
            found = self._route(route)
            if query.filters:
                found = self.health.narrow(found, query.filters)
        except UnknownCheckError as error:
            return str(error).partition(";")[0]
        if route not in ORCHESTRATED:
            self.health.seen()
        return found

    def _route(self, route: str) -> Selection:
        """Return the checks of a route: one of the four, a check, or a tag. Raises `UnknownCheckError`."""
        if route in ROUTES:
            return self.health.group(ROUTES[route])
        if route.startswith(_CHECKS):
            return self.health.named(route.removeprefix(_CHECKS))
        if route == ALL or "/" in route:
            raise UnknownCheckError(f"no such route: {clean(route, 100)!r}")
        return self.health.group(route)

    def _available(self) -> dict[str, Any]:
        tags = sorted({tag for check in self.health.checks for tag in check.tags} - {*ROUTES, ALL, "checks"})
        routes = [f"/{name}" if name else "" for name in (*ROUTES, *tags)]
        return {
            "routes": [*routes, "/checks/{name}"],
            "available": [check.key for check in self.health.checks],
        }

    def _may_see(self, authorization: str) -> bool:
        token = self.health.details_token
        if token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1", "replace"), token
        )

    def _answer(self, plan: _Plan, readings: tuple[Reading, ...]) -> Response:
        baked = self._bake(plan, readings)
        status = 503 if baked.status is Status.FAIL and plan.form is not PROMETHEUS else 200
        body, is_tagged = baked.body, bool(baked.tag)
        if plan.nonce is not None and plan.form in (JSON, PLAIN_JSON):
            body = b'%s,"nonce":"%s"}' % (body[:-1], plan.nonce.encode())
            is_tagged = False  # who sends a nonce wants the proof that it was answered now
        caching = self._caching(int(max_age(readings, self.health.clock())))
        if is_tagged:
            caching.append(("ETag", baked.tag))
            # RFC 9110, section 13.2.1: a condition counts only where the answer would be a success
            if status == 200 and plan.if_none_match and _matches(plan.if_none_match, baked.tag):
                return Response(304, caching, b"")
        headers = [
            ("Content-Type", plan.form.content_type),
            ("Content-Length", str(len(body))),
            *caching,
            ("X-Content-Type-Options", "nosniff"),
        ]
        if plan.form is HTML:
            headers.append(("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"))
        return Response(status, headers, b"" if plan.is_head else body)

    def _caching(self, age: int) -> list[tuple[str, str]]:
        if self.health.details_token is None:
            return [("Cache-Control", f"max-age={age}"), ("Vary", "Accept")]
        return [("Cache-Control", f"private, max-age={age}"), ("Vary", "Accept, Authorization")]

    def _bake(self, plan: _Plan, readings: tuple[Reading, ...]) -> _Baked:
        """Return the body for these readings: the last one made, if it was made of the same."""
        key = (plan.selection.name, plan.form.name, plan.is_full)
        baked = self._baked.get(key)
        if baked is None or not readings or not _same(baked.readings, readings):
            if len(self._baked) >= MAX_BAKED:  # filters can be combined without end
                self._baked.clear()
            baked = self._baked[key] = self._fresh_bake(plan, readings)
        return baked

    def _fresh_bake(self, plan: _Plan, readings: tuple[Reading, ...]) -> _Baked:
        if not plan.is_full:
            status = self.health.status_of(readings, plan.selection)
            body = plan.form.write_status(status)
            return _Baked(readings, status, body, _tag(plan, body))
        report = self.health.report_of(readings, plan.selection)
        return _Baked(readings, report.status, plan.form.write(report), _tag(plan, wire.matter(report)))

    def _broken(self, request: Request, error: Exception) -> Response:
        """Answer a fault of this library's own: unhealthy, without a traceback."""
        log.error("the health endpoint failed: %s", where(error))
        body = wire.encode({"status": "fail"})
        return _response(503, wire.MEDIA_TYPE, body, request.method == "HEAD")


def mount_path(path: str) -> str:
    """Return a mount path such as "/health", checked. Raises `ConfigurationError`."""
    if not isinstance(path, str) or not _PREFIX.fullmatch(path):
        raise ConfigurationError(f'path: {path!r:.200} is no path to mount at; write one such as "/health"')
    return path


def relative(path: str, mount: str) -> str | None:
    """Return the path below a mount ("" at the mount itself), or None for a path that is not under it."""
    if path == mount:
        return ""
    return path[len(mount) :] if path.startswith(f"{mount}/") else None


def _same(these: Sequence[Reading], those: Sequence[Reading]) -> bool:
    return len(these) == len(those) and all(a is b for a, b in zip(these, those, strict=True))


def _tag(plan: _Plan, matter: bytes) -> str:
    """Return the weak entity tag of a body by what matters in it; none for figures that always move."""
    if plan.form is PROMETHEUS:
        return ""
    about = f"{plan.selection.name} {plan.form.name} {plan.is_full} ".encode()
    return f'W/"{blake2b(about + matter, digest_size=12).hexdigest()}"'


def _matches(if_none_match: str, tag: str) -> bool:
    """Whether a condition names a tag, by weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2)."""
    known = tag.removeprefix("W/")
    given = (part.strip() for part in if_none_match[:MAX_CONDITION].split(","))
    return any(part == "*" or part.removeprefix("W/") == known for part in given)


def _refusal(
    status: int,
    reason: str,
    is_head: bool,
    headers: Sequence[tuple[str, str]] = (),
    extra: dict[str, Any] | None = None,
) -> Response:
    body = wire.encode({"error": reason, **(extra or {})})
    return _response(status, "application/json", body, is_head, headers)


def _response(
    status: int, content_type: str, body: bytes, is_head: bool, headers: Sequence[tuple[str, str]] = ()
) -> Response:
    basic = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(status, [*basic, *headers], b"" if is_head else body)
