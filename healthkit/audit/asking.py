"""Asks an app one GET without a server: WSGI or ASGI, each call in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

MAX_BODY = 65_536  # bytes kept of an answer
Answer = tuple[int, bytes]
NO_ANSWER: Answer = (0, b"")


def asker(app: Any, kind: str, timeout: float) -> Callable[[str], Answer]:
    """Return a function that asks for a path and returns status and body; status 0: it raised or hung.

    `timeout` in seconds. The app's startup hooks are not run.
    """
    if kind in ("flask", "wsgi"):
        return lambda path: _in_time(lambda: _wsgi(app, path), timeout)
    loop = asyncio.new_event_loop()  # one for all calls: what the app keeps open belongs to its first loop
    threading.Thread(target=loop.run_forever, name="healthkit-audit-loop", daemon=True).start()
    return lambda path: _in_time(
        lambda: asyncio.run_coroutine_threadsafe(_asgi(app, path), loop).result(), timeout
    )


def _in_time(ask: Callable[[], Answer], timeout: float) -> Answer:
    answers: list[Answer] = []

    def run() -> None:
        try:
            answers.append(ask())
        except BaseException:  # noqa: BLE001 - whatever the app does, it gave no answer
            answers.append(NO_ANSWER)

    thread = threading.Thread(target=run, name="healthkit-audit-ask", daemon=True)
    thread.start()
    thread.join(timeout)
    return answers[0] if answers else NO_ANSWER


def _wsgi(app: Any, path: str) -> Answer:
    from wsgiref.util import setup_testing_defaults

    environ: dict[str, Any] = {"PATH_INFO": path, "SCRIPT_NAME": "", "HTTP_HOST": "localhost"}
    environ |= {"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "https"}
    setup_testing_defaults(environ)
    told: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
        told.append(status)
        return written.append

    written: list[bytes] = []
    found = app(environ, start)
    try:
        written.extend(found)
    finally:
        close = getattr(found, "close", None)
        if close is not None:
            close()
    return int(told[-1].split()[0]), b"".join(written)[:MAX_BODY]


async def _asgi(app: Any, path: str) -> Answer:
    status, body = 0, b""
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(requests, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")[:MAX_BODY]

    await app(_scope(path), receive, send)
    return status, body[:MAX_BODY]


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 0),
        "server": ("localhost", 443),
        "state": {},
    }
