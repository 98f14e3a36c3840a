"""The ping receiver: raw ASGI in front of everything else, because it is the hot path and cheap to refuse.

Wire-compatible with Healthchecks, and with the URL shapes of a few others (`foreign.py`). A 200 is sent only
once the ping is durable; where it cannot be, the answer is 503 with Retry-After. A wrong key or an unknown
address costs no database work: whose a ping is, is looked up in dictionaries. With several nodes, one that is
unknown here asks, with all others that ask at that moment, whether another node has made it (`checker.news`).
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from checker.model import MonitorSpec, Observation, Ping
from checker.record import Overloaded, UnknownMonitorError
from checker.store import StoreUnavailable
from checker.web import foreign
from checker.web.ping_answer import CREATED, OK, OVERLOADED, Answer, send_answer
from checker.web.ping_body import Body, parse_body
from checker.web.ping_path import NOT_FOUND, Refusal, Target, parse_ping
from checker.web.ping_request import (
    BODY_LIMIT,
    READ_DEADLINE,
    READ_LIMIT,
    App,
    BodyError,
    Message,
    Receive,
    Room,
    Scope,
    Send,
    body_room,
    headers_of,
    read_body,
    remote_of,
    scheme_of,
    text_of,
)
from checker.web.ping_rules import counted_as

__all__ = [
    "BODY_LIMIT",
    "READ_LIMIT",
    "App",
    "Gate",
    "Message",
    "PingReceiver",
    "Receive",
    "Scope",
    "Send",
    "read_body",
]

logger = logging.getLogger(__name__)

_NONE = Body()

Found = tuple[int, MonitorSpec]
Announce = Callable[[str, str], Awaitable[str]]  # a slug and what its job says of itself -> what is wrong


class Door(Protocol):
    """The part of `checker.record.Recorder` that the receiver needs."""

    async def record(self, observations: Sequence[tuple[int, Observation]], /) -> Any:
        """Return once the observations are durable."""


class Directory(Protocol):
    """The part of `checker.registry.Registry` that the receiver needs."""

    def by_token(self, token: str, /) -> Found | None:
        """Return the heartbeat with that uuid, or that token of another product."""

    def by_slug(self, slug: str, /) -> Found | None:
        """Return the one heartbeat with that slug."""

    def is_ambiguous(self, slug: str, /) -> bool:
        """Tell whether several heartbeats have that slug."""

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
        announce: Announce | None = None,
        ask: Callable[[], Awaitable[bool]] | None = None,
        read_deadline: float = READ_DEADLINE,
        room: Room | None = None,
    ) -> None:
        self.behind = behind
        self.registry = registry
        self.door = door
        self.clock = clock
        self.gate = gate
        self.announce = announce
        self.ask = ask  # waits until what other nodes made a moment ago is known here
        self.read_deadline = read_deadline
        self.room = room or Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a ping, or let the app behind answer."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(("/ping/", "/api/ping/")):
            answering = self._answer
        elif path.startswith(foreign.PREFIXES):
            answering = self._answer_foreign
        else:
            await self.behind(scope, receive, send)
            return
        size = body_room(scope)
        if not self.room.take(size):
            await send_answer(OVERLOADED, scope, send)
            return
        try:
            answer = await answering(scope, receive, size)
        except BodyError as error:
            if error.gone:
                return
            answer = Answer(408, "request body too slow", close=True)
        finally:
            self.room.give(size)
        await send_answer(answer, scope, send)

    async def _answer(self, scope: Scope, receive: Receive, size: int) -> Answer:
        target = parse_ping(scope["path"], scope["query_string"])
        if isinstance(target, Refusal):
            return Answer(target.status, target.text)
        if not self.gate().admits(target):
            return Answer(NOT_FOUND.status, NOT_FOUND.text)
        found = self._known(target)
        if found is None and not target.create:
            if refusal := await self._ask():
                return refusal
            found = self._known(target)
        if found is None:
            if target.slug and self.registry.is_ambiguous(target.slug):
                return Answer(409, "ambiguous slug")
            if not target.create:
                return Answer(NOT_FOUND.status, NOT_FOUND.text)
        if target.fault:
            return Answer(400, target.fault)
        body, complete = b"", True  # nearly every ping
        if size:
            body, complete = await read_body(scope, receive, self.read_deadline)
        now = self.clock()
        answer = await self._record(found, target.slug, ping_of(target, body, scope, now), body, now)
        if target.announced and answer.status < 300 and self.announce is not None:
            answer = replace(answer, note=await self.announce(target.slug, target.announced))
        if target.open and answer.status < 300:
            answer = replace(answer, text=foreign.ok_json(), json=True)
        return answer if complete else replace(answer, close=True)

    def _known(self, target: Target) -> Found | None:
        return self.registry.by_token(target.token) if target.token else self.registry.by_slug(target.slug)

    async def _ask(self) -> Answer | None:
        """Wait until what other nodes made is known here; return what is answered where it cannot be."""
        try:
            if self.ask is not None:
                await self.ask()
        except StoreUnavailable:
            return Answer(503, "the store is unavailable, try again")
        return None

    async def _answer_foreign(self, scope: Scope, receive: Receive, size: int) -> Answer:
        authorization = text_of(headers_of(scope).get(b"authorization", b""))
        sign = foreign.read(scope["path"], scope["query_string"], scope["method"], authorization)
        if isinstance(sign, Refusal):
            return Answer(sign.status, sign.text, json=sign.json)
        found = self._meant(sign)
        if isinstance(found, Answer):
            found = await self._ask() or self._meant(sign)
        if isinstance(found, Answer):
            return found
        body, complete = b"", True  # nearly every ping
        if size:
            body, complete = await read_body(scope, receive, self.read_deadline)
        body = body or sign.said.encode("utf-8", "replace")
        now = self.clock()
        answer = await self._record(found, "", foreign_ping_of(sign, body, scope, now), body, now)
        if sign.json:
            text = foreign.ok_json(answer.text if answer.status >= 300 else "")
            answer = replace(answer, text=text, json=True)
        elif answer.status < 300:
            answer = replace(answer, text="")
        return answer if complete else replace(answer, close=True)

    def _meant(self, sign: foreign.Sign) -> Found | Answer:
        """Return the heartbeat that a foreign request is for, or what its product says without one."""
        found = self.registry.by_token(sign.token)
        if not sign.key:
            return found or Answer(404, foreign.ok_json(foreign.KUMA_UNKNOWN), json=True)
        if found is not None and foreign.is_meant(found[1], sign.key):
            return found
        if any(self.registry.by_slug(slug) for slug in foreign.slugs_of(sign.key)):
            return Answer(401, "invalid token")
        return Answer(NOT_FOUND.status, NOT_FOUND.text)

    async def _record(self, found: Found | None, slug: str, ping: Ping, body: bytes, now: float) -> Answer:
        created = False
        try:
            if found is None:
                monitor_id, spec, created = await self.registry.create_heartbeat(slug, now)
            else:
                monitor_id, spec = found
            if spec.rules is not None:
                ping = replace(ping, kind=counted_as(spec.rules, ping.kind, ping.method, body))
            await self.door.record([(monitor_id, ping)])
        except UnknownMonitorError:  # removed while its body came in
            return Answer(NOT_FOUND.status, NOT_FOUND.text)
        except LookupError:  # another monitor has this name under another slug
            return Answer(409, "ambiguous slug")
        except Overloaded:
            return OVERLOADED
        except StoreUnavailable as error:
            logger.warning("a ping could not be kept, its sender was told to try again: %s", error)
            return Answer(503, "the store is unavailable, try again")
        logger.debug("%s ping for %r", ping.kind, spec.full_name)
        return CREATED if created else OK


def ping_of(target: Target, body: bytes, scope: Scope, now: float) -> Ping:
    """Return the observation of a request: its sign, its body's meaning, and where it came from."""
    headers = headers_of(scope)
    said = (
        parse_body(body, text_of(headers.get(b"content-type", b"")).strip().lower(), now) if body else _NONE
    )
    kind, duration = target.kind, None
    if target.open:
        kind, duration = foreign.pulsemon(kind, scope["query_string"], said)
    return Ping(
        kind=kind,
        at=now if said.at is None else said.at,
        exit_code=target.exit_code,
        rid=target.rid,
        body=body,
        processed=said.processed,
        backlog=said.backlog,
        scheme=scheme_of(headers, scope),
        method=scope["method"][:16],
        user_agent=text_of(headers.get(b"user-agent", b""))[:200],
        remote=remote_of(headers, scope),
        duration=duration,
        metrics=said.metrics,
    )


def foreign_ping_of(sign: foreign.Sign, body: bytes, scope: Scope, now: float) -> Ping:
    """Return the observation of a request in another product's shape."""
    headers = headers_of(scope)
    return Ping(
        kind=sign.kind,
        at=now,
        body=body,
        scheme=scheme_of(headers, scope),
        method=scope["method"][:16],
        user_agent=text_of(headers.get(b"user-agent", b""))[:200],
        remote=remote_of(headers, scope),
        duration=sign.duration,
        metrics=sign.metrics,
    )
