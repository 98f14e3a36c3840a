"""Several checkers on one PostgreSQL, what they poll, who pings them, and what became of it all."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import func, select

from checker.store import Store, door, nodes
from checker.store.tables import ping
from tests.e2e.harness import PING_KEY, ROOT, RunningChecker
from tests.waiting import wait_for

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
database = "{database}"
ping_key = "{ping_key}"
storm = 100_000

[[channel]]
name = "alerts"
kind = "webhook"
url = "{webhook}"

"""
AHEAD = """
import time
right = time.time
time.time = lambda: right() + {}
from checker.cli import main
raise SystemExit(main())
"""
ANSWER = b"""HTTP/1.1 200 OK\r
Content-Type: application/health+json\r
Content-Length: 17\r
\r
{"status":"pass"}"""


class Node(RunningChecker):
    """A checker process that shares its database with others; its clock is `ahead` by so many seconds."""

    def __init__(
        self, folder: Path, database: str, webhook: str, monitors: str, port: int, ahead: float = 0.0
    ) -> None:
        super().__init__(folder, webhook, monitors, port)
        self.command = ["-m", "checker"] if not ahead else ["-c", AHEAD.format(ahead)]
        head = CONFIG.format(port=port, database=database, ping_key=PING_KEY, webhook=webhook)
        self.config.write_text(head + monitors)

    def launch(self) -> Self:
        """Begin to start it; `ready` waits until it listens."""
        self.before = len(self.output)
        with self.printed.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command, "run", "--config", str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        return self

    def ready(self, timeout: float = 90) -> Self:
        """Wait until it listens."""
        wait_for(
            lambda: "listening on" in self.output[self.before :] or self.ended, timeout, "a node's start"
        )
        assert not self.ended, self.output
        return self

    def freeze(self) -> None:
        """SIGSTOP: it is not dead, and does nothing."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: the zombie wakes up."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    @property
    def cpu(self) -> float:
        """Seconds of CPU time it has used."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """End it, however it is."""
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.kill()


class Targets:
    """An HTTP server, in a thread of its own, that answers every path and remembers when it was polled."""

    def __init__(self) -> None:
        self.polled: defaultdict[str, list[float]] = defaultdict(list)  # path -> when (monotonic)
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].split(b"?", 1)[0].decode()
                self.polled[path].append(time.monotonic())
                writer.write(ANSWER)
        writer.close()

    def since(self, start: float) -> set[str]:
        """The paths that were polled after a moment (monotonic)."""
        return {path for path, times in list(self.polled.items()) if times and times[-1] > start}

    def longest_gap(self, start: float, end: float) -> float:
        """The longest time that any path that was ever polled was not polled between two moments."""
        longest = 0.0
        for times in list(self.polled.values()):
            inside = [start, *(each for each in times if start < each < end), end]
            longest = max(longest, *(b - a for a, b in itertools.pairwise(inside)))
        return longest

    def count(self, start: float, end: float) -> int:
        """How many polls came between two moments."""
        return sum(start < each < end for times in list(self.polled.values()) for each in times)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


@dataclass
class Pinger:
    """Threads that ping heartbeats at whichever node answers, a ping a turn, and remember the answers.

    A ping that is not answered 200 is sent again, with its rid, to another node, as a careful client would.
    """

    ports: Sequence[int]
    slugs: Sequence[str]
    every: float  # seconds in which each heartbeat is pinged once
    threads: int = 6
    answered: set[str] = field(default_factory=set)  # rids
    sent: set[str] = field(default_factory=set)
    slowest: float = 0.0
    refused: int = 0
    silent: set[str] = field(default_factory=set)  # slugs that are pinged no more
    avoided: dict[int, float] = field(default_factory=dict)  # ports that did not answer, and until when
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._running = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(self.threads)
        ]
        for each in self._running:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._running:
            each.join()

    def _run(self, number: int) -> None:
        mine = self.slugs[number :: self.threads]
        connections: dict[int, http.client.HTTPConnection] = {}
        began, turn = time.monotonic(), 0
        while not self._stop.is_set():
            slug = mine[turn % len(mine)]
            if slug not in self.silent:
                self._ping(slug, connections)
            turn += 1
            self._stop.wait(max(0.0, began + turn * self.every / len(mine) - time.monotonic()))
        for each in connections.values():
            each.close()

    def _ping(self, slug: str, connections: dict[int, http.client.HTTPConnection]) -> None:
        rid = str(uuid.uuid4())
        self.sent.add(rid)
        for port in sorted(random.sample(self.ports, len(self.ports)), key=self._is_avoided):
            began = time.monotonic()
            connection = connections.setdefault(
                port, http.client.HTTPConnection("127.0.0.1", port, timeout=3)
            )
            try:
                connection.request("GET", f"/ping/{PING_KEY}/{slug}?rid={rid}")
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.avoided[port] = time.monotonic() + 5
                continue
            if answer.status == 200:
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.answered.add(rid)
                return
            self.refused += 1

    def _is_avoided(self, port: int) -> bool:
        return self.avoided.get(port, 0.0) > time.monotonic()


@contextlib.contextmanager
def running(nodes: Sequence[Node], within: float = 90) -> Iterator[None]:
    """Start nodes, all at once, and end them in the end, however they are."""
    try:
        for each in nodes:
            each.launch()
        for each in nodes:
            each.ready(within)
        yield
    finally:
        for each in nodes:
            each.end()


def monitors(
    targets: str,
    endpoints: int,
    heartbeats: int,
    quiet: int,
    *,
    every: float,
    period: float,
    first: float,
    step: float = 0.25,
) -> str:
    """A configuration's sections: endpoints e0, e1, ...; heartbeats h0, h1, ..., and q0, ..., which never
    come: the first is missed after `first` seconds, the others one by one, `step` seconds apart.
    """
    looks = [
        f'[[endpoint]]\nname = "e{number}"\nurl = "{targets}/e{number}"\nevery = "{every:g}s"\n'
        for number in range(endpoints)
    ]
    signs = [
        f'[[heartbeat]]\nname = "h{number}"\nevery = "{period:g}s"\ngrace = "{period:g}s"\n'
        for number in range(heartbeats)
    ]
    missed = [
        f'[[heartbeat]]\nname = "q{number}"\nevery = "{first + number * step:g}s"\ngrace = "1s"\n'
        for number in range(quiet)
    ]
    return "\n".join(looks + signs + missed)


def stored(url: str) -> set[str]:
    """The rids of all pings in the store."""
    with reading(url) as store:
        query = select(ping.c.rid).where(ping.c.rid.is_not(None))
        return set(store.read_now(lambda conn: conn.execute(query).scalars().all()))


def miscounted(url: str) -> list[tuple[int, int, int]]:
    """Heartbeats whose own count of pings is not the number of rows: (id, count, rows)."""
    with reading(url) as store:
        query = select(ping.c.monitor_id, func.count()).group_by(ping.c.monitor_id)
        rows = store.read_now(lambda conn: [(row[0], row[1]) for row in conn.execute(query)])
        states = store.read_now(lambda conn: door.load_states(conn, [each for each, _ in rows]))
    return [(each, states[each].pings, count) for each, count in rows if states[each].pings != count]


def members(url: str) -> int:
    """How many nodes hold a lease of their own."""
    with reading(url) as store:
        return len(store.read_now(nodes.members))


@contextlib.contextmanager
def reading(url: str) -> Iterator[Store]:
    """The store, for a question."""
    store = Store(url, readers=1)
    try:
        yield store
    finally:
        store.close()
