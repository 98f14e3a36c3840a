"""Bake once: (method, path, query, headers) -> (status, headers, body). All policy is here."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from healthkit import wire
from healthkit.bounds import clean
from healthkit.engine import Runner, collect, collect_async
from healthkit.errors import ConfigurationError, UnknownCheckError
from healthkit.formats import FORMATS, HTML, JSON, PLAIN_JSON, Format
from healthkit.health import Health, max_age, overall
from healthkit.model import Reading
from healthkit.negotiation import MAX_ACCEPT, by_accept, by_name
from healthkit.outcomes import where
from healthkit.status import Status

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD")
MAX_QUERY = 4_096
MAX_NONCE = 128
ROUTES = {"": "all", "live": "live", "ready": "ready", "startup": "startup"}
_CHECKS = "checks/"
_NOT_IN_NONCE = re.compile(r"[^\w.~:+/=-]", re.ASCII)
_PREFIX = re.compile(r"(?:/[\w.~@+-]+)+")


class Request(NamedTuple):
    """What policy needs of a request. `path` is relative to the mount: "", "/live", "/checks/disk"."""

    method: str
    path: str
    query: str = ""
    accept: str = ""
    authorization: str = ""


class Response(NamedTuple):
    """What to send, whatever the framework. A HEAD answer has the headers of GET and an empty body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request understood: which checks, how to write them, and for whom."""

    key: str
    runners: tuple[Runner, ...]
    form: Format
    is_full: bool
    nonce: str | None
    is_head: bool


class _Baked(NamedTuple):
    """A body, and the readings it was made of."""

    readings: tuple[Reading, ...]
    status: Status
    body: bytes


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
            readings = self.health.fresh(plan.runners)
            if readings is None:
                readings = tuple(collect(plan.runners))
            return self._answer(plan, readings)
        except Exception as error:  # noqa: BLE001 - a framework's error page could show what nobody may see
            return self._broken(request, error)

    async def respond_async(self, request: Request) -> Response:
        """Answer as `respond` does, without blocking the running loop; at once where all is fresh."""
        try:
            plan = self._plan(request)
            if isinstance(plan, Response):
                return plan
            readings = self.health.fresh(plan.runners)
            if readings is None:
                readings = tuple(await collect_async(plan.runners))
            return self._answer(plan, readings)
        except Exception as error:  # noqa: BLE001 - as above
            return self._broken(request, error)

    def _plan(self, request: Request) -> _Plan | Response:
        is_full = self._may_see(request.authorization)
        is_head = request.method == "HEAD"
        if request.method not in METHODS:
            return _refusal(405, f"use {' or '.join(METHODS)}", is_head, [("Allow", ", ".join(METHODS))])
        parameters = _parameters(request.query)
        if parameters is None:
            return _refusal(400, f"the query has more than {MAX_QUERY:,} characters or 50 fields", is_head)
        name = parameters.get("format")
        form = by_accept(request.accept[:MAX_ACCEPT]) if name is None else by_name(name)
        if form is None:
            return _refusal(400, f"format= must be one of: {', '.join(FORMATS)}", is_head)
        found = self._find(request.path, is_full)
        if isinstance(found, str):
            return _refusal(404, found, is_head, extra=self._available() if is_full else {})
        nonce = _NOT_IN_NONCE.sub("", parameters.get("nonce", ""))[:MAX_NONCE] or None
        return _Plan(*found, form, is_full, nonce, is_head)

    def _find(self, path: str, is_full: bool) -> tuple[str, tuple[Runner, ...]] | str:
        """Return a route's cache key and runners, or the reason why there is none."""
        route = path.strip("/")
        if route in ROUTES:
            return route, self.health.select(ROUTES[route])
        if not is_full:  # one answer for all else, or it would tell which names exist
            return "nothing here, or nothing that is shown without the details token"
        if not route.startswith(_CHECKS):
            return f"no such route: {clean(route, 100)!r}"
        try:
            return route, self.health.named(route.removeprefix(_CHECKS))
        except UnknownCheckError:
            return f"no check is named {clean(route.removeprefix(_CHECKS), 100)!r}"

    def _available(self) -> dict[str, Any]:
        routes = [f"/{name}" if name else "" for name in ROUTES]
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
        body = baked.body
        if plan.nonce is not None and plan.form in (JSON, PLAIN_JSON):
            body = b'%s,"nonce":"%s"}' % (body[:-1], plan.nonce.encode())
        age = int(max_age(readings, self.health.clock()))
        headers = [
            ("Content-Type", plan.form.content_type),
            ("Content-Length", str(len(body))),
            *self._caching(age),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if plan.form is HTML:
            headers.append(("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"))
        return Response(503 if baked.status is Status.FAIL else 200, headers, b"" if plan.is_head else body)

    def _caching(self, age: int) -> list[tuple[str, str]]:
        if self.health.details_token is None:
            return [("Cache-Control", f"max-age={age}"), ("Vary", "Accept")]
        return [("Cache-Control", f"private, max-age={age}"), ("Vary", "Accept, Authorization")]

    def _bake(self, plan: _Plan, readings: tuple[Reading, ...]) -> _Baked:
        """Return the body for these readings: the last one made, if it was made of the same."""
        key = (plan.key, plan.form.name, plan.is_full)
        baked = self._baked.get(key)
        if baked is None or not readings or not _same(baked.readings, readings):
            baked = self._baked[key] = self._fresh_bake(plan, readings)
        return baked

    def _fresh_bake(self, plan: _Plan, readings: tuple[Reading, ...]) -> _Baked:
        if not plan.is_full:
            status = overall(readings)
            return _Baked(readings, status, plan.form.write_status(status))
        report = self.health.report_of(readings)
        return _Baked(readings, report.status, plan.form.write(report))

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


def _parameters(query: str) -> dict[str, str] | None:
    """Return the first value of each parameter, or None for a query that is not worth reading."""
    if not query:
        return {}
    if len(query) > MAX_QUERY:
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return None
    return dict(reversed(pairs))


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
