"""The ping receiver: raw ASGI in front of everything else, because it is the hot path and cheap to refuse.

Wire-compatible with Healthchecks. A 200 is sent only once the ping is durable; where it cannot be, the answer
is 503 with Retry-After. A wrong key or an unknown address costs no database work.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from checker.model import MonitorSpec, Observation, Ping
from checker.record import Overloaded, UnknownMonitorError
from checker.store import StoreUnavailable
from checker.web.ping_body import parse_body
from checker.web.ping_path import NOT_FOUND, Refusal, Target, parse_ping

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 100_000  # bytes kept, as on the hosted Healthchecks
READ_LIMIT = 128 * 1024 * 1024  # bytes read and dropped before we stop listening
READ_DEADLINE = 30.0  # seconds for the whole body
RETRY_AFTER = 5  # seconds

_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"max-age=0, no-cache, no-store, must-revalidate, private"),
    (b"x-content-type-options", b"nosniff"),
]
_LIMIT = (b"ping-body-limit", str(BODY_LIMIT).encode())
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
_CLOSE = (b"connection", b"close")
_RETRY = (b"retry-after", str(RETRY_AFTER).encode())


class Door(Protocol):
    """The part of `checker.record.Recorder` that the receiver needs."""

    async def record(self, observations: Sequence[tuple[int, Observation]], /) -> Any:
        """Return once the observations are durable."""


class Directory(Protocol):
    """The part of `checker.registry.Registry` that the receiver needs."""

    def by_token(self, token: str, /) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with that uuid."""

    def by_slug(self, slug: str, /) -> tuple[int, MonitorSpec] | None:
        """Return the heartbeat with that slug."""

    async def create_heartbeat(self, slug: str, now: float, /) -> tuple[int, MonitorSpec, bool]:
        """Return the heartbeat with that slug, and whether this call made it."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may ping by slug: holders of `key` (nobody where it is empty), or all where slugs are open."""

    key: str = ""
    open_slugs: bool = False

    def admits(self, target: Target) -> bool:
        """Return whether the target's key is right, in a time that does not tell how right it is."""
        if target.token:
            return True
        if target.open:
            return self.open_slugs
        return bool(self.key) and hmac.compare_digest(target.key.encode(), self.key.encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a text, and whether the connection ends with it."""

    status: int
    text: str
    close: bool = False


class BodyError(Exception):
    """The body did not arrive: `gone` tells whether the client left, else it was too slow."""

    def __init__(self, gone: bool) -> None:
        super().__init__("the client left" if gone else "the body was too slow")
        self.gone = gone


class PingReceiver:
    """The ASGI app that answers pings itself and hands everything else on."""

    def __init__(
        self,
        behind: App,
        *,
        registry: Directory,
        door: Door,
        clock: Callable[[], float],
        gate: Callable[[], Gate],
        read_deadline: float = READ_DEADLINE,
    ) -> None:
        self.behind = behind
        self.registry = registry
        self.door = door
        self.clock = clock
        self.gate = gate
        self.read_deadline = read_deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a ping, or let the app behind answer."""
        if scope["type"] != "http" or not scope["path"].startswith(("/ping/", "/api/ping/")):
            await self.behind(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except BodyError as error:
            if error.gone:
                return
            answer = Answer(408, "request body too slow", close=True)
        await _send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        target = parse_ping(scope["path"], scope["query_string"])
        if isinstance(target, Refusal):
            return Answer(target.status, target.text)
        gate = self.gate()
        if not gate.admits(target):
            return Answer(NOT_FOUND.status, NOT_FOUND.text)
        found = self.registry.by_token(target.token) if target.token else self.registry.by_slug(target.slug)
        if found is None and not target.create:
            return Answer(NOT_FOUND.status, NOT_FOUND.text)
        if target.fault:
            return Answer(400, target.fault)
        body, complete = await read_body(scope, receive, self.read_deadline)
        return await self._record(target, found, body, complete, scope)

    async def _record(
        self,
        target: Target,
        found: tuple[int, MonitorSpec] | None,
        body: bytes,
        complete: bool,
        scope: Scope,
    ) -> Answer:
        now = self.clock()
        created = False
        try:
            if found is None:
                monitor_id, spec, created = await self.registry.create_heartbeat(target.slug, now)
            else:
                monitor_id, spec = found
            await self.door.record([(monitor_id, ping_of(target, body, scope, now))])
        except UnknownMonitorError:  # removed while its body came in
            return Answer(NOT_FOUND.status, NOT_FOUND.text)
        except LookupError:  # another monitor has this name under another slug
            return Answer(409, "ambiguous slug")
        except Overloaded:
            return Answer(503, "overloaded, try again")
        except StoreUnavailable as error:
            logger.warning("a ping could not be kept, its sender was told to try again: %s", error)
            return Answer(503, "the store is unavailable, try again")
        logger.debug("%s ping for %r", target.kind, spec.full_name)
        return Answer(201, "Created", not complete) if created else Answer(200, "OK", not complete)


def ping_of(target: Target, body: bytes, scope: Scope, now: float) -> Ping:
    """Return the observation of a request: its sign, its body's meaning, and where it came from."""
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # the first of each name counts
    said = parse_body(body, _text(headers.get(b"content-type", b"")).strip().lower(), now)
    return Ping(
        kind=target.kind,
        at=now if said.at is None else said.at,
        exit_code=target.exit_code,
        rid=target.rid,
        body=body,
        processed=said.processed,
        backlog=said.backlog,
        scheme=_scheme(headers, scope),
        method=scope["method"][:16],
        user_agent=_text(headers.get(b"user-agent", b""))[:200],
        remote=_remote(headers, scope),
    )


async def read_body(scope: Scope, receive: Receive, deadline: float) -> tuple[bytes, bool]:
    """Return the first `BODY_LIMIT` bytes of a body and whether all of it was read.

    Raises `BodyError` when the client leaves, or is not through after `deadline` seconds.
    """
    if not any(name in _BODY_HEADERS for name, _ in scope["headers"]):  # nearly every ping
        return b"", True
    kept = bytearray()
    size, more = 0, True
    try:
        async with asyncio.timeout(deadline):
            while more and size <= READ_LIMIT:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyError(gone=True)
                chunk = message.get("body", b"")
                size += len(chunk)
                kept += chunk[: BODY_LIMIT - len(kept)]
                more = message.get("more_body", False)
    except TimeoutError:
        raise BodyError(gone=False) from None
    return bytes(kept), not more


async def _send(answer: Answer, send: Send) -> None:
    headers = [*_HEADERS, (b"content-length", str(len(answer.text)).encode())]
    if answer.status < 300:
        headers.append(_LIMIT)
    if answer.status == 503:
        headers.append(_RETRY)
    if answer.close:
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.text.encode()})


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").replace("\x00", "")


def _scheme(headers: dict[bytes, bytes], scope: Scope) -> str:
    forwarded = headers.get(b"x-forwarded-proto", b"").lower()
    return forwarded.decode() if forwarded in (b"http", b"https") else str(scope.get("scheme", "http"))


def _remote(headers: dict[bytes, bytes], scope: Scope) -> str:
    """Return the sender's address: the first X-Forwarded-For entry if that is an address, else the peer."""
    forwarded = headers.get(b"x-forwarded-for", b"").split(b",")[0].strip()
    if forwarded:
        try:
            return str(ipaddress.ip_address(forwarded[:64].decode("ascii", "replace")))
        except ValueError:
            pass
    client = scope.get("client")
    return str(client[0])[:64] if client else ""
