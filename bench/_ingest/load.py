"""Callers in a process of their own: many connections, one request in flight on each; nothing but sockets.

`python -m bench._ingest.load --port N --seconds 5 ...` prints one line of JSON. Its CPU time is told apart
from that of what it measures. An answer is read whole and judged by its status.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import resource
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

RETRY = 0.2  # seconds a refused caller waits, so that a flood asks again rather than leaving
TOO_LATE = 20.0  # seconds after the end that an answer is waited for

Request = Callable[[int], bytes]


@dataclass(slots=True)
class Told:
    """What the callers saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # connections that ended without an answer
    took: list[float] = field(default_factory=list)  # seconds of each answer that was a 200


class Caller:
    """One connection: `sock` is asked and read by hand, without a thread or a task of its own."""

    __slots__ = ("began", "number", "read", "sock")

    def __init__(self, number: int) -> None:
        self.number = number
        self.sock: socket.socket | None = None
        self.began = 0.0
        self.read = b""


class Load:
    """`clients` callers that each ask again as soon as they are answered, until `seconds` have passed."""

    def __init__(self, port: int, clients: int, *, fresh: bool, request: Request) -> None:
        self._port, self._fresh, self._request = port, fresh, request
        self._poll = select.epoll()
        self._by_fd: dict[int, Caller] = {}
        self._callers = [Caller(number) for number in range(clients)]
        self._sources = itertools.cycle(range(2, 34))  # more ports than one address has, for fresh ones
        self._count = itertools.count()
        self._refused: deque[tuple[float, Caller]] = deque()  # who asks again when
        self.told = Told()

    def run(self, seconds: float) -> float:
        """Ask until the time is over and the last answers are in; return how long it took."""
        begun = time.perf_counter()
        end = begun + seconds
        for caller in self._callers:
            self._ask(caller)
        while self._by_fd and (now := time.perf_counter()) < end + TOO_LATE:
            while self._refused and self._refused[0][0] <= now:
                self._go_on(self._refused.popleft()[1], end)
            for fd, _ in self._poll.poll(RETRY):
                self._hear(self._by_fd[fd], end)
        self.told.broken += len(self._by_fd)
        return time.perf_counter() - begun

    def _ask(self, caller: Caller) -> None:
        caller.began = time.perf_counter()
        if caller.sock is None:
            self._connect(caller)
        assert caller.sock is not None
        caller.read = b""
        with contextlib.suppress(OSError):  # the poll tells
            caller.sock.send(self._request(next(self._count)))

    def _connect(self, caller: Caller) -> None:
        sock = caller.sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind((f"127.0.0.{next(self._sources)}", 0))
        sock.connect(("127.0.0.1", self._port))
        sock.setblocking(False)
        self._by_fd[sock.fileno()] = caller
        self._poll.register(sock, select.EPOLLIN)

    def _close(self, caller: Caller) -> None:
        if caller.sock is not None:
            del self._by_fd[caller.sock.fileno()]
            caller.sock.close()
            caller.sock = None

    def _hear(self, caller: Caller, end: float) -> None:
        assert caller.sock is not None
        try:
            data = caller.sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.told.broken += 1
            self._close(caller)
        else:
            caller.read += data
            if not complete(caller.read):
                return
            status = int(caller.read[9:12])
            self.told.statuses[status] += 1
            if status == 200:
                self.told.took.append(time.perf_counter() - caller.began)
            if self._fresh or b"\r\nconnection: close" in caller.read:
                self._close(caller)
            if status == 503:
                self._refused.append((time.perf_counter() + RETRY, caller))
                return
        self._go_on(caller, end)

    def _go_on(self, caller: Caller, end: float) -> None:
        if time.perf_counter() < end:
            self._ask(caller)
        else:
            self._close(caller)


def complete(read: bytes) -> bool:
    """Tell whether an answer is there to its last byte."""
    head, found, body = read.partition(b"\r\n\r\n")
    if not found:
        return False
    _, _, length = head.lower().partition(b"content-length: ")
    return len(body) >= int(length.split(b"\r\n", 1)[0])


AGENT = b"User-Agent: curl/8.11.0\r\nAccept: */*\r\n"
WORDS = b"exported 1,234 rows to the ledger in 8.1 s\n"


def get(path: str) -> Request:
    """Return a request maker: GET of one path, of `{n}` in turn where it says so."""

    def request(number: int) -> bytes:
        return (
            b"GET "
            + path.replace("{n}", str(number)).encode()
            + b" HTTP/1.1\r\nHost: localhost\r\n"
            + AGENT
            + b"\r\n"
        )

    return request


def pings(path: str, monitors: int) -> Request:
    """Return a request maker: a success of each monitor in turn, as `curl` sends it."""
    known = [get(path.replace("{n}", str(number)))(0) for number in range(monitors)]
    return lambda number: known[number % monitors]


def bodies(path: str, monitors: int, size: int = 1000) -> Request:
    """Return a request maker: POST with a body of `size` bytes, the last words of a job."""
    body = (WORDS * (size // len(WORDS) + 1))[:size]
    tail = b" HTTP/1.1\r\nHost: localhost\r\n" + AGENT + b"Content-Length: %d\r\n\r\n" % size + body
    known = [b"POST " + path.replace("{n}", str(number)).encode() + tail for number in range(monitors)]
    return lambda number: known[number % monitors]


def pairs(path: str, monitors: int) -> Request:
    """Return a request maker: a start and then a success of each monitor, with the run's id."""
    tail = b" HTTP/1.1\r\nHost: localhost\r\n" + AGENT + b"\r\n"

    def request(number: int) -> bytes:
        run = number // monitors
        name = path.replace("{n}", str(number % monitors)).encode()
        rid = b"00000000-0000-4000-8000-%012x" % (number % monitors)
        return b"GET " + name + (b"" if run % 2 else b"/start") + b"?rid=" + rid + tail

    return request


KINDS: dict[str, Callable[[str, int], Request]] = {
    "pings": pings,
    "bodies": bodies,
    "pairs": pairs,
    "get": lambda path, _: pings(path, 1),
}


def main() -> int:
    """Ask for so many seconds and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m bench._ingest.load", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True, help="`{n}` stands for the monitor's number")
    parser.add_argument("--kind", choices=KINDS, default="pings")
    parser.add_argument("--monitors", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--fresh", action="store_true", help="a connection for each request")
    given = parser.parse_args()
    soft = 16_384
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (soft, max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    )
    load = Load(
        given.port, given.clients, fresh=given.fresh, request=KINDS[given.kind](given.path, given.monitors)
    )
    begun = time.process_time()
    seconds = load.run(given.seconds)
    took = sorted(load.told.took) or [0.0]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "statuses": load.told.statuses,
                "broken": load.told.broken,
                "p50": took[len(took) // 2],
                "p99": took[len(took) * 99 // 100],
                "cpu": time.process_time() - begun,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
