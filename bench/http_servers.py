"""Which HTTP server for the ping receiver? The same small answer by each of them, one process, 128 callers.

`python -m bench.http_servers [--quick] [--write]` measures those that are installed and names those that are
not. uvloop is tried where it is installed; the checker does not need it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from bench._ingest.subject import ROOT, cpu_of, load
from bench._page import keep
from examples.servers import free_port

CLIENTS = 128
HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"2"),
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"max-age=0, no-cache, no-store, must-revalidate, private"),
    (b"ping-body-limit", b"100000"),
]
WHOLE = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%s: %s\r\n" % each for each in HEADERS) + b"\r\nOK"


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's signature
    """Answer as a ping is answered, and do nothing else."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"OK"})


def uvicorn(http: str, loop: str) -> Callable[[int], None]:
    """Return what serves by uvicorn with a parser and a loop."""

    def serve(port: int) -> None:
        import uvicorn

        quiet: dict[str, Any] = {"access_log": False, "log_level": "error"}
        uvicorn.run(app, port=port, http=http, loop=loop, ws="none", lifespan="off", **quiet)

    return serve


def ours(port: int) -> None:
    """Serve as the checker does: uvicorn and httptools, with every deadline and limit, answered at once."""
    from checker import server
    from checker.web.ping_answer import OK, send_answer

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's signature
        await send_answer(OK, scope, send)

    asyncio.run(server.serve(server.server(answer), server.listen("127.0.0.1", port)))


def granian(port: int) -> None:
    """Serve by granian inside an event loop, the only way to have the checker's loops beside it."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    asyncio.run(Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI).serve())


def hypercorn(port: int) -> None:
    """Serve by hypercorn."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind, config.loglevel = [f"127.0.0.1:{port}"], "ERROR"
    asyncio.run(serve(app, config))


def own(port: int) -> None:
    """Serve by httptools and a protocol of 15 lines: no ASGI, no limits; what could be won at the most."""
    import httptools

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport
            self.parser = httptools.HttpRequestParser(self)

        def on_message_complete(self) -> None:
            self.transport.write(WHOLE)

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

    async def serve() -> None:
        running = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", port, backlog=2048)
        await running.serve_forever()

    asyncio.run(serve())


# name -> (the packages it needs, how it serves)
SERVERS: dict[str, tuple[tuple[str, ...], Callable[[int], None]]] = {
    "uvicorn, h11": (("uvicorn", "h11"), uvicorn("h11", "asyncio")),
    "uvicorn, httptools": (("uvicorn", "httptools"), uvicorn("httptools", "asyncio")),
    "uvicorn, httptools, uvloop": (("uvicorn", "httptools", "uvloop"), uvicorn("httptools", "uvloop")),
    "the checker's (uvicorn, httptools, all limits on)": (("uvicorn", "httptools"), ours),
    "granian, embedded": (("granian",), granian),
    "hypercorn": (("hypercorn",), hypercorn),
    "a protocol of 15 lines on httptools": (("httptools",), own),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One server in one mode; times in seconds."""

    server: str
    fresh: bool
    rate: float
    cpu: float  # for 1,000 answers
    p99: float


@contextlib.contextmanager
def serving(name: str) -> Iterator[tuple[int, int]]:
    """Run a server as a process; gives its port and its process id."""
    port = free_port()
    command = [sys.executable, "-m", "bench.http_servers", "--serve", name, "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 30
            while not answers(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{name} did not start")
                time.sleep(0.05)
            yield port, process.pid
        finally:
            process.kill()


def answers(port: int) -> bool:
    """Tell whether something answers there."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def measure(name: str, seconds: float) -> list[Row]:
    """Measure one server over kept connections and with a connection a request."""
    rows = []
    with serving(name) as (port, pid):
        for fresh in (False, True):
            before = cpu_of(pid)
            told = load(port, "/ping/key/job", "get", CLIENTS, seconds, fresh=fresh, monitors=1)
            count = told["statuses"].get("200", 0)
            used = cpu_of(pid) - before
            rows.append(Row(name, fresh, count / told["seconds"], used / max(1, count) * 1000, told["p99"]))
    return rows


def page(rows: list[Row], missing: list[str]) -> str:
    """Return the results as Markdown."""
    packages = sorted({each for row in rows for each in SERVERS[row.server][0]})
    versions = ", ".join(f"{each} {version(each)}" for each in packages)
    lines = [
        f"# HTTP servers for the ping receiver, {datetime.now(UTC):%Y-%m-%d}",
        "",
        "`python -m bench.http_servers`",
        "",
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {versions}, "
        f"load {os.getloadavg()[0]:.1f}. A 2-byte answer with the headers of a ping's, {CLIENTS} callers in "
        "a process of their own, one server process.",
        "",
        "| server | connection | requests/s | CPU s per 1,000 | p99 ms |",
        "|---|---|---|---|---|",
        *(
            f"| {row.server} | {'fresh' if row.fresh else 'kept'} | {row.rate:,.0f} | {row.cpu:.3f} "
            f"| {row.p99 * 1e3:.0f} |"
            for row in sorted(rows, key=lambda each: each.fresh)
        ),
        "",
        *(f"Not installed, so not measured: {name}." for name in missing),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_servers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a second each")
    parser.add_argument("--write", action="store_true", help="write bench/results/http_servers-<date>.md too")
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        SERVERS[given.serve][1](given.port)
        return 0
    installed = [name for name, (needs, _) in SERVERS.items() if all(map(importlib.util.find_spec, needs))]
    rows = [row for name in installed for row in measure(name, 0.8 if given.quick else 4.0)]
    text = page(rows, [name for name in SERVERS if name not in installed])
    print(text)
    if given.write:
        keep("http_servers", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
