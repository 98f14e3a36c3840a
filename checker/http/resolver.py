"""Names to addresses, in threads of our own.

libcurl has a resolver too, but its threads are few (20, so that many dead names delay the live ones) and
are joined when the client is closed (measured: 8 s with a name server that does not answer). Here every
lookup has a daemon thread, for which nobody waits longer than he wants to.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from zlib import crc32

from checker.http.model import ErrorKind, HttpError

FRESH_FOR = 60.0  # seconds at most; what libcurl and most browsers keep a name for
MAX_NAMES = 10_000
MAX_LOOKUPS = 256  # threads at once; who comes then waits in line, within his own timeout

Addresses = tuple[str, ...]


class Resolver:
    """Looks names up, one lookup a name at a time, and remembers the answers for up to a minute."""

    def __init__(self, *, fresh_for: float = FRESH_FOR, at_once: int = MAX_LOOKUPS) -> None:
        self._fresh_for = fresh_for
        self._at_once = at_once
        self._known: dict[str, tuple[float, Addresses]] = {}
        self._pending: dict[str, asyncio.Future[Addresses]] = {}
        self._line: deque[str] = deque()  # names that wait for a thread
        self._looking = 0

    def cached(self, host: str, now: float) -> Addresses | None:
        """Return the addresses of `host` if they are known and fresh at `now` (the loop's time)."""
        known = self._known.get(host)
        return known[1] if known is not None and known[0] > now else None

    async def resolve(self, host: str, timeout: float) -> Addresses:
        """Return the addresses of `host`; raise `HttpError` (dns, or timeout after `timeout` seconds)."""
        pending = self._pending.get(host) or self._start(host)
        done, _ = await asyncio.wait({pending}, timeout=timeout)
        if not done:
            raise HttpError(
                ErrorKind.TIMEOUT, f"no answer from the name servers about {host} within the timeout"
            )
        return pending.result()

    def _start(self, host: str) -> asyncio.Future[Addresses]:
        loop = asyncio.get_running_loop()
        pending = self._pending[host] = loop.create_future()
        pending.add_done_callback(lambda done: self._finish(host, done))
        self._line.append(host)
        self._look_on(loop)
        return pending

    def _look_on(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._line and self._looking < self._at_once:
            host = self._line.popleft()
            work = (host, loop, self._pending[host])
            self._looking += 1
            try:
                threading.Thread(target=_look_up, args=work, name="healthkit-dns", daemon=True).start()
            except RuntimeError:  # the system has no thread left to give
                error = HttpError(ErrorKind.DNS, f"{host} was not looked up: no thread can be started")
                loop.call_soon(_settle, self._pending[host], (), error)

    def _finish(self, host: str, pending: asyncio.Future[Addresses]) -> None:
        del self._pending[host]
        self._looking -= 1
        self._look_on(pending.get_loop())
        if pending.cancelled() or pending.exception() is not None:
            self._known.pop(host, None)
            return
        if len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known[host] = (pending.get_loop().time() + self._fresh_for * _share(host), pending.result())


def _share(host: str) -> float:
    """Return a number in [0.5, 1) that is the name's own: what was learned together is not lost together."""
    return 0.5 + crc32(host.encode("utf-8", "replace")) / 2**33


def _look_up(host: str, loop: asyncio.AbstractEventLoop, pending: asyncio.Future[Addresses]) -> None:
    addresses: Addresses = ()
    error: Exception | None = None
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    except (OSError, UnicodeError) as problem:
        error = HttpError(ErrorKind.DNS, _reason(host, problem))
    with contextlib.suppress(RuntimeError):  # the loop was closed while the lookup hung
        loop.call_soon_threadsafe(_settle, pending, addresses, error)


def _settle(pending: asyncio.Future[Addresses], addresses: Addresses, error: Exception | None) -> None:
    if pending.done():
        return
    if error is not None:
        pending.set_exception(error)
    else:
        pending.set_result(addresses)


def _reason(host: str, problem: Exception) -> str:
    code = problem.errno if isinstance(problem, socket.gaierror) else None
    if code in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
        return f"no such host: {host}"
    if code == socket.EAI_AGAIN:
        return f"the name servers could not answer about {host} (temporary failure in name resolution)"
    return f"{host} could not be looked up: {problem.__class__.__name__}"
