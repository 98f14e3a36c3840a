"""libcurl's multi handle on the running asyncio loop, through an epoll of its own.

pycurl's `AsyncCurlMulti` does the same with a reader of the loop a socket, which costs more than the transfer
itself: each is registered and let go again with every request. Here the loop watches one descriptor, that of
the epoll; sockets come and go in the kernel alone, and what is ready in a turn is handled in that turn. Where
there is no epoll, `AsyncCurlMulti` serves.
"""

from __future__ import annotations

import asyncio
import math
import select
import sys
from contextlib import suppress
from typing import Any

import pycurl

_MOST = 512  # sockets handled in a turn of the loop
_EVENTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class EpollMulti:
    """Runs easy handles. Bound to the loop in which the first of them is added."""

    def __init__(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._epoll = select.epoll()
        self._sockets: set[int] = set()
        self._waiting: dict[pycurl.Curl, asyncio.Future[pycurl.Curl]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = math.inf  # when libcurl wants to be asked, by the loop's time
        self._timer: asyncio.TimerHandle | None = None
        self._fires = math.inf  # when the timer does: at `due`, or before it
        self._is_soon = False  # whether libcurl will be asked in this turn of the loop
        self._closed = False

    def setopt(self, option: int, value: Any) -> None:
        """Set an option of the multi handle."""
        self._multi.setopt(option, value)

    def add_handle(self, curl: pycurl.Curl) -> asyncio.Future[pycurl.Curl]:
        """Start a transfer; the future raises `pycurl.error` when it fails. Who cancels it must `drop` it."""
        loop = self._loop or self._bind()
        waiting: asyncio.Future[pycurl.Curl] = loop.create_future()
        self._multi.add_handle(curl)
        self._waiting[curl] = waiting
        return waiting

    def drop(self, curl: pycurl.Curl) -> None:
        """End a transfer for which nobody waits any more."""
        if self._waiting.pop(curl, None) is not None and not self._closed:
            self._multi.remove_handle(curl)

    def futures(self) -> tuple[asyncio.Future[pycurl.Curl], ...]:
        """Return one future for each transfer under way."""
        return tuple(self._waiting.values())

    async def aclose(self) -> None:
        """End every transfer and close every connection."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            self._loop.remove_reader(self._epoll.fileno())
        for curl, waiting in self._waiting.items():
            self._multi.remove_handle(curl)
            waiting.cancel()
        self._waiting.clear()
        self._multi.close()
        self._epoll.close()

    def _bind(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.get_running_loop()
        loop.add_reader(self._epoll.fileno(), self._on_ready)
        return loop

    def _on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            self._sockets.discard(fd)
            with suppress(OSError):  # closed already: the kernel has let it go by itself
                self._epoll.unregister(fd)
        elif fd in self._sockets:
            self._epoll.modify(fd, _EVENTS[what])
        else:
            self._sockets.add(fd)
            self._epoll.register(fd, _EVENTS[what])

    def _on_timer(self, milliseconds: int) -> None:
        """Note when libcurl wants to be asked, which it puts off with each request.

        A timer that fires too soon for it by now stays: it looks when it fires.
        """
        if self._closed or self._loop is None:
            return
        if milliseconds == 0:
            if not self._is_soon:
                self._is_soon = True
                self._loop.call_soon(self._ask)
            return
        self._due = self._loop.time() + milliseconds / 1000 if milliseconds > 0 else math.inf
        if self._due < self._fires:
            self._set_timer(self._loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = self._due
        self._timer = loop.call_at(self._due, self._on_time, loop)

    def _on_time(self, loop: asyncio.AbstractEventLoop) -> None:
        is_due = self._due <= self._fires
        self._timer, self._fires = None, math.inf
        if is_due:
            self._ask()
        elif math.isfinite(self._due):
            self._set_timer(loop)

    def _ask(self) -> None:
        """Let libcurl do what its own time has come for."""
        self._is_soon = False
        if not self._closed:
            self._due = math.inf  # it tells the next moment while it works
            _, running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._finish(running)

    def _on_ready(self) -> None:
        running = len(self._waiting)
        for fd, events in self._epoll.poll(0, _MOST):
            if fd in self._sockets:  # else an earlier one of this turn closed it
                mask = pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0
                mask |= pycurl.CSELECT_IN if events & ~select.EPOLLOUT else 0
                _, running = self._multi.socket_action(fd, mask)
        self._finish(running)

    def _finish(self, running: int) -> None:
        """Give what is done to whoever waits for it."""
        if running >= len(self._waiting):
            return
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for curl in done:
                waiting = self._end(curl)
                if not waiting.done():
                    waiting.set_result(curl)
            for curl, code, message in failed:
                waiting = self._end(curl)
                if not waiting.done():
                    waiting.set_exception(pycurl.error(code, message))

    def _end(self, curl: pycurl.Curl) -> asyncio.Future[pycurl.Curl]:
        self._multi.remove_handle(curl)
        return self._waiting.pop(curl)


class LoopMulti(pycurl.AsyncCurlMulti):  # type: ignore[misc, unused-ignore]
    """The same where there is no epoll."""

    def drop(self, curl: pycurl.Curl) -> None:
        """Nothing is left to do: it lets go of what is cancelled by itself."""


def multi() -> EpollMulti | LoopMulti:
    """Return a new multi handle of the better kind."""
    return EpollMulti() if sys.platform == "linux" else LoopMulti()
