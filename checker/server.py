"""uvicorn inside the checker's own event loop: our signals, our deadlines, our logs, and the real port."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import uvicorn

from checker.web.phases import Phases
from checker.web.ping import App
from checker.web.protocol import BoundedProtocol
from healthkit.errors import HealthkitError

logger = logging.getLogger(__name__)

KEEP_ALIVE = 15  # seconds an idle connection is kept
GRACE = 3  # seconds for requests in flight once a stop is asked for
BACKLOG = 2048


class ListenError(HealthkitError):
    """The address cannot be listened on; says which, why and what next."""


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Tell whether uvicorn's word is worth a line: not a request that was cut off by our own stop."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


@dataclass(frozen=True, slots=True)
class Address:
    """Where the checker listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a person types it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class Server(uvicorn.Server):
    """uvicorn's server; signals belong to the checker, which stops it by `should_exit`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free one. Raises `ListenError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        hint = "another program listens there; stop it, or choose another port"
        if error.errno != errno.EADDRINUSE:
            hint = "choose an address of this machine"
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ListenError(f'server.listen "{host}:{port}": {why}; {hint}') from error
    sock.setblocking(False)
    return sock


def address(sock: socket.socket) -> Address:
    """Return where a bound socket really listens."""
    host, port = sock.getsockname()[:2]
    return Address(str(host), int(port))


def server(app: App, protocol: type[BoundedProtocol] = BoundedProtocol) -> Server:
    """Return a server for `app` that is not started yet."""
    config = uvicorn.Config(
        app,
        http=cast("Any", partial(protocol, phases=Phases())),  # all connections of a server share them
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,  # it would print the whole path, and with it every ping token
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    words = logging.getLogger("uvicorn.error")
    words.setLevel(
        logging.ERROR
    )  # its warnings are one line per malformed request: a flood of them is a flood
    words.addFilter(_worth_a_line)
    return Server(config)


async def serve(running: Server, sock: socket.socket) -> None:
    """Serve until `running.should_exit`; requests in flight are answered first."""
    await running.serve(sockets=[sock])


async def started(running: Server, task: asyncio.Task[None]) -> None:
    """Return once connections are accepted; raises what ended the server instead."""
    while not running.started:
        if task.done():
            task.result()
            raise ListenError("the HTTP server ended before it listened")
        await asyncio.sleep(0.005)
