"""Which HTTP client for the poller? GET of a 1.5 kB JSON and parse, 100 in flight, one process a client.

`python -m bench.http_clients [--quick]` measures those that are installed and names those that are not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

IN_FLIGHT = 100
BODY = json.dumps(
    {
        "status": "pass",
        "checks": {
            f"component-{n}:responseTime": [
                {
                    "componentType": "datastore",
                    "observedValue": n * 1.5,
                    "observedUnit": "ms",
                    "status": "pass",
                }
            ]
            for n in range(12)
        },
    }
).encode()

Fetch = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One client in one mode."""

    client: str
    keep_alive: bool
    rate: float  # requests a second
    cpu: float  # CPU seconds of the client's process per 1,000 requests


def parse(body: bytes) -> None:
    """Read the document, as a poller does, and insist that it is the one that was sent."""
    if len(json.loads(body)["checks"]) != 12:
        raise AssertionError("the answer is not the document that was served")


# --- the clients


@contextlib.asynccontextmanager
async def pycurl_multi(url: str, keep_alive: bool) -> Any:
    """Bare `pycurl.AsyncCurlMulti`, easy handles reused."""
    import pycurl

    multi = pycurl.AsyncCurlMulti()
    idle: list[Any] = []

    async def fetch() -> None:
        curl = idle.pop() if idle else pycurl.Curl()
        chunks: list[bytes] = []
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.FORBID_REUSE, 0 if keep_alive else 1)
        curl.setopt(pycurl.WRITEFUNCTION, chunks.append)
        await multi.add_handle(curl)
        parse(b"".join(chunks))
        idle.append(curl)

    yield fetch
    await multi.aclose()


@contextlib.asynccontextmanager
async def ours(url: str, keep_alive: bool) -> Any:
    """`checker.http.Http`: the same, with every limit and guard on."""
    from checker.http import Http, Request

    request = Request(url, headers={} if keep_alive else {"Connection": "close"})
    async with Http() as http:

        async def fetch() -> None:
            parse((await http.request(request)).body)

        yield fetch


@contextlib.asynccontextmanager
async def aiohttp_client(url: str, keep_alive: bool) -> Any:
    """aiohttp with its default session."""
    import aiohttp  # type: ignore[import-not-found, unused-ignore]

    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, force_close=not keep_alive)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def fetch() -> None:
            async with session.get(url) as response:
                parse(await response.read())

        yield fetch


@contextlib.asynccontextmanager
async def httpx2_client(url: str, keep_alive: bool) -> Any:
    """httpx2's AsyncClient."""
    import httpx2  # type: ignore[import-not-found, unused-ignore]

    limits = httpx2.Limits(
        max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT if keep_alive else 0
    )
    async with httpx2.AsyncClient(limits=limits, trust_env=False) as client:

        async def fetch() -> None:
            parse((await client.get(url)).content)

        yield fetch


@contextlib.asynccontextmanager
async def requests_threads(url: str, keep_alive: bool) -> Any:
    """requests, one session a thread."""
    import threading

    import requests

    local = threading.local()
    loop = asyncio.get_running_loop()

    def get() -> None:
        session = getattr(local, "session", None)
        if session is None:
            session = local.session = requests.Session()
            session.trust_env = False
        parse(session.get(url, headers={} if keep_alive else {"Connection": "close"}).content)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:

        async def fetch() -> None:
            await loop.run_in_executor(pool, get)

        yield fetch


# name -> (the package it needs, the client, how many requests to measure)
CLIENTS: dict[str, tuple[str, Callable[[str, bool], Any], int]] = {
    "pycurl multi": ("pycurl", pycurl_multi, 20_000),
    "checker.http (pycurl multi, all limits on)": ("pycurl", ours, 20_000),
    "aiohttp": ("aiohttp", aiohttp_client, 10_000),
    "httpx2": ("httpx2", httpx2_client, 2_000),
    "requests in threads": ("requests", requests_threads, 2_000),
}


async def drive(
    client: Callable[[str, bool], Any], url: str, keep_alive: bool, count: int
) -> tuple[float, float]:
    """Return wall and CPU seconds of `count` requests, `IN_FLIGHT` at a time, after a warm-up."""
    async with client(url, keep_alive) as fetch:
        await _run(fetch, min(count, 200))
        wall, cpu = time.perf_counter(), time.process_time()
        await _run(fetch, count)
        return time.perf_counter() - wall, time.process_time() - cpu


async def _run(fetch: Fetch, count: int) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await fetch()

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


# --- the server, in a process of its own


class Static(asyncio.Protocol):
    """Answers every request that ends in a blank line with the same bytes."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/health+json\r\nContent-Length: %d\r\n" % len(BODY)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, _, self.pending = self.pending.partition(b"\r\n\r\n")
            closing = b"connection: close" in head.lower()
            self.transport.write(self.ANSWER + (b"Connection: close\r\n\r\n" if closing else b"\r\n") + BODY)
            if closing:
                self.transport.close()


async def serve() -> None:
    """Serve on a free port, print it, until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Static, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start the server as a process; yield its URL."""
    command = [sys.executable, "-m", "bench.http_clients", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/health"
        finally:
            process.stdin.close()
            process.wait(10)


# --- the table


def measure(url: str, name: str, keep_alive: bool, quick: bool) -> Row:
    """Measure one client in a process of its own: none inherits another's threads, caches or garbage."""
    count = CLIENTS[name][2] // (10 if quick else 1)
    command = [sys.executable, "-m", "bench.http_clients", "--one", name, "--url", url, "--count", str(count)]
    command += [] if keep_alive else ["--fresh"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall, cpu = json.loads(printed)
    return Row(name, keep_alive, count / wall, cpu / count * 1000)


def table(rows: list[Row], missing: list[str]) -> str:
    """Return the rows as Markdown, with ratios to the first client."""
    lines = [
        "| client | connection | requests/s | times the first | CPU s per 1,000 | times the first |",
        "|---|---|---|---|---|---|",
    ]
    first = {row.keep_alive: row for row in reversed(rows)}
    for row in rows:
        base = first[row.keep_alive]
        mode = "kept" if row.keep_alive else "fresh"
        lines.append(
            f"| {row.client} | {mode} | {row.rate:,.0f} | {row.rate / base.rate:.2f} "
            f"| {row.cpu:.3f} | {row.cpu / base.cpu:.2f} |"
        )
    lines += ["", *(f"Not installed, so not measured: {name}." for name in missing)]
    return "\n".join(lines).rstrip() + "\n"


def facts(installed: list[str]) -> str:
    """Return what a reader needs to judge the numbers: cores, Python, versions."""
    packages = sorted({CLIENTS[name][0] for name in installed})
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {versions}. "
        f"GET of {len(BODY):,} bytes of JSON and parse, {IN_FLIGHT} in flight, server in its own process."
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_clients", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    for hidden in ("--one", "--url"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--fresh", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        asyncio.run(serve())
        return 0
    if given.one:
        client = CLIENTS[given.one][1]
        print(json.dumps(asyncio.run(drive(client, given.url, not given.fresh, given.count))))
        return 0
    installed = [name for name, (package, _, _) in CLIENTS.items() if importlib.util.find_spec(package)]
    missing = [name for name in CLIENTS if name not in installed]
    with server() as url:
        rows = [
            measure(url, name, keep_alive, given.quick) for keep_alive in (True, False) for name in installed
        ]
    print(facts(installed), "", table(rows, missing), sep="\n", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
