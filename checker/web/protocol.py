"""HTTP connections with deadlines of our own: uvicorn never drops a client that drips a byte a second."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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

    Phases: waiting for headers, answering, draining an unread body; an idle kept-alive connection is
    uvicorn's own keep-alive timeout. A request costs no timer: each connection has one, and when that fires
    it looks whether the moment has been put off meanwhile.
    """

    header_deadline = HEADER_DEADLINE
    request_deadline = REQUEST_DEADLINE
    drain_deadline = DRAIN_DEADLINE
    connection_limit = CONNECTION_LIMIT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._fires = math.inf  # when the timer does, by the loop's clock
        self._due = math.inf  # when the present phase has lasted too long
        self._head = 0  # bytes of the present request that are no body: the parser keeps all of them

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the header deadline, and make room where there is none."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Together(transport, self.loop))
        self._allow(self.header_deadline)
        if len(self.connections) > self.connection_limit and not self._make_room():
            logger.debug("refused a connection: %d are open and none is idle", len(self.connections) - 1)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first of a request start its deadline, whole headers begin the next phase."""
        was_busy = self.busy
        if self._due == math.inf:
            self._allow(self.header_deadline)
        self._head += len(data)
        super().data_received(data)
        if self._head > HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Request line and headers are too long.")
        elif self.busy and not was_busy:
            self._allow(self.request_deadline)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, for which there are other limits."""
        self._head -= len(body) + FRAMING
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; what comes next is another one's."""
        self._head = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the request's deadline; a body still being sent gets a short one of its own."""
        super().on_response_complete()  # may begin the next, pipelined request at once
        if self.transport.is_closing():
            self._due = math.inf
        elif self.busy:
            self._allow(self.request_deadline)
        elif self.cycle.more_body:
            self._allow(self.drain_deadline)
        else:
            self._due = math.inf

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _allow(self, seconds: float) -> None:
        """Give the phase that begins now so many seconds."""
        self._due = self.loop.time() + seconds
        if self._due < self._fires:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = self._due
        self._timer = self.loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._timer, self._fires = None, math.inf
        if self._due <= self.loop.time():
            logger.debug("dropped a connection that was too slow")
            self.transport.abort()
        elif self._due < math.inf:
            self._set_timer()

    def _make_room(self) -> bool:
        """Abort a connection that is not being answered; tell whether there was one."""
        for other in self.connections:
            if other is self or not isinstance(other, BoundedProtocol):
                continue
            if not other.busy and not other.transport.is_closing():  # an aborted one leaves a turn later
                other.transport.abort()
                return True
        return False
