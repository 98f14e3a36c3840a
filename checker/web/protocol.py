"""HTTP connections with deadlines of our own: uvicorn never drops a client that drips a byte a second."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

HEADER_DEADLINE = 10.0  # seconds from a connection's (or a request's) first byte to the end of its headers
REQUEST_DEADLINE = 60.0  # seconds from there to the end of the answer
DRAIN_DEADLINE = 5.0  # seconds an answered client may go on sending a body that nobody reads
CONNECTION_LIMIT = 4000  # open connections; beyond it the longest idle one makes room


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a deadline for each phase of a connection and a limit on their number.

    Phases: waiting for headers, answering, draining an unread body; an idle kept-alive connection is
    uvicorn's own keep-alive timeout. One timer a connection; a phase that ends in time costs one cancel.
    """

    header_deadline = HEADER_DEADLINE
    request_deadline = REQUEST_DEADLINE
    drain_deadline = DRAIN_DEADLINE
    connection_limit = CONNECTION_LIMIT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._answering: object = None  # the cycle whose answer the timer waits for

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the header deadline, and make room where there is none."""
        super().connection_made(transport)
        self._arm(self.header_deadline)
        if len(self.connections) > self.connection_limit and not self._make_room():
            logger.debug("refused a connection: %d are open and none is idle", len(self.connections) - 1)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first of a request start its deadline, whole headers begin the next phase."""
        if self._timer is None:
            self._arm(self.header_deadline)
        super().data_received(data)
        if self.busy and self._answering is not self.cycle:
            self._answering = self.cycle
            self._arm(self.request_deadline)

    def on_response_complete(self) -> None:
        """End the request's deadline; a body still being sent gets a short one of its own."""
        unread = self.cycle.more_body
        self._disarm()
        super().on_response_complete()  # may begin the next, pipelined request at once
        if self.busy and self._answering is not self.cycle:
            self._answering = self.cycle
            self._arm(self.request_deadline)
        elif unread and not self.transport.is_closing():
            self._arm(self.drain_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._disarm()
        super().connection_lost(exc)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _arm(self, delay: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(delay, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        logger.debug("dropped a connection that was too slow")
        self.transport.abort()

    def _make_room(self) -> bool:
        """Abort a connection that is not being answered; tell whether there was one."""
        for other in self.connections:
            if other is self or not isinstance(other, BoundedProtocol):
                continue
            if not other.busy and not other.transport.is_closing():  # an aborted one leaves a turn later
                other.transport.abort()
                return True
        return False
