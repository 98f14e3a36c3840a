"""An ASGI app served over HTTP by the checker's own server, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from checker import server
from checker.web.ping import App
from tests.waiting import wait_for


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serve an app on a free port; gives its URL."""
    sock = server.listen("127.0.0.1", 0)
    running = server.server(app)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(running, sock)))
    thread.start()
    try:
        wait_for(lambda: running.started, 10, "the server's start")
        yield server.address(sock).url
    finally:
        running.should_exit = True
        thread.join(10)
        sock.close()
