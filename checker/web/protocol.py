"""HTTP connections with deadlines of our own: uvicorn never drops a client that drips a byte a second."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from checker.web.phases import Phases, Queue
from checker.web.ping_request import AT_ONCE

logger = logging.getLogger(__name__)

HEADER_DEADLINE = 10.0  # seconds from a connection's (or a request's) first byte to the end of its headers
REQUEST_DEADLINE = 60.0  # seconds from there to the end of the answer
DRAIN_DEADLINE = 5.0  # seconds an answered client may go on sending a body that nobody reads
CONNECTION_LIMIT = 4000  # open connections; beyond it the longest idle one makes room
HEADER_BYTES = 32 * 1024  # of a request's line and headers together


FRAMING = 16  # bytes that a chunk of a body may come wrapped in


class Together:
    """A transport that sends what is written in one turn of the loop at once: an answer's head and its body.

    Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Tell whether it is closed, or about to be."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes by the end of this turn."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def write_now(self, data: bytes) -> None:
        """Send bytes that nothing else goes with."""
        if self._held:
            self._held.append(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held:
            held, self._held = self._held, []
            self._transport.write(b"".join(held))


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a deadline for each phase of a connection, and limits on what comes in.

    Phases: waiting for headers, answering, draining an unread body, idle. It offers an extension of its own
    to apps, `AT_ONCE`: for an answer that is whole, without the two messages of ASGI and their checks.
    """

    header_deadline = HEADER_DEADLINE
    request_deadline = REQUEST_DEADLINE
    drain_deadline = DRAIN_DEADLINE
    connection_limit = CONNECTION_LIMIT

    def __init__(self, *args: Any, phases: Phases, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._phases = phases
        self._phase = phases.headers
        self._extensions: dict[str, dict[object, object]] = {AT_ONCE: cast("Any", self._answer_at_once)}
        self._head = 0  # bytes of the present request that are no body: the parser keeps all of them

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the header deadline, and make room where there is none."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Together(transport, self.loop))
        self._begin(self._phases.headers, self.header_deadline)
        if len(self.connections) > self.connection_limit and not self._make_room():
            logger.debug("refused a connection: %d are open and none is idle", len(self.connections) - 1)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first of a request start its deadline, whole headers begin the next phase."""
        was_busy = self.busy
        self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head > HEADER_BYTES:
            self.send_400_response("Request line and headers are too long.")
        elif self.busy:
            if not was_busy:
                self._begin(self._phases.request, self.request_deadline)
        elif self._phase is self._phases.idle:
            self._begin(self._phases.headers, self.header_deadline)

    def on_message_begin(self) -> None:
        """Begin a request, whose app is offered `AT_ONCE`."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, for which there are other limits."""
        self._head -= len(body) + FRAMING
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; what comes next is another one's."""
        self._head = 0
        super().on_message_complete()
        if self._phase is self._phases.drain:
            self._begin(self._phases.idle, self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """Begin the next phase; takes the place of uvicorn's, which sets a timer for each idle while."""
        if self.transport.is_closing():  # for as long as the client takes to read what is left
            self._begin(self._phases.request, self.request_deadline)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            self._begin(self._phases.request, self.request_deadline)
        elif self.cycle.more_body:
            self._begin(self._phases.drain, self.drain_deadline)
        else:
            self._begin(self._phases.idle, self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the queue with the connection; what refers to it goes too, so that no garbage is left."""
        self._phase.pop(self, None)
        self._extensions.clear()
        super().connection_lost(exc)

    def late(self) -> None:
        """Drop the connection: its phase has lasted too long."""
        logger.debug("dropped a connection that was too slow, or idle when room was needed")
        self._phase.pop(self, None)
        self.transport.abort()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _begin(self, phase: Queue, seconds: float) -> None:
        self._phase.pop(self, None)
        self._phase = phase
        self._phases.enter(phase, self, self.loop.time() + seconds)

    def _answer_at_once(self, status: int, rest: bytes) -> bool:
        """Send a whole answer: status, date, and `rest` as it is; tell whether it could be sent so."""
        cycle = self.cycle
        if self.pipeline or self.flow.write_paused or not cycle.keep_alive or cycle.scope["method"] == "HEAD":
            return False
        own = [b"%s: %s\r\n" % each for each in cycle.default_headers]
        cast("Together", self.transport).write_now(b"".join([STATUS_LINE[status], *own, rest]))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _make_room(self) -> bool:
        """Abort a connection that is not being answered, the longest idle one; tell whether there was one."""
        for other in self._phases.waiting():
            if other is not self:
                other.late()
                return True
        return False
